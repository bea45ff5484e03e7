"""REFER both ways on a virtual clock: accepted, refused, told, forgotten; Replaces in INVITE."""

import pytest

from agentstream.sip.commands import (
    Answer,
    AnswerRefer,
    HangUp,
    Place,
    Refer,
    ReportTransfer,
    Ring,
)
from agentstream.sip.message import Request, Response
from agentstream.sip.reports import Ended, Invited, ReferProgress, Referred, SipCallRef
from agentstream.sip.signaling import Credentials, Dial
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    SipScript,
    answer_to,
    calling,
    inside_text,
    invite_text,
    placed,
    talking,
)

TARGET = "Refer-To: <sip:+14155550100@192.0.2.10>"
CAROL = "sip:carol@c.example"


def referred(headers: str = TARGET) -> tuple[SipScript, Response]:
    """Return a call whose caller has sent a REFER (CSeq 2) that is accepted."""
    script, ok = talking()
    script.say(inside_text("REFER", ok, cseq=2, headers=headers))
    script.report(Referred)
    script.do(AnswerRefer(script.ref))
    return script, ok


def told(script: SipScript) -> tuple[str, str]:
    """Answer the NOTIFY that was sent; return its state and what it says."""
    notify = script.request("NOTIFY")
    assert notify.headers.get("Event") == "refer;id=2"
    assert notify.headers.get("Content-Type") == "message/sipfrag"
    assert notify.contacts
    script.say(answer_to(notify, 200))
    return notify.headers.get("Subscription-State") or "", notify.body.decode()


def notify_text(script: SipScript, refer: Request, headers: str, body: str, cseq: int = 1) -> str:
    """Return a NOTIFY of whoever took our REFER."""
    return (
        "NOTIFY sip:192.0.2.10 SIP/2.0\n"
        f"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKn{cseq};rport\n"
        "Max-Forwards: 70\n"
        f"From: {refer.headers.get('To')}\nTo: {refer.headers.get('From')}\n"
        f"Call-ID: {refer.call_id}\nCSeq: {cseq} NOTIFY\n"
        f"Content-Type: message/sipfrag\n{headers}\n\n{body}\n"
    )


# Theirs


def test_a_refer_is_reported_and_accepted_with_202_then_told_step_by_step() -> None:
    """SIP-61, PN-10: 202, NOTIFY 100, 180, 200; the last one ends the subscription."""
    script, ok = talking()
    by = "Referred-By: <sip:ann@a.example>\nX-Why: home"
    script.say(inside_text("REFER", ok, cseq=2, headers=f"{TARGET}\n{by}"))
    assert script.report(Referred) == Referred(
        script.ref,
        "sip:+14155550100@192.0.2.10",
        referred_by="<sip:ann@a.example>",
        headers=(("Referred-By", "<sip:ann@a.example>"), ("X-Why", "home")),
    )
    script.expect_nothing()
    script.do(AnswerRefer(script.ref))
    assert script.response(202).contacts
    assert told(script) == ("active;expires=180", "SIP/2.0 100 Trying\r\n")
    script.wait(10_000)
    script.do(ReportTransfer(script.ref, 180))
    assert told(script) == ("active;expires=170", "SIP/2.0 180 Ringing\r\n")
    script.do(ReportTransfer(script.ref, 200, final=True))
    assert told(script) == ("terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
    script.do(ReportTransfer(script.ref, 486, final=True))  # it is over
    script.wait(400_000)
    script.expect_nothing()
    script.expect_no_report()


def test_a_refer_is_matched_by_call_id_and_tags_alone() -> None:
    """PN-10: a recorded route is repeated as Record-Route, and the Request-URI may be anything."""
    script, ok = talking()
    text = inside_text("REFER", ok, cseq=2, headers=f"{TARGET}\nRecord-Route: <sip:p.example;lr>")
    script.say(text.replace(text.split()[1], "sip:somebody@else.example", 1))
    script.report(Referred)
    script.do(AnswerRefer(script.ref))
    script.response(202)
    assert not script.request("NOTIFY").headers.all("Route")


def test_a_refused_refer_changes_nothing_and_may_be_sent_again() -> None:
    """SIP-61: deny is 403."""
    script, ok = talking()
    for cseq in (2, 3):
        script.say(inside_text("REFER", ok, cseq=cseq, headers=TARGET))
        script.report(Referred)
        script.do(AnswerRefer(script.ref, 403))
        script.response(403)
    script.wait(400_000)
    script.expect_nothing()
    script.expect_no_report()


def test_one_refer_at_a_time() -> None:
    script, ok = referred()
    script.response(202)
    told(script)
    script.say(inside_text("REFER", ok, cseq=3, headers=TARGET))
    script.response(491)
    script.expect_no_report()
    script.do(ReportTransfer(script.ref, 486, final=True))
    assert told(script)[1] == "SIP/2.0 486 Busy Here\r\n"
    script.say(inside_text("REFER", ok, cseq=4, headers=TARGET))
    script.report(Referred)


def test_a_refer_that_nobody_answers_is_refused_in_time() -> None:
    script, ok = talking()
    script.say(inside_text("REFER", ok, cseq=2, headers=TARGET))
    script.report(Referred)
    script.wait(9_999)
    script.expect_nothing()
    script.wait(1)
    script.response(500)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 400),
        (f"{TARGET}\n{TARGET}", 400),
        ("Refer-To: <mailto:a@b.example>", 416),
        ("Refer-To: <sip:a@b.example;method=BYE>", 501),
        (f"{TARGET}\nRequire: tdialog", 420),
    ],
)
def test_a_refer_that_cannot_be_followed_is_refused_at_once(headers: str, status: int) -> None:
    script, ok = talking()
    script.say(inside_text("REFER", ok, cseq=2, headers=headers))
    script.response(status)
    script.expect_no_report()


def test_a_refer_before_the_answer_and_one_outside_of_a_call_get_403() -> None:
    script = SipScript()
    script.say(invite_text())
    script.do(Ring(script.ref))
    script.expect(100)
    ringing = script.response(180)
    script.report(Invited)
    script.say(inside_text("REFER", ringing, cseq=2, headers=TARGET))
    script.response(403)
    script.say(invite_text(branch="z9hG4bKr", call_id="x", tag="y").replace("INVITE", "REFER"))
    script.response(403)
    script.expect_no_report()


def test_whoever_wants_not_to_be_told_is_not() -> None:
    """RFC 4488."""
    script, _ = referred(f"{TARGET}\nRequire: norefersub\nRefer-Sub: false")
    assert script.response(202).headers.get("Refer-Sub") == "false"
    script.do(ReportTransfer(script.ref, 200, final=True))
    script.wait(400_000)
    script.expect_nothing()


def test_a_notify_that_is_refused_ends_the_telling_and_nothing_else() -> None:
    """PN-10: 481 once the call is gone there."""
    script, ok = referred()
    script.response(202)
    script.say(answer_to(script.request("NOTIFY"), 481))
    script.do(ReportTransfer(script.ref, 180))
    script.expect_no_report()
    script.wait(400_000)
    script.say(inside_text("OPTIONS", ok, cseq=3))
    assert [message for message, _ in script.sent if isinstance(message, Response)]


def test_only_the_newest_of_what_waits_is_told() -> None:
    script, _ = referred()
    script.response(202)
    first = script.request("NOTIFY")
    script.do(ReportTransfer(script.ref, 180))
    script.do(ReportTransfer(script.ref, 200, final=True))
    script.expect_nothing()
    script.say(answer_to(first, 200))
    assert told(script) == ("terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
    script.expect_nothing()


def test_a_subscription_ends_in_time_and_the_call_goes_on() -> None:
    """RFC 6665."""
    script, _ = referred()
    script.response(202)
    told(script)
    script.wait(180_000)
    assert told(script) == ("terminated;reason=timeout", "SIP/2.0 100 Trying\r\n")
    script.do(ReportTransfer(script.ref, 200, final=True))
    script.wait(100_000)
    script.expect_nothing()
    script.expect_no_report()


def test_our_bye_waits_for_the_answer_to_the_last_word() -> None:
    """SIP-62: a BYE that overtook it would leave them in doubt."""
    script, _ = referred()
    script.response(202)
    told(script)
    script.do(ReportTransfer(script.ref, 200, final=True))
    script.do(HangUp(script.ref))
    assert script.report(Ended).by == "local"
    last = script.request("NOTIFY")
    script.expect_nothing()
    script.say(answer_to(last, 200))
    bye = script.request("BYE")
    assert bye.cseq.number == last.cseq.number + 1
    script.say(answer_to(bye, 200))
    script.expect_empty()


def test_our_bye_waits_a_second_for_it_at_most() -> None:
    script, _ = referred()
    script.response(202)
    told(script)
    script.do(ReportTransfer(script.ref, 200, final=True))
    script.do(HangUp(script.ref))
    script.wait(1_000)
    assert "BYE" in [m.method for m, _ in script.sent if isinstance(m, Request)]
    script.expect_empty()


@pytest.mark.parametrize("is_answered", [False, True])
def test_their_bye_ends_a_transfer_that_is_under_way(is_answered: bool) -> None:
    """SIP-62: LiveKit and others hang up as soon as they like."""
    script, ok = talking()
    script.say(inside_text("REFER", ok, cseq=2, headers=TARGET))
    script.report(Referred)
    if is_answered:
        script.do(AnswerRefer(script.ref))
        script.response(202)
        told(script)
    script.say(inside_text("BYE", ok, cseq=3))
    script.response(200)
    if not is_answered:
        script.response(487)
    assert script.report(Ended).by == "remote"
    script.do(ReportTransfer(script.ref, 200, final=True))
    script.expect_nothing()
    script.expect_empty()


def test_the_dialog_that_a_refer_names_is_known_when_it_is_ours() -> None:
    """An attended transfer: RFC 5589 section 7.1."""
    script, ok = talking()
    script.say(invite_text(branch="z9hG4bKother", call_id="second", tag="s"))
    other = script.ref
    script.do(Answer(other, ANSWER))
    script.expect(100)
    answered = script.response(200)
    script.report(Invited)
    ours, theirs = answered.to_tag, "s"
    text = f"second%3Bto-tag%3D{ours}%3Bfrom-tag%3D{theirs}"
    headers = f"Refer-To: <sip:b@192.0.2.10?Replaces={text}>"
    script.say(inside_text("REFER", ok, cseq=2, headers=headers))
    asked = script.report(Referred)
    assert (asked.replaces, asked.target) == (other, "sip:192.0.2.10:5060")
    assert asked.replaces_text == f"second;to-tag={ours};from-tag={theirs}"


# Ours


def test_our_refer_is_followed_to_its_final_notify() -> None:
    script, _invite = calling()
    script.do(Refer(script.ref, CAROL, headers=(("X-Why", "home"),)))
    refer = script.request("REFER")
    assert refer.headers.get("Refer-To") == f"<{CAROL}>"
    assert refer.headers.get("Referred-By") == "<sip:a@b.example>"
    assert refer.headers.get("X-Why") == "home"
    assert refer.contacts
    script.say(answer_to(refer, 202))
    assert script.report(ReferProgress) == ReferProgress(script.ref, 100, accepted=True)
    number = refer.cseq.number
    active = f"Event: refer;id={number}\nSubscription-State: active;expires=60"
    script.say(notify_text(script, refer, active, "SIP/2.0 180 Ringing"))
    script.response(200)
    assert script.report(ReferProgress) == ReferProgress(script.ref, 180)
    over = "Event: refer\nSubscription-State: terminated;reason=noresource"
    script.say(notify_text(script, refer, over, "SIP/2.0 200 OK", 2))
    script.response(200)
    assert script.report(ReferProgress) == ReferProgress(script.ref, 200, True, True)
    script.say(notify_text(script, refer, over, "SIP/2.0 200 OK", 3))
    script.response(481)
    script.wait(400_000)
    script.expect_no_report()


def test_a_notify_may_overtake_the_202() -> None:
    """RFC 3515 section 2.4.4."""
    script, _ = calling()
    script.do(Refer(script.ref, CAROL))
    refer = script.request("REFER")
    over = "Event: refer\nSubscription-State: terminated;reason=noresource"
    script.say(notify_text(script, refer, over, "SIP/2.0 486 Busy Here"))
    script.response(200)
    assert script.report(ReferProgress) == ReferProgress(script.ref, 486, True, True)
    script.say(answer_to(refer, 202))
    script.expect_no_report()


@pytest.mark.parametrize("event", ["refer;id=99", "presence", ""])
def test_a_notify_of_something_else_gets_481(event: str) -> None:
    script, _ = calling()
    script.do(Refer(script.ref, CAROL))
    refer = script.request("REFER")
    script.say(notify_text(script, refer, f"Event: {event}", "SIP/2.0 200 OK"))
    script.response(481)
    script.expect_no_report()


@pytest.mark.parametrize("status", [403, 405, 501, 603])
def test_a_refer_that_is_refused_says_so_and_the_call_goes_on(status: int) -> None:
    script, _ = calling()
    script.do(Refer(script.ref, CAROL))
    script.say(answer_to(script.request("REFER"), status))
    assert script.report(ReferProgress) == ReferProgress(script.ref, status, final=True)
    script.wait(400_000)
    script.expect_nothing()
    script.expect_no_report()


def test_a_refer_that_nobody_answers_ends_with_408_and_the_call_goes_on() -> None:
    script, _ = calling()
    script.do(Refer(script.ref, CAROL))
    script.wait(32_000)
    assert script.report(ReferProgress) == ReferProgress(script.ref, 408, final=True)
    assert script.endpoint.load.calls == 1


def test_a_peer_that_says_that_it_takes_no_refer_is_not_sent_one() -> None:
    """PN-1."""
    script, invite = placed()
    ref = SipCallRef("call-1")
    script.say(answer_to(invite, 200, sdp=ANSWER, headers=(("Allow", "INVITE, ACK, BYE"),)))
    script.request("ACK")
    script.reports.clear()
    script.do(Refer(ref, CAROL))
    script.expect_nothing()
    assert script.report(ReferProgress) == ReferProgress(ref, 405, final=True)


def test_a_peer_that_takes_a_refer_and_tells_nothing_is_given_up() -> None:
    script, _ = calling()
    script.do(Refer(script.ref, CAROL))
    script.say(answer_to(script.request("REFER"), 202))
    script.report(ReferProgress)
    script.wait(179_999)
    script.expect_no_report()
    script.wait(1)
    assert script.report(ReferProgress) == ReferProgress(script.ref, 408, True, True)


def test_a_subscription_that_ends_without_a_word_is_told_as_0() -> None:
    script, _ = calling()
    script.do(Refer(script.ref, CAROL))
    refer = script.request("REFER")
    script.say(answer_to(refer, 202))
    script.report(ReferProgress)
    over = "Event: refer\nSubscription-State: terminated;reason=giveup"
    script.say(notify_text(script, refer, over, "SIP/2.0 100 Trying"))
    assert script.report(ReferProgress) == ReferProgress(script.ref, 0, True, True)


def test_a_second_refer_of_ours_waits_for_nobody() -> None:
    script, _ = calling()
    script.do(Refer(script.ref, CAROL))
    script.request("REFER")
    script.do(Refer(script.ref, CAROL))
    script.expect_nothing()
    assert script.report(ReferProgress).status == 491


def test_a_refer_of_ours_waits_for_the_ack_of_our_answer() -> None:
    """A flow may want it at once; RFC 3261 section 13.3.1.4 ends the call if no ACK ever comes."""
    script = SipScript()
    script.say(invite_text())
    script.do(Answer(script.ref, ANSWER))
    script.do(Refer(script.ref, CAROL))
    script.response(100)
    ok = script.response(200)
    script.expect_nothing()
    script.say(inside_text("ACK", ok, cseq=1))
    assert script.request("REFER").headers.get("Refer-To") == f"<{CAROL}>"


def test_a_refer_is_sent_again_with_credentials_and_its_new_number_counts() -> None:
    script, _ = calling(credentials=Credentials("u", "p"))
    script.do(Refer(script.ref, CAROL))
    asks = (("WWW-Authenticate", 'Digest realm="r", nonce="n"'),)
    script.say(answer_to(script.request("REFER"), 401, headers=asks))
    refer = script.request("REFER")
    assert refer.headers.get("Authorization")
    over = f"Event: refer;id={refer.cseq.number}\nSubscription-State: terminated"
    script.say(notify_text(script, refer, over, "SIP/2.0 200 OK"))
    assert script.report(ReferProgress).status == 200


# Replaces in an INVITE


def replacing(script: SipScript, ok: Response, tags: str = "", more: str = "") -> None:
    dialog = tags or f"{ok.call_id};to-tag={ok.to_tag};from-tag=a"
    script.say(
        invite_text(
            branch="z9hG4bKnew",
            call_id="new",
            tag="n",
            headers=f"Require: replaces\nReplaces: {dialog}{more}",
        )
    )


def test_an_invite_may_replace_a_call_of_ours() -> None:
    """RFC 3891."""
    script, ok = talking()
    old = script.ref
    replacing(script, ok)
    assert script.report(Invited).replaces == old
    script.expect(100)


@pytest.mark.parametrize(
    ("dialog", "more", "status"),
    [
        ("nobody;to-tag=1;from-tag=2", "", 481),
        ("c1@192.0.2.1;to-tag=1;from-tag=a", "", 481),
        ("", ";early-only", 486),
        ("c1@192.0.2.1", "", 400),
        ("", "\nReplaces: x;to-tag=1;from-tag=2", 400),
        ("", "\nJoin: x;to-tag=1;from-tag=2", 400),
    ],
)
def test_an_invite_that_cannot_replace_is_refused(dialog: str, more: str, status: int) -> None:
    script, ok = talking()
    replacing(script, ok, dialog, more)
    script.response(status)
    script.expect_no_report()


def test_a_call_that_rings_here_is_not_taken_and_one_that_rings_there_is() -> None:
    """RFC 3891 section 3: early dialogs only where we have begun them."""
    script = SipScript()
    script.say(invite_text())
    script.do(Ring(script.ref))
    script.expect(100)
    ringing = script.response(180)
    script.report(Invited)
    replacing(script, ringing)
    script.response(481)
    script.expect_no_report()
    out = SipScript()
    ref = SipCallRef("out")
    out.do(Place(ref, Dial("sip:bob@192.0.2.1", "sip:a@b.example", OFFER)))
    invite = out.request("INVITE")
    out.say(answer_to(invite, 180))
    out.reports.clear()
    replacing(out, ringing, f"{invite.call_id};to-tag={invite.from_tag};from-tag=b", ";early-only")
    assert out.report(Invited).replaces == ref


def test_a_call_that_is_ending_is_not_replaced() -> None:
    script, ok = talking()
    script.do(HangUp(script.ref))
    script.request("BYE")
    script.report(Ended)
    replacing(script, ok)
    script.response(603)
