"""One leg's road: its signalling and its audio together, behind a few verbs.

A `SipLine` is a SIP call that came in, a `DialledLine` one that we placed, both with RTP; a
`FileLine` is a WAV file in and a WAV file out. The call task does not know which it has.
"""

from agentstream._media import LegStats
from agentstream.base.errors import PeerError
from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass, replace
from agentstream.calls import reports
from agentstream.calls.causes import Cause, Party, q850, sip_status
from agentstream.media.engine import MediaLeg
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.sip import reports as sip
from agentstream.sip.signaling import Dial, SignalingEngine
from agentstream.switch.translate import leg_ended, read_dtmf_info


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What a call record and a metric want to know of a leg when it is over."""

    sip_call_id: str
    stats: LegStats | None
    sip_status: int
    q850: int


@dataclass(frozen=True, slots=True)
class OurSide:
    """Our half of a leg's audio."""

    media: MediaLeg
    local: LocalMedia
    session: SdpSession


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
                return [] if press is None else [reports.DigitPressed(self.leg_sid, *press)]
            case sip.Ended():
                self._ended = report
                return [leg_ended(self.leg_sid, report, far_end)]
            case sip.Invited() | sip.Progressed() | sip.Accepted() | sip.Confirmed():
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
        self.media.connect(answered.remote)

    def _media_answered(self, answer: str) -> list[reports.Report]:
        try:
            self.media.connect(self._session.accept(answer))
        except PeerError as error:
            return self.hang_up(Cause.NO_COMMON_CODEC, str(error))
        return []


class SipLine(_SipCall):
    """A SIP call that came in, and its RTP leg."""

    def __init__(
        self, leg_sid: LegSid, invited: sip.Invited, signaling: SignalingEngine, ours: OurSide
    ) -> None:
        super().__init__(leg_sid, invited.ref, invited.sip_call_id, signaling, ours)
        # Their offer is answered now, so that an impossible one is refused before anything rings.
        offer = invited.offer
        self._answered = None if offer is None else ours.session.answer(offer, ours.local)

    def ring(self, *, with_media: bool = False) -> None:
        """Send 180; with media 183 and our answer, unless the far end has offered nothing."""
        if not with_media or self._answered is None:
            self._signaling.ring(self.ref)
            return
        self._signaling.ring(self.ref, 183, self._answered.sdp)
        self.media.connect(self._answered.remote)

    def answer(self) -> list[reports.Report]:
        """Send 200. With a delayed offer the leg is up only when the ACK brings their answer."""
        if self._answered is None:
            self._signaling.answer(self.ref, self._session.offer(self._local))
            return []
        self._signaling.answer(self.ref, self._answered.sdp)
        # Audio goes to the address of the SDP at once: the ACK may be a round trip away, and a
        # caller who hears silence in that time hangs up.
        self.media.connect(self._answered.remote)
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
            self.media.connect(self._session.accept(answer))
        except PeerError as error:
            return self.hang_up(Cause.NO_COMMON_CODEC, str(error))
        return self._up()


class DialledLine(_SipCall):
    """A SIP call that we placed, and its RTP leg; the INVITE goes out as it is made."""

    def __init__(
        self,
        leg_sid: LegSid,
        signaling: SignalingEngine,
        ours: OurSide,
        order: Dial,
        *,
        offers_late: bool = False,
    ) -> None:
        offer = None if offers_late else ours.session.offer(ours.local)
        ref = signaling.place(replace(order, offer=offer))
        try:
            sip_call_id = signaling.sip_call_id(ref)
        except BaseException:
            signaling.hang_up(ref)  # nobody else knows of it
            raise
        super().__init__(leg_sid, ref, sip_call_id, signaling, ours)
        self._has_offered = not offers_late
        self._hears = False  # their SDP was taken: from early media, or with their answer

    def take(self, report: sip.Report) -> list[reports.Report]:
        """Translate what signalling reports into the call's words."""
        match report:
            case sip.Progressed(sdp=sdp):
                return [reports.LegRang(self.leg_sid, has_early_media=self._rings_with(sdp))]
            case sip.Accepted(sdp=sdp):
                return self._accepted(sdp)
            case _:
                return self._take_any(report, Party.CALLEE)

    def _rings_with(self, answer: str | None) -> bool:
        """Listen to early media; an answer that cannot be used spoils only that."""
        if answer is None or not self._has_offered:
            return False
        try:
            self.media.connect(self._session.accept(answer))
        except PeerError:
            return False
        self._hears = True
        return True

    def _accepted(self, sdp: str | None) -> list[reports.Report]:
        if sdp is None and not self._hears:
            return self.hang_up(Cause.NO_COMMON_CODEC, "the far end answered without SDP")
        try:
            if sdp is not None and self._has_offered:
                self.media.connect(self._session.accept(sdp))
            elif sdp is not None:
                answered = self._session.answer(sdp, self._local)
                self._signaling.answer_media(self.ref, answered.sdp)
                self.media.connect(answered.remote)
        except PeerError as error:
            return self.hang_up(Cause.NO_COMMON_CODEC, str(error))
        return self._up()


class FileLine:
    """A caller made of a WAV file: no phone network, the same audio path."""

    def __init__(self, leg_sid: LegSid, media: MediaLeg) -> None:
        self.leg_sid = leg_sid
        self.media = media
        self._is_over = False

    def ring(self, *, with_media: bool = False) -> None:
        """Let a file wait: it hears nothing."""

    def answer(self) -> list[reports.Report]:
        """Start the clock of the files."""
        self.media.start()
        return [reports.LegAnswered(self.leg_sid)]

    def reject(self, cause: Cause, text: str) -> list[reports.Report]:
        """End before anything was heard."""
        return self._end(cause, Party.SYSTEM, text)

    def hang_up(self, cause: Cause, text: str) -> list[reports.Report]:
        """End the leg from our side."""
        return self._end(cause, Party.SYSTEM, text)

    def caller_hangs_up(self) -> list[reports.Report]:
        """End the leg as its caller would."""
        return self._end(Cause.NORMAL, Party.CALLER, "")

    def release(self) -> None:
        """Finish the output file."""
        self.media.close()

    def facts(self, stats: LegStats | None) -> LineFacts:
        """Sum the leg up."""
        return LineFacts("", stats, 0, 0)

    def _end(self, cause: Cause, party: Party, text: str) -> list[reports.Report]:
        if self._is_over:
            return []
        self._is_over = True
        return [reports.LegEnded(self.leg_sid, cause, party, text)]


Line = SipLine | DialledLine | FileLine
