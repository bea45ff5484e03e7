"""The demo's second scene: a menu, a question to the customer's server, and a person on a phone.

caller ──▶ menu: key 2 ──▶ passthru: the customer's server says 302 ──▶ connect: a phone rings,
is told who calls, and the two talk until the person hangs up.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from rich.console import Console

from agentstream.calls.events import (
    AppletEntered,
    CallEnded,
    LegsBridged,
    LegUp,
    PromptFinished,
    RecordingFinished,
    RequestFinished,
)
from agentstream.server.callee import Manners, ScriptedPhone
from agentstream.server.caller import ScriptedCaller
from agentstream.server.stage import (
    HOST,
    Steps,
    Watch,
    caller,
    keep_recording,
    node,
    phone,
    spoken,
    target,
)
from agentstream.server.timeline import Timeline

NUMBER = "2000"
HELLO, REPLY = "I would like to talk to somebody", "hello, this is a person"
FLOW = """
name: handover
start: menu
applets:
  menu:
    type: ivr_menu
    prompt: {text: "For the assistant, press one. For a person, press two."}
    keys: {"1": bye, "2": ask}
  ask: {type: passthru, url: "%s/decide?from=demo", next: bye, on_302: person}
  person:
    type: connect
    numbers: ["sip:ann@%s"]
    whisper_text: "A caller from the demo."
    record: true
    recording_channels: stereo
    next: bye
  bye: {type: hangup}
"""


@dataclass
class Shop:
    """The customer's server: a Passthru is told to hand over."""

    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one question; 302 is the second way."""
        head = await reader.readuntil(b"\r\n\r\n")
        query = urlsplit(head.split(b" ", 2)[1].decode()).query
        self.asked.append(dict(parse_qsl(query)))
        writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def _shop() -> AsyncIterator[Shop]:
    shop = Shop()
    server = await asyncio.start_server(shop.answer, HOST, 0)
    shop.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield shop
    finally:
        server.close()


async def scene(console: Console, save: Path) -> Steps:
    """Play it; returns what was seen."""
    watch, steps = Watch(), Steps()
    with tempfile.TemporaryDirectory(prefix="agentstream-demo-") as name:
        folder = Path(name)
        voices = await asyncio.to_thread(spoken, folder, HELLO, REPLY)
        async with (
            _shop() as shop,
            phone(Manners(ring_ms=1_500)) as (person, address),
            node(folder, n2000=FLOW % (shop.url, address)) as house,
            caller() as dialler,
        ):
            house.parts.feed.subscribe(Timeline(console).take)
            house.parts.feed.subscribe(watch.take_fact)
            cast = Cast(dialler, person, shop, voices)
            await _play(cast, target(house, NUMBER), watch, steps)
        recorded = keep_recording(folder, save)
        steps.note("the conversation was recorded", recorded)
    steps.show(console)
    if recorded:
        console.print(f"Listen: {save} (left the person, right the caller)")
    return steps


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays."""

    dialler: ScriptedCaller
    person: ScriptedPhone
    shop: Shop
    voices: dict[str, Path]


async def _play(cast: Cast, address: str, watch: Watch, steps: Steps) -> None:
    call = await cast.dialler.dial(address)
    await watch.until(lambda: watch.find(PromptFinished))
    call.press("2")
    chosen = await watch.until(lambda: "ask" in _entered(watch))
    steps.note("the menu was heard, and a key chose the way", chosen)
    decided = await watch.until(lambda: watch.find(RequestFinished) and "person" in _entered(watch))
    told = cast.shop.asked and cast.shop.asked[0].get("digits") == '"2"'
    steps.note("the customer's server was told of the call, and decided", decided and told)
    answered = await watch.until(lambda: watch.find(LegUp))
    steps.note("the person's phone rang and was answered", answered)
    if not answered:
        await call.hang_up()
        return
    taken = await cast.person.called()
    bridged = await watch.until(lambda: watch.find(LegsBridged))
    steps.note("the person was told who calls, then the two were connected", bridged)
    await call.say(cast.voices[HELLO])
    await taken.say(cast.voices[REPLY])
    await taken.hang_up()
    ended = await watch.until(lambda: watch.find(CallEnded))
    await call.wait_ended()
    stats = await call.closed
    steps.note("the person hung up, and the call ended for both sides", ended)
    steps.note("no packet was lost", stats.packets_received and not stats.packets_lost)
    await watch.until(lambda: watch.find(RecordingFinished))


def _entered(watch: Watch) -> list[str]:
    return [event.applet for event in watch.find(AppletEntered)]
