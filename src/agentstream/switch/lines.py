"""One leg's road: its signalling and its audio together, behind a few verbs.

A `SipLine` is a SIP call that came in, a `DialledLine` one that we placed, both with RTP; a
`FileLine` is a WAV file in and a WAV file out. The call task does not know which it has.
"""

from collections.abc import Callable
from typing import Final, Protocol

from agentstream._media import LegStats
from agentstream.base.errors import PeerError
from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass, replace
from agentstream.calls import reports
from agentstream.calls.causes import Cause, Party, q850, sip_status
from agentstream.calls.dial_spec import DialSpec
from agentstream.media.engine import MediaLeg
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.media.plan import RemotePlan
from agentstream.sip import reports as sip
from agentstream.sip.signaling import Dial, SignalingEngine
from agentstream.sip.uri import parse_uri
from agentstream.store.trunk_options import DtmfMode
from agentstream.switch import feed
from agentstream.switch.file_line import FileLine as FileLine
from agentstream.switch.file_line import LineFacts as LineFacts
from agentstream.switch.file_line import not_referred
from agentstream.switch.leg_keys import CONTENT_TYPE, goes_by_info, relay_body
from agentstream.switch.media_choice import lacks_keys, wants_clear
from agentstream.switch.refer_rules import ReferRules
from agentstream.switch.translate import leg_ended, read_dtmf_info

RINGING: Final = 180


@dataclass(frozen=True, slots=True)
class OurSide:
    """Our half of a leg's audio."""

    media: MediaLeg
    local: LocalMedia
    session: SdpSession
    is_encrypted: bool = False  # signalling goes by TLS, so that nobody else reads keys
    rules: ReferRules = ReferRules()
    keys: DtmfMode = "rfc4733"


class _SipCall:
    """What a SIP call of either direction does the same."""

    def __init__(
        self,
        leg_sid: LegSid,
        ref: sip.SipCallRef,
        sip_call_id: str,
        signaling: SignalingEngine,
        ours: OurSide,
    ) -> None:
        self.leg_sid = leg_sid
        self.ref = ref
        self.media = ours.media
        self._signaling = signaling
        self._session = ours.session
        self._local = ours.local
        self.sip_call_id = sip_call_id
        self._ended = sip.Ended(ref, by="local")
        self._is_up = False
        self._is_encrypted = ours.is_encrypted
        self._suite = ""  # of SRTP, as agreed last
        self.note: Callable[[feed.Note], None] = lambda _: None  # hears what the story should say
        self.rules = ours.rules
        self._peer = ""  # "host:port" at which its far end would call a number
        self._keys = ours.keys
        self._has_events = False  # RFC 4733 is agreed
        self._allows_info = False

    @property
    def keys_by_info(self) -> bool:
        """Whether keys to its far end go by INFO."""
        has_events, allows_info = self._has_events, self._allows_info
        return goes_by_info(self._keys, has_events=has_events, allows_info=allows_info)

    def press(self, digit: str, tone_ms: int) -> None:
        """Press a key by INFO."""
        self._signaling.send_info(self.ref, CONTENT_TYPE, relay_body(digit, tone_ms))

    def answer_transfer(self, status: int) -> list[reports.Report]:
        """Accept its far end's REFER, or refuse it."""
        self._signaling.answer_refer(self.ref, status)
        return []

    def tell_transfer(self, status: int, *, is_final: bool) -> list[reports.Report]:
        """Tell its far end how the call goes on that it has asked for."""
        self._signaling.report_transfer(self.ref, status, final=is_final)
        return []

    def refer(self, spec: DialSpec) -> list[reports.Report]:
        """Ask its far end to call somebody in our stead, where its trunk is for that."""
        if self.rules.mode == "deny":
            return [not_referred(self.leg_sid)]
        is_address = spec.destination.lower().startswith(("sip:", "sips:", "tel:"))
        target = spec.destination if is_address else f"sip:{spec.destination}@{self._peer}"
        self._signaling.refer(self.ref, target, headers=spec.headers)
        return []

    def hang_up(self, cause: Cause, text: str) -> list[reports.Report]:
        """Send BYE, CANCEL, or whatever ends the call in its state."""
        self._signaling.hang_up(self.ref, q850(cause), text)
        return []

    def release(self) -> None:
        """Free the RTP port."""
        self.media.close()

    def facts(self, stats: LegStats | None) -> LineFacts:
        """Sum the leg up."""
        return LineFacts(self.sip_call_id, stats, self._ended.status, self._ended.q850)

    def _hear(self, remote: RemotePlan) -> None:
        """Start the audio towards the far end, or change it."""
        self.media.connect(remote)
        self._has_events = remote.dtmf_payload_type is not None
        before, self._suite = self._suite, remote.srtp.suite if remote.srtp else ""
        if before != self._suite:
            is_readable = not self._is_encrypted
            self.note(feed.SrtpAgreed(self.leg_sid, self._suite, is_readable=is_readable))

    def _up(self) -> list[reports.Report]:
        self._is_up = True
        return [reports.LegAnswered(self.leg_sid)]

    def _take_any(self, report: sip.Report, far_end: Party) -> list[reports.Report]:
        """Take what comes in calls of both directions."""
        match report:
            case sip.MediaOffered(offer=offer):
                self._media_offered(offer)
            case sip.MediaAnswered(answer=answer):
                return self._media_answered(answer)
            case sip.MediaRefused():
                self._session.refused()
            case sip.InfoReceived(content_type=kind, body=body):
                press = read_dtmf_info(kind, body)
                if press is None:
                    return []
                return [reports.DigitPressed(self.leg_sid, *press, in_message=True)]
            case sip.ReferProgress(status=status, final=final, accepted=accepted):
                return [reports.TransferTold(self.leg_sid, status, final, accepted)]
            case sip.Ended():
                self._ended = report
                return [leg_ended(self.leg_sid, report, far_end)]
            case sip.Invited() | sip.Progressed() | sip.Accepted() | sip.Confirmed():
                pass
            case sip.Referred():  # judged before it comes here
                pass
        return []

    def _media_offered(self, offer: str | None) -> None:
        if offer is None:
            self._signaling.answer_media(self.ref, self._session.offer(self._local))
            return
        try:
            answered = self._session.answer(offer, self._local)
        except PeerError as error:
            self._signaling.refuse_media(self.ref, error.status)
            return
        self._signaling.answer_media(self.ref, answered.sdp)
        self._hear(answered.remote)

    def _media_answered(self, answer: str) -> list[reports.Report]:
        try:
            self._hear(self._session.accept(answer))
        except PeerError as error:
            return self.hang_up(Cause.NO_COMMON_CODEC, str(error))
        return []


class SipLine(_SipCall):
    """A SIP call that came in, and its RTP leg."""

    def __init__(
        self, leg_sid: LegSid, invited: sip.Invited, signaling: SignalingEngine, ours: OurSide
    ) -> None:
        super().__init__(leg_sid, invited.ref, invited.sip_call_id, signaling, ours)
        self._peer = parse_uri(invited.from_uri).host
        self._allows_info = invited.allows_info
        # Their offer is answered now, so that an impossible one is refused before anything rings.
        offer = invited.offer
        if offer is None and lacks_keys(ours.local):
            raise PeerError("SRTP is required, and keys may be offered over TLS alone", 488)
        self._answered = None if offer is None else ours.session.answer(offer, ours.local)

    def ring(self, *, with_media: bool = False) -> None:
        """Send 180; with media 183 and our answer, unless the far end has offered nothing."""
        if not with_media or self._answered is None:
            self._signaling.ring(self.ref)
            return
        self._signaling.ring(self.ref, 183, self._answered.sdp)
        self._hear(self._answered.remote)

    def answer(self) -> list[reports.Report]:
        """Send 200. With a delayed offer the leg is up only when the ACK brings their answer."""
        if self._answered is None:
            self._signaling.answer(self.ref, self._session.offer(self._local))
            return []
        self._signaling.answer(self.ref, self._answered.sdp)
        # Audio goes to the address of the SDP at once: the ACK may be a round trip away, and a
        # caller who hears silence in that time hangs up.
        self._hear(self._answered.remote)
        return self._up()

    def reject(self, cause: Cause, text: str) -> list[reports.Report]:
        """Refuse with the status that stands for the cause."""
        self._signaling.reject(self.ref, sip_status(cause), text)
        return []

    def take(self, report: sip.Report) -> list[reports.Report]:
        """Translate what signalling reports into the call's words."""
        if isinstance(report, sip.Confirmed):
            return self._confirmed(report.answer)
        return self._take_any(report, Party.CALLER)

    def _confirmed(self, answer: str | None) -> list[reports.Report]:
        if self._is_up:
            return []
        if answer is None:
            return self.hang_up(Cause.NO_COMMON_CODEC, "the ACK has no answer to our offer")
        try:
            self._hear(self._session.accept(answer))
        except PeerError as error:
            return self.hang_up(Cause.NO_COMMON_CODEC, str(error))
        return self._up()


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to reach a party; its offer is made when it is placed."""

    order: Dial
    local: LocalMedia
    offers_late: bool = False
    hears_early_media: bool = True
    is_encrypted: bool = False  # it goes by TLS
    rules: ReferRules = ReferRules()
    keys: DtmfMode = "rfc4733"


class Tries(Protocol):
    """The attempts of a dialled leg."""

    def after(self, ended: sip.Ended, *, is_over: bool) -> Try | None:
        """Take the end of an attempt; returns the next one, None when this end is the leg's.

        `is_over`: it rang, was answered, or is to end.
        """

    def reached(self) -> None:
        """Take it that this attempt has found its far end."""

    def leave(self) -> None:
        """Give back what the attempt holds; harmless when it holds nothing."""

    def fetch_notes(self) -> list[feed.RoadFailed]:
        """Return what is to be told and was not yet."""


class DialledLine(_SipCall):
    """A SIP call that we placed, and its RTP leg; the INVITE goes out as it is made.

    While it has not rung, a failed attempt is followed by another: a new SIP call with a Call-ID,
    a tag and a `ref` of its own (SIP-17), the same RTP port and SDP session.
    """

    def __init__(
        self, leg_sid: LegSid, signaling: SignalingEngine, ours: OurSide, tries: Tries, first: Try
    ) -> None:
        ref = signaling.place(_with_offer(first, ours.session))
        try:
            sip_call_id = signaling.sip_call_id(ref)
        except BaseException:
            signaling.hang_up(ref)  # nobody else knows of it
            raise
        super().__init__(leg_sid, ref, sip_call_id, signaling, ours)
        self._tries = tries
        self._now = first
        self._has_rung = False
        self._is_ending = False
        self._early: str | None = None  # their SDP that was not listened to
        self._take_rules(first)
        self._hears = False  # their SDP was taken: from early media, or with their answer
        # Whoever finds this line by its ref places every further attempt.
        self.place: Callable[[Dial], sip.SipCallRef] = signaling.place

    def hang_up(self, cause: Cause, text: str) -> list[reports.Report]:
        """End the attempt that is under way; no other follows."""
        self._is_ending = True
        return super().hang_up(cause, text)

    def release(self) -> None:
        """Free the RTP port, and the place on the road."""
        self._tries.leave()
        super().release()

    def take(self, report: sip.Report) -> list[reports.Report]:
        """Translate what signalling reports into the call's words."""
        match report:
            case sip.Progressed(status=status, sdp=sdp):
                return self._progressed(status, sdp)
            case sip.Accepted(sdp=sdp, allows_info=allows_info):
                self._allows_info = allows_info
                self._reached()
                return self._accepted(sdp)
            case sip.Ended():
                return self._attempt_ended(report)
            case _:
                return self._take_any(report, Party.CALLEE)

    def _attempt_ended(self, ended: sip.Ended) -> list[reports.Report]:
        is_over = self._has_rung or self._is_up or self._is_ending
        has_keys = not is_over and not self._now.offers_late
        if has_keys and wants_clear(ended.status, self._local):
            return self._place_in_clear(ended.status)
        following = self._tries.after(ended, is_over=is_over)
        self._tell()
        if following is None:
            return self._take_any(ended, Party.CALLEE)
        return self._place(following)

    def _place_in_clear(self, status: int) -> list[reports.Report]:
        """Dial the same road once more, without keys (SIP-42)."""
        self.note(feed.SrtpNotTaken(self.leg_sid, status))
        return self._place(replace(self._now, local=replace(self._local, srtp="off")))

    def _place(self, attempt: Try) -> list[reports.Report]:
        self._now, self._local = attempt, attempt.local
        self._take_rules(attempt)
        self._is_encrypted, self._keys = attempt.is_encrypted, attempt.keys
        self._session.refused()
        self.ref = self.place(_with_offer(attempt, self._session))
        self._sip_call_id = self._signaling.sip_call_id(self.ref)
        return []

    def _take_rules(self, attempt: Try) -> None:
        target = parse_uri(attempt.order.target)
        self.rules = attempt.rules
        self._peer = f"{target.host}:{target.port}" if target.port else target.host

    def _reached(self) -> None:
        self._tries.reached()
        self._tell()

    def _tell(self) -> None:
        for note in self._tries.fetch_notes():
            self.note(note)

    def _progressed(self, status: int, sdp: str | None) -> list[reports.Report]:
        """Let it ring. What is only progress to a road whose early media is ignored is no ring."""
        if not self._now.hears_early_media:
            self._early = sdp or self._early
            if status != RINGING:
                return []
            sdp = None
        self._has_rung = True
        self._reached()
        return [reports.LegRang(self.leg_sid, has_early_media=self._rings_with(sdp))]

    def _rings_with(self, answer: str | None) -> bool:
        """Listen to early media; an answer that cannot be used spoils only that."""
        if answer is None or self._now.offers_late:
            return False
        try:
            self._hear(self._session.accept(answer))
        except PeerError:
            return False
        self._hears = True
        return True

    def _accepted(self, sdp: str | None) -> list[reports.Report]:
        sdp = sdp or self._early  # the answer may have come with the progress alone
        if sdp is None and not self._hears:
            return self.hang_up(Cause.NO_COMMON_CODEC, "the far end answered without SDP")
        try:
            if sdp is not None and not self._now.offers_late:
                self._hear(self._session.accept(sdp))
            elif sdp is not None:
                answered = self._session.answer(sdp, self._local)
                self._signaling.answer_media(self.ref, answered.sdp)
                self._hear(answered.remote)
        except PeerError as error:
            return self.hang_up(Cause.NO_COMMON_CODEC, str(error))
        return self._up()


def _with_offer(attempt: Try, session: SdpSession) -> Dial:
    if attempt.offers_late:
        return attempt.order
    return replace(attempt.order, offer=session.offer(attempt.local))


Line = SipLine | DialledLine | FileLine
