"""Our registration in virtual time: refresh, challenges, failures, redirects, and the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip.commands import Refresh, Register, Unregister
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.message import Request
from agentstream.sip.registration import (
    BACKOFF_LIMIT_MS,
    BACKOFF_MS,
    EXPIRES_LIMIT_S,
    REFUSED_MS,
    RETRY_AFTER_LIMIT_MS,
)
from agentstream.sip.reports import (
    OutsideRef,
    Registered,
    RegistrationFailed,
    Unregistered,
)
from agentstream.sip.signaling import Credentials, RegistrationPlan
from agentstream.sip.traffic import Resolved, TransportFailed
from agentstream.testing.scripted_sip import PEER_HOST, TCP, SipScript, answer_to

REF = OutsideRef("carrier")
CHALLENGE = 'Digest realm="carrier.example", nonce="{nonce}", algorithm=MD5, qop="auth"'


def plan(**options: object) -> RegistrationPlan:
    values: dict[str, object] = {
        "registrar": f"sip:{PEER_HOST}",
        "address": f"sip:acct@{PEER_HOST}",
        "contact_user": "acct",
        "credentials": Credentials("acct", "hunter2"),
        **options,
    }
    return RegistrationPlan(**values)  # type: ignore[arg-type]


def registering(**options: object) -> tuple[SipScript, Request]:
    script = SipScript(
        flow=TCP
        if "tcp" in str(options.get("registrar"))
        else Flow("udp", "192.0.2.10", 5060, PEER_HOST, 5060)
    )
    script.do(Register(REF, plan(**options)))
    return script, script.request("REGISTER")


def grant(script: SipScript, request: Request, seconds: int, *more: tuple[str, str]) -> Registered:
    """Answer 200 with our Contact and its time."""
    uri = request.contacts[0].uri
    script.say(
        answer_to(
            request,
            200,
            headers=(("Contact", f"<{uri}>;expires={seconds}"), *more),
            contact="",
        )
    )
    return script.told(Registered)


def refuse(
    script: SipScript, request: Request, status: int, *headers: tuple[str, str]
) -> RegistrationFailed:
    script.say(answer_to(request, status, headers=headers))
    return script.told(RegistrationFailed)


def test_a_register_names_the_domain_the_account_and_where_we_are() -> None:
    """RFC 3261 section 10.2; PN-6a: host and port always."""
    _, register = registering(expires_s=600)
    headers = register.headers
    assert register.uri == f"sip:{PEER_HOST}"
    assert register.to_addr.uri == register.from_addr.uri == f"sip:acct@{PEER_HOST}"
    assert register.from_tag
    assert not register.to_tag
    assert headers.get("Contact") == "<sip:acct@192.0.2.10:5060>;expires=600"
    assert headers.get("Expires") == "600"
    assert headers.get("CSeq") == "1 REGISTER"
    assert "path" in (headers.get("Supported") or "")


def test_it_is_refreshed_before_the_granted_time_is_over_with_the_same_call_id() -> None:
    """RFC 3261 section 10.2.4: the registrar's time counts, not ours."""
    script, first = registering(expires_s=3_600)
    told = grant(script, first, 100)
    assert told.granted_s == 100
    assert 65_000 <= told.refresh_in_ms <= 75_000
    script.wait(told.refresh_in_ms - 1)
    script.expect_nothing()
    script.wait(1)
    again = script.request("REGISTER")
    assert again.call_id == first.call_id
    assert again.from_tag == first.from_tag
    assert again.headers.get("CSeq") == "2 REGISTER"
    assert again.headers.get("Expires") == "3600"
    grant(script, again, 100)


def test_a_challenge_is_answered_and_the_nonce_count_goes_on() -> None:
    """RFC 3261 section 22.2; the count of one nonce never repeats."""
    script, first = registering()
    counts = []
    request = first
    for cseq in (2, 4):
        challenge = ("WWW-Authenticate", CHALLENGE.format(nonce="n1"))
        script.say(answer_to(request, 401, headers=(challenge,)))
        answered = script.request("REGISTER")
        credentials = answered.headers.get("Authorization") or ""
        assert 'username="acct"' in credentials
        assert f'uri="sip:{PEER_HOST}"' in credentials
        assert answered.headers.get("CSeq") == f"{cseq} REGISTER"
        counts.append(credentials.partition("nc=")[2][:8])
        script.wait(grant(script, answered, 100).refresh_in_ms)
        request = script.request("REGISTER")
    assert counts == ["00000001", "00000002"]


def test_a_wrong_password_is_tried_again_only_after_a_long_time() -> None:
    script, first = registering()
    challenge = ("WWW-Authenticate", CHALLENGE.format(nonce="n1"))
    script.say(answer_to(first, 401, headers=(challenge,)))
    failed = refuse(script, script.request("REGISTER"), 401, challenge)
    assert failed.status == 401
    assert REFUSED_MS * 0.9 <= failed.retry_in_ms <= REFUSED_MS * 1.1
    script.wait(failed.retry_in_ms)
    script.request("REGISTER")


def test_too_short_a_time_is_asked_for_again_with_the_least_that_is_taken() -> None:
    """RFC 3261 section 10.2.8."""
    script, first = registering(expires_s=60)
    script.say(answer_to(first, 423, headers=(("Min-Expires", "1800"),)))
    again = script.request("REGISTER")
    assert again.headers.get("Expires") == "1800"
    assert again.contacts[0].params["expires"] == "1800"
    assert grant(script, again, 1_800).granted_s == 1_800


@pytest.mark.parametrize("least", ["", "60", "soon", str(EXPIRES_LIMIT_S + 1)])
def test_a_423_that_says_nothing_usable_is_a_refusal(least: str) -> None:
    script, first = registering(expires_s=60)
    assert refuse(script, first, 423, ("Min-Expires", least)).status == 423
    script.expect_nothing()


def test_a_423_that_asks_for_ever_more_ends() -> None:
    script, request = registering(expires_s=60)
    for least in (100, 200, 300):
        script.say(answer_to(request, 423, headers=(("Min-Expires", str(least)),)))
        request = script.request("REGISTER")
    refuse(script, request, 423, ("Min-Expires", "400"))


@pytest.mark.parametrize("status", [403, 404, 405, 603])
def test_what_the_carrier_refuses_is_asked_for_again_slowly(status: int) -> None:
    script, first = registering()
    assert refuse(script, first, status).retry_in_ms >= REFUSED_MS * 0.9


@pytest.mark.parametrize("status", [500, 503, 504, 480])
def test_what_may_pass_is_tried_again_ever_more_slowly_up_to_a_limit(status: int) -> None:
    """RFC 5626 section 4.5: from half of the time to all of it."""
    script, request = registering()
    for failure in range(9):
        failed = refuse(script, request, status)
        whole_ms = min(BACKOFF_LIMIT_MS, BACKOFF_MS << failure)
        assert whole_ms // 2 <= failed.retry_in_ms <= whole_ms
        script.wait(failed.retry_in_ms)
        request = script.request("REGISTER")
    grant(script, request, 100)
    script.wait(75_000)
    assert refuse(script, script.request("REGISTER"), status).retry_in_ms <= BACKOFF_MS


@pytest.mark.parametrize(
    ("said", "wait_ms"),
    [("120", 120_000), ("60 (busy);duration=9", 60_000), ("99999999", RETRY_AFTER_LIMIT_MS)],
)
def test_retry_after_is_waited_for_within_reason(said: str, wait_ms: int) -> None:
    """RFC 3261 section 20.33."""
    script, first = registering()
    assert refuse(script, first, 503, ("Retry-After", said)).retry_in_ms == wait_ms


def test_no_answer_is_a_failure_after_the_patience_of_one_target() -> None:
    script, _ = registering(patience_ms=6_000)
    script.wait(5_999)
    assert not script.outside
    script.wait(1)
    failed = script.told(RegistrationFailed)
    assert (failed.status, failed.valid_for_ms) == (408, 0)
    assert [word for _, word in script.sent_at_ms] == ["REGISTER"] * 4  # 0, 0.5, 1.5, 3.5 s


def test_a_failed_refresh_tells_how_long_the_binding_still_holds() -> None:
    script, first = registering()
    told = grant(script, first, 100)
    script.wait(told.refresh_in_ms)
    failed = refuse(script, script.request("REGISTER"), 503)
    assert failed.valid_for_ms == 100_000 - told.refresh_in_ms


def test_the_next_server_of_a_name_is_asked_and_the_dead_one_left_for_a_while() -> None:
    """RFC 3263 section 4.3."""
    script = SipScript()
    script.do(Register(REF, plan(registrar="sip:carrier.example", patience_ms=2_000)))
    name = script.questions.popleft().hop
    dead, alive = Hop("udp", "192.0.2.9", 5060), Hop("udp", PEER_HOST, 5060)
    script.feed(Resolved(name, (dead, alive)))
    assert script.sent[0][1].to == dead
    script.wait(2_000)
    assert script.sent[-1][1].to == alive
    told = grant(script, _last(script), 20)
    script.wait(told.refresh_in_ms)
    script.feed(Resolved(script.questions.popleft().hop, (dead, alive)))
    assert script.sent[-1][1].to == alive
    request = _last(script)
    script.feed(TransportFailed(alive, "refused"))
    assert script.sent[-1][1].to == dead
    assert request.call_id == _last(script).call_id


def test_an_outbound_proxy_is_asked_by_a_loose_route() -> None:
    script = SipScript()
    script.do(Register(REF, plan(registrar="sip:carrier.example", proxy=f"sip:{PEER_HOST}:5070")))
    _, send = script.sent[0]
    register = script.request("REGISTER")
    assert send.to == Hop("udp", PEER_HOST, 5070)
    assert register.uri == "sip:carrier.example"
    assert register.headers.get("Route") == f"<sip:{PEER_HOST}:5070;lr>"


def test_a_redirect_is_followed_for_one_attempt() -> None:
    """RFC 3261 section 8.1.3.4."""
    script, first = registering()
    there = ("Contact", "<sip:other@192.0.2.2:5070>")
    script.say(answer_to(first, 302, headers=(there,)))
    _, send = script.sent[0]
    again = script.request("REGISTER")
    assert send.to == Hop("udp", "192.0.2.2", 5070)
    assert again.uri == "sip:192.0.2.2:5070"
    told = grant(script, again, 20)
    script.wait(told.refresh_in_ms)
    assert script.request("REGISTER").uri == f"sip:{PEER_HOST}"


def test_a_redirect_never_leads_from_tls_to_less() -> None:
    script, first = registering(registrar=f"sip:{PEER_HOST};transport=tls")
    assert refuse(script, first, 302, ("Contact", "<sip:192.0.2.2>")).status == 302
    script.expect_nothing()


def test_redirects_in_a_circle_end() -> None:
    script, request = registering()
    for _ in range(3):
        script.say(answer_to(request, 302, headers=(("Contact", f"<sip:{PEER_HOST}>"),)))
        request = script.request("REGISTER")
    refuse(script, request, 302, ("Contact", f"<sip:{PEER_HOST}>"))


def test_over_a_connection_calls_may_come_back_by_it_unless_the_carrier_does_not_know_how() -> None:
    """RFC 5626 sections 4.2 and 6."""
    script, first = registering(registrar=f"sip:{PEER_HOST};transport=tcp")
    contact = first.contacts[0]
    assert contact.uri == "sip:acct@192.0.2.10:5060;transport=tcp"
    assert (contact.params["+sip.instance"] or "").startswith("<urn:uuid:")
    assert contact.params["reg-id"] == "1"
    script.say(answer_to(first, 439))
    again = script.request("REGISTER")
    assert "reg-id" not in again.contacts[0].params
    assert again.headers.get("Supported") == "path"
    grant(script, again, 100)


@pytest.mark.parametrize(
    ("contacts", "expires", "granted_s"),
    [
        ("<sip:old@198.51.100.1>;expires=7, <sip:acct@192.0.2.10:5060>;expires=50", "", 50),
        ("<sip:acct@198.51.100.7:1024>;expires=40", "", 40),  # rewritten for a NAT
        ("<sip:acct@192.0.2.10:5060>", "90", 90),
        ("<sip:acct@192.0.2.10:5060>", "", 3_600),
        ("", "30", 30),
        ("<sip:acct@192.0.2.10:5060>;expires=9999999999", "", EXPIRES_LIMIT_S),
    ],
)
def test_the_time_of_our_own_binding_counts(contacts: str, expires: str, granted_s: int) -> None:
    """RFC 3261 section 10.2.4: the answer lists the bindings of everybody."""
    script, first = registering()
    headers = [("Contact", contacts)] if contacts else []
    headers += [("Expires", expires)] if expires else []
    script.say(answer_to(first, 200, headers=tuple(headers), contact=""))
    assert script.told(Registered).granted_s == granted_s


def test_a_binding_without_any_time_is_a_failure() -> None:
    script, first = registering()
    contact = ("Contact", f"<{first.contacts[0].uri}>;expires=0")
    script.say(answer_to(first, 200, headers=(contact,), contact=""))
    assert script.told(RegistrationFailed).text == "it grants no time"


def test_an_answer_that_makes_no_sense_is_a_failure() -> None:
    script, first = registering()
    script.say(answer_to(first, 200, headers=(("Contact", "*"),), contact=""))
    assert script.told(RegistrationFailed).status == 502


def test_service_route_and_path_are_kept_unless_they_are_malformed() -> None:
    """RFC 3608, RFC 3327."""
    script, first = registering()
    told = grant(
        script,
        first,
        100,
        ("Service-Route", "<sip:a.example;lr>, <sip:b.example;lr>"),
        ("Path", "<sip:edge.example;lr>"),
    )
    assert told.service_route == ("<sip:a.example;lr>", "<sip:b.example;lr>")
    assert told.path == ("<sip:edge.example;lr>",)
    script.wait(told.refresh_in_ms)
    again = script.request("REGISTER")
    assert grant(script, again, 100, ("Service-Route", "nonsense")).service_route == ()


def test_leaving_takes_the_binding_back() -> None:
    """RFC 3261 section 10.2.2."""
    script, first = registering()
    grant(script, first, 100)
    script.do(Unregister(REF))
    last = script.request("REGISTER")
    assert last.headers.get("Expires") == "0"
    assert last.contacts[0].params["expires"] == "0"
    assert script.endpoint.load.registrations == 1
    script.say(answer_to(last, 200, contact=""))
    assert script.told(Unregistered).ref == REF
    assert script.endpoint.load.registrations == 0
    script.expect_empty()


def test_leaving_while_a_register_is_on_its_way_waits_for_its_answer() -> None:
    """RFC 3261 section 10.2: one at a time."""
    script, first = registering()
    script.do(Unregister(REF))
    script.expect_nothing()
    uri = first.contacts[0].uri
    script.say(answer_to(first, 200, headers=(("Contact", f"<{uri}>"),), contact=""))
    assert script.request("REGISTER").headers.get("Expires") == "0"
    script.wait(10_000)
    script.told(Unregistered)
    script.expect_no_report()


def test_it_registers_again_at_once_when_it_is_told_to_but_one_at_a_time() -> None:
    """A carrier that was down may have forgotten us."""
    script, first = registering()
    script.do(Refresh(REF))
    script.expect_nothing()
    grant(script, first, 3_600)
    script.do(Refresh(REF))
    told = grant(script, script.request("REGISTER"), 3_600)
    script.wait(told.refresh_in_ms - 1)
    script.expect_nothing()
    script.wait(1)
    refuse(script, script.request("REGISTER"), 403)
    script.do(Refresh(REF))
    grant(script, script.request("REGISTER"), 60)
    script.do(Refresh(OutsideRef("nobody")))
    script.expect_nothing()


@given(
    status=st.integers(200, 699),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ("Contact", "Expires", "Min-Expires", "Retry-After", "Service-Route", "Path")
            ),
            st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
            | st.sampled_from((f"<sip:acct@{PEER_HOST}>;expires=9", "*", "<tel:+1>", "-1", "0")),
        ),
        max_size=4,
    ),
)
def test_whatever_a_registrar_answers_there_is_a_next_time(
    status: int, headers: list[tuple[str, str]]
) -> None:
    """A machine that is neither asking nor waiting would be forgotten."""
    script, first = registering()
    script.say(answer_to(first, status, headers=tuple(headers), contact=""))
    for _ in range(4):  # what cannot be read is no answer: then it takes the patience of a target
        if script.outside:
            break
        script.wait(10_000)
    told = script.outside[0]
    wait_ms = told.refresh_in_ms if isinstance(told, Registered) else told.retry_in_ms  # type: ignore[union-attr]
    assert 0 < wait_ms <= max(RETRY_AFTER_LIMIT_MS, EXPIRES_LIMIT_S * 1000)
    script.sent.clear()
    script.wait(wait_ms)
    assert script.sent


@pytest.mark.parametrize("answered", [True, False])
def test_leaving_without_a_binding_sends_nothing(answered: bool) -> None:
    script, first = registering()
    if answered:
        refuse(script, first, 403)
    script.do(Unregister(REF))
    if not answered:
        script.say(answer_to(first, 403))
    script.told(Unregistered)
    script.expect_nothing()
    script.do(Unregister(REF))
    script.told(Unregistered)
    script.expect_empty()


@pytest.mark.parametrize(
    "options",
    [{"registrar": "tel:+1"}, {"registrar": "nonsense"}, {"address": ""}, {"proxy": "http://x"}],
)
def test_a_plan_that_cannot_be_used_fails_at_once(options: dict[str, str]) -> None:
    script = SipScript()
    script.do(Register(REF, plan(**options)))
    assert script.told(RegistrationFailed).status in (400, 416)
    script.told(Unregistered)
    script.expect_empty()


def _last(script: SipScript) -> Request:
    message, _ = script.sent[-1]
    assert isinstance(message, Request)
    return message
