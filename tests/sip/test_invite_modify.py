"""re-INVITE and UPDATE in both directions, glare, session timers, INFO, order."""

import pytest

from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    HangUp,
    RefuseMedia,
    SendInfo,
    UpdateMedia,
)
from agentstream.sip.message import Request
from agentstream.sip.reports import (
    Ended,
    InfoReceived,
    Invited,
    MediaAnswered,
    MediaOffered,
    MediaRefused,
)
from agentstream.sip.signaling import Credentials
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    SipScript,
    answer_to,
    calling,
    inside_text,
    invite_text,
    talking,
)

HOLD = OFFER + "a=sendonly\r\n"


def callee_says(
    script: SipScript, invite: Request, method: str, cseq: int, headers: str = ""
) -> None:
    script.say(
        f"{method} sip:192.0.2.10 SIP/2.0\n"
        f"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKcallee{method}{cseq};rport\n"
        "Max-Forwards: 70\n"
        f"From: {invite.headers.get('To')};tag=b\nTo: {invite.headers.get('From')}\n"
        f"Call-ID: {invite.call_id}\nCSeq: {cseq} {method}\n" + headers + "\n"
    )


def test_a_re_invite_is_offered_answered_and_acknowledged() -> None:
    script, ok = talking()
    script.say(inside_text("INVITE", ok, cseq=2, sdp=HOLD))
    script.expect(100)
    assert script.report(MediaOffered) == MediaOffered(script.ref, HOLD)
    script.do(AnswerMedia(script.ref, ANSWER))
    held = script.response(200)
    assert held.body.decode() == ANSWER
    assert held.contacts
    script.wait(500)
    script.expect(200)
    script.say(inside_text("ACK", ok, cseq=2))
    script.wait(60_000)
    script.expect_nothing()
    script.expect_no_report()


def test_a_re_invite_without_an_offer_gets_ours_and_its_ack_brings_the_answer() -> None:
    script, ok = talking()
    script.say(inside_text("INVITE", ok, cseq=2))
    script.expect(100)
    assert script.report(MediaOffered) == MediaOffered(script.ref, None)
    script.do(AnswerMedia(script.ref, OFFER))
    assert script.response(200).body.decode() == OFFER
    script.say(inside_text("ACK", ok, cseq=2, sdp=ANSWER))
    assert script.report(MediaAnswered) == MediaAnswered(script.ref, ANSWER)


def test_a_re_invite_can_be_refused_and_the_call_goes_on() -> None:
    script, ok = talking()
    script.say(inside_text("INVITE", ok, cseq=2, sdp=HOLD))
    script.do(RefuseMedia(script.ref, 488))
    script.expect(100)
    refused = script.response(488)
    script.say(inside_text("ACK", refused, cseq=2, branch="z9hG4bKINVITE2"))
    script.wait(40_000)
    assert script.endpoint.load.calls == 1


def test_a_re_invite_that_the_product_forgets_is_refused_in_time() -> None:
    script, ok = talking()
    script.say(inside_text("INVITE", ok, cseq=2, sdp=HOLD))
    script.expect(100)
    script.wait(10_000)
    script.expect(500)


def test_a_re_invite_of_another_media_type_gets_415() -> None:
    script, ok = talking()
    text = inside_text("INVITE", ok, cseq=2, sdp="hello").replace("application/sdp", "text/plain")
    script.say(text)
    script.expect(415)


def test_a_re_invite_moves_the_remote_target() -> None:
    script, ok = talking()
    moved = inside_text("INVITE", ok, cseq=2, sdp=OFFER).replace(
        "<sip:ann@192.0.2.1:5060>", "<sip:ann@192.0.2.1:6060>"
    )
    script.say(moved)
    script.do(AnswerMedia(script.ref, ANSWER))
    script.expect(100)
    script.expect(200)
    script.say(inside_text("ACK", ok, cseq=2))
    script.do(HangUp(script.ref))
    assert script.request("BYE").uri == "sip:ann@192.0.2.1:6060"


def test_an_update_without_sdp_only_refreshes() -> None:
    script, ok = talking()
    script.say(inside_text("UPDATE", ok, cseq=2))
    script.expect(200)
    script.expect_no_report()


def test_an_update_with_an_offer_is_answered_in_its_200() -> None:
    script, ok = talking()
    script.say(inside_text("UPDATE", ok, cseq=2, sdp=HOLD))
    script.report(MediaOffered)
    script.do(AnswerMedia(script.ref, ANSWER))
    assert script.response(200).body.decode() == ANSWER
    script.wait(5_000)
    script.expect_nothing()


def test_two_offers_at_once_get_500_with_retry_after() -> None:
    """RFC 3261 section 14.2."""
    script, ok = talking()
    script.say(inside_text("INVITE", ok, cseq=2, sdp=HOLD))
    script.expect(100)
    script.say(inside_text("INVITE", ok, cseq=3, sdp=OFFER))
    late = script.response(500)
    assert 0 <= int(late.headers.get("Retry-After") or "-1") <= 10
    script.say(inside_text("UPDATE", ok, cseq=4, sdp=OFFER))
    script.response(500)


def test_a_number_below_the_last_is_out_of_order() -> None:
    script, ok = talking()
    script.say(inside_text("INFO", ok, cseq=7))
    script.expect(200)
    script.say(inside_text("INFO", ok, cseq=6))
    script.expect(500)


def test_our_re_invite_is_acknowledged_and_its_answer_reported() -> None:
    script, invite = calling()
    script.do(UpdateMedia(script.ref, HOLD))
    again = script.request("INVITE")
    assert (again.cseq.number, again.body.decode(), again.to_tag) == (2, HOLD, "b")
    assert again.from_tag == invite.from_tag
    ok = answer_to(again, 200, sdp=ANSWER, contact="<sip:bob@192.0.2.1:6060>")
    script.say(ok)
    ack = script.request("ACK")
    assert (ack.cseq.number, ack.uri) == (2, "sip:bob@192.0.2.1:6060")
    assert script.report(MediaAnswered) == MediaAnswered(script.ref, ANSWER)
    script.say(ok)
    assert script.request("ACK").top_via.branch == ack.top_via.branch
    script.expect_no_report()


def test_our_re_invite_can_be_refused() -> None:
    script, _ = calling()
    script.do(UpdateMedia(script.ref, HOLD))
    script.say(answer_to(script.request("INVITE"), 488))
    script.request("ACK")
    assert script.report(MediaRefused) == MediaRefused(script.ref, 488)
    assert script.endpoint.load.calls == 1


def test_our_challenged_re_invite_is_sent_again_with_credentials() -> None:
    script, _ = calling(credentials=Credentials("ann", "secret"))
    script.do(UpdateMedia(script.ref, HOLD))
    challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n"')
    script.say(answer_to(script.request("INVITE"), 401, headers=(challenge,)))
    script.request("ACK")
    again = script.request("INVITE")
    assert again.cseq.number == 3
    assert again.headers.get("Authorization")
    script.say(answer_to(again, 200, sdp=ANSWER))
    assert script.request("ACK").cseq.number == 3


@pytest.mark.parametrize("status", [408, 481])
def test_a_peer_that_does_not_know_the_call_ends_it(status: int) -> None:
    script, _ = calling()
    script.do(UpdateMedia(script.ref, HOLD))
    script.say(answer_to(script.request("INVITE"), status))
    script.request("ACK")
    assert script.report(Ended).status == status
    script.say(answer_to(script.request("BYE"), 481))
    script.expect_empty()


def test_glare_is_answered_491_and_ours_is_tried_again_after_a_while() -> None:
    """RFC 3261 section 14.1: we made the Call-ID, so we wait 2.1 to 4 seconds."""
    script, invite = calling()
    script.do(UpdateMedia(script.ref, HOLD))
    ours = script.request("INVITE")
    callee_says(script, invite, "INVITE", 1)
    script.expect(491)
    script.say(answer_to(ours, 491))
    script.request("ACK")
    script.wait(2_090)
    assert not [word for at, word in script.sent_at_ms if word == "INVITE" and at > 0]
    script.wait(1_910)
    again = [message for message, _ in script.sent if isinstance(message, Request)][-1]
    assert (again.method, again.body.decode(), again.cseq.number) == ("INVITE", HOLD, 3)


def test_the_side_that_did_not_make_the_call_id_waits_less() -> None:
    script, ok = talking()
    script.do(UpdateMedia(script.ref, HOLD))
    ours = script.request("INVITE")
    assert ours.cseq.number == 1
    assert ours.to_tag == "a"
    script.say(answer_to(ours, 491))
    script.request("ACK")
    script.wait(2_000)
    script.request("INVITE")
    assert ok.to_tag == ours.from_tag


def test_while_theirs_is_open_ours_waits_and_the_newest_counts() -> None:
    script, ok = talking()
    script.say(inside_text("INVITE", ok, cseq=2, sdp=HOLD))
    script.expect(100)
    script.do(UpdateMedia(script.ref, OFFER))
    script.do(UpdateMedia(script.ref, HOLD))
    script.expect_nothing()
    script.do(AnswerMedia(script.ref, ANSWER))
    script.expect(200)
    script.expect_nothing()
    script.say(inside_text("ACK", ok, cseq=2))
    assert script.request("INVITE").body.decode() == HOLD
    script.expect_nothing()


def test_an_offer_before_the_ack_waits_for_it() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.expect(100)
    ok = script.response(200)
    script.do(UpdateMedia(script.ref, HOLD))
    script.expect_nothing()
    script.say(inside_text("ACK", ok, cseq=1))
    script.request("INVITE")


def test_a_bye_ends_a_re_invite_that_waits() -> None:
    """RFC 3261 section 15.1.2."""
    script, ok = talking()
    script.say(inside_text("INVITE", ok, cseq=2, sdp=HOLD))
    script.expect(100)
    script.say(inside_text("BYE", ok, cseq=3))
    script.expect(200)
    script.expect(487)
    script.report(MediaOffered)
    assert script.report(Ended).by == "remote"
    script.expect_empty()


def test_byes_that_cross_are_both_answered() -> None:
    script, ok = talking()
    script.do(HangUp(script.ref))
    bye = script.request("BYE")
    script.say(inside_text("BYE", ok, cseq=2))
    script.expect(200)
    script.say(answer_to(bye, 200))
    script.report(Ended)
    script.expect_no_report()
    script.expect_empty()


def test_a_request_for_a_call_that_is_dead_gets_481() -> None:
    script, ok = talking()
    script.say(inside_text("BYE", ok, cseq=2))
    script.expect(200)
    for method in ("INFO", "INVITE", "UPDATE", "BYE", "OPTIONS", "NOTIFY"):
        script.say(inside_text(method, ok, cseq=9))
        script.expect(481)
    assert script.endpoint.load.calls == 0


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/dtmf-relay", "Signal=5\nDuration=160\n"), ("application/dtmf", "5")],
)
def test_info_is_answered_and_reported(kind: str, body: str) -> None:
    script, ok = talking()
    text = inside_text("INFO", ok, cseq=2, sdp=body).replace("application/sdp", kind)
    script.say(text)
    script.expect(200)
    report = script.report(InfoReceived)
    assert (report.content_type, report.body.replace("\r", "")) == (kind, body)


def test_info_can_be_sent() -> None:
    script, _ = calling()
    script.do(SendInfo(script.ref, "application/dtmf-relay", "Signal=1\r\nDuration=100\r\n"))
    info = script.request("INFO")
    assert info.headers.get("Content-Type") == "application/dtmf-relay"
    script.say(answer_to(info, 415))
    assert script.endpoint.load.calls == 1
    script.expect_no_report()


@pytest.mark.parametrize(
    ("method", "status"), [("REFER", 400), ("MESSAGE", 405), ("SUBSCRIBE", 405), ("OPTIONS", 200)]
)
def test_other_requests_inside_a_call_are_answered(method: str, status: int) -> None:
    script, ok = talking()
    script.say(inside_text(method, ok, cseq=2))
    response = script.response(status)
    assert status == 400 or "INVITE" in (response.headers.get("Allow") or "")


def test_an_unknown_requirement_inside_a_call_gets_420() -> None:
    script, ok = talking()
    script.say(inside_text("INFO", ok, cseq=2, headers="Require: teleport"))
    assert script.response(420).headers.get("Unsupported") == "teleport"


def test_a_request_with_the_wrong_tag_of_the_peer_is_not_in_the_dialog() -> None:
    script, ok = talking()
    script.say(inside_text("BYE", ok, cseq=2).replace("tag=a", "tag=evil"))
    script.expect(481)
    assert script.endpoint.load.calls == 1


def test_an_answer_without_sdp_is_a_refusal_of_our_offer() -> None:
    script, _ = calling()
    script.do(UpdateMedia(script.ref, HOLD))
    script.say(answer_to(script.request("INVITE"), 200))
    script.request("ACK")
    assert script.report(MediaRefused).status == 488


def test_a_peer_that_never_answers_our_re_invite_has_lost_the_call() -> None:
    script, _ = calling()
    script.do(UpdateMedia(script.ref, HOLD))
    script.wait(32_000)
    assert script.report(Ended) == Ended(script.ref, "network", 408, 0, "no answer")
    script.expect_empty()


def test_a_peer_that_only_says_100_to_our_re_invite_is_sent_a_cancel() -> None:
    script, _ = calling()
    script.do(UpdateMedia(script.ref, HOLD))
    ours = script.request("INVITE")
    script.say(answer_to(ours, 100))
    script.wait(32_000)
    cancel = script.request("CANCEL")
    assert cancel.cseq.number == ours.cseq.number
    script.say(answer_to(cancel, 200))
    script.say(answer_to(ours, 487))
    script.request("ACK")
    assert script.report(MediaRefused).status == 487
    assert script.endpoint.load.calls == 1


def test_an_info_that_the_peer_answers_481_ends_the_call() -> None:
    script, _ = calling()
    script.do(SendInfo(script.ref, "application/dtmf", "1"))
    script.say(answer_to(script.request("INFO"), 481))
    assert script.report(Ended).status == 481
    script.request("BYE")


def test_hanging_up_twice_sends_one_bye() -> None:
    script, _ = calling()
    script.do(HangUp(script.ref))
    script.do(HangUp(script.ref))
    script.request("BYE")
    script.expect_nothing()
    script.report(Ended)
    script.expect_no_report()
    script.expect_empty()  # though nobody answers the BYE


def test_without_an_ack_a_call_that_was_hung_up_is_sent_its_bye_in_the_end() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.do(HangUp(script.ref))
    script.wait(32_000)
    assert [word for _, word in script.sent_at_ms][-1] == "BYE"
    script.report(Invited)
    assert script.report(Ended).by == "local"
    script.expect_no_report()
    script.expect_empty()
