"""Offer and answer: who may send what, where to, under which number."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import CommandError, PeerError
from agentstream.media import sdp
from agentstream.media.negotiate import (
    Direction,
    LocalMedia,
    SdpSession,
    accept_answer,
    answer,
    make_offer,
)
from agentstream.media.plan import CodecPlan, RemotePlan

FOLDER = Path(__file__).parent.parent / "wire" / "sdp"
LOCAL = LocalMedia("192.0.2.1", 10_000)
PCMU, PCMA, G722 = CodecPlan(0, "PCMU"), CodecPlan(8, "PCMA"), CodecPlan(9, "G722")


def capture(name: str) -> str:
    return (FOLDER / f"{name}.sdp").read_bytes().decode()


def offer_of(*lines: str, media: str = "m=audio 4000 RTP/AVP 0") -> str:
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0")
    return "\r\n".join((*head, media, *lines, ""))


def audio_of(text: str) -> sdp.Media:
    return next(m for m in sdp.parse(text).media if m.kind == "audio" and m.port)


def test_baresip_is_answered_with_its_first_codec_and_dtmf() -> None:
    answered = answer(capture("baresip_offer"), LOCAL, session_id=5, version=3)
    assert answered.sdp == (
        "v=0\r\no=agentstream 5 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=audio 10000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    assert answered.remote == RemotePlan(
        address="192.0.2.21",
        port=20034,
        codecs=(PCMU, PCMA, G722),
        rtcp_port=20035,
        ptime_ms=20,
        dtmf_payload_type=101,
    )


def test_the_codec_order_is_theirs_or_ours_by_setting() -> None:
    theirs = answer(capture("livekit_offer"), LOCAL)
    ours = answer(capture("livekit_offer"), replace(LOCAL, prefer="ours"))
    assert theirs.remote.codecs == (G722, PCMU, PCMA)
    assert ours.remote.codecs == (PCMU, PCMA, G722)
    assert audio_of(ours.sdp).formats == ("0", "101")


def test_all_common_codecs_are_listed_by_setting() -> None:
    local = replace(LOCAL, answer_codecs="all", codecs=("PCMA", "PCMU"))
    assert audio_of(answer(capture("livekit_offer"), local).sdp).formats == ("0", "8", "101")


def test_static_numbers_need_no_rtpmap() -> None:
    remote = answer(capture("sipp_pcap_no_rtpmap_offer"), LOCAL).remote
    assert (remote.codecs, remote.dtmf_payload_type) == ((PCMA,), 101)
    assert remote.rtcp_port == 6005


def test_without_telephone_event_there_is_none() -> None:
    answered = answer(capture("sipp_uac_offer"), LOCAL)
    assert answered.remote.dtmf_payload_type is None
    assert audio_of(answered.sdp).formats == ("0",)
    assert answer(capture("bare_line_feeds_offer"), LOCAL).remote == answered.remote


def test_dtmf_can_be_switched_off() -> None:
    local = replace(LOCAL, dtmf=False)
    assert answer(capture("baresip_offer"), local).remote.dtmf_payload_type is None
    assert "telephone-event" not in make_offer(local)
    plan = accept_answer(make_offer(local), capture("cisco_delayed_answer"))
    assert plan.dtmf_payload_type is plan.dtmf_receive_payload_type is None


def test_the_48000_clock_of_telephone_event_and_opus_are_passed_over() -> None:
    remote = answer(capture("asterisk_several_dtmf_clocks_offer"), LOCAL).remote
    assert remote.dtmf_payload_type == 101
    assert remote.codecs == (G722, PCMA)


def test_opus_takes_telephone_events_of_its_clock_along() -> None:
    """SIP-41: both clocks are offered; an answer has the one that its codec needs."""
    local = replace(LOCAL, codecs=("OPUS", "PCMU"))
    theirs = make_offer(replace(local, address="192.0.2.9"))
    assert "a=rtpmap:111 opus/48000/2\r\n" in theirs
    assert "a=rtpmap:101 telephone-event/8000\r\n" in theirs
    assert "a=rtpmap:110 telephone-event/48000\r\n" in theirs
    for ours, number, rate_hz in ((local, 110, 48_000), (LOCAL, 101, 8_000)):
        answered = answer(theirs, ours)
        assert f"a=rtpmap:{number} telephone-event/{rate_hz}" in answered.sdp
        assert answered.sdp.count("telephone-event") == 1
        for plan in (answered.remote, accept_answer(theirs, answered.sdp)):
            assert (plan.dtmf_payload_type, plan.dtmf_rate_hz) == (number, rate_hz)
            assert plan.dtmf_receive_payload_type is None


def test_opus_without_events_of_its_clock_has_those_of_8000() -> None:
    theirs = offer_of(
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:97 telephone-event/8000",
        media="m=audio 4000 RTP/AVP 96 97",
    )
    plan = answer(theirs, replace(LOCAL, codecs=("OPUS",))).remote
    assert plan.codecs == (CodecPlan(96, "OPUS"),)
    assert (plan.dtmf_payload_type, plan.dtmf_rate_hz) == (97, 8_000)


def test_opus_of_one_channel_is_no_opus() -> None:
    """RFC 7587 section 7: it is announced with two, whatever it carries."""
    theirs = offer_of("a=rtpmap:96 opus/48000", media="m=audio 4000 RTP/AVP 96 0")
    assert answer(theirs, replace(LOCAL, codecs=("OPUS", "PCMU"))).remote.codecs == (PCMU,)


def test_rtcp_mux_is_agreed_when_offered_and_enabled() -> None:
    offer = capture("asterisk_several_dtmf_clocks_offer")
    agreed = answer(offer, LOCAL)
    assert agreed.remote.rtcp_port is None
    assert audio_of(agreed.sdp).has("rtcp-mux")
    declined = answer(offer, replace(LOCAL, rtcp_mux=False))
    assert declined.remote.rtcp_port == 14877
    assert not audio_of(declined.sdp).has("rtcp-mux")


@pytest.mark.parametrize(
    ("lines", "port", "expected"),
    [
        (("a=rtcp:5005 IN IP4 192.0.2.9",), 4000, 5005),
        (("a=rtcp:0",), 4000, 4001),
        (("a=rtcp:x",), 4000, 4001),
        (("a=rtcp",), 4000, 4001),
        ((), 65535, None),
    ],
)
def test_rtcp_goes_where_the_offer_says(
    lines: tuple[str, ...], port: int, expected: int | None
) -> None:
    offer = offer_of(*lines, media=f"m=audio {port} RTP/AVP 0")
    assert answer(offer, LOCAL).remote.rtcp_port == expected


def test_only_one_audio_line_is_taken_and_the_order_is_mirrored() -> None:
    answered = answer(capture("audio_and_video_offer"), LOCAL)
    assert [(m.kind, m.port) for m in sdp.parse(answered.sdp).media] == [
        ("video", 0),
        ("audio", 10_000),
        ("audio", 0),
        ("application", 0),
    ]
    assert (answered.remote.address, answered.remote.port) == ("192.0.2.62", 7080)


def test_the_second_audio_line_is_taken_when_the_first_cannot_be() -> None:
    offer = offer_of(
        "m=audio 4002 RTP/SAVP 0", "m=audio 4004 RTP/AVP 8", media="m=audio 0 RTP/AVP 0"
    )
    answered = answer(offer, LOCAL)
    assert answered.remote.port == 4004
    assert [m.port for m in sdp.parse(answered.sdp).media] == [0, 0, 10_000]
    assert [m.profile for m in sdp.parse(answered.sdp).media] == ["RTP/AVP", "RTP/SAVP", "RTP/AVP"]


def test_feedback_profile_is_mirrored() -> None:
    assert audio_of(answer(offer_of(media="m=audio 4 RTP/AVPF 0"), LOCAL).sdp).profile == "RTP/AVPF"


def test_ipv6_dynamic_numbers_comfort_noise_and_ptime_are_honoured() -> None:
    local = replace(LOCAL, address="2001:db8::1", comfort_noise=True)
    answered = answer(capture("ipv6_dynamic_numbers_offer"), local)
    assert answered.remote == RemotePlan(
        address="2001:db8::21",
        port=30002,
        codecs=(CodecPlan(110, "PCMA"),),
        rtcp_port=30003,
        ptime_ms=30,
        dtmf_payload_type=111,
        cn_payload_type=13,
        sends=False,
        receives=False,
    )
    assert audio_of(answered.sdp).formats == ("110", "13", "111")
    assert "c=IN IP6 2001:db8::1\r\n" in answered.sdp
    assert "a=inactive\r\n" in answered.sdp


def test_comfort_noise_is_not_invited_by_default_but_understood() -> None:
    answered = answer(capture("ipv6_dynamic_numbers_offer"), LOCAL)
    assert "13" not in audio_of(answered.sdp).formats
    assert answered.remote.cn_payload_type == 13
    assert "CN/8000" in make_offer(replace(LOCAL, comfort_noise=True))


def test_number_13_for_a_codec_is_not_comfort_noise() -> None:
    offer = offer_of("a=rtpmap:13 PCMA/8000", media="m=audio 4000 RTP/AVP 13")
    remote = answer(offer, LOCAL).remote
    assert remote.codecs == (CodecPlan(13, "PCMA"),)
    assert remote.cn_payload_type is None


@pytest.mark.parametrize(
    ("theirs", "ours", "stated", "sends", "receives"),
    [
        ("sendrecv", "sendrecv", "sendrecv", True, True),
        ("sendonly", "sendrecv", "recvonly", False, True),
        ("recvonly", "sendrecv", "sendonly", True, False),
        ("inactive", "sendrecv", "inactive", False, False),
        ("sendrecv", "sendonly", "sendonly", True, False),
        ("sendonly", "sendonly", "inactive", False, False),
        ("sendrecv", "inactive", "inactive", False, False),
    ],
)
def test_directions_are_mirrored(
    theirs: str, ours: Direction, stated: str, sends: bool, receives: bool
) -> None:
    answered = answer(offer_of(f"a={theirs}"), replace(LOCAL, direction=ours))
    assert (answered.remote.sends, answered.remote.receives) == (sends, receives)
    assert audio_of(answered.sdp).has(stated)


def test_a_direction_of_the_session_counts_unless_the_medium_has_its_own() -> None:
    offer = offer_of().replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n")
    assert not answer(offer, LOCAL).remote.sends
    assert answer(offer + "a=sendrecv\r\n", LOCAL).remote.sends


def test_hold_by_zero_address_stops_our_sending_and_is_answered_recvonly() -> None:
    answered = answer(capture("old_hold_zero_address"), LOCAL)
    assert not answered.remote.sends
    assert answered.remote.receives
    assert audio_of(answered.sdp).has("recvonly")


@pytest.mark.parametrize(
    ("lines", "own_ms", "expected"),
    [
        ((), 20, 20),
        ((), 40, 40),
        (("a=ptime:30",), 20, 30),
        (("a=ptime:20.0",), 40, 20),
        (("a=ptime:25",), 20, 20),
        (("a=ptime:5",), 20, 10),
        (("a=ptime:200",), 20, 60),
        (("a=ptime:60", "a=maxptime:40"), 20, 40),
        (("a=maxptime:10",), 20, 10),
        (("a=ptime:x", "a=maxptime"), 20, 20),
    ],
)
def test_their_packet_time_is_honoured(lines: tuple[str, ...], own_ms: int, expected: int) -> None:
    answered = answer(offer_of(*lines), replace(LOCAL, ptime_ms=own_ms))
    assert answered.remote.ptime_ms == expected
    assert audio_of(answered.sdp).value("ptime") == str(expected)


@pytest.mark.parametrize(
    "offer",
    [
        offer_of(media="m=audio 4000 UDP/TLS/RTP/SAVP 0"),
        offer_of(media="m=video 4000 RTP/AVP 96"),
        offer_of(media="m=audio 0 RTP/AVP 0"),
        offer_of(media="m=audio 4000 RTP/AVP 3 18 x 200"),
        offer_of("a=rtpmap:0 PCMU/16000"),
        offer_of("c=IN IP4 media.example.net"),
        offer_of("c=IN IP4 224.0.1.1/127"),
    ],
)
def test_an_offer_that_does_not_fit_is_488(offer: str) -> None:
    with pytest.raises(PeerError) as caught:
        answer(offer, LOCAL)
    assert caught.value.status == 488


def test_audio_without_an_address_is_400() -> None:
    with pytest.raises(PeerError) as caught:
        answer(offer_of().replace("c=IN IP4 192.0.2.9\r\n", ""), LOCAL)
    assert caught.value.status == 400


def test_a_number_above_127_is_no_payload_type() -> None:
    offer = offer_of("a=rtpmap:128 PCMU/8000", media="m=audio 4000 RTP/AVP 128 8")
    assert answer(offer, LOCAL).remote.codecs == (PCMA,)


def test_each_codec_counts_once() -> None:
    offer = offer_of("a=rtpmap:96 PCMU/8000", media="m=audio 4000 RTP/AVP 96 0")
    assert answer(offer, LOCAL).remote.codecs == (CodecPlan(96, "PCMU"),)


def test_our_offer_lists_everything() -> None:
    assert make_offer(LOCAL, session_id=9, version=2) == (
        "v=0\r\no=agentstream 9 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=audio 10000 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        "a=ptime:20\r\na=sendrecv\r\na=rtcp-mux\r\n"
    )


def test_a_delayed_offer_is_answered_in_the_ack() -> None:
    session = SdpSession(7)
    session.offer(LOCAL)
    assert session.accept(capture("cisco_delayed_answer")) == RemotePlan(
        address="198.51.100.77",
        port=24598,
        codecs=(PCMA,),
        rtcp_port=24599,
        dtmf_payload_type=96,
        dtmf_receive_payload_type=101,
    )


def test_a_codec_they_renumber_is_sent_with_their_number_and_received_with_both() -> None:
    theirs = offer_of("a=rtpmap:97 G722/8000", "a=rtcp-mux", media="m=audio 4000 RTP/AVP 97")
    plan = accept_answer(make_offer(LOCAL), theirs)
    assert plan.codecs == (CodecPlan(97, "G722"), G722)
    assert plan.rtcp_port is None


def test_our_number_is_not_received_where_they_use_it_otherwise() -> None:
    theirs = offer_of(
        "a=rtpmap:97 G722/8000", "a=rtpmap:9 PCMU/8000", media="m=audio 4000 RTP/AVP 97 9"
    )
    plan = accept_answer(make_offer(LOCAL), theirs)
    assert plan.codecs == (CodecPlan(97, "G722"), CodecPlan(9, "PCMU"), PCMU)


def test_their_direction_and_packet_time_in_an_answer_are_honoured() -> None:
    local = replace(LOCAL, direction="sendonly", ptime_ms=40)
    plan = accept_answer(make_offer(local), offer_of("a=recvonly"))
    assert (plan.sends, plan.receives, plan.ptime_ms) == (True, False, 40)
    assert accept_answer(make_offer(local), offer_of("a=ptime:30")).ptime_ms == 30


@pytest.mark.parametrize(
    "theirs",
    [
        offer_of(media="m=audio 0 RTP/AVP 0"),
        offer_of(media="m=video 4000 RTP/AVP 0"),
        offer_of(media="m=audio 4000 RTP/SAVP 0"),
        offer_of(media="m=audio 4000 RTP/AVP 18"),
        "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\n",
    ],
)
def test_an_answer_that_refuses_is_488(theirs: str) -> None:
    with pytest.raises(PeerError) as caught:
        accept_answer(make_offer(LOCAL), theirs)
    assert caught.value.status == 488


def test_the_version_grows_only_when_the_description_changes() -> None:
    session = SdpSession(44)
    first = session.answer(capture("baresip_offer"), LOCAL).sdp
    assert sdp.parse(first).origin.version == "1"
    assert session.answer(capture("baresip_offer"), LOCAL).sdp == first
    held = session.offer(replace(LOCAL, direction="sendonly"))
    resumed = session.offer(LOCAL)
    origins = [sdp.parse(text).origin for text in (held, resumed)]
    assert [(o.session_id, o.version) for o in origins] == [("44", "2"), ("44", "3")]


def test_a_new_offer_keeps_places_profile_and_numbers() -> None:
    session = SdpSession(1)
    offer = offer_of(
        "m=audio 4000 RTP/AVPF 110 96",
        "a=rtpmap:110 PCMA/8000",
        "a=rtpmap:96 telephone-event/8000",
        media="m=video 5000 RTP/AVP 99",
    )
    session.answer(offer, LOCAL)
    again = sdp.parse(session.offer(replace(LOCAL, codecs=("PCMA",))))
    assert [(m.kind, m.port, m.profile) for m in again.media] == [
        ("video", 0, "RTP/AVP"),
        ("audio", 10_000, "RTP/AVPF"),
    ]
    assert again.media[1].formats == ("110", "96")


def test_an_answer_may_come_twice_and_a_refused_offer_is_forgotten() -> None:
    session = SdpSession(1)
    session.offer(LOCAL)
    early = session.accept(capture("cisco_delayed_answer"))
    assert session.accept(capture("cisco_delayed_answer")) == early
    session.offer(replace(LOCAL, direction="inactive"))
    session.refused()
    with pytest.raises(CommandError):
        session.accept(capture("cisco_delayed_answer"))


def test_a_bad_offer_leaves_the_session_as_it_was() -> None:
    session = SdpSession(1)
    first = session.answer(capture("baresip_offer"), LOCAL).sdp
    with pytest.raises(PeerError):
        session.answer(offer_of(media="m=audio 4000 UDP/TLS/RTP/SAVP 0"), LOCAL)
    assert session.answer(capture("baresip_offer"), LOCAL).sdp == first


CAPTURES = [path.read_bytes().decode() for path in sorted(FOLDER.glob("*.sdp"))]


@given(st.sampled_from(CAPTURES), st.integers(0, 600), st.text(max_size=3))
def test_any_offer_is_answered_or_refused(text: str, at: int, patch: str) -> None:
    offer = text[:at] + patch + text[at + len(patch) :]
    try:
        answered = answer(offer, LOCAL)
    except PeerError:
        return
    theirs, ours = sdp.parse(offer).media, sdp.parse(answered.sdp).media
    assert [m.kind for m in theirs] == [m.kind for m in ours]
    assert sum(m.port != 0 for m in ours) == 1
    assert answered.remote.ptime_ms in range(10, 61, 10)


@given(st.sampled_from(CAPTURES), st.integers(0, 600), st.text(max_size=3))
def test_any_answer_is_accepted_or_refused(text: str, at: int, patch: str) -> None:
    try:
        plan = accept_answer(make_offer(LOCAL), text[:at] + patch + text[at + len(patch) :])
    except PeerError:
        return
    assert plan.codecs
