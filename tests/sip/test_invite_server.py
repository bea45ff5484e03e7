"""A call that comes in."""

from agentstream.sip.commands import Answer, HangUp, Reject, Ring
from agentstream.sip.flow import Hop
from agentstream.sip.reports import Confirmed, Ended, Invited
from agentstream.sip.settings import SipSettings
from agentstream.sip.traffic import TransportFailed
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    TCP,
    SipScript,
    answer_to,
    inside_text,
    invite_text,
)


def test_a_call_is_offered_rung_answered_acknowledged_and_ended_by_the_caller() -> None:
    script = SipScript()
    script.say(invite_text(headers="X-Exotel-AccountSid: acme7\nDiversion: <sip:x@y>"))
    trying = script.response(100)
    assert trying.to_tag == ""
    invited = script.report(Invited)
    assert invited.sip_call_id == "c1@192.0.2.1"
    assert invited.from_uri == "sip:+912240000017@192.0.2.1"
    assert invited.from_display == "Ann"
    assert invited.request_uri == "sip:+918000000042@192.0.2.10"
    assert invited.source == "udp:192.0.2.1:5060"
    assert invited.offer == OFFER
    assert invited.headers == (("X-Exotel-AccountSid", "acme7"), ("Diversion", "<sip:x@y>"))
    script.do(Ring(invited.ref))
    ringing = script.response(180)
    assert ringing.to_tag
    assert ringing.contacts[0].uri == "sip:192.0.2.10:5060"
    assert ringing.top_via.received == "192.0.2.1"
    assert ringing.top_via.rport == 5060
    script.do(Answer(invited.ref, ANSWER, (("X-Call", "7"),)))
    ok = script.response(200)
    assert ok.to_tag == ringing.to_tag
    assert ok.body.decode() == ANSWER
    assert ok.headers.get("X-Call") == "7"
    assert "UPDATE" in (ok.headers.get("Allow") or "")
    assert ok.headers.get("Supported") == "100rel, timer, replaces, norefersub"
    script.say(inside_text("ACK", ok, cseq=1))
    assert script.report(Confirmed).answer is None
    script.say(inside_text("BYE", ok, cseq=2, headers='Reason: Q.850;cause=16;text="bye"'))
    script.response(200)
    assert script.report(Ended) == Ended(invited.ref, "remote", 0, 16, "bye")
    script.expect_empty()
    script.expect_nothing()
    script.expect_no_report()


def test_100_comes_only_when_nothing_else_did_in_200_ms() -> None:
    for answer_after_ms, wanted in ((199, ["180"]), (201, ["100", "180"])):
        script = SipScript(trying_after_ms=200)
        script.say(invite_text())
        script.wait(answer_after_ms)
        script.do(Ring(script.ref))
        script.wait(10_000)
        assert [word for _, word in script.sent_at_ms] == wanted
    script = SipScript(trying_after_ms=200)
    script.say(invite_text())
    script.do(Reject(script.ref, 486))
    script.wait(300)
    assert [word for _, word in script.sent_at_ms] == ["486"]
    script.say(invite_text())  # the answer stands, however often they ask
    assert script.sent_at_ms[-1] == (300, "486")


def test_the_2xx_is_repeated_until_the_ack_and_then_no_more() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.wait(3_600)
    assert [at for at, word in script.sent_at_ms if word == "200"] == [0, 500, 1500, 3500]
    ok = [m for m, _ in script.sent][-1]
    script.say(inside_text("ACK", ok, cseq=1))  # type: ignore[arg-type]  # a response
    script.wait(40_000)
    assert len([at for at, word in script.sent_at_ms if word == "200"]) == 4
    script.say(inside_text("ACK", ok, cseq=1))  # type: ignore[arg-type]  # a response
    assert script.endpoint.load.calls == 1


def test_the_2xx_is_repeated_over_tcp_too() -> None:
    script = SipScript(flow=TCP)
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.wait(600)
    assert [at for at, word in script.sent_at_ms if word == "200"] == [0, 500]


def test_without_an_ack_the_call_ends_with_a_bye_after_64_t1() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.wait(32_000)
    script.report(Invited)
    ended = script.report(Ended)
    assert (ended.by, ended.status, ended.text) == ("network", 408, "no ACK")
    byes = [at for at, word in script.sent_at_ms if word == "BYE"]
    assert byes == [32_000]
    script.expect_empty()


def test_an_invite_that_comes_again_is_not_another_call() -> None:
    script = SipScript()
    script.say(invite_text())
    script.say(invite_text())
    script.expect(100)
    script.expect(100)
    assert len(script.refs) == 1


def test_a_second_invite_with_the_same_call_id_but_another_tag_is_another_call() -> None:
    """A Call-ID alone must never replace a ringing call."""
    script = SipScript()
    script.say(invite_text())
    script.say(invite_text(branch="z9hG4bKi2", tag="other"))
    assert len(script.refs) == 2
    script.do(Answer(script.refs[0], ANSWER))
    script.do(Reject(script.refs[1], 486))
    assert script.endpoint.load.calls == 1


def test_a_cancel_before_the_answer_ends_the_call_with_487() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Ring(script.ref))
    script.expect(100)
    ringing = script.response(180)
    script.say(invite_text(sdp=None).replace("INVITE", "CANCEL"))
    assert script.response(200).to_tag == ringing.to_tag
    refused = script.response(487)
    script.report(Invited)
    assert script.report(Ended) == Ended(script.ref, "remote", 487)
    script.say(inside_text("ACK", refused, cseq=1, branch="z9hG4bKi1"))
    script.expect_empty()
    script.expect_nothing()


def test_a_cancel_after_the_answer_changes_nothing() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.expect(100)
    ok = script.response(200)
    script.say(invite_text(sdp=None).replace("INVITE", "CANCEL"))
    script.expect(200)
    script.say(inside_text("ACK", ok, cseq=1))
    script.report(Invited)
    script.report(Confirmed)
    script.expect_no_report()


def test_a_cancel_of_nothing_is_answered_481() -> None:
    script = SipScript()
    script.say(invite_text(sdp=None).replace("INVITE", "CANCEL"))
    script.expect(481)
    script.expect_empty()


def test_a_rejection_is_repeated_until_its_ack() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Reject(script.ref, 486, "Busy", (("Retry-After", "5"),)))
    script.expect(100)
    busy = script.response(486)
    assert busy.reason == "Busy"
    assert busy.headers.get("Retry-After") == "5"
    script.report(Invited)
    assert script.report(Ended) == Ended(script.ref, "local", 486, 0, "Busy")
    script.wait(600)
    script.expect(486)
    script.say(inside_text("ACK", busy, cseq=1, branch="z9hG4bKi1"))
    script.wait(5_000)
    script.expect_nothing()
    script.expect_empty()


def test_hanging_up_before_the_answer_declines() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(HangUp(script.ref))
    script.expect(100)
    script.expect(603)
    script.expect_empty()


def test_hanging_up_before_the_ack_waits_for_it_with_the_bye() -> None:
    """RFC 3261 section 15: the callee must not send BYE before the ACK."""
    script = SipScript()
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.expect(100)
    ok = script.response(200)
    script.do(HangUp(script.ref, 16))
    script.report(Invited)
    assert script.report(Ended).by == "local"
    script.expect_nothing()
    script.say(inside_text("ACK", ok, cseq=1))
    bye = script.request("BYE")
    assert bye.headers.get("Reason") == "Q.850;cause=16"
    script.say(answer_to(bye, 200))
    assert script.endpoint.load.calls == 0
    script.expect_no_report()
    script.expect_empty()


def test_a_call_that_the_product_forgets_is_refused_in_the_end() -> None:
    script = SipScript(SipSettings(ring_limit_ms=150_000))
    script.say(invite_text())
    script.do(Ring(script.ref))
    script.wait(150_000)
    # RFC 3261 section 13.3.1.1: ringing is said again every minute.
    assert [at for at, word in script.sent_at_ms if word == "180"] == [0, 60_000, 120_000]
    script.report(Invited)
    assert script.report(Ended).status == 480
    script.expect_empty()


def test_headers_of_the_product_cannot_break_a_line() -> None:
    script = SipScript()
    script.say(invite_text())
    script.expect(100)
    script.do(Answer(script.ref, ANSWER, (("X-A", "1\r\nX-B: 2"), ("bad name", "3"))))
    ok = script.response(200)
    assert ok.headers.get("X-A") == "1  X-B: 2"
    assert ok.headers.get("X-B") is None


def test_an_answer_whose_connection_is_gone_goes_by_a_new_one() -> None:
    """RFC 3261 section 18.2.2."""
    script = SipScript(flow=TCP)
    script.say(invite_text().replace("SIP/2.0/UDP", "SIP/2.0/TCP"))
    script.expect(100)
    script.do(Answer(script.ref, ANSWER))
    script.expect(200)
    script.feed(TransportFailed(TCP, "closed"))
    script.expect_nothing()  # the 2xx is the call's to repeat
    script.wait(500)
    assert script.sent.popleft()[1].to == Hop("tcp", "192.0.2.1", 5060)


def test_a_bye_whose_connection_is_gone_goes_to_the_contact() -> None:
    script = SipScript(flow=TCP)
    script.say(invite_text().replace("SIP/2.0/UDP", "SIP/2.0/TCP"))
    script.do(Answer(script.ref, ANSWER))
    script.expect(100)
    ok = script.response(200)
    script.say(inside_text("ACK", ok, cseq=1))
    script.do(HangUp(script.ref))
    went = [script.sent.popleft()[1].to]
    script.feed(TransportFailed(TCP, "closed"))
    went.append(script.sent.popleft()[1].to)
    assert went == [TCP, Hop("tcp", "192.0.2.1", 5060)]
