"""A scripted phone that is called: rings, answers or refuses, then speaks and hears like a caller.

async with ScriptedPhone(signaling, media, "127.0.0.1") as phone:
    ...  # let somebody dial phone.address
    call = await phone.called()
    await call.say(hello_wav)
    await call.hang_up()
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from agentstream.media.engine import MediaEngine
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.media.plan import RecordPlan, RtpLegPlan
from agentstream.server.caller import PlacedCall, ScriptedPeer
from agentstream.sip.reports import Accepted, Invited, Report
from agentstream.sip.signaling import SignalingEngine

CALL_TIMEOUT_S = 20
LEGS_LIMIT = 100


@dataclass
class Manners:
    """What the phone does with the next calls."""

    status: int = 200  # 200 answers; 486 is busy, 603 declines; 180 only rings
    ring_ms: int = 0  # how long it rings before
    record_to: Path | None = None  # stereo: left what the far end says, right what we say


class ScriptedPhone(ScriptedPeer):
    """Takes calls."""

    def __init__(
        self,
        signaling: SignalingEngine,
        media: MediaEngine,
        host: str = "127.0.0.1",
        manners: Manners | None = None,
    ) -> None:
        super().__init__(signaling, media, host)
        self.manners = manners or Manners()
        self.invited: list[Invited] = []
        self._answered: asyncio.Queue[PlacedCall] = asyncio.Queue(LEGS_LIMIT)

    async def called(self) -> PlacedCall:
        """Wait for the next call that was answered."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            return await self._answered.get()

    def _take_report(self, report: Report) -> None:
        if isinstance(report, Invited):
            self._invited(report)
        else:
            super()._take_report(report)

    def _invited(self, invited: Invited) -> None:
        self.invited.append(invited)
        manners, ref = self.manners, invited.ref
        if manners.status >= 300 and not manners.ring_ms:
            self._signaling.reject(ref, manners.status)
            return
        self._signaling.ring(ref)
        call = self._open(invited, manners)
        if manners.status != 180:
            delay_s = manners.ring_ms / 1000
            asyncio.get_running_loop().call_later(delay_s, self._decide, invited, call, manners)

    def _open(self, invited: Invited, manners: Manners) -> PlacedCall:
        number = len(self.invited)
        leg = self._media.open_rtp_leg(RtpLegPlan(f"phone-{number}", follows_clock=False))
        call = PlacedCall(self._signaling, leg, SdpSession(session_id=number))
        # Whoever gives up before the answer is no fault of this phone's.
        call.answered.add_done_callback(lambda done: done.cancelled() or done.exception())
        call.local = LocalMedia(self._host, leg.rtp_port)
        call.ref = invited.ref
        self._calls[invited.ref] = self._legs[leg.leg_sid] = call
        if manners.record_to is not None:
            leg.record(RecordPlan(leg.leg_sid, str(manners.record_to), channels="stereo"))
        return call

    def _decide(self, invited: Invited, call: PlacedCall, manners: Manners) -> None:
        if call.ended.done():
            return
        if manners.status >= 300:
            self._signaling.reject(invited.ref, manners.status)
            return
        assert call.local is not None, "set by _open"
        assert invited.offer is not None, "a node offers in its INVITE"
        answered = call.session.answer(invited.offer, call.local)
        self._signaling.answer(invited.ref, answered.sdp)
        call.leg.connect(answered.remote)
        call.answered.set_result(Accepted(invited.ref, answered.sdp))
        self._answered.put_nowait(call)
