"""What is answered without a call: refusals, limits, drain, digest, junk."""

import pytest

from agentstream.sip.commands import Answer, Reject
from agentstream.sip.digest import DigestClient
from agentstream.sip.flow import Flow
from agentstream.sip.gate import PasswordGate
from agentstream.sip.message import Request
from agentstream.sip.reports import Invited
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Credentials
from agentstream.sip.traffic import Received, RefuseNewCalls
from agentstream.sip.wire import encode, parse_datagram
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    UDP,
    SipScript,
    from_text,
    inside_text,
    invite_text,
)


def refused(text: str, status: int, settings: SipSettings | None = None) -> "object":
    script = SipScript(settings)
    script.say(text)
    response = script.response(status)
    assert response.to_tag
    script.expect_nothing()
    script.expect_no_report()
    assert script.endpoint.load.transactions == 0
    return response


def request_text(method: str, headers: str = "") -> str:
    return invite_text(sdp=None, headers=headers).replace("INVITE", method)


def test_options_is_answered_with_what_we_can_do() -> None:
    script = SipScript()
    script.say(request_text("OPTIONS"))
    response = script.response(200)
    assert response.headers.get("Allow") == (
        "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, REFER, NOTIFY"
    )
    assert "application/sdp" in (response.headers.get("Accept") or "")
    assert response.headers.get("Supported") == "100rel, timer, replaces, norefersub"
    assert script.endpoint.load.transactions == 0


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "FLY"])
def test_methods_that_we_do_not_speak_get_405_with_allow(method: str) -> None:
    response = refused(request_text(method), 405)
    assert "INVITE" in response.headers.get("Allow")  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "PRACK", "NOTIFY"])
def test_requests_that_need_a_dialog_get_481_without_one(method: str) -> None:
    refused(request_text(method), 481)


def test_refer_is_refused_politely() -> None:
    refused(request_text("REFER", "Refer-To: <sip:x@y>"), 403)


def test_an_unknown_extension_gets_420_that_names_it() -> None:
    response = refused(invite_text(headers="Require: 100rel, teleport\nRequire: levitate"), 420)
    assert response.headers.get("Unsupported") == "teleport, levitate"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (invite_text().replace("application/sdp", "text/html"), 415),
        (invite_text(headers="Content-Encoding: gzip"), 415),
        (invite_text().replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (invite_text(headers="Replaces: x;to-tag=1;from-tag=2"), 481),
        (invite_text().replace("INVITE sip:+918000000042@192.0.2.10", "INVITE http://x/"), 416),
        (invite_text().replace("Contact: <sip:ann@192.0.2.1:5060>\n", ""), 400),
        (invite_text().replace("Contact: <sip:ann", "Contact: <mailto:ann"), 416),
    ],
)
def test_an_invite_that_cannot_be_taken_is_refused(text: str, status: int) -> None:
    refused(text, status)


def test_the_same_request_by_two_paths_is_merged() -> None:
    """RFC 3261 section 8.2.2.2."""
    script = SipScript()
    script.say(invite_text())
    script.say(invite_text(branch="z9hG4bKother"))
    script.expect(100)
    script.expect(482)
    assert len(script.refs) == 1


def test_sdp_is_found_in_a_multipart_body() -> None:
    script = SipScript()
    body = (
        f"--b1\nContent-Type: application/isup\n\nxx\n"
        f"--b1\nContent-Type: application/sdp\n\n{OFFER}\n--b1--\n"
    )
    text = invite_text(sdp=body).replace("application/sdp", "multipart/mixed;boundary=b1", 1)
    script.say(text)
    assert script.report(Invited).offer == OFFER


def test_draining_answers_503_with_retry_after_and_live_calls_go_on() -> None:
    script = SipScript()
    script.say(invite_text())
    script.expect(100)
    script.feed(RefuseNewCalls(30))
    script.say(invite_text(branch="z9hG4bKi2", call_id="c2"))
    assert script.response(503).headers.get("Retry-After") == "30"
    script.do(Answer(script.ref, ANSWER))
    script.expect(200)
    assert script.endpoint.load.transactions == 1


@pytest.mark.parametrize(
    "settings",
    [SipSettings(transactions=2), SipSettings(transactions_per_source=2), SipSettings(calls=2)],
)
def test_beyond_a_bound_new_calls_get_a_stateless_503(settings: SipSettings) -> None:
    script = SipScript(settings)
    for number in range(4):
        script.say(invite_text(branch=f"z9hG4bKi{number}", call_id=f"c{number}"))
    assert len(script.refs) == 2
    assert [m.status for m, _ in script.sent if not isinstance(m, Request)] == [100, 100, 503, 503]
    assert script.endpoint.load.transactions == 2
    for ref in script.refs:
        script.do(Reject(ref, 486))
    script.expect_empty()


def test_a_stateless_refusal_is_the_same_when_it_is_asked_again() -> None:
    script = SipScript()
    script.say(invite_text(headers="Require: teleport"))
    script.say(invite_text(headers="Require: teleport"))
    assert script.response(420).to_tag == script.response(420).to_tag
    script.say(invite_text(sdp=None).replace("INVITE", "ACK"))
    script.expect_nothing()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"hello",
        b"\x00\xff" * 40,
        b"SIP/2.0 200 OK\r\n\r\n",
        from_text(invite_text(sdp=None).replace("INVITE", "ACK")),
        from_text(invite_text(sdp=None)).replace(b"INVITE sip", b"SIP/2.0 200 sip", 1),
    ],
)
def test_junk_is_dropped_and_nothing_is_kept_of_it(data: bytes) -> None:
    script = SipScript()
    script.feed(Received(data, UDP))
    script.expect_nothing()
    assert script.endpoint.load == type(script.endpoint.load)(0, 0, 0, 0)


def test_a_broken_request_that_can_be_answered_gets_400() -> None:
    script = SipScript()
    script.say(invite_text().replace("CSeq: 1 INVITE", "CSeq: 1 BYE"))
    script.expect(400)
    assert script.endpoint.load.transactions == 0


def test_answers_go_where_rport_or_the_via_say() -> None:
    """RFC 3581, RFC 3261 section 18.2.2."""
    script = SipScript()
    behind = Flow("udp", "192.0.2.10", 5060, "192.0.2.1", 31_000)
    script.say(request_text("OPTIONS"), behind)
    message, send = script.sent.popleft()
    assert send.to == behind
    assert (message.top_via.rport, message.top_via.received) == (31_000, "192.0.2.1")
    script.say(request_text("OPTIONS").replace(";rport", ""), behind)
    assert script.sent.popleft()[1].to == Flow("udp", "192.0.2.10", 5060, "192.0.2.1", 5060)
    nat = Flow("udp", "203.0.113.1", 5060, "8.8.8.8", 31_000)
    private = request_text("OPTIONS").replace(";rport", "").replace("UDP 192.0.2.1", "UDP 10.1.1.1")
    script.say(private, nat)
    assert script.sent.popleft()[1].to == nat


POLICY = PasswordGate("acme7.example", {"ann": "secret"})


@pytest.mark.parametrize(
    ("policy", "asks", "answers_with"),
    [
        (POLICY, "Proxy-Authenticate", "Proxy-Authorization"),
        (
            PasswordGate("acme7.example", {"ann": "secret"}, 401, ("SHA-256", "MD5")),
            "WWW-Authenticate",
            "Authorization",
        ),
    ],
)
def test_a_caller_must_log_in_where_the_settings_say_so(
    policy: PasswordGate, asks: str, answers_with: str
) -> None:
    script = SipScript(gate=policy)
    script.say(invite_text())
    challenge = script.response(policy.asked.status)
    assert len(challenge.headers.all(asks)) == len(policy.asked.algorithms)
    assert script.endpoint.load.transactions == 0
    script.say(inside_text("ACK", challenge, cseq=1, branch="z9hG4bKi1"))
    again = parse_datagram(from_text(invite_text(branch="z9hG4bKi2", cseq=2)))
    assert isinstance(again, Request)
    client = DigestClient(Credentials("ann", "secret"))
    for name, value in client.answer(again, challenge, "c0ffee"):
        assert name == answers_with
        again.headers.add(name, value)
    script.feed(Received(encode(again), UDP))
    script.response(100)
    script.report(Invited)
    # SIP-34: what is inside the call is not challenged.
    script.do(Answer(script.ref, ANSWER))
    ok = script.response(200)
    script.say(inside_text("ACK", ok, cseq=2))
    script.say(inside_text("BYE", ok, cseq=3))
    script.expect(200)


@pytest.mark.parametrize("credentials", [Credentials("ann", "wrong"), Credentials("eve", "secret")])
def test_wrong_credentials_and_unknown_users_look_the_same(credentials: Credentials) -> None:
    """SIP-35."""
    script = SipScript(gate=POLICY)
    script.say(invite_text())
    challenge = script.response(407)
    again = parse_datagram(from_text(invite_text(branch="z9hG4bKi2", cseq=2)))
    assert isinstance(again, Request)
    for name, value in DigestClient(credentials).answer(again, challenge, "c0ffee"):
        again.headers.add(name, value)
    script.feed(Received(encode(again), UDP))
    script.response(407)
    script.expect_no_report()


def test_a_trusted_source_need_not_log_in() -> None:
    from ipaddress import ip_network

    policy = PasswordGate("r", {}, trusted=(ip_network("192.0.2.0/24"),))
    script = SipScript(gate=policy)
    script.say(invite_text())
    script.response(100)
