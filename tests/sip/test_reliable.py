"""Reliable provisional answers of ours (RFC 3262), and offers while it rings."""

from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    Ring,
)
from agentstream.sip.reports import (
    Confirmed,
    Ended,
    Invited,
    MediaAnswered,
    MediaOffered,
)
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    SipScript,
    inside_text,
    invite_text,
)

HOLD = OFFER + "a=sendonly\r\n"


def prack(ok: "object", rack: str, cseq: int, sdp: str | None = None) -> str:
    return inside_text("PRACK", ok, cseq=cseq, headers=f"RAck: {rack}", sdp=sdp)  # type: ignore[arg-type]


def test_a_caller_that_requires_it_is_rung_reliably() -> None:
    script = SipScript()
    script.say(invite_text(headers="Require: 100rel"))
    script.expect(100)
    script.do(Ring(script.ref, 180))
    ringing = script.response(180)
    assert ringing.headers.get("Require") == "100rel"
    rseq = int(ringing.headers.get("RSeq") or "0")
    script.wait(1_600)
    assert [at for at, word in script.sent_at_ms if word == "180"] == [0, 500, 1500]
    script.sent.clear()
    script.do(Ring(script.ref, 183, ANSWER))
    script.expect_nothing()  # one at a time
    script.say(prack(ringing, f"{rseq} 1 INVITE", 2))
    script.expect(200)
    progress = script.response(183)
    assert progress.headers.get("RSeq") == str(rseq + 1)
    script.do(Answer(script.ref, ANSWER))
    script.expect_nothing()  # the 2xx waits for the PRACK of the SDP
    script.say(prack(ringing, f"{rseq} 1 INVITE", 3))
    script.expect(481)
    script.say(prack(ringing, f"{rseq + 1} 1 INVITE", 4))
    script.expect(200)
    ok = script.response(200)
    assert ok.body == b""  # the answer went out reliably
    script.say(inside_text("ACK", ok, cseq=1))
    script.report(Invited)
    script.report(Confirmed)


def test_without_a_prack_the_call_ends() -> None:
    script = SipScript()
    script.say(invite_text(headers="Require: 100rel"))
    script.do(Ring(script.ref, 180))
    script.wait(32_000)
    words = [word for _, word in script.sent_at_ms]
    assert words[-1] == "504"
    script.report(Invited)
    assert script.report(Ended).by == "network"
    script.expect_empty()


def test_a_caller_that_only_supports_it_is_rung_as_usual() -> None:
    script = SipScript()
    script.say(invite_text(headers="Supported: 100rel"))
    script.expect(100)
    script.do(Ring(script.ref))
    assert script.response(180).headers.get("RSeq") is None


def test_an_early_offer_of_ours_is_answered_in_the_prack() -> None:
    script = SipScript()
    script.say(invite_text(sdp=None, headers="Require: 100rel"))
    script.expect(100)
    assert script.report(Invited).offer is None
    script.do(Ring(script.ref, 183, OFFER))
    progress = script.response(183)
    rseq = progress.headers.get("RSeq")
    script.say(prack(progress, f"{rseq} 1 INVITE", 2, ANSWER))
    script.expect(200)
    assert script.report(MediaAnswered).answer == ANSWER
    script.do(Answer(script.ref, OFFER))
    assert script.response(200).body == b""


def test_a_delayed_offer_is_ours_in_the_200_and_answered_in_the_ack() -> None:
    script = SipScript()
    script.say(invite_text(sdp=None))
    script.expect(100)
    script.do(Answer(script.ref, OFFER))
    ok = script.response(200)
    assert ok.body.decode() == OFFER
    script.say(inside_text("ACK", ok, cseq=1, sdp=ANSWER))
    script.report(Invited)
    assert script.report(Confirmed).answer == ANSWER


def test_an_offer_in_a_prack_is_answered_in_its_200() -> None:
    """RFC 3262 section 5."""
    script = SipScript()
    script.say(invite_text(headers="Require: 100rel"))
    script.expect(100)
    script.report(Invited)
    script.do(Ring(script.ref, 183, ANSWER))
    progress = script.response(183)
    rack = f"RAck: {progress.headers.get('RSeq')} 1 INVITE"
    script.say(inside_text("PRACK", progress, cseq=2, headers=rack, sdp=HOLD))
    assert script.report(MediaOffered).offer == HOLD
    script.do(AnswerMedia(script.ref, ANSWER))
    assert script.response(200).body.decode() == ANSWER


def test_an_early_update_is_taken_once_our_answer_is_settled() -> None:
    script = SipScript()
    script.say(invite_text(headers="Require: 100rel"))
    script.expect(100)
    script.report(Invited)
    script.do(Ring(script.ref, 183, ANSWER))
    progress = script.response(183)
    script.say(inside_text("UPDATE", progress, cseq=2, sdp=HOLD))
    script.expect(500)
    rack = f"RAck: {progress.headers.get('RSeq')} 1 INVITE"
    script.say(inside_text("PRACK", progress, cseq=3, headers=rack))
    script.expect(200)
    script.say(inside_text("UPDATE", progress, cseq=4, sdp=HOLD))
    assert script.report(MediaOffered).offer == HOLD
    script.do(AnswerMedia(script.ref, ANSWER))
    script.expect(200)
