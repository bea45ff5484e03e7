"""`agentstream demo`: a real SIP call on loopback talks to a bot that hears and speaks.

A node, a scripted caller with SIP and RTP of its own, and `examples/talking_bot.py` in a process of
its own. Every step of the conversation is checked; the exit code is 0 only if all were seen.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from agentstream.base.clock import SystemClock
from agentstream.base.errors import AgentStreamError, CommandError
from agentstream.calls.events import CallEnded
from agentstream.server import demo_handover
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.server.house import House
from agentstream.server.stage import Steps, Watch, caller, keep_recording, node, spoken, target
from agentstream.server.timeline import Timeline, leg_rows, stream_rows, table
from agentstream.switch import feed

NUMBER = "1000"
BOT = Path(__file__).parents[3] / "examples" / "talking_bot.py"
FLOW = """
name: demo
start: talk
applets:
  talk:
    type: voicebot
    url: "%s?sample-rate=8000&scene=demo"
    record: true
    recording_channels: stereo
    settings: {frame_ms: 20}
    next: bye
  bye: {type: hangup}
"""


def run(save: Path | None = None) -> int:
    """Play the scene; returns the exit code."""
    save = save or Path("build/demo.wav")
    save.parent.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_demo(Console(highlight=False), save))


async def _demo(console: Console, save: Path) -> int:
    console.print("[bold]A caller dials in over SIP and talks to a bot.[/] It takes half a minute.")
    talk = await _with_a_bot(console, save)
    other = save.with_name(f"{save.stem}-handover{save.suffix}")
    console.print("\n[bold]A menu, a question to the customer's server, and a person.[/]")
    handover = await demo_handover.scene(console, other)
    are_all_seen = talk.are_all_seen and handover.are_all_seen
    verdict = (
        "[green]Every step was seen.[/]" if are_all_seen else "[red]Not every step was seen.[/]"
    )
    console.print(verdict)
    return 0 if are_all_seen else 1


async def _with_a_bot(console: Console, save: Path) -> Steps:
    watch, steps = Watch(), Steps()
    with tempfile.TemporaryDirectory(prefix="agentstream-demo-") as name:
        folder = Path(name)
        async with _bot(watch, console) as bot_url, node(folder, n1000=_flow(bot_url)) as house:
            timeline = Timeline(console)
            house.parts.feed.subscribe(timeline.take)
            house.parts.feed.subscribe(watch.take_fact)
            _print_lines(watch, timeline)
            async with caller() as phone:
                setup_ms = await _scene(phone, house, watch, steps, folder)
        recorded = keep_recording(folder, save)
        steps.note("the conversation was recorded", recorded)
    _report(console, watch, setup_ms)
    steps.show(console)
    if recorded:
        console.print(f"Listen: {save} (left the caller, right the bot)")
    return steps


def _flow(bot_url: str) -> str:
    return FLOW % bot_url.rstrip("/")


async def _scene(
    phone: ScriptedCaller, house: House, watch: Watch, steps: Steps, folder: Path
) -> int:
    """Play the conversation; returns the set-up time in milliseconds."""
    clock = SystemClock()
    voices = await asyncio.to_thread(
        spoken, folder, "what can you do", "what is my balance", "thank you goodbye"
    )
    dialled_ms = clock.now_ms()
    call = await phone.dial(target(house, NUMBER))
    setup_ms = clock.now_ms() - dialled_ms
    steps.note("the call was answered over SIP", True)
    steps.note("the bot greeted", await watch.until(lambda: watch.find(feed.BotSpoke)))
    if any(line["event"] == "note" for line in watch.lines):
        await _echo_scene(call, watch, steps, voices)
    else:
        await _talk_scene(call, watch, steps, voices)
    ended = await watch.until(lambda: watch.find(CallEnded))
    await call.wait_ended()
    stats = await call.closed
    steps.note("the call ended for both sides", ended)
    steps.note("no packet was lost", stats.packets_received and not stats.packets_lost)
    return setup_ms


async def _talk_scene(
    call: PlacedCall, watch: Watch, steps: Steps, voices: dict[str, Path]
) -> None:
    heard = _marks_heard(watch)
    await watch.until(lambda: heard() >= 2)
    await call.say(voices["what can you do"])
    understood = await watch.until(lambda: watch.turns("caller", "help"))
    steps.note("the bot understood a question", understood)
    before = heard()
    await watch.until(lambda: heard() > before)
    await call.say(voices["what is my balance"])
    cleared = await watch.until(lambda: watch.find(feed.PlayoutCleared))
    steps.note("the caller interrupted, and the bot's clear silenced it", cleared)
    understood = await watch.until(lambda: watch.turns("caller", "balance"))
    steps.note("the bot understood the interruption", understood)
    await watch.until(lambda: any("balance is" in text for text in _texts_heard(watch)))
    call.press("42")
    pressed = await watch.until(lambda: len(watch.turns("caller", "key")) == 2)
    steps.note("two keys reached the bot", pressed)
    await watch.until(lambda: any("pressed two" in text for text in _texts_heard(watch)))
    await call.say(voices["thank you goodbye"])
    farewell = await watch.until(lambda: any("Goodbye" in text for text in _texts_heard(watch)))
    steps.note("marks told the bot what was heard, to the last word", farewell)


async def _echo_scene(
    call: PlacedCall, watch: Watch, steps: Steps, voices: dict[str, Path]
) -> None:
    await call.say(voices["what can you do"])
    steps.note("the bot echoed", await watch.until(lambda: watch.find(feed.BotSpoke)))
    await call.hang_up()


def _marks_heard(watch: Watch) -> Callable[[], int]:
    return lambda: len(_texts_heard(watch))


def _texts_heard(watch: Watch) -> list[str]:
    return [line["text"] for line in watch.lines if line["event"] == "heard"]


def _report(console: Console, watch: Watch, setup_ms: int) -> None:
    rows = [("set-up, INVITE to answer", f"{setup_ms} ms")]
    answered = [fact.at_ms for fact in watch.facts if type(fact.event).__name__ == "CallAnswered"]
    spoke = [fact.at_ms for fact in watch.facts if isinstance(fact.event, feed.BotSpoke)]
    if answered and spoke:
        rows.append(("answer to the bot's first word", f"{spoke[0] - answered[0]} ms"))
    for note in watch.find(feed.StreamConnected):
        phases = f"{note.dns_ms} / {note.tcp_ms} / {note.tls_ms} / {note.upgrade_ms} ms"
        rows.append(("bot: dns / tcp / tls / upgrade", phases))
    for counted in watch.find(feed.StreamCounted):
        rows += stream_rows(counted.stats)
    for leg in watch.find(feed.LegCounted):
        rows += leg_rows(leg.stats)
    console.print(table("Where the milliseconds went", rows))


def _print_lines(watch: Watch, timeline: Timeline) -> None:
    """Show what is said, beside what happens."""
    take, clock = watch.take_line, SystemClock()

    def show(line: dict[str, Any]) -> None:
        take(line)
        if line["event"] == "turn":
            timeline.say(clock.now_ms(), line["who"], f"“{line['text']}”")

    watch.take_line = show  # type: ignore[method-assign]


@asynccontextmanager
async def _bot(watch: Watch, console: Console) -> AsyncIterator[str]:
    if not BOT.exists():
        raise CommandError(f"the demo's bot is missing: {BOT} (run the demo from the repository)")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(BOT), "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None, "stdout is a pipe"
    reading = asyncio.create_task(_read_lines(process.stdout, watch))
    try:
        if not await watch.until(lambda: any(line["event"] == "listening" for line in watch.lines)):
            raise AgentStreamError("the demo's bot did not start")
        for line in watch.lines:
            if line["event"] == "note":
                console.print(f"[yellow]{line['text']}[/]")
        yield next(line["url"] for line in watch.lines if line["event"] == "listening")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def _read_lines(stream: asyncio.StreamReader, watch: Watch) -> None:
    while line := await stream.readline():
        try:
            watch.take_line(json.loads(line))
        except (ValueError, KeyError):
            continue
