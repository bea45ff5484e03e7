"""A call that we place, against a callee played by hand; the cases that other stacks get wrong."""

import pytest

from agentstream.sip.commands import AnswerMedia, HangUp, Place, UpdateMedia
from agentstream.sip.flow import Hop
from agentstream.sip.message import Request, Response
from agentstream.sip.reports import Accepted, Ended, Progressed
from agentstream.sip.signaling import Credentials, Dial
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    REF,
    TARGET,
    SipScript,
    answer_to,
    placed,
)


def answered(**options: object) -> tuple[SipScript, Request, Response]:
    script, invite = placed(**options)  # type: ignore[arg-type]
    ok = answer_to(invite, 200, sdp=ANSWER)
    script.say(ok)
    script.request("ACK")
    script.report(Accepted)
    return script, invite, ok


def test_an_invite_says_who_calls_whom_and_how_to_reach_us() -> None:
    _, invite = placed(
        from_display='Ann "A"', headers=(("X-Exotel-CallSid", "7"),), proxy="sip:192.0.2.1:5080"
    )
    assert invite.uri == TARGET
    assert invite.from_addr.uri == "sip:+918000000042@agentstream.example"
    assert invite.from_addr.display == 'Ann "A"'
    assert invite.from_tag
    assert invite.to_tag == ""
    assert invite.contacts[0].uri == "sip:192.0.2.10:5060"
    assert invite.headers.get("X-Exotel-CallSid") == "7"
    assert invite.headers.get("Max-Forwards") == "70"
    assert invite.headers.get("Route") == "<sip:192.0.2.1:5080;lr>"
    assert invite.top_via.transport == "UDP"
    assert invite.top_via.rport == 0
    assert invite.body.decode() == OFFER


def test_a_call_that_nobody_answers_is_repeated_and_ends_with_408() -> None:
    script, _ = placed()
    script.wait(32_000)
    invites = [at for at, word in script.sent_at_ms if word == "INVITE"]
    assert invites == [0, 500, 1500, 3500, 7500, 15500, 31500]
    assert script.report(Ended) == Ended(REF, "network", 408, 0, "no answer")
    script.expect_empty()


def test_486_is_acknowledged_and_reported() -> None:
    script, invite = placed()
    script.say(answer_to(invite, 486, headers=(("Reason", "Q.850;cause=17"), ("X-Why", "b"))))
    ack = script.request("ACK")
    assert ack.top_via.branch == invite.top_via.branch
    assert ack.to_tag == "b"
    ended = script.report(Ended)
    assert (ended.by, ended.status, ended.q850, ended.text) == ("remote", 486, 17, "Busy Here")
    assert ended.headers == (("X-Why", "b"),)
    script.expect_empty()


@pytest.mark.parametrize(
    ("status", "asks", "answers"),
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
def test_a_challenge_with_several_algorithms_is_answered(
    status: int, asks: str, answers: str
) -> None:
    script, invite = placed(credentials=Credentials("ann", "secret"))
    script.say(
        answer_to(
            invite,
            status,
            headers=(
                (asks, 'Digest realm="r", nonce="n1", algorithm=SHA-512-256, qop="auth"'),
                (asks, 'Digest realm="r", nonce="n2", algorithm=MD5, qop="auth"'),
            ),
        )
    )
    script.request("ACK")
    again = script.request("INVITE")
    assert again.cseq.number == invite.cseq.number + 1
    assert again.call_id == invite.call_id
    assert again.from_tag == invite.from_tag
    assert again.top_via.branch != invite.top_via.branch
    assert 'nonce="n1"' in (again.headers.get(answers) or "")
    script.say(answer_to(again, 200, sdp=ANSWER))
    ack = script.request("ACK")
    # RFC 3261 section 22.1: the ACK carries the credentials of its INVITE.
    assert ack.headers.get(answers) == again.headers.get(answers)
    assert ack.cseq.number == again.cseq.number
    script.report(Accepted)


def test_a_challenge_loop_ends() -> None:
    script, invite = placed(credentials=Credentials("ann", "wrong"))
    challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n", stale=true')
    for _ in range(5):
        script.say(answer_to(invite, 401, headers=(challenge,)))
        script.request("ACK")
        if not script.sent:
            break
        invite = script.request("INVITE")
    assert script.report(Ended).status == 401
    script.expect_empty()


def test_without_credentials_a_challenge_is_a_refusal() -> None:
    script, invite = placed()
    script.say(
        answer_to(invite, 401, headers=(("WWW-Authenticate", 'Digest realm="r", nonce="n"'),))
    )
    script.request("ACK")
    assert script.report(Ended).status == 401


def test_a_challenged_bye_is_sent_again_with_credentials() -> None:
    script, _, _ = answered(credentials=Credentials("ann", "secret"))
    script.do(HangUp(REF, 16, "done"))
    bye = script.request("BYE")
    challenge = ("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')
    script.say(answer_to(bye, 407, headers=(challenge,)))
    again = script.request("BYE")
    assert again.cseq.number == bye.cseq.number + 1
    assert again.headers.get("Proxy-Authorization")
    assert again.headers.get("Reason") == 'Q.850;cause=16;text="done"'
    script.say(answer_to(again, 200))
    assert script.endpoint.load.calls == 0
    script.expect_empty()


def test_ack_and_bye_follow_the_recorded_route_to_the_contact() -> None:
    script, invite = placed()
    script.say(
        answer_to(
            invite,
            200,
            sdp=ANSWER,
            contact="<sip:bob@198.51.100.7:5070>",
            headers=(
                ("Record-Route", "<sip:192.0.2.2;lr>, <sip:192.0.2.3:5090;transport=tcp;lr>"),
                ("Record-Route", "<sip:192.0.2.4;lr>"),
            ),
        )
    )
    message, send = script.sent[0]
    ack = script.request("ACK")
    assert message is ack
    assert ack.uri == "sip:bob@198.51.100.7:5070"
    routes = ["<sip:192.0.2.4;lr>", "<sip:192.0.2.3:5090;transport=tcp;lr>", "<sip:192.0.2.2;lr>"]
    assert ack.headers.all("Route") == routes
    assert send.to == Hop("udp", "192.0.2.4", 5060)
    script.do(HangUp(REF))
    bye = script.request("BYE")
    assert bye.uri == "sip:bob@198.51.100.7:5070"
    assert bye.headers.all("Route") == routes
    assert bye.to_tag == "b"


def test_a_strict_router_gets_itself_as_request_uri() -> None:
    script, invite = placed()
    script.say(
        answer_to(
            invite,
            200,
            sdp=ANSWER,
            contact="<sip:bob@198.51.100.7>",
            headers=(("Record-Route", "<sip:192.0.2.4;lr>, <sip:192.0.2.5>"),),
        )
    )
    ack = script.request("ACK")
    assert ack.uri == "sip:192.0.2.5"
    assert ack.headers.all("Route") == ["<sip:192.0.2.4;lr>", "<sip:bob@198.51.100.7>"]


def test_a_cancel_that_crosses_the_200_ends_with_ack_and_bye() -> None:
    script, invite = placed()
    script.say(answer_to(invite, 180))
    script.report(Progressed)
    script.do(HangUp(REF))
    cancel = script.request("CANCEL")
    assert script.report(Ended) == Ended(REF, "local", 487, 16)
    script.say(answer_to(invite, 200, sdp=ANSWER))
    assert script.request("ACK").to_tag == "b"
    bye = script.request("BYE")
    assert bye.to_tag == "b"
    script.say(answer_to(cancel, 200))
    script.say(answer_to(bye, 200))
    script.expect_empty()
    script.expect_no_report()


def test_a_cancelled_call_acknowledges_its_487() -> None:
    script, invite = placed()
    script.say(answer_to(invite, 180))
    script.do(HangUp(REF, 16))
    cancel = script.request("CANCEL")
    assert cancel.top_via.branch == invite.top_via.branch
    assert cancel.uri == invite.uri
    assert cancel.cseq.number == invite.cseq.number
    script.say(answer_to(cancel, 200))
    script.say(answer_to(invite, 487))
    script.request("ACK")
    assert script.endpoint.load.calls == 0
    script.expect_empty()


def test_two_forks_that_answer_are_both_acknowledged_and_the_second_is_ended() -> None:
    script, invite = placed()
    script.say(answer_to(invite, 200, "one", sdp=ANSWER))
    script.say(answer_to(invite, 200, "two", sdp=ANSWER, contact="<sip:two@198.51.100.2>"))
    assert script.request("ACK").to_tag == "one"
    other = script.request("ACK")
    assert (other.to_tag, other.uri) == ("two", "sip:two@198.51.100.2")
    bye = script.request("BYE")
    assert (bye.to_tag, bye.uri) == ("two", "sip:two@198.51.100.2")
    script.say(answer_to(bye, 200))
    script.say(answer_to(invite, 200, "two", sdp=ANSWER, contact="<sip:two@198.51.100.2>"))
    assert script.request("ACK").to_tag == "two"
    script.expect_nothing()
    script.report(Accepted)
    script.expect_no_report()
    assert script.endpoint.load.calls == 1


def test_no_cancel_is_sent_before_a_provisional_answer() -> None:
    """RFC 3261 section 9.1."""
    script, invite = placed()
    script.do(HangUp(REF))
    script.expect_nothing()
    script.say(answer_to(invite, 100))
    script.request("CANCEL")
    script.say(answer_to(invite, 180))
    script.expect_nothing()
    script.say(answer_to(invite, 487))
    script.request("ACK")
    script.expect_empty()


def test_a_callee_that_ignores_our_cancel_is_given_up() -> None:
    script, invite = placed()
    script.say(answer_to(invite, 180))
    script.do(HangUp(REF))
    script.expect_empty()


def test_a_2xx_that_comes_again_is_acknowledged_again_with_the_same_ack() -> None:
    script, invite = placed()
    ok = answer_to(invite, 200, sdp=ANSWER)
    script.say(ok)
    first = script.request("ACK")
    script.say(ok)
    again = script.request("ACK")
    assert first.top_via.branch == again.top_via.branch
    assert first.top_via.branch != invite.top_via.branch
    script.report(Accepted)
    script.expect_no_report()


def test_progress_is_told_once_however_often_it_comes() -> None:
    """PN-3: 180 is repeated every second."""
    script, invite = placed()
    script.say(answer_to(invite, 100))
    for _ in range(3):
        script.say(answer_to(invite, 180))
    script.say(answer_to(invite, 183, sdp=ANSWER))
    assert script.report(Progressed) == Progressed(REF, 180, None)
    assert script.report(Progressed) == Progressed(REF, 183, ANSWER)
    script.expect_no_report()


def test_a_call_that_rings_too_long_is_cancelled() -> None:
    script, invite = placed(answer_timeout_ms=20_000)
    script.say(answer_to(invite, 180))
    script.report(Progressed)
    script.wait(20_000)
    script.request("CANCEL")
    assert script.report(Ended) == Ended(REF, "local", 408, 0, "not answered in time")
    script.say(answer_to(invite, 487))
    script.expect_empty()


def test_a_reliable_provisional_answer_is_acknowledged_with_prack() -> None:
    script, invite = placed()
    reliable = (("Require", "100rel"), ("RSeq", "776"))
    ringing = answer_to(invite, 183, sdp=ANSWER, headers=reliable)
    script.say(ringing)
    prack = script.request("PRACK")
    assert prack.headers.get("RAck") == "776 1 INVITE"
    assert prack.to_tag == "b"
    assert prack.uri == "sip:bob@192.0.2.1:5060"
    assert script.report(Progressed) == Progressed(REF, 183, ANSWER)
    script.say(ringing)  # again: nothing new, the PRACK is on its way
    script.expect_nothing()
    script.say(answer_to(prack, 200))
    script.say(answer_to(invite, 180, headers=(("Require", "100rel"), ("RSeq", "778"))))
    script.expect_nothing()  # 777 is missing
    script.say(answer_to(invite, 180, headers=(("Require", "100rel"), ("RSeq", "777"))))
    assert script.request("PRACK").headers.get("RAck") == "777 1 INVITE"
    script.say(answer_to(invite, 200))
    assert script.request("ACK").cseq.number == 1
    script.report(Progressed)
    assert script.report(Accepted).sdp == ANSWER  # the answer came reliably
    script.do(HangUp(REF))
    assert script.request("BYE").cseq.number == 4


def test_a_delayed_offer_is_answered_in_the_ack() -> None:
    script = SipScript()
    script.do(Place(REF, Dial(TARGET, "sip:a@agentstream.example", None)))
    invite = script.request("INVITE")
    assert invite.body == b""
    ok = answer_to(invite, 200, sdp=OFFER)
    script.say(ok)
    assert script.report(Accepted).sdp == OFFER
    script.expect_nothing()
    script.do(AnswerMedia(REF, ANSWER))
    ack = script.request("ACK")
    assert ack.body.decode() == ANSWER
    script.say(ok)
    assert script.request("ACK").body.decode() == ANSWER


def test_a_server_that_says_nothing_is_given_up_in_the_time_that_was_set_sip_17() -> None:
    script, _ = placed(silence_timeout_ms=4_000)
    script.wait(4_000)
    ended = script.report(Ended)
    assert (ended.by, ended.status, ended.text) == ("network", 408, "no answer at all")
    script.wait(32_000)
    invites = [at for at, word in script.sent_at_ms if word == "INVITE"]
    assert invites == [0, 500, 1500, 3500]
    script.expect_empty()


def test_a_server_that_wakes_up_after_it_was_given_up_is_cancelled() -> None:
    """RFC 3261 section 9.1: nobody may ring for a call that goes on elsewhere."""
    script, invite = placed(silence_timeout_ms=4_000)
    script.wait(4_000)
    script.report(Ended)
    script.sent.clear()
    script.say(answer_to(invite, 180))
    assert script.request("CANCEL").top_via.branch == invite.top_via.branch


def test_a_server_that_answers_too_late_is_hung_up() -> None:
    script, invite = placed(silence_timeout_ms=4_000)
    script.wait(4_000)
    script.report(Ended)
    script.sent.clear()
    script.say(answer_to(invite, 200, sdp=ANSWER))
    script.request("ACK")
    script.request("BYE")


@pytest.mark.parametrize("status", [100, 180, 183])
def test_any_answer_ends_the_wait_for_one(status: int) -> None:
    script, invite = placed(silence_timeout_ms=4_000)
    script.say(answer_to(invite, status))
    script.wait(20_000)
    assert not any(isinstance(report, Ended) for report in script.reports)


def test_an_answer_to_our_re_invite_that_comes_again_after_the_call_is_acknowledged() -> None:
    """RFC 3261 section 13.2.2.4: each 2xx, though nobody has the call any more."""
    script, _, _ = answered()
    script.do(UpdateMedia(REF, OFFER.replace("4000", "4002")))
    invite = script.request("INVITE")
    ok = answer_to(invite, 200, sdp=ANSWER)
    script.say(ok)
    script.request("ACK")
    script.do(HangUp(REF))
    script.say(answer_to(script.request("BYE"), 200))
    assert script.endpoint.load.calls == 0
    script.wait(6_000)  # until nothing holds the call, not even the BYE's transaction
    script.say(ok)
    script.request("ACK")
