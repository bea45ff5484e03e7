"""Offers and answers with keys: SIP-42, SIP-43, PN-8, RFC 4568."""

from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from agentstream.base.errors import CommandError, PeerError
from agentstream.base.ids import CountedTokens
from agentstream.media import sdp
from agentstream.media.crypto import SUITES, read
from agentstream.media.negotiate import LocalMedia, SdpSession, accept_answer, answer, make_offer
from agentstream.media.plan import SrtpPlan

OFF = LocalMedia(address="192.0.2.10", port=10_000)
PREFERRED = replace(OFF, srtp="preferred")
REQUIRED = replace(OFF, srtp="required")
THEIRS = bytes(range(30))


def crypto(suite: str = SUITES[0], key: bytes = THEIRS, tag: int = 1) -> str:
    """An a=crypto line."""
    return f"a=crypto:{tag} {suite} inline:{b64encode(key).decode()}"


def theirs(*attributes: str, media: str = "m=audio 4000 RTP/SAVP 0") -> str:
    """A description of theirs, the attributes below its m= line."""
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", media]
    return "".join(f"{line}\r\n" for line in (*head, *attributes))


def audio(text: str) -> sdp.Media:
    return next(line for line in sdp.parse(text).media if line.kind == "audio" and line.port)


def test_an_offer_has_four_fresh_keys_and_their_answer_chooses_one() -> None:
    """PN-8: allow and require offer RTP/SAVP; RFC 4568 section 5.1.3: the tag says which."""
    for local in (PREFERRED, REQUIRED):
        offer = make_offer(local, tokens=CountedTokens())
        ours = read(audio(offer))
        assert audio(offer).profile == "RTP/SAVP"
        assert [(line.tag, line.suite) for line in ours] == list(enumerate(SUITES[:4], 1))
        assert len({line.key for line in ours}) == 4
        plan = accept_answer(offer, theirs(crypto(SUITES[1], tag=2)), requires_srtp=True).srtp
        assert plan == SrtpPlan(SUITES[1], ours[1].key, THEIRS)


def test_a_best_effort_offer_is_rtp_avp_with_keys() -> None:
    """SIP-42: as a preset wishes."""
    offer = make_offer(replace(PREFERRED, srtp_form="avp"), tokens=CountedTokens())
    assert (audio(offer).profile, len(read(audio(offer)))) == ("RTP/AVP", 4)
    for profile in ("RTP/AVP", "RTP/SAVP"):
        chosen = theirs(crypto(), media=f"m=audio 4000 {profile} 0")
        assert accept_answer(offer, chosen).srtp is not None
    assert accept_answer(offer, theirs(media="m=audio 4000 RTP/AVP 0")).srtp is None


def test_an_answer_without_keys_is_clear_where_srtp_is_preferred_and_fails_where_required() -> None:
    """SIP-42, PN-8."""
    offer = make_offer(PREFERRED, tokens=CountedTokens())
    clear = theirs(media="m=audio 4000 RTP/AVP 0")
    assert accept_answer(offer, clear).srtp is None
    with pytest.raises(PeerError, match="SRTP is required") as caught:
        accept_answer(offer, clear, requires_srtp=True)
    assert caught.value.status == 488


@pytest.mark.parametrize(
    "line", [crypto(SUITES[1]), crypto(tag=9), crypto(key=b"short"), crypto("NULL_HMAC_SHA1_80")]
)
def test_an_answer_with_keys_that_fit_none_of_ours_fails(line: str) -> None:
    offer = make_offer(PREFERRED, tokens=CountedTokens())
    with pytest.raises(PeerError, match="none that we offered"):
        accept_answer(offer, theirs(line))


def test_srtp_that_was_not_offered_is_not_an_answer() -> None:
    with pytest.raises(PeerError, match="RTP/SAVP, we offered RTP/AVP"):
        accept_answer(make_offer(OFF), theirs(crypto()))
    ignored = theirs(crypto(), media="m=audio 4000 RTP/AVP 0")
    assert accept_answer(make_offer(OFF), ignored).srtp is None


def test_no_key_is_offered_without_tls() -> None:
    """SIP-43."""
    silent = replace(PREFERRED, offers_keys=False)
    assert (audio(make_offer(silent)).profile, read(audio(make_offer(silent)))) == ("RTP/AVP", ())
    with pytest.raises(CommandError, match="over TLS alone"):
        make_offer(replace(REQUIRED, offers_keys=False))
    # Theirs are taken: they have shown their own.
    assert answer(theirs(crypto()), silent, tokens=CountedTokens()).remote.srtp is not None


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF", "RTP/AVP", "RTP/AVPF", "rtp/savp"])
def test_keys_in_an_offer_are_used_and_the_answer_keeps_its_profile(profile: str) -> None:
    """PN-8, SIP-42: also beside RTP/AVP; RFC 3264 section 6: the profile is theirs."""
    for local in (PREFERRED, REQUIRED):
        offer = theirs(crypto(tag=3), media=f"m=audio 4000 {profile} 0")
        answered = answer(offer, local, tokens=CountedTokens())
        ours = audio(answered.sdp)
        (line,) = read(ours)
        assert (ours.profile, line.tag, line.suite) == (profile, 3, SUITES[0])
        assert answered.remote.srtp == SrtpPlan(SUITES[0], line.key, THEIRS)
        assert line.key != THEIRS


def test_the_suite_is_the_one_of_theirs_that_we_like_best() -> None:
    long, short = bytes(46), bytes(30)
    offer = theirs(
        crypto("AEAD_AES_256_GCM", bytes(44), 1),
        crypto("AES_256_CM_HMAC_SHA1_80", long, 2),
        crypto("AES_CM_128_HMAC_SHA1_32", short, 3),
        crypto("AES_CM_128_HMAC_SHA1_80", short, 4),
    )
    (line,) = read(audio(answer(offer, PREFERRED, tokens=CountedTokens()).sdp))
    assert (line.tag, line.suite) == (4, "AES_CM_128_HMAC_SHA1_80")


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_is_taken(suite: str) -> None:
    sizes = dict(zip(SUITES, (30, 30, 46, 46, 28, 44), strict=True))
    key = bytes(sizes[suite])  # type: ignore[index]
    answered = answer(theirs(crypto(suite, key)), REQUIRED, tokens=CountedTokens())
    assert answered.remote.srtp is not None
    assert answered.remote.srtp.suite == suite
    assert len(answered.remote.srtp.our_key) == len(key)


@pytest.mark.parametrize("unusable", [(), (crypto("F8_128_HMAC_SHA1_80"),)])
@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF"])
def test_an_offer_of_srtp_is_never_refused_where_it_is_not_required(
    profile: str, unusable: tuple[str, ...]
) -> None:
    """PN-8: LiveKit offers RTP/SAVP and does not call again after a 488."""
    offer = theirs(*unusable, media=f"m=audio 4000 {profile} 0")
    answered = answer(offer, PREFERRED)
    assert audio(answered.sdp).profile == profile.replace("SAVP", "AVP")
    assert (read(audio(answered.sdp)), answered.remote.srtp) == ((), None)
    with pytest.raises(PeerError, match="SRTP is required") as caught:
        answer(offer, REQUIRED)
    assert caught.value.status == 488


def test_what_livekit_offers_is_answered_with_srtp() -> None:
    """PN-8."""
    offer = (Path(__file__).parents[1] / "wire" / "sdp" / "livekit_srtp_offer.sdp").read_text()
    for local, profile in ((REQUIRED, "RTP/SAVP"), (PREFERRED, "RTP/SAVP"), (OFF, "RTP/AVP")):
        assert audio(answer(offer, local, tokens=CountedTokens()).sdp).profile == profile


def test_off_answers_in_clear_whatever_is_offered() -> None:
    """PN-8."""
    answered = answer(theirs(crypto()), OFF)
    assert (audio(answered.sdp).profile, answered.remote.srtp) == ("RTP/AVP", None)
    with pytest.raises(PeerError, match="RTP/SAVP"):
        answer(theirs(media="m=audio 4000 UDP/TLS/RTP/SAVP 0"), PREFERRED)


@pytest.mark.parametrize(("local", "ports"), [(OFF, [0, 10_000]), (PREFERRED, [10_000, 0])])
def test_of_two_lines_for_the_same_audio_the_fitting_one_is_taken(
    local: LocalMedia, ports: list[int]
) -> None:
    """RFC 4568 section 7.1.1 tells of the practice: one line with keys, one without."""
    offer = theirs(crypto(), "m=audio 4002 RTP/AVP 0")
    answered = answer(offer, local, tokens=CountedTokens())
    assert [line.port for line in sdp.parse(answered.sdp).media] == ports
    assert (answered.remote.srtp is None) == (local is OFF)


def test_keys_stay_while_theirs_do_and_are_new_when_theirs_are() -> None:
    """RFC 4568 section 7.1.4: a re-INVITE with the same line is no new key."""
    session = SdpSession(1, CountedTokens())
    first = session.answer(theirs(crypto()), PREFERRED).remote.srtp
    held = session.answer(theirs(crypto(), "a=sendonly"), PREFERRED).remote
    assert (held.srtp, held.sends) == (first, False)
    other = session.answer(theirs(crypto(key=bytes(30))), PREFERRED).remote.srtp
    assert first is not None
    assert other is not None
    assert other.our_key != first.our_key
    clear = session.answer(theirs(media="m=audio 4000 RTP/AVP 0"), PREFERRED).remote.srtp
    assert clear is None
    again = session.answer(theirs(crypto()), PREFERRED).remote.srtp
    assert again is not None
    assert again.our_key != first.our_key  # its counters would begin anew


def test_a_second_offer_of_ours_repeats_the_key_that_was_chosen() -> None:
    session = SdpSession(1, CountedTokens())
    first = session.offer(PREFERRED)
    agreed = session.accept(theirs(crypto(SUITES[2], bytes(46), 3))).srtp
    assert agreed is not None
    again = session.offer(replace(PREFERRED, direction="sendonly", offers_keys=False))
    (line,) = read(audio(again))
    assert (audio(again).profile, line.tag, line.key) == ("RTP/SAVP", 3, agreed.our_key)
    assert session.accept(theirs(crypto(SUITES[2], bytes(46), 3))).srtp == agreed
    assert len(read(audio(first))) == 4


def test_what_was_agreed_in_clear_is_offered_in_clear_again() -> None:
    session = SdpSession(1, CountedTokens())
    session.offer(PREFERRED)
    assert session.accept(theirs(media="m=audio 4000 RTP/AVP 0")).srtp is None
    again = audio(session.offer(PREFERRED))
    assert (again.profile, read(again)) == ("RTP/AVP", ())


def test_an_offer_that_was_refused_is_made_once_more_in_clear() -> None:
    """SIP-42: after 488, 415 or 606."""
    session = SdpSession(1, CountedTokens())
    session.offer(PREFERRED)
    session.refused()
    second = audio(session.offer(replace(PREFERRED, srtp="off")))
    assert (second.profile, read(second)) == ("RTP/AVP", ())
    assert session.accept(theirs(media="m=audio 4000 RTP/AVP 0")).srtp is None


def test_a_leg_that_requires_srtp_refuses_to_go_on_in_clear() -> None:
    session = SdpSession(1, CountedTokens())
    kept = session.answer(theirs(crypto()), REQUIRED).remote.srtp
    with pytest.raises(PeerError, match="SRTP is required"):
        session.answer(theirs(media="m=audio 4000 RTP/AVP 0"), REQUIRED)
    assert session.answer(theirs(crypto()), REQUIRED).remote.srtp == kept


def test_keys_need_a_source() -> None:
    with pytest.raises(CommandError, match="fresh keys"):
        make_offer(PREFERRED)
