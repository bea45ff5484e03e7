"""A SIP peer that is called: its user name says what it does, so that a test need not.

    async with scripted_callee() as callee:
        callee.uri("busy")          486
        callee.uri("declines")      603
        callee.uri("failing")       503
        callee.uri("rings")         180, and nobody comes
        callee.uri("answers")       180, then 200; whatever else the name is as well
        callee.uri("early")         183 with SDP, and nobody comes
        callee.uri("voicemail")     200 at once, without ringing

It has SDP but sends no audio; an `audio_port` is that of somebody who does. Who is called by number
is named by the function that it is given.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.flow import TransportName
from agentstream.sip.reports import Ended, Invited, MediaAnswered, Report, SipCallRef
from agentstream.sip.uri import parse_uri
from agentstream.testing.answering import SDP
from agentstream.testing.ports import HOST
from agentstream.testing.waiting import until

REFUSALS = {"busy": 486, "declines": 603, "unknown": 404, "failing": 503}


class ScriptedCallee:
    """What it was asked, and what became of it."""

    def __init__(
        self, engine: SipEngine, who: Callable[[str], str] = str, audio_port: int = 40_000
    ) -> None:
        self.engine = engine
        self._who = who
        self._audio_port = audio_port
        self.calls: dict[SipCallRef, Invited] = {}  # every INVITE
        self.ended: dict[SipCallRef, Ended] = {}
        self.reports: list[Report] = []
        self.invites: list[tuple[float, str]] = []  # as they came, with the loop's time
        engine.on_report(self._take)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.engine.addresses[0][2]

    def uri(self, user: str) -> str:
        """Return the address of somebody here."""
        return f"sip:{user}@{HOST}:{self.port}"

    def refs(self, user: str) -> list[SipCallRef]:
        """Return the calls to somebody here."""
        return [ref for ref, call in self.calls.items() if user_of(call) == user]

    @property
    def live(self) -> set[SipCallRef]:
        """The calls that are not over."""
        return self.calls.keys() - self.ended.keys()

    @property
    def answers(self) -> list[str]:
        """What was answered to its re-INVITEs."""
        return [report.answer for report in self.reports if isinstance(report, MediaAnswered)]

    async def rung(self, count: int) -> None:
        """Wait until so many INVITEs have come."""
        await until(lambda: len(self.calls) >= count)

    def sdp(self, version: int = 1, direction: str = "sendrecv") -> str:
        """Return what it says of its audio."""
        sdp = SDP.replace("audio 40000", f"audio {self._audio_port}")
        return sdp.format(host=HOST, version=version).replace("sendrecv", direction)

    def answer_for(self, call: Invited) -> str:
        """Return the SDP that an offer is answered with."""
        del call
        return self.sdp()

    def hang_up(self, user: str) -> None:
        """End every call to somebody here."""
        for ref in self.refs(user):
            self.engine.hang_up(ref)

    def hear(self, direction: str, data: bytes, flow: str) -> None:
        """Keep each INVITE as it came."""
        del flow
        if direction == "in" and data.startswith(b"INVITE "):
            self.invites.append((asyncio.get_running_loop().time(), data.decode()))

    def _take(self, report: Report) -> None:
        self.reports.append(report)
        match report:
            case Invited():
                self.calls[report.ref] = report
                self._act(report.ref, self._who(user_of(report)))
            case Ended():
                self.ended[report.ref] = report
            case _:
                pass

    def _act(self, ref: SipCallRef, user: str) -> None:
        if user in REFUSALS:
            self.engine.reject(ref, REFUSALS[user])
        elif user == "early":
            self.engine.ring(ref, 183, self.sdp())
        elif user == "voicemail":
            self.engine.answer(ref, self.answer_for(self.calls[ref]))
        else:
            self.engine.ring(ref)
            if not user.startswith("rings"):
                self.engine.answer(ref, self.answer_for(self.calls[ref]))


def user_of(call: Invited) -> str:
    """Return who was called."""
    return parse_uri(call.request_uri).user


@asynccontextmanager
async def scripted_callee(
    who: Callable[[str], str] = str,
    audio_port: int = 40_000,
    transport: TransportName = "udp",
) -> AsyncIterator[ScriptedCallee]:
    """Run one on loopback; `who` names the person behind a user name, else it is the name."""
    engine = SipEngine(
        SipConfig(listeners=(Listener(transport, HOST, 0),)),
        trace=lambda *said: callee.hear(*said),
    )
    callee = ScriptedCallee(engine, who, audio_port)
    await engine.start()
    try:
        yield callee
    finally:
        for ref in callee.live:
            engine.hang_up(ref)
        await asyncio.shield(engine.stop(1_000))
