"""Offer and answer (RFC 3264) as pure functions: our plan and their SDP make our SDP.

    make_offer(local) ........ accept_answer(our_offer, their_answer) -> RemotePlan
    answer(their_offer, local) -> Answered(sdp, remote)

One audio stream is used; every other m= line is refused with port 0, in the offer's order.
`SdpSession` keeps what must stay the same over re-offers: session id, version, order of m= lines
and payload types.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

from agentstream.base.errors import CommandError, PeerError
from agentstream.base.ids import Tokens
from agentstream.base.values import dataclass, replace
from agentstream.media import crypto, sdp
from agentstream.media.formats import (
    CN_PAYLOAD_TYPE,
    DTMF48_PAYLOAD_TYPE,
    DTMF_PAYLOAD_TYPE,
    FAST_HZ,
    Formats,
    choose_ptime_ms,
    format_lines,
    read_formats,
)
from agentstream.media.plan import CodecPlan, Encoding, RemotePlan, SrtpPlan

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

# (we send, we receive) of each direction, as its owner states it: RFC 3264 section 5.1.
_FLOWS: Final[dict[Direction, tuple[bool, bool]]] = {
    "sendrecv": (True, True),
    "sendonly": (True, False),
    "recvonly": (False, True),
    "inactive": (False, False),
}
_DIRECTIONS: Final = {flow: direction for direction, flow in _FLOWS.items()}


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our side of one leg's audio: where we listen, and what we are willing to speak."""

    address: str
    port: int  # RTP; RTCP is on port + 1 unless rtcp-mux is agreed
    codecs: tuple[Encoding, ...] = ("PCMU", "PCMA", "G722")  # in our order of preference
    ptime_ms: int = 20  # 10 to 60 in steps of 10
    direction: Direction = "sendrecv"
    rtcp_mux: bool = True  # RFC 5761: offered, and agreed to when offered
    dtmf: bool = True  # RFC 4733
    comfort_noise: bool = False  # RFC 3389; True invites the far end to leave silence out
    prefer: Literal["ours", "theirs"] = "theirs"  # whose codec order an answer follows
    answer_codecs: Literal["one", "all"] = "one"  # how many of the common codecs an answer lists
    srtp: crypto.SrtpUse = "off"  # preferred: keys of theirs are taken, no key is no refusal
    srtp_form: crypto.SrtpForm = "savp"  # how keys are offered
    offers_keys: bool = True  # False: none is offered first, as over a connection without TLS


@dataclass(frozen=True, slots=True)
class Answered:
    """Our answer, and what it means for the audio path."""

    sdp: str
    remote: RemotePlan


def make_offer(
    local: LocalMedia,
    session_id: int = 1,
    version: int = 1,
    previous: str | None = None,
    tokens: Tokens | None = None,
) -> str:
    """Write an offer; raises CommandError where SRTP is required and no key may be offered.

    `previous` is our last description of the same session: its m= lines keep their places (RFC 3264
    section 8) and the payload types agreed in it keep their meaning (section 8.3.2). Keys are made
    of `tokens`.
    """
    before = None if previous is None else sdp.parse(previous)
    return sdp.format_session(_offered(local, before, session_id, version, tokens))


def _offered(
    local: LocalMedia,
    previous: sdp.Session | None,
    session_id: int,
    version: int,
    tokens: Tokens | None,
) -> sdp.Session:
    lines: list[sdp.Media] = []
    index, known, profile, line = 0, Formats(), "RTP/AVP", None
    if previous is not None:
        media = previous.media
        index = _our_audio(media)
        line = media[index]
        known, profile = read_formats(line), line.profile
        lines = [_refusal(each) for each in media]
    use = crypto.offered_use(local.srtp, line, may_begin=local.offers_keys)
    keyed = crypto.offered(profile, use, local.srtp_form, line, tokens)
    formats = Formats(
        codecs=tuple(CodecPlan(known.number_of(name), name) for name in local.codecs),
        dtmf=(known.dtmf or DTMF_PAYLOAD_TYPE) if local.dtmf else None,
        cn=CN_PAYLOAD_TYPE if local.comfort_noise else None,
        dtmf48=(known.dtmf48 or DTMF48_PAYLOAD_TYPE)
        if local.dtmf and "OPUS" in local.codecs
        else None,
    )
    shown = _Shown(local.port, local.ptime_ms, local.direction, local.rtcp_mux)
    lines[index : index + 1] = [_audio(shown, formats, keyed)]
    return _describe(local, lines, session_id, version)


def answer(
    offer: str,
    local: LocalMedia,
    session_id: int = 1,
    version: int = 1,
    tokens: Tokens | None = None,
) -> Answered:
    """Answer an offer; raises PeerError 400 when it is not SDP and 488 when nothing in it fits."""
    ours, remote = _answered(offer, local, (session_id, version), None, tokens)
    return Answered(sdp.format_session(ours), remote)


def _answered(
    offer: str,
    local: LocalMedia,
    numbers: tuple[int, int],  # session id and version
    before: SrtpPlan | None,
    tokens: Tokens | None,
) -> tuple[sdp.Session, RemotePlan]:
    theirs = sdp.parse(offer)
    index, common = _choose(theirs, local)
    media = theirs.media[index]
    keyed = crypto.answered(media, local.srtp, before, tokens)
    mux = local.rtcp_mux and media.has("rtcp-mux")
    ptime_ms = choose_ptime_ms(media, local.ptime_ms)
    remote = _remote(theirs, media, common, mux=mux)
    sends, receives = _both(_FLOWS[local.direction], _mirrored(theirs, media))
    codecs = common.codecs[:1] if local.answer_codecs == "one" else common.codecs
    cn = common.cn if local.comfort_noise else None
    listed = Formats(codecs, common.dtmf, cn, common.dtmf48).with_needed_events()
    lines = [_refusal(line) for line in theirs.media]
    shown = _Shown(local.port, ptime_ms, _DIRECTIONS[sends, receives], mux)
    lines[index] = _audio(shown, listed, keyed)
    ours = _describe(local, lines, *numbers, theirs.times)
    return ours, replace(remote, ptime_ms=ptime_ms, sends=sends, receives=receives, srtp=keyed.plan)


def accept_answer(our_offer: str, answer: str, *, requires_srtp: bool = False) -> RemotePlan:
    """Read the answer to our offer; raises PeerError 400 when it is not SDP, 488 when it refuses.

    What they number otherwise than we did is sent with their number and received with ours as well
    (RFC 3264 section 5.1). An answer without keys to an offer with keys is in clear, unless SRTP is
    required (SIP-42).
    """
    return _accepted(sdp.parse(our_offer), answer, requires_srtp=requires_srtp)


def _accepted(ours: sdp.Session, answer: str, *, requires_srtp: bool) -> RemotePlan:
    theirs = sdp.parse(answer)
    index = _our_audio(ours.media)
    offered = ours.media[index]
    media = theirs.media[index] if index < len(theirs.media) else None
    if media is None or media.kind != "audio" or media.port == 0:
        raise PeerError("the answer refuses our audio", 488)
    if crypto.plain(media.profile).upper() != crypto.plain(offered.profile).upper():
        raise PeerError(f"the answer speaks {media.profile}, we offered {offered.profile}", 488)
    keys = crypto.accepted(offered, media, is_required=requires_srtp)
    own = read_formats(offered)
    common = read_formats(media).only(codec.encoding for codec in own.codecs)
    if not common.codecs:
        raise PeerError("no codec of our offer is in the answer", 488)
    if own.dtmf is None:
        common = replace(common, dtmf=None, dtmf48=None)
    mux = offered.has("rtcp-mux") and media.has("rtcp-mux")
    remote = _remote(theirs, media, common, mux=mux)
    sends, receives = _both(_FLOWS[_stated(ours, offered)], _mirrored(theirs, media))
    return replace(
        remote,
        codecs=(*common.codecs, *(c for c in own.codecs if _is_renumbered(c, common))),
        dtmf_receive_payload_type=_renumbered_events(own, common),
        ptime_ms=choose_ptime_ms(media, choose_ptime_ms(offered, 20)),
        sends=sends,
        receives=receives,
        srtp=keys,
    )


class SdpSession:
    """One call's descriptions: our o= line keeps its id, and its version counts the changes.

    Keys are made of `tokens`, and stay what they are while theirs do.
    """

    def __init__(self, session_id: int, tokens: Tokens | None = None) -> None:
        self._session_id = session_id
        self._tokens = tokens
        self._version = 0
        self._sent: sdp.Session | None = None  # our latest description, whatever became of it
        self._agreed: sdp.Session | None = None  # our latest one that holds
        self._pending: sdp.Session | None = None  # our offer that waits for its answer
        self._requires_srtp = False  # of that offer
        self._keys: SrtpPlan | None = None  # as agreed

    def offer(self, local: LocalMedia) -> str:
        """Write an offer, the first or a new one; it is pending until `accept` or `refused`.

        Raises CommandError where SRTP is required and no key may be offered (SIP-43).
        """
        numbers = self._session_id, self._version + 1
        self._pending = self._numbered(_offered(local, self._agreed, *numbers, self._tokens))
        self._requires_srtp = local.srtp == "required"
        return sdp.format_session(self._pending)

    def answer(self, offer: str, local: LocalMedia) -> Answered:
        """Answer their offer, the first or a new one; a PeerError leaves everything as it was."""
        numbers = self._session_id, self._version + 1
        ours, remote = _answered(offer, local, numbers, self._keys, self._tokens)
        self._agreed, self._keys = self._numbered(ours), remote.srtp
        return Answered(sdp.format_session(self._agreed), remote)

    def accept(self, answer: str) -> RemotePlan:
        """Read the answer to our pending offer.

        It may come more than once (183, then 200; forks). Raises CommandError when none is pending,
        PeerError like `accept_answer`.
        """
        if self._pending is None:
            raise CommandError("there is no offer of ours to be answered")
        remote = _accepted(self._pending, answer, requires_srtp=self._requires_srtp)
        self._agreed, self._keys = _settled(self._pending, remote.srtp), remote.srtp
        return remote

    def refused(self) -> None:
        """Forget our pending offer: they refused it, and all stays as it was."""
        self._pending = None

    def _numbered(self, ours: sdp.Session) -> sdp.Session:
        """Return a description that has the next version, or the one before when it is the same.

        RFC 3264 section 8: the version grows by one, and only when something has changed.
        """
        if self._sent is None or replace(ours, origin=self._sent.origin) != self._sent:
            self._version += 1
            self._sent = ours
        return self._sent


def _settled(ours: sdp.Session, keys: SrtpPlan | None) -> sdp.Session:
    """Leave out of our offer the keys that were not chosen."""
    index = _our_audio(ours.media)
    line = ours.media[index]
    if not crypto.has_lines(line):
        return ours
    profile, attributes = crypto.settled(line, keys)
    lines = list(ours.media)
    lines[index] = replace(line, profile=profile, attributes=attributes)
    return replace(ours, media=tuple(lines))


def _choose(theirs: sdp.Session, local: LocalMedia) -> tuple[int, Formats]:
    """Find the audio line that we can speak and that suits us best, and what we have in common."""
    reason = "the offer has no audio"
    lines = [pair for pair in enumerate(theirs.media) if pair[1].kind == "audio" and pair[1].port]
    if len(lines) > 1:
        lines.sort(key=lambda pair: crypto.fitness(pair[1], local.srtp))
    for index, media in lines:
        if media.profile.upper() not in crypto.PROFILES:
            reason = f"{media.profile} is not supported"
            continue
        formats = read_formats(media)
        common = (
            formats.ordered(local.codecs) if local.prefer == "ours" else formats.only(local.codecs)
        )
        if common.codecs:
            return index, common if local.dtmf else replace(common, dtmf=None, dtmf48=None)
        reason = "no common codec"
    raise PeerError(reason, 488)


def _remote(theirs: sdp.Session, media: sdp.Media, common: Formats, *, mux: bool) -> RemotePlan:
    """Say where they listen and in which payload types; direction and ptime come later."""
    address = media.address or theirs.address
    if address is None:
        raise PeerError("SDP without a c= line for its audio")
    try:
        is_multicast = _numeric(address).is_multicast
    except ValueError:
        raise PeerError(f"the media address {address} is not an IP address", 488) from None
    if is_multicast:
        raise PeerError(f"the media address {address} is multicast", 488)
    silence = common.cn
    if silence is None and not any(c.payload_type == CN_PAYLOAD_TYPE for c in common.codecs):
        silence = CN_PAYLOAD_TYPE  # some send it without a word in their SDP
    return RemotePlan(
        address=address,
        port=media.port,
        codecs=common.codecs,
        rtcp_port=None if mux else _rtcp_port(media),
        dtmf_payload_type=common.events[0],
        dtmf_rate_hz=common.events[1],
        cn_payload_type=silence,
    )


def _rtcp_port(media: sdp.Media) -> int | None:
    """RFC 3605: a=rtcp:<port> [address]; else the port above (RFC 3550 section 11)."""
    stated = (media.value("rtcp") or "").split()
    if stated and stated[0].isascii() and stated[0].isdigit() and 0 < int(stated[0]) <= 65_535:
        return int(stated[0])
    return media.port + 1 if media.port < 65_535 else None


def _stated(session: sdp.Session, media: sdp.Media) -> Direction:
    """Return the direction that the author of a description states: RFC 8866 section 6.7."""
    for attribute in (*media.attributes, *session.attributes):
        for direction in _FLOWS:
            if attribute.name == direction:
                return direction
    return "sendrecv"


def _mirrored(theirs: sdp.Session, media: sdp.Media) -> tuple[bool, bool]:
    """(we may send, we may receive), seen from our side."""
    they_send, they_receive = _FLOWS[_stated(theirs, media)]
    address = _numeric(media.address or theirs.address or "0.0.0.0")  # noqa: S104 - a hold's mark
    return they_receive and not address.is_unspecified, they_send  # RFC 3264 section 8.4, old hold


@lru_cache(maxsize=512)  # a carrier's calls come from few addresses
def _numeric(address: str) -> IPv4Address | IPv6Address:
    return ip_address(address)


def _both(ours: tuple[bool, bool], theirs: tuple[bool, bool]) -> tuple[bool, bool]:
    return ours[0] and theirs[0], ours[1] and theirs[1]


def _is_renumbered(codec: CodecPlan, common: Formats) -> bool:
    """Tell whether a codec that they accepted has another number in our offer, free in theirs."""
    return any(codec.encoding == c.encoding for c in common.codecs) and all(
        codec.payload_type not in (c.payload_type, common.dtmf) for c in common.codecs
    )


def _renumbered_events(own: Formats, common: Formats) -> int | None:
    """Return under which number events come, where that is ours and not theirs."""
    number, rate_hz = common.events
    ours = own.dtmf48 if rate_hz == FAST_HZ else own.dtmf
    return ours if ours != number else None


def _our_audio(lines: Sequence[sdp.Media]) -> int:
    return next(i for i, line in enumerate(lines) if line.kind == "audio" and line.port != 0)


def _refusal(line: sdp.Media) -> sdp.Media:
    """RFC 3264 section 6: a refused stream keeps its place, with port 0."""
    return sdp.Media(line.kind, 0, line.profile, line.formats)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What our m= line says beside the formats."""

    port: int
    ptime_ms: int
    direction: Direction
    mux: bool


def _audio(shown: _Shown, formats: Formats, keyed: crypto.Keyed) -> sdp.Media:
    numbers, attributes = format_lines(formats)
    extra = [sdp.Attribute("ptime", str(shown.ptime_ms)), sdp.Attribute(shown.direction)]
    if shown.mux:
        extra.append(sdp.Attribute("rtcp-mux"))
    extra += keyed.attributes
    return sdp.Media("audio", shown.port, keyed.profile, numbers, attributes=(*attributes, *extra))


def _describe(
    local: LocalMedia,
    lines: Sequence[sdp.Media],
    session_id: int,
    version: int,
    times: tuple[str, ...] = ("0 0",),
) -> sdp.Session:
    origin = sdp.Origin("agentstream", str(session_id), str(version), local.address)
    return sdp.Session(origin, tuple(lines), address=local.address, times=times)
