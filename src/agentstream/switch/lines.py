"""One leg's road: its signalling and its audio together, behind four verbs.

A `SipLine` is a SIP call with RTP; a `FileLine` is a WAV file in and a WAV file out. The call task
does not know which it has.
"""

from dataclasses import dataclass
from typing import Protocol

from agentstream._media import LegStats
from agentstream.base.errors import PeerError
from agentstream.base.ids import LegSid
from agentstream.calls import reports
from agentstream.calls.causes import Cause, Party, q850, sip_status
from agentstream.media.engine import MediaLeg
from agentstream.media.negotiate import Answered, LocalMedia, SdpSession
from agentstream.sip import reports as sip
from agentstream.sip.signaling import SignalingEngine
from agentstream.switch.translate import leg_ended, read_dtmf_info


class Line(Protocol):
    """What a call task asks of a leg."""

    leg_sid: LegSid
    media: MediaLeg

    def answer(self) -> list[reports.Report]:
        """Answer the far end; reports what followed at once."""

    def reject(self, cause: Cause, text: str) -> list[reports.Report]:
        """Refuse the far end."""

    def hang_up(self, cause: Cause, text: str) -> list[reports.Report]:
        """End the leg, whatever its state."""

    def release(self) -> None:
        """Free the audio; LegClosed follows."""


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What a call record and a metric want to know of a leg when it is over."""

    sip_call_id: str
    stats: LegStats | None
    sip_status: int
    q850: int


class SipLine:
    """An inbound SIP call and its RTP leg."""

    def __init__(
        self,
        leg_sid: LegSid,
        invited: sip.Invited,
        signaling: SignalingEngine,
        media: MediaLeg,
        local: LocalMedia,
        session: SdpSession,
    ) -> None:
        self.leg_sid = leg_sid
        self.media = media
        self.ref = invited.ref
        self._signaling = signaling
        self._session = session
        self._local = local
        self._sip_call_id = invited.sip_call_id
        self._ended = sip.Ended(invited.ref, by="local")
        self._is_up = False
        # Their offer is answered now, so that an impossible one is refused before anything rings.
        self._answered: Answered | None = None
        if invited.offer is not None:
            self._answered = session.answer(invited.offer, local)

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

    def hang_up(self, cause: Cause, text: str) -> list[reports.Report]:
        """Send BYE, or whatever ends the call in its state."""
        self._signaling.hang_up(self.ref, q850(cause), text)
        return []

    def release(self) -> None:
        """Free the RTP port."""
        self.media.close()

    def take(self, report: sip.Report) -> list[reports.Report]:
        """Translate what signalling reports into the call's words."""
        match report:
            case sip.Confirmed(answer=answer):
                return self._confirmed(answer)
            case sip.MediaOffered(offer=offer):
                self._media_offered(offer)
            case sip.MediaAnswered(answer=answer):
                self.media.connect(self._session.accept(answer))
            case sip.MediaRefused():
                self._session.refused()
            case sip.InfoReceived(content_type=kind, body=body):
                return self._info(kind, body)
            case sip.Ended():
                self._ended = report
                return [leg_ended(self.leg_sid, report)]
            case sip.Invited() | sip.Progressed() | sip.Accepted():
                pass
        return []

    def facts(self, stats: LegStats | None) -> LineFacts:
        """Sum the leg up."""
        return LineFacts(self._sip_call_id, stats, self._ended.status, self._ended.q850)

    def _up(self) -> list[reports.Report]:
        self._is_up = True
        return [reports.LegAnswered(self.leg_sid)]

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

    def _info(self, kind: str, body: str) -> list[reports.Report]:
        press = read_dtmf_info(kind, body)
        return [] if press is None else [reports.DigitPressed(self.leg_sid, *press)]


class FileLine:
    """A caller made of a WAV file: no phone network, the same audio path."""

    def __init__(self, leg_sid: LegSid, media: MediaLeg) -> None:
        self.leg_sid = leg_sid
        self.media = media
        self._is_over = False

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
