"""Ladders: who sent what to whom, what was said again, and what that tells."""

from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import CallSid, LegSid, SipCallId
from agentstream.sip.kept import Address, KeptCall, KeptDialog, KeptMessage
from agentstream.switch.ladder import US, Ladder, ladder_of
from agentstream.switch.ladder_hints import LegSound, hints
from agentstream.switch.ladder_text import ladder_text

OURS: Address = ("198.51.100.1", 5060)
PHONE: Address = ("203.0.113.7", 5070)
CARRIER: Address = ("203.0.113.9", 5060)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} {profile} 8 101\r\na=rtpmap:101 telephone-event/8000\r\na={flag}\r\n"
)


def message(
    at_ms: int,
    line: str,
    cseq: str,
    *,
    ours: bool = False,
    far: Address = PHONE,
    sdp: str = "",
    more: str = "",
) -> KeptMessage:
    kind = "Content-Type: application/sdp\r\n" if sdp else ""
    data = f"{line}\r\nCSeq: {cseq}\r\n{more}{kind}\r\n{sdp}".encode()
    return KeptMessage(at_ms * 1_000, ours, "udp", OURS, far, data, len(data))


def a_sdp(host: str, port: int = 4_000, profile: str = "RTP/AVP", flag: str = "sendrecv") -> str:
    return SDP.format(host=host, port=port, profile=profile, flag=flag)


def ladder(*dialogs: tuple[str, list[KeptMessage]]) -> Ladder:
    return ladder_of(
        KeptCall(
            CallSid("c1"),
            tuple(
                KeptDialog(LegSid(leg), SipCallId(f"{leg}@x"), tuple(kept)) for leg, kept in dialogs
            ),
        )
    )


INVITE = "INVITE sip:1000@198.51.100.1 SIP/2.0"
OK = "SIP/2.0 200 OK"


def test_two_legs_stand_on_both_sides_of_us_in_the_order_of_time_sd_1_sd_5() -> None:
    """SD-5; SD-1: two dialogs, and we in between."""
    drawn = ladder(
        ("in", [message(1_000, INVITE, "1 INVITE"), message(1_200, OK, "1 INVITE", ours=True)]),
        (
            "out",
            [
                message(1_050, INVITE, "7 INVITE", ours=True, far=CARRIER),
                message(1_150, OK, "7 INVITE", far=CARRIER),
            ],
        ),
    )
    assert drawn.parties == ("203.0.113.7:5070", US, "203.0.113.9:5060")
    assert [(step.at_ms, step.leg_sid, step.label) for step in drawn.steps] == [
        (0, "in", "INVITE"),
        (50, "out", "INVITE"),
        (150, "out", "200 OK"),
        (200, "in", "200 OK"),
    ]
    picture = ladder_text(drawn).splitlines()
    assert picture[1].endswith("│──── INVITE ────────────▶│                         │")
    assert picture[2].endswith("│                         │──── INVITE ────────────▶│")
    assert picture[3].endswith("│                         │◀──────────── 200 OK ────│")
    assert picture[4].endswith("│◀──────────── 200 OK ────│                         │")


def test_an_sdp_is_told_in_few_words_sd_5() -> None:
    sdp = a_sdp("203.0.113.7", profile="RTP/SAVP", flag="sendonly")
    [step] = ladder(("in", [message(0, INVITE, "1 INVITE", sdp=sdp)])).steps
    assert str(step.sdp) == "PCMA telephone-event, 203.0.113.7:4000, sendonly, SRTP"


def test_what_is_said_again_is_marked() -> None:
    """RFC 3261 section 17.1.1.2: the same bytes."""
    again = [message(at_ms, INVITE, "1 INVITE", ours=True) for at_ms in (0, 500, 1_500, 3_500)]
    drawn = ladder(("out", again))
    assert [step.is_repeat for step in drawn.steps] == [False, True, True, True]
    assert "INVITE (again)" in ladder_text(drawn)
    assert "sent 4 times and never answered" in hints(drawn)[0]


def test_a_481_to_a_bye_is_explained() -> None:
    steps = [
        message(0, "BYE sip:x SIP/2.0", "2 BYE", ours=True),
        message(9, "SIP/2.0 481 Call Does Not Exist", "2 BYE"),
    ]
    assert hints(ladder(("in", steps)))[0].startswith("481 to a BYE: the far end")


def test_a_leg_that_was_answered_and_says_nothing_is_told_pn_13() -> None:
    """PN-13: the commonest fault of all."""
    drawn = ladder(("in", [message(0, INVITE, "1 INVITE"), message(1, OK, "1 INVITE", ours=True)]))
    silent = LegSound("the caller", "in", 0, 500)
    assert hints(drawn, [silent])[0].startswith("media received: no. The caller was answered")
    assert hints(drawn, [LegSound("the caller", "in", 480, 500)]) == ()


def test_rtp_from_elsewhere_than_the_sdp_said_is_told_sip_7() -> None:
    drawn = ladder(("in", [message(0, INVITE, "1 INVITE"), message(1, OK, "1 INVITE", ours=True)]))
    moved = LegSound("the caller", "in", 480, 500, "203.0.113.8:9000")
    assert "came from 203.0.113.8:9000" in hints(drawn, [moved])[0]


def test_private_addresses_are_told_of_both_sides_sip_7() -> None:
    drawn = ladder(
        (
            "in",
            [
                message(0, INVITE, "1 INVITE", sdp=a_sdp("10.0.0.7")),
                message(1, OK, "1 INVITE", ours=True, sdp=a_sdp("192.168.1.2")),
            ],
        )
    )
    theirs, ours = hints(ladder_of_public(drawn))
    assert theirs.startswith("The SDP of 8.8.8.8:5070 says 10.0.0.7")
    assert ours.startswith("Our SDP says 192.168.1.2, which 8.8.8.8:5070 cannot reach")


def ladder_of_public(drawn: Ladder) -> Ladder:
    """Return the same with the far end at an address of the Internet (not of a document)."""
    kept = [
        KeptMessage(one.at_us, one.is_ours, "udp", OURS, ("8.8.8.8", 5_070), one.data, one.size)
        for one in (step.message for step in drawn.steps)
    ]
    return ladder(("in", kept))


def test_a_second_challenge_after_credentials_is_told_sip_24() -> None:
    steps = [
        message(0, INVITE, "1 INVITE", ours=True),
        message(1, "SIP/2.0 401 Unauthorized", "1 INVITE"),
        message(2, INVITE, "2 INVITE", ours=True),
        message(3, "SIP/2.0 401 Unauthorized", "2 INVITE"),
    ]
    assert "user, password or realm is wrong" in hints(ladder(("out", steps)))[0]


def test_why_a_call_was_refused_stands_beside_it_sip_24() -> None:
    """SIP-24: Reason and Warning name the check that failed."""
    refused = message(
        1, "SIP/2.0 403 Forbidden", "1 INVITE", ours=True, more='Warning: 399 x "no ACL"\r\n'
    )
    drawn = ladder(("", [message(0, INVITE, "1 INVITE"), refused]))
    assert drawn.steps[1].why == '399 x "no ACL"'


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_any_bytes_make_a_ladder(datas: list[bytes]) -> None:
    kept = [
        KeptMessage(at, bool(at % 2), "udp", OURS, PHONE, data, len(data) + at)
        for at, data in enumerate(datas)
    ]
    drawn = ladder(("in", kept))
    hints(drawn)
    assert len(ladder_text(drawn).splitlines()) >= 1 + len(datas)
    assert len(drawn.as_json()["messages"]) == len(datas)
