"""A scripted caller: dials over real SIP and RTP, speaks files, presses digits, hangs up.

async with ScriptedCaller(signaling, media, host="127.0.0.1") as caller:
    call = await caller.dial("sip:+918000000042@127.0.0.1:5060", record_to=path)
    await call.say(hello_wav)
    call.press("12#")
    await call.hang_up()
"""

import asyncio
import itertools
from pathlib import Path
from types import TracebackType
from typing import Self

from agentstream._media import Event, LegClosed, LegStats, MediaStarted, PlayFinished
from agentstream.base.errors import CommandError
from agentstream.base.values import replace
from agentstream.media.engine import MediaEngine, MediaLeg
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.media.plan import PromptPlan, RecordPlan, RtpLegPlan
from agentstream.sip.reports import Accepted, Ended, MediaOffered, Progressed, Report, SipCallRef
from agentstream.sip.signaling import Dial, SignalingEngine
from agentstream.switch.media_pump import MediaPump

ANSWER_TIMEOUT_S = 20
END_TIMEOUT_S = 10


class PlacedCall:
    """One call of a scripted caller."""

    def __init__(self, signaling: SignalingEngine, leg: MediaLeg, session: SdpSession) -> None:
        loop = asyncio.get_running_loop()
        self._signaling = signaling
        self.session = session
        self._prompts = itertools.count(1)
        self._played: dict[str, asyncio.Future[bool]] = {}
        self.leg = leg
        self.ref = SipCallRef("")
        self.local: LocalMedia | None = None
        self.answered: asyncio.Future[Accepted] = loop.create_future()
        self.ended: asyncio.Future[Ended] = loop.create_future()
        self.hears: asyncio.Future[int] = loop.create_future()
        self.closed: asyncio.Future[LegStats] = loop.create_future()

    def take_report(self, report: Report) -> None:
        """Take what signalling reports of this call."""
        match report:
            case Accepted(sdp=sdp) if not self.answered.done():
                if sdp is not None:
                    self.leg.connect(self.session.accept(sdp))
                self.answered.set_result(report)
            case MediaOffered(ref=ref, offer=str(offer)) if self.local is not None:
                answered = self.session.answer(offer, self.local)
                self._signaling.answer_media(ref, answered.sdp)
                self.leg.connect(answered.remote)
            case Ended():
                if not self.answered.done():
                    self.answered.set_exception(
                        CommandError(f"the call was not answered: {report.status} {report.text}")
                    )
                if not self.ended.done():
                    self.ended.set_result(report)
                self.leg.close()
            case _:
                pass

    def take_event(self, event: Event) -> None:
        """Take what the audio path reports of this call's leg."""
        match event:
            case PlayFinished():
                waiting = self._played.pop(event.prompt_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(event.completed)
            case MediaStarted(direction="in") if not self.hears.done():
                self.hears.set_result(event.at_ms)
            case LegClosed() if not self.closed.done():
                self.closed.set_result(event.stats)
            case _:
                pass

    async def say(self, path: Path, timeout_s: float = 60) -> bool:
        """Speak a file to its end; False when something else was said before it ended."""
        prompt_id = f"say-{next(self._prompts)}"
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._played[prompt_id] = waiting
        self.leg.play(PromptPlan(prompt_id=prompt_id, path=str(path)))
        async with asyncio.timeout(timeout_s):
            return await waiting

    def press(self, digits: str) -> None:
        """Press keys (RFC 4733)."""
        self.leg.send_digits(digits)

    async def hang_up(self) -> Ended:
        """End the call; returns once both sides know."""
        self._signaling.hang_up(self.ref)
        return await self.wait_ended()

    async def wait_ended(self, timeout_s: float = END_TIMEOUT_S) -> Ended:
        """Wait until the call is over, whoever ends it."""
        async with asyncio.timeout(timeout_s):
            ended = await asyncio.shield(self.ended)
            await asyncio.shield(self.closed)
        return ended


class ScriptedPeer:
    """A phone with a signalling engine and a media engine of its own; an asynchronous context."""

    def __init__(self, signaling: SignalingEngine, media: MediaEngine, host: str) -> None:
        self._signaling = signaling
        self._media = media
        self._host = host
        self._calls: dict[SipCallRef, PlacedCall] = {}
        self._legs: dict[str, PlacedCall] = {}
        self._pump = MediaPump(media, self._take_event)
        self.rang: list[int] = []  # the statuses that came before answers: 180, 183

    async def __aenter__(self) -> Self:
        self._signaling.on_report(self._take_report)
        self._pump.start()
        await self._signaling.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for ref in self._calls:
            self._signaling.hang_up(ref)
        await self._signaling.stop(1_000)
        self._pump.stop()
        self._media.close()

    def _take_report(self, report: Report) -> None:
        call = self._calls.get(report.ref)
        if isinstance(report, Progressed):
            self.rang.append(report.status)
        elif call is not None:
            call.take_report(report)

    def _take_event(self, event: Event) -> None:
        call = self._legs.get(event.leg_sid)
        if call is not None:
            call.take_event(event)


class ScriptedCaller(ScriptedPeer):
    """Places calls."""

    def __init__(
        self,
        signaling: SignalingEngine,
        media: MediaEngine,
        host: str = "127.0.0.1",
        caller: str = "+919876500001",
    ) -> None:
        super().__init__(signaling, media, host)
        self._caller = caller

    async def dial(self, target: str, record_to: Path | None = None) -> PlacedCall:
        """Call a SIP URI and wait for the answer; a refusal raises CommandError with its status."""
        from_uri = f"sip:{self._caller}@{_in_uri(self._host)}"
        return await self.place(Dial(target, from_uri, None), record_to)

    async def place(
        self, order: Dial, record_to: Path | None = None, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> PlacedCall:
        """Place a call with our own offer and wait for the answer, as `dial` does."""
        # A phone has a clock of its own.
        leg = self._media.open_rtp_leg(
            RtpLegPlan(leg_sid=f"caller-{len(self._legs)}", follows_clock=False)
        )
        session = SdpSession(session_id=len(self._legs) + 1)
        call = PlacedCall(self._signaling, leg, session)
        call.local = LocalMedia(address=self._host, port=leg.rtp_port)
        self._legs[leg.leg_sid] = call
        if record_to is not None:
            leg.record(RecordPlan(leg.leg_sid, str(record_to), channels="stereo"))
        call.ref = self._signaling.place(replace(order, offer=session.offer(call.local)))
        self._calls[call.ref] = call
        async with asyncio.timeout(timeout_s):
            await call.answered
        return call


def _in_uri(host: str) -> str:
    """RFC 3986 section 3.2.2: an IPv6 address stands in brackets."""
    return f"[{host}]" if ":" in host else host
