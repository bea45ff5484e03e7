"""The node tries one road after the other over real sockets, and how long that takes."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.causes import Cause
from agentstream.calls.commands import Dial, DialSpec, HangUpLeg
from agentstream.calls.events import CallStarted, LegGone, LegUp
from agentstream.switch.feed import RoadFailed
from agentstream.testing.ports import HOST
from agentstream.testing.scene import Scene, scene
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.trunks import DOMAIN, TRUNK_SID, TrunkMaker
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
AGENT = LegSid("agent")
NUMBER = "+918040000009"


def always(person: str) -> Any:
    return lambda _: person


def carriers(*targets: str, **first: Any) -> dict[str, Any]:
    """Return the configuration of trunks that are tried in this order."""
    names = "abc"[: len(targets)]
    trunks: dict[str, Any] = {
        name: {"target": target} for name, target in zip(names, targets, strict=True)
    }
    trunks["a"] |= first
    return {"trunks": trunks, "dial": {"routes": [{"trunks": list(names)}]}}


async def dial(night: Scene, destination: str = NUMBER, **fields: Any) -> float:
    """Dial one more party; returns the loop's time of it."""
    sid = next(one.call_sid for one in night.node.events if isinstance(one, CallStarted))
    began = asyncio.get_running_loop().time()
    wish = Dial(AGENT, DialSpec(destination, **fields))
    await night.node.house.parts.switchboard.ask(CallSid(sid), wish)
    return began


def failures(night: Scene) -> list[RoadFailed]:
    return [one for one in night.node.events if isinstance(one, RoadFailed)]


async def is_up(night: Scene) -> None:
    await until(lambda: any(isinstance(one, LegUp) for one in night.node.events))


async def ends(night: Scene, call: Any, *callees: ScriptedCallee) -> None:
    """Let the caller go; nothing of any attempt is left."""
    await call.hang_up()
    await night.record()
    await until(lambda: not any(callee.live for callee in callees))
    assert await night.node.is_idle()


def named(invite: str, header: str) -> str:
    found = re.search(rf"^{header}: *(.*)\r$", invite, re.MULTILINE | re.IGNORECASE)
    assert found is not None, header
    return found[1]


class Deaf:
    """A server that says nothing, until it is told to wake up."""

    def __init__(self, inlet: socket.socket) -> None:
        self._inlet = inlet
        self.target = f"sip:{HOST}:{inlet.getsockname()[1]}"

    def says(self, status: int) -> None:
        """Answer what came first, late."""
        data, source = self._inlet.recvfrom(65_535)
        kept = ("via:", "from:", "to:", "call-id:", "cseq:")
        lines = [line for line in data.decode().split("\r\n") if line.lower().startswith(kept)]
        lines = [line + (";tag=deaf" if line.lower().startswith("to:") else "") for line in lines]
        text = "\r\n".join([f"SIP/2.0 {status} Late", *lines, "Content-Length: 0", "", ""])
        self._inlet.sendto(text.encode(), source)


@contextmanager
def deaf_server() -> Iterator[Deaf]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as inlet:
        inlet.bind((HOST, 0))
        yield Deaf(inlet)


def closed_port() -> int:
    with closing(socket.socket()) as once:
        once.bind((HOST, 0))
        return int(once.getsockname()[1])


async def test_a_refused_primary_reaches_the_second_at_once_as_a_new_call_sip_17(
    tmp_path: Path,
) -> None:
    """PN-4: whoever remembers a refusal by Call-ID and tag sees neither again."""
    async with (
        scripted_callee(always("failing")) as first,
        scripted_callee(always("answers")) as second,
    ):
        targets = (f"sip:{HOST}:{first.port}", f"sip:{HOST}:{second.port}")
        async with scene(tmp_path, pairs=4, **carriers(*targets)) as night:
            call = await night.talk()
            await dial(night)
            await is_up(night)
            ((before, one),), ((after, two),) = first.invites, second.invites
            assert after - before < 0.5
            assert named(one, "Call-ID") != named(two, "Call-ID")
            assert (
                named(one, "From").partition("tag=")[2] != named(two, "From").partition("tag=")[2]
            )
            assert named(one, "Via") != named(two, "Via")
            assert one.partition("m=audio")[2] == two.partition("m=audio")[2]  # the same RTP port
            (note,) = failures(night)
            assert (note.outcome, note.sip_status, note.after) == ("refused", 503, "trunk b")
            assert note.elapsed_ms < 500
            await ends(night, call, first, second)


async def test_a_refused_connection_leads_on_at_once(tmp_path: Path) -> None:
    async with scripted_callee(always("answers")) as second:
        targets = (f"sip:{HOST}:{closed_port()};transport=tcp", f"sip:{HOST}:{second.port}")
        async with scene(tmp_path, pairs=4, **carriers(*targets)) as night:
            call = await night.talk()
            began = await dial(night)
            await is_up(night)
            ((after, _),) = second.invites
            assert after - began < 0.5
            assert failures(night)[0].outcome == "unreachable"
            await ends(night, call, second)


async def test_a_silent_server_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    with deaf_server() as deaf:
        async with scripted_callee(always("answers")) as second:
            targets = (deaf.target, f"sip:{HOST}:{second.port}")
            config = carriers(*targets, failover_timeout_ms=300)
            async with scene(tmp_path, pairs=4, **config) as night:
                call = await night.talk()
                began = await dial(night)
                await is_up(night)
                ((after, _),) = second.invites
                assert 0.3 <= after - began < 0.8
                (note,) = failures(night)
                assert (note.outcome, note.sip_status) == ("silent", 408)
                deaf.says(480)
                await ends(night, call, second)


async def test_the_ringing_of_all_attempts_together_has_one_limit(tmp_path: Path) -> None:
    with deaf_server() as deaf:
        async with scripted_callee(always("rings")) as second:
            targets = (deaf.target, f"sip:{HOST}:{second.port}")
            config = carriers(*targets, failover_timeout_ms=400)
            async with scene(tmp_path, pairs=4, **config) as night:
                call = await night.talk()
                began = await dial(night, ring_ms=800)
                await until(lambda: any(isinstance(one, LegGone) for one in night.node.events))
                took = asyncio.get_running_loop().time() - began
                assert 0.8 <= took < 1.3
                (gone,) = (one for one in night.node.events if isinstance(one, LegGone))
                assert gone.cause is Cause.NO_ANSWER
                await until(lambda: not second.live)
                assert [one.status for one in second.ended.values()] == [487]
                deaf.says(480)
                await ends(night, call, second)


async def test_a_hang_up_while_the_second_rings_cancels_it(tmp_path: Path) -> None:
    async with (
        scripted_callee(always("failing")) as first,
        scripted_callee(always("rings")) as second,
    ):
        targets = (f"sip:{HOST}:{first.port}", f"sip:{HOST}:{second.port}")
        async with scene(tmp_path, pairs=4, **carriers(*targets)) as night:
            call = await night.talk()
            await dial(night)
            await second.rung(1)
            sid = next(one.call_sid for one in night.node.events if isinstance(one, CallStarted))
            await night.node.house.parts.switchboard.ask(CallSid(sid), HangUpLeg(AGENT))
            await until(lambda: bool(second.ended))
            assert [one.status for one in second.ended.values()] == [487]
            await ends(night, call, first, second)


async def test_a_callee_who_is_busy_is_busy_by_every_road(tmp_path: Path) -> None:
    async with (
        scripted_callee(always("busy")) as first,
        scripted_callee(always("answers")) as second,
    ):
        targets = (f"sip:{HOST}:{first.port}", f"sip:{HOST}:{second.port}")
        async with scene(tmp_path, pairs=4, **carriers(*targets)) as night:
            call = await night.talk()
            await dial(night)
            await until(lambda: any(isinstance(one, LegGone) for one in night.node.events))
            assert not second.invites
            await ends(night, call, first, second)


async def test_the_destinations_of_a_trunk_are_tried_by_priority_fl_3_sip_10_sip_12(
    tmp_path: Path,
) -> None:
    """SIP-11, SIP-12: what the INVITE says stays the same over the attempts."""
    async with (
        scripted_callee(always("failing")) as first,
        scripted_callee(always("answers"), transport="tcp") as second,
        scene(tmp_path, pairs=4) as night,
    ):
        call = await night.talk()
        parts = night.node.house.parts
        maker = await TrunkMaker(parts.store, AccountSid("greenleaf1")).make()
        await maker.destination(f"sip:{HOST}:{second.port};transport=tcp", 7)
        await maker.destination(f"sip:{HOST}:{first.port}", 3)
        await maker.settings({"as_header_map": "X-CALL-ID={call_sid}"})
        await parts.directory.refresh()
        await dial(
            night, f"sip:{TRUNK_SID}", to_number="+918000000042", headers=(("X-Ticket", "42"),)
        )
        await is_up(night)
        ((_, one),), ((_, two),) = first.invites, second.invites
        sid = next(each.call_sid for each in night.node.events if isinstance(each, CallStarted))
        for invite in (one, two):
            assert invite.startswith("INVITE sip:+918000000042@127.0.0.1:")
            assert f"@{DOMAIN}>" in named(invite, "From")
            assert named(invite, "P-Asserted-Identity").endswith(f"@{DOMAIN}>")
            assert named(invite, "P-Early-Media") == "supported"
            assert named(invite, "Max-Forwards") == "69"  # RFC 7332: it came with 70
            assert named(invite, "X-Exotel-CallSid") == sid
            assert named(invite, "X-Exotel-TrunkSid") == TRUNK_SID
            assert named(invite, "X-Exotel-AccountSid") == "greenleaf1"
            assert named(invite, "LegSid") == named(invite, "X-Exotel-LegSid") == AGENT
            assert named(invite, "X-CALL-ID") == sid
            assert named(invite, "X-Ticket") == "42"
        assert named(one, "Call-ID") != named(two, "Call-ID")
        await ends(night, call, first, second)


async def test_a_redirect_is_followed_where_the_operator_allows_it(tmp_path: Path) -> None:
    async with (
        scripted_callee(always("waits")) as first,
        scripted_callee(always("answers")) as second,
    ):
        config = carriers(f"sip:{HOST}:{first.port}")
        config["dial"]["follow_redirects"] = True
        first._act = lambda ref, user: first.engine.reject(  # type: ignore[method-assign]
            ref, 302, headers=(("Contact", f"<{second.uri('+918040000001')}>"),)
        )
        async with scene(tmp_path, pairs=4, **config) as night:
            call = await night.talk()
            await dial(night)
            await is_up(night)
            ((_, two),) = second.invites
            assert two.startswith("INVITE sip:+918040000001@127.0.0.1:")
            await ends(night, call, first, second)


async def test_roads_that_fail_while_they_are_placed_are_passed_over_too(tmp_path: Path) -> None:
    """No listener speaks TLS here: each of the first two ends before `place` has returned."""
    async with scripted_callee(always("answers")) as third:
        targets = [f"sip:{HOST}:{closed_port()};transport=tls" for _ in range(2)]
        targets.append(f"sip:{HOST}:{third.port}")
        async with scene(tmp_path, pairs=4, **carriers(*targets)) as night:
            call = await night.talk()
            await dial(night)
            await is_up(night)
            assert [note.after for note in failures(night)] == ["trunk b", "trunk c"]
            await ends(night, call, third)


async def test_a_placed_call_fails_over_before_anybody_has_answered(tmp_path: Path) -> None:
    async with (
        scripted_callee(always("failing")) as first,
        scripted_callee(always("voicemail")) as second,
    ):
        targets = (f"sip:{HOST}:{first.port}", f"sip:{HOST}:{second.port}")
        async with scene(tmp_path, pairs=4, **carriers(*targets)) as night:
            await night.node.place(NUMBER)
            await until(lambda: bool(second.live))
            assert [note.after for note in failures(night)] == ["trunk b"]
            second.hang_up(NUMBER)
            await night.record()
            assert await night.node.is_idle()
