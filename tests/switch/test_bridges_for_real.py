"""Bridges on a whole node: SIP and RTP are real, each party sings a tone of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from agentstream.base.ids import AccountSid, LegSid
from agentstream.flows.bridges.values import BridgeTerms
from agentstream.flows.legs.verbs import (
    Act,
    Hold,
    JoinBridge,
    LeaveBridge,
    Mute,
    StartMonitoring,
    StopMonitoring,
    UnHold,
    UnMute,
    Verb,
)
from agentstream.switch.bridge_ports import BridgeOrder
from agentstream.switch.leg_view import LegTerms
from agentstream.testing.node import Node, running_node
from agentstream.testing.ports import HOST
from agentstream.testing.rtp_phone import RtpPhone, rtp_phone
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.sound import as_ulaw
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
RATE_HZ: Final = 8_000
PITCHES: Final = (440, 700, 1_100, 1_700)  # whole periods in a second: the tones have no seam
MINE: Final = AccountSid("greenleaf1")
PACKETS: Final = 25  # half a second
RMS_HEARD: Final = 500.0  # of a tone with an amplitude of 6,000
ULAW: Final = np.array(  # ITU-T G.711, table 2a
    [
        (-1 if byte < 128 else 1) * ((((~byte & 0x0F) << 3) + 0x84 << ((~byte >> 4) & 0x07)) - 0x84)
        for byte in range(256)
    ],
    dtype=np.float64,
)


@dataclass
class Party:
    """A telephone that is called and sings."""

    phone: RtpPhone
    callee: ScriptedCallee
    pitch_hz: int
    leg_sid: LegSid = field(default=LegSid(""))

    async def hears(self) -> set[int]:
        """Return the pitches in the next half second."""
        before = len(self.phone.heard)
        await until(lambda: len(self.phone.heard) >= before + PACKETS)
        payload = b"".join(sound for _, sound in self.phone.heard[before : before + PACKETS])
        samples = ULAW[np.frombuffer(payload, np.uint8)]
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
        bin_hz = RATE_HZ / samples.size
        heard = set()
        for pitch_hz in PITCHES:
            middle = round(pitch_hz / bin_hz)
            level = spectrum[middle - 2 : middle + 3].max() * 4 / samples.size / np.sqrt(2)
            if level > RMS_HEARD:
                heard.add(pitch_hz)
        return heard


@dataclass
class Town:
    """A node and some parties whose calls are up, each a call of its own."""

    node: Node
    parties: list[Party]
    acts: int = 0

    async def bridge(self, count: int) -> str:
        """Bridge the first so many, and wait until all are in."""
        bridges = self.node.house.parts.legs.bridges
        legs = tuple(party.leg_sid for party in self.parties[:count])
        sid = bridges.create(BridgeOrder(MINE, BridgeTerms(), legs)).bridge_sid

        def are_in() -> bool:
            view = bridges.find(sid)
            return view is not None and view.active_legs == legs

        await until(are_in)
        return sid

    async def act(self, party: Party, verb: Verb) -> None:
        self.acts += 1
        act = Act(f"a{self.acts}", party.leg_sid, (verb,))
        await self.node.house.parts.switchboard.act(act)

    async def settles(self, *wanted: set[int], of: list[Party] | None = None) -> None:
        """Wait until each of the first parties (of some) hears exactly these pitches."""
        parties, heard = (of or self.parties)[: len(wanted)], list[set[int]]()
        for _ in range(20):
            heard = [await party.hears() for party in parties]
            if heard == list(wanted):
                return
        raise AssertionError(f"heard {heard}, not {wanted}")


def tone(pitch_hz: int) -> bytes:
    return as_ulaw(np.sin(np.arange(RATE_HZ) * 2 * np.pi * pitch_hz / RATE_HZ) * 6_000)


@asynccontextmanager
async def town(folder: Path, count: int) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        parties = []
        for pitch_hz in PITCHES[:count]:
            phone = await stack.enter_async_context(rtp_phone(tone(pitch_hz)))
            callee = await stack.enter_async_context(scripted_callee(audio_port=phone.port))
            parties.append(Party(phone, callee, pitch_hz))
        sections: dict[str, Any] = {
            "trunks": {"one": {"target": f"sip:{HOST}:{parties[0].callee.port}"}},
            "dial": {"trunk": "one", "sip_hosts": HOST},
            "rtp": {"host": HOST, "workers": 2, "port_rest_ms": 0},
        }
        node = await stack.enter_async_context(
            running_node(folder, "ws://127.0.0.1:9/bot", pairs=count, **sections)
        )
        for number, party in enumerate(parties):
            party.leg_sid = LegSid(f"leg{number}")
            terms = LegTerms(account_sid=MINE, contact_uri="sip:x@y", exophone="1000")
            node.house.parts.legs.views.expect(party.leg_sid, terms)
            await node.place(party.callee.uri("answers"), leg_sid=party.leg_sid)
        views = node.house.parts.legs.views
        await until(
            lambda: all(
                (view := views.find(party.leg_sid)) is not None and view.state == "connected"
                for party in parties
            )
        )
        yield Town(node, parties)
        for party in parties:
            if party.callee.live:
                party.callee.hang_up("answers")
        assert await node.is_idle()


async def test_two_calls_hear_each_other_until_the_bridge_stops_br_1_br_5(tmp_path: Path) -> None:
    async with town(tmp_path, 2) as here:
        await here.settles(set(), set())
        sid = await here.bridge(2)
        await here.settles({700}, {440})
        await here.act(here.parties[0], Mute("in"))
        await here.settles({700}, set())
        await here.act(here.parties[0], UnMute("in"))
        await here.settles({700}, {440})
        here.node.house.parts.legs.bridges.stop(sid, hangs_up=False)
        await here.settles(set(), set())
        assert here.node.house.parts.switchboard.live_calls == 2


async def test_three_calls_hear_each_other_and_one_leaves_ex_26_br_9(tmp_path: Path) -> None:
    async with town(tmp_path, 3) as here:
        one, _, third = here.parties
        sid = await here.bridge(3)
        await here.settles({700, 1_100}, {440, 1_100}, {440, 700})
        await here.act(third, LeaveBridge())
        await here.settles({700}, {440}, set())
        await here.act(third, JoinBridge(sid))
        await here.settles({700, 1_100}, {440, 1_100}, {440, 700})
        one.callee.hang_up("answers")
        await here.settles({1_100}, {700}, of=here.parties[1:])


async def test_who_is_on_hold_is_heard_by_nobody_and_hears_music_ex_24(tmp_path: Path) -> None:
    async with town(tmp_path, 3) as here:
        await here.bridge(3)
        await here.settles({700, 1_100}, {440, 1_100}, {440, 700})
        await here.act(here.parties[0], Hold())
        await here.settles({1_100}, {700}, of=here.parties[1:])
        assert not {700, 1_100} & await here.parties[0].hears(), "only music"
        await here.act(here.parties[0], UnHold())
        await here.settles({700, 1_100}, {440, 1_100}, {440, 700})


async def test_a_supervisor_listens_whispers_and_barges_in_ex_27(tmp_path: Path) -> None:
    async with town(tmp_path, 3) as here:
        agent, supervisor = here.parties[1], here.parties[2]
        sid = await here.bridge(2)
        await here.act(supervisor, StartMonitoring(sid))
        await here.settles({700}, {440}, {440, 700})
        await here.act(supervisor, StartMonitoring(sid, agent.leg_sid, "whisper"))
        await here.settles({700}, {440, 1_100}, {440, 700})
        await here.act(supervisor, StartMonitoring(sid, None, "barge"))
        await here.settles({700, 1_100}, {440, 1_100}, {440, 700})
        await here.act(supervisor, StopMonitoring())
        await here.settles({700}, {440}, set())
