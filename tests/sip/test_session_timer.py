"""Session timers (RFC 4028) of calls in both directions."""

import pytest

from agentstream.sip.commands import (
    Answer,
    Place,
    UpdateMedia,
)
from agentstream.sip.gate import Arrival, OpenGate, Pass, Verdict
from agentstream.sip.reports import (
    Ended,
    MediaRefused,
    SipCallRef,
)
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    SipScript,
    answer_to,
    inside_text,
    invite_text,
    talking,
)

HOLD = OFFER + "a=sendonly\r\n"


def test_the_peer_refreshes_when_it_asks_for_a_session_timer() -> None:
    """SIP-50: refresher is the peer where possible."""
    script = SipScript()
    script.say(invite_text(headers="Supported: timer\nSession-Expires: 180"))
    script.do(Answer(script.ref, ANSWER))
    script.expect(100)
    ok = script.response(200)
    assert ok.headers.get("Session-Expires") == "180;refresher=uac"
    assert ok.headers.get("Require") == "timer"
    script.say(inside_text("ACK", ok, cseq=1))
    script.wait(100_000)
    script.say(inside_text("UPDATE", ok, cseq=2, headers="Supported: timer\nSession-Expires: 180"))
    refreshed = script.response(200)
    assert refreshed.headers.get("Session-Expires") == "180;refresher=uac"
    script.wait(100_000)
    script.expect_nothing()


def test_a_session_that_nobody_refreshes_ends_with_a_bye_that_says_why() -> None:
    script, _ = talking(headers="Supported: timer\nSession-Expires: 180")
    script.wait(147_999)
    script.expect_nothing()
    script.wait(1)
    bye = script.request("BYE")
    assert bye.headers.get("Reason") == 'SIP;cause=408;text="Session expired"'
    ended = script.report(Ended)
    assert (ended.by, ended.status, ended.text) == ("network", 408, "Session expired")
    script.expect_empty()


@pytest.mark.parametrize(("allow", "method"), [("INVITE, UPDATE", "UPDATE"), ("INVITE", "INVITE")])
def test_we_refresh_when_we_must_by_update_only_if_the_peer_allows_it(
    allow: str, method: str
) -> None:
    """SIP-50, PN-1."""
    script, _ = talking(
        headers=f"Supported: timer\nSession-Expires: 180;refresher=uas\nAllow: {allow}"
    )
    script.wait(90_000)
    refresh = script.request(method)
    assert refresh.headers.get("Session-Expires") == "180;refresher=uac"
    assert refresh.body.decode() == ("" if method == "UPDATE" else ANSWER)
    agreed = (("Session-Expires", "180;refresher=uac"),)
    script.say(answer_to(refresh, 200, sdp=OFFER if method == "INVITE" else None, headers=agreed))
    if method == "INVITE":
        script.request("ACK")
    script.expect_no_report()
    script.wait(90_000)
    assert script.request(method).cseq.number == 2


@pytest.mark.parametrize("status", [405, 501])
def test_a_peer_that_lists_update_and_does_not_take_it_is_refreshed_by_reinvite(
    status: int,
) -> None:
    """PN-1: LiveKit's Allow has methods that it answers with 405."""
    script, _ = talking(
        headers="Supported: timer\nSession-Expires: 180;refresher=uas\nAllow: INVITE, UPDATE"
    )
    agreed = (("Session-Expires", "180;refresher=uac"), ("Allow", "INVITE, UPDATE"))
    script.wait(90_000)
    script.say(answer_to(script.request("UPDATE"), status))
    refresh = script.request("INVITE")
    assert refresh.body.decode() == ANSWER
    script.say(answer_to(refresh, 200, sdp=OFFER, headers=agreed))
    script.request("ACK")
    script.wait(90_000)
    again = script.request("INVITE")  # it is not asked twice
    script.say(answer_to(again, 200, sdp=OFFER, headers=agreed))
    script.request("ACK")
    script.expect_no_report()


def test_a_peer_without_session_timers_behind_a_proxy_with_them_is_refreshed_by_us() -> None:
    script, _ = talking(headers="Session-Expires: 180")
    script.wait(90_000)
    assert script.request("INVITE").headers.get("Session-Expires") == "180;refresher=uac"


def test_a_session_timer_that_is_too_short_gets_422() -> None:
    script = SipScript()
    script.say(invite_text(headers="Supported: timer\nSession-Expires: 60"))
    assert script.response(422).headers.get("Min-SE") == "90"
    script.expect_no_report()
    script.expect_empty()


def test_when_we_call_the_refresher_is_who_the_answer_says() -> None:
    script = SipScript(SipSettings(session_expires_s=200))
    ref = SipCallRef("out")
    script.do(Place(ref, Dial("sip:bob@192.0.2.1", "sip:a@b.example", OFFER)))
    invite = script.request("INVITE")
    assert invite.headers.get("Session-Expires") == "200"
    script.say(
        answer_to(
            invite,
            200,
            sdp=ANSWER,
            headers=(("Session-Expires", "200;refresher=uac"), ("Allow", "UPDATE")),
        )
    )
    script.request("ACK")
    script.wait(100_000)
    assert script.request("UPDATE").headers.get("Session-Expires") == "200;refresher=uac"


def test_without_a_word_of_the_peer_there_is_no_session_timer() -> None:
    script, ok = talking()
    assert ok.headers.get("Session-Expires") is None
    script.wait(10_000_000)
    assert script.endpoint.load.calls == 1


def test_a_re_invite_with_too_short_a_session_timer_gets_422() -> None:
    script, ok = talking()
    short = "Supported: timer\nSession-Expires: 30"
    script.say(inside_text("INVITE", ok, cseq=2, sdp=HOLD, headers=short))
    assert script.response(422).headers.get("Min-SE") == "90"
    script.expect_no_report()


def test_our_refresh_that_is_too_short_is_tried_with_more() -> None:
    script, _ = talking(headers="Supported: timer\nSession-Expires: 180;refresher=uas")
    script.wait(90_000)
    script.say(answer_to(script.request("INVITE"), 422, headers=(("Min-SE", "400"),)))
    script.request("ACK")
    script.wait(0)
    assert script.request("INVITE").headers.get("Session-Expires") == "400;refresher=uac"


def test_a_peer_that_never_finds_our_refresh_long_enough_is_asked_twice_at_most() -> None:
    """RFC 4028 section 7.3: a 422 that names no more than was asked is no reason to ask again."""
    script, _ = talking(headers="Supported: timer\nSession-Expires: 180;refresher=uas")
    script.wait(90_000)
    for _ in range(2):
        script.say(answer_to(script.request("INVITE"), 422, headers=(("Min-SE", "400"),)))
        script.request("ACK")
        script.wait(0)
    script.expect_nothing()
    script.wait(58_000)
    script.request("BYE")


def test_our_offer_is_made_again_with_the_session_that_a_422_wants() -> None:
    script, _ = talking(headers="Supported: timer\nSession-Expires: 180")
    script.do(UpdateMedia(script.ref, HOLD))
    script.say(answer_to(script.request("INVITE"), 422, headers=(("Min-SE", "400"),)))
    script.request("ACK")
    again = script.request("INVITE")
    assert (again.headers.get("Session-Expires"), again.headers.get("Min-SE")) == (
        "400;refresher=uas",
        "400",
    )
    assert again.body.decode() == HOLD
    script.say(answer_to(again, 422, headers=(("Min-SE", "400"),)))
    script.request("ACK")
    assert script.report(MediaRefused).status == 422
    script.expect_nothing()


def test_a_call_of_ours_may_want_a_session_timer_of_its_own() -> None:
    """SIP-50, as_session_timer: what the trunk says counts for its calls alone."""
    script = SipScript()
    dial = Dial("sip:bob@192.0.2.1", "sip:a@b.example", OFFER, session_expires_s=600)
    script.do(Place(SipCallRef("out"), dial))
    invite = script.request("INVITE")
    assert (invite.headers.get("Session-Expires"), invite.headers.get("Min-SE")) == ("600", "90")
    script.say(answer_to(invite, 200, sdp=ANSWER, headers=(("Session-Expires", "600"),)))
    script.request("ACK")
    script.wait(300_000)
    assert script.request("INVITE").headers.get("Session-Expires") == "600;refresher=uac"


@pytest.mark.parametrize(
    ("theirs", "agreed"),
    [
        ("Supported: timer", "600;refresher=uac"),
        ("", "600;refresher=uas"),  # who knows none is refreshed by us
        ("Supported: timer\nSession-Expires: 1800", "1800;refresher=uac"),  # theirs counts
    ],
)
def test_a_call_of_a_trunk_gets_the_session_timer_that_the_trunk_wants(
    theirs: str, agreed: str
) -> None:
    """SIP-50, as_session_timer, of calls that come in."""

    class Trunks(OpenGate):
        is_open = False

        def judge(self, arrival: Arrival, now_ms: int) -> Verdict:
            del arrival, now_ms
            return Pass("tr1", "+918000000042", session_expires_s=600)

    script = SipScript(gate=Trunks())
    script.say(invite_text(headers=theirs))
    script.do(Answer(script.ref, ANSWER))
    script.response(100)
    assert script.response(200).headers.get("Session-Expires") == agreed
