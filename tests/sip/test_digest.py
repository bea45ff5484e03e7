"""Digest authentication on both sides, against the RFCs' own vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip import digest
from agentstream.sip.digest import (
    DigestClient,
    DigestServer,
    Stale,
    Verified,
    Wrong,
    from_stored,
    ha1,
    parse_challenge,
    to_stored,
)
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.signaling import Credentials

REALM = "acme7.pstn.acme.test"
STORED = to_stored("alice", REALM, "wonderland")
ALICE = Credentials("alice", "wonderland")


def look_up(user: str, algorithm: str) -> str | None:
    return from_stored(STORED, algorithm) if user == "alice" else None


def refusal(*challenges: str, status: int = 401) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return Response(status, "", Headers([(name, value) for value in challenges]))


def answered(request: Request, *challenges: str, client: DigestClient | None = None) -> list[str]:
    """Let the client answer, put its headers into the request, return their values."""
    headers = (client or DigestClient(ALICE)).answer(request, refusal(*challenges), "c0ffee")
    for name, value in headers:
        request.headers.set(name, value)
    return [value for _, value in headers]


def invite() -> Request:
    return Request("INVITE", "sip:+14155550100@acme.test")


# --- vectors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_client_answers_as_rfc_7616_3_9_1_does(algorithm: str, response: str) -> None:
    client = DigestClient(Credentials("Mufasa", "Circle of Life"))
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", '
        f"algorithm={algorithm}, "
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    ((name, value),) = client.answer(
        Request("GET", "/dir/index.html"),
        refusal(challenge),
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert name == "Authorization"
    assert f'response="{response}"' in value
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in value
    assert "qop=auth, nc=00000001" in value


def test_sha_512_256_agrees_with_the_erratum_to_rfc_7616_3_9_2() -> None:
    client = DigestClient(Credentials("J\u00e4s\u00f8n Doe", "Secret, or not?"))
    challenge = (
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK"'
    )
    ((_, value),) = client.answer(
        Request("GET", "/doe.json"),
        refusal(challenge),
        "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5" in value


def test_ha1_is_that_of_rfc_2617_3_5() -> None:
    stored = ha1("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert stored == "939e7578ed9e3c518a452acee763bce9"


def test_the_storage_form_holds_every_algorithm_and_no_password() -> None:
    assert "wonderland" not in STORED
    for algorithm in ("MD5", "SHA-256", "SHA-512-256"):
        stored = from_stored(STORED, algorithm)
        assert stored == ha1("alice", REALM, "wonderland", algorithm)
    assert from_stored(STORED, "SHA-1") is None


# --- both sides together -------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
@pytest.mark.parametrize("qop", [True, False])
def test_what_our_client_answers_our_server_verifies_sip_32(algorithm: str, qop: bool) -> None:
    server, request = DigestServer(b"secret"), invite()
    values = answered(request, *server.challenge(REALM, 0, algorithms=[algorithm], qop=qop))
    verdict = server.verify("INVITE", values, REALM, look_up, 300_000)
    assert verdict == Verified("alice", request.uri)


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_user_realm_and_password_can_be_used(user: str, realm: str, password: str) -> None:
    kept = {char for char in user + realm if char < " " or char == "\x7f"}
    if kept:
        return  # a quoted-string carries no control characters
    server, request = DigestServer(b"secret"), invite()
    client = DigestClient(Credentials(user, password))
    values = answered(request, *server.challenge(realm, 0), client=client)
    secret = ha1(user, realm, password)
    verdict = server.verify("INVITE", values, realm, lambda _u, _a: secret, 0)
    assert isinstance(verdict, Verified)


def test_an_old_nonce_is_stale_and_the_fresh_one_is_answered() -> None:
    server, client, request = DigestServer(b"secret"), DigestClient(ALICE), invite()
    old = answered(request, *server.challenge(REALM, 0), client=client)
    assert server.verify("INVITE", old, REALM, look_up, 300_001) == Stale("alice")
    fresh = server.challenge(REALM, 300_001, stale=True)
    assert "stale=true" in fresh[0]
    new = answered(request, *fresh, client=client)
    assert isinstance(server.verify("INVITE", new, REALM, look_up, 300_002), Verified)


@pytest.mark.parametrize("other", [DigestServer(b"another"), DigestServer(b"secret")])
def test_a_nonce_of_another_server_or_time_is_stale(other: DigestServer) -> None:
    values = answered(invite(), *other.challenge(REALM, 5_000))
    verdict = DigestServer(b"secret").verify("INVITE", values, REALM, look_up, 4_000)
    assert verdict == Stale("alice")


def test_a_nonce_that_we_did_not_make_is_stale() -> None:
    values = answered(invite(), f'Digest realm="{REALM}", nonce="made up"')
    assert DigestServer(b"s").verify("INVITE", values, REALM, look_up, 0) == Stale("alice")


def test_an_answer_is_accepted_once() -> None:
    server = DigestServer(b"secret")
    for qop in (True, False):
        values = answered(invite(), *server.challenge(REALM, 0, qop=qop))
        assert isinstance(server.verify("INVITE", values, REALM, look_up, 1), Verified)
        assert server.verify("INVITE", values, REALM, look_up, 2) == Stale("alice")


def test_counts_may_come_out_of_order_but_not_twice_and_not_too_late() -> None:
    server, client = DigestServer(b"secret"), DigestClient(ALICE)
    challenge = server.challenge(REALM, 0)
    answers = [answered(invite(), *challenge, client=client) for _ in range(70)]

    def verdict(number: int) -> object:
        return server.verify("INVITE", answers[number - 1], REALM, look_up, 1)

    assert [type(verdict(number)) for number in (2, 1, 1, 70, 7, 7, 6)] == [
        Verified, Verified, Stale, Verified, Verified, Stale, Stale,
    ]  # fmt: skip


def test_what_was_forgotten_cannot_be_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "SEEN_LIMIT", 2)
    server = DigestServer(b"secret")
    all_values = [answered(invite(), *server.challenge(REALM, 0)) for _ in range(3)]
    for values in all_values:
        assert isinstance(server.verify("INVITE", values, REALM, look_up, 0), Verified)
    for values in all_values:
        assert server.verify("INVITE", values, REALM, look_up, 0) == Stale("alice")


# --- what the server refuses ---------------------------------------------------------------------


def test_an_unknown_user_looks_like_a_wrong_password_sip_35() -> None:
    server = DigestServer(b"secret")
    challenge = server.challenge(REALM, 0)
    for credentials in (Credentials("alice", "wrong"), Credentials("bob", "wonderland")):
        values = answered(invite(), *challenge, client=DigestClient(credentials))
        verdict = server.verify("INVITE", values, REALM, look_up, 0)
        assert verdict == Wrong(credentials.user, is_proven=True)


def test_another_method_is_not_covered() -> None:
    server = DigestServer(b"secret")
    values = answered(invite(), *server.challenge(REALM, 0))
    assert server.verify("BYE", values, REALM, look_up, 0) == Wrong("alice", is_proven=True)


def test_an_algorithm_that_was_not_offered_is_refused() -> None:
    server = DigestServer(b"secret")
    values = answered(invite(), *server.challenge(REALM, 0))
    verdict = server.verify("INVITE", values, REALM, look_up, 0, algorithms=["SHA-256"])
    assert verdict == Wrong("alice")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("qop=auth", "qop=auth-int"),
        ("nc=00000001", "nc=1"),
        ('cnonce="c0ffee"', 'cnonce=""'),
        ("algorithm=MD5", "algorithm=MD4"),
        ('response="', 'response="x\u00e9'),
        (f'realm="{REALM}"', 'realm="elsewhere"'),
        ("username=", 'username="alice", username='),
        ("Digest ", "Basic "),
        ("nc=", "nc"),
    ],
)
def test_tampered_credentials_are_wrong(old: str, new: str) -> None:
    server = DigestServer(b"secret")
    (value,) = answered(invite(), *server.challenge(REALM, 0))
    assert old in value
    verdict = server.verify("INVITE", [value.replace(old, new)], REALM, look_up, 0)
    assert isinstance(verdict, Wrong)


def test_no_credentials_are_wrong_without_a_user() -> None:
    assert DigestServer(b"s").verify("INVITE", [], REALM, look_up, 0) == Wrong("")


@given(st.text(max_size=80) | st.text(alphabet='Digest nocu="\\,a1', max_size=80))
def test_any_text_gets_a_verdict_and_any_challenge_a_decision(text: str) -> None:
    assert isinstance(DigestServer(b"s").verify("INVITE", [text], REALM, look_up, 0), Wrong)
    parse_challenge("Digest " + text)


# --- what the client answers ---------------------------------------------------------------------


def test_the_strongest_of_several_challenges_is_answered_rfc_8760() -> None:
    server = DigestServer(b"secret")
    for algorithms in (["MD5", "SHA-512-256", "SHA-256"], ["SHA-512-256", "MD5"]):
        (value,) = answered(invite(), *server.challenge(REALM, 0, algorithms=algorithms))
        assert "algorithm=SHA-512-256" in value


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest nonce="x"',
        'Digest realm="r"',
        'Digest realm="r", nonce="x", algorithm=MD4',
        'Digest realm="r", nonce="x", algorithm=MD5-sess',
        'Digest realm="r", nonce="x", qop="auth-int"',
        'Basic realm="r"',
        'Digest realm="r", nonce="x',
        "Digest",
    ],
)
def test_what_cannot_be_answered_is_passed_over(challenge: str) -> None:
    assert parse_challenge(challenge) is None
    assert answered(invite(), challenge) == []


def test_a_proxy_is_answered_with_its_own_header_and_both_at_once() -> None:
    client = DigestClient(ALICE)
    proxy = refusal('Digest realm="p", nonce="1"', status=407)
    assert [name for name, _ in client.answer(invite(), proxy, "c")] == ["Proxy-Authorization"]
    proxy.headers.add("WWW-Authenticate", 'Digest realm="s", nonce="2"')
    names = [name for name, _ in client.answer(invite(), proxy, "c")]
    assert names == ["Authorization", "Proxy-Authorization"]


def test_a_foreign_realm_gets_no_answer() -> None:
    client = DigestClient(Credentials("alice", "wonderland", "ours"))
    assert answered(invite(), 'Digest realm="theirs", nonce="x"', client=client) == []
    assert len(answered(invite(), 'Digest realm="ours", nonce="x"', client=client)) == 1


def test_a_second_challenge_that_is_not_stale_is_final() -> None:
    request = invite()
    assert answered(request, 'Digest realm="r", nonce="1"')
    assert answered(request, 'Digest realm="r", nonce="2"') == []
    assert answered(request, 'Digest realm="r", nonce="2", stale=TRUE')


def test_a_refused_answer_without_a_challenge_is_final_pn_2() -> None:
    assert DigestClient(ALICE).answer(invite(), Response(401, ""), "c") == []


def test_a_peer_that_calls_every_nonce_stale_is_answered_three_times() -> None:
    client, stale = DigestClient(ALICE), refusal('Digest realm="r", nonce="1", stale=true')
    answers = [bool(client.answer(invite(), stale, "c", attempt)) for attempt in range(5)]
    assert answers == [True, True, True, False, False]


def test_nonce_counts_go_up_for_each_nonce_and_few_are_kept() -> None:
    client = DigestClient(ALICE)

    def count(nonce: str) -> str:
        challenge = f'Digest realm="r", nonce="{nonce}", qop="auth"'
        (value,) = answered(invite(), challenge, client=client)
        return value.partition("nc=")[2][:8]

    assert [count("a"), count("a"), count("b"), count("a")] == [
        "00000001", "00000002", "00000001", "00000003",
    ]  # fmt: skip
    for number in range(16):
        count(f"n{number}")
    assert count("a") == "00000001"
