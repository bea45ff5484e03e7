"""Who answered: how often that is told rightly, and what it costs: see docs/howto/.

`python -m benchmarks.answering`. The calls of `agentstream.testing.answered_calls` go through the
audio path in real time, all at once. Those of the first numbers were looked at when the criteria
were chosen, those from FRESH on were not: only these say how right it is.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import wave
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from agentstream import _media
from agentstream.calls.answering import AnswerCriteria
from agentstream.media.plan import AnswerPlan, EnginePlan, FileLegPlan
from agentstream.testing.answered_calls import AnsweredCall, humans, machines, nobody
from agentstream.testing.ports import media_range

BEEP_LATE_MS = 300  # a beep is right when its end is told so exactly
FRESH = 1_000
COST_LEGS = 400
COST_S = 5


@dataclass
class Told:
    """What was told of one call."""

    call: AnsweredCall
    result: str = ""
    reason: str = ""
    elapsed_ms: int = 0
    beep_ms: int | None = None


def main() -> None:
    """Judge the calls and print what came of it."""
    parser = argparse.ArgumentParser(description="Try the detection of answering machines.")
    parser.add_argument("--count", type=int, default=96, help="humans, and as many machines")
    parser.add_argument("--wrong", action="store_true", help="name the calls that are judged wrong")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a criterion of its own"
    )
    parser.add_argument("--no-cost", action="store_true", help="do not measure the cost")
    options = parser.parse_args()
    console = Console()
    criteria = replace(AnswerCriteria(), **dict(map(_criterion, options.set)))
    for title, first in (("looked at", 0), ("not looked at", FRESH)):
        told = asyncio.run(judge(_calls(options.count, first), criteria))
        _print_matrix(console, title, told)
        _print_noises(console, told)
        _print_beeps(console, told)
        _print_times(console, told)
        if options.wrong and first != FRESH:  # who looks at those has none left
            for one in told:
                if not _is_right(one):
                    console.print(f"{one.call.who} → {one.result} ({one.reason}): {one.call.name}")
    if not options.no_cost:
        console.print(f"cost of the watch: {asyncio.run(cost_us()):.2f} µs a frame of 20 ms")


def _calls(count: int, first: int) -> list[AnsweredCall]:
    return [*humans(count, first), *machines(count, first), *nobody(21, first)]


async def judge(calls: list[AnsweredCall], criteria: AnswerCriteria) -> list[Told]:
    """Let the audio path hear every call, all at once; returns what it told of each."""
    engine = _media.Engine(EnginePlan("127.0.0.1", *media_range(1), workers=2))
    told = {str(number): Told(call) for number, call in enumerate(calls)}
    with tempfile.TemporaryDirectory() as folder:
        for sid, one in told.items():
            path = Path(folder) / f"{sid}.wav"
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8_000)
                file.writeframes(one.call.sound.tobytes())
            leg = engine.open_file_leg(FileLegPlan(sid, str(path), None))
            leg.watch_answer(AnswerPlan(**asdict(criteria)))
            leg.start()
        until = time.monotonic() + max(len(call.sound) for call in calls) / 8_000 + 2
        while time.monotonic() < until:
            await asyncio.sleep(0.2)
            for event in engine.events():
                _note(told[event.leg_sid], event)
    engine.close()
    return list(told.values())


async def cost_us() -> float:
    """Return the processor's µs that the watch takes for a frame of sound."""
    call = replace(next(machines(1)), name="")
    spent = []
    for is_on in (False, True):
        spent.append(await _spent_s(call, is_on=is_on))
    return (spent[1] - spent[0]) / (COST_LEGS * COST_S * 50) * 1_000_000


async def _spent_s(call: AnsweredCall, *, is_on: bool) -> float:
    engine = _media.Engine(EnginePlan("127.0.0.1", *media_range(1), workers=2))
    criteria = replace(
        AnswerCriteria(), total_analysis_ms=30_000, greeting_ms=30_000, maximum_words=100
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(call.sound.tobytes())
        legs = [
            engine.open_file_leg(FileLegPlan(str(n), str(path), None)) for n in range(COST_LEGS)
        ]
        for leg in legs:
            if is_on:
                leg.watch_answer(AnswerPlan(**asdict(criteria)))
            leg.start()
        began = time.process_time()
        await asyncio.sleep(COST_S)
        spent = time.process_time() - began
    engine.close()
    return spent


def _criterion(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    return name, int(value)


def _note(told: Told, event: _media.Event) -> None:
    match event:
        case _media.AnswerJudged():
            told.result, told.reason, told.elapsed_ms = event.result, event.reason, event.elapsed_ms
        case _media.BeepHeard():
            told.beep_ms = event.elapsed_ms
        case _:
            pass


def _is_right(told: Told) -> bool:
    return told.result == ("unknown" if told.call.who == "nobody" else told.call.who)


def _print_matrix(console: Console, title: str, told: list[Told]) -> None:
    table = Table(title=f"calls that were {title}")
    for column in ("", "human", "machine", "unknown", "right"):
        table.add_column(column)
    for who in ("human", "machine", "nobody"):
        theirs = [one for one in told if one.call.who == who]
        counts = [
            sum(one.result == word for one in theirs) for word in ("human", "machine", "unknown")
        ]
        right = sum(map(_is_right, theirs)) / len(theirs)
        table.add_row(who, *map(str, counts), f"{right:.0%}")
    console.print(table)


def _print_noises(console: Console, told: list[Told]) -> None:
    table = Table(title="right, by the noise of the line (10 to 30 dB below the voice)")
    noises = ("none", "white", "brown", "babble")
    for column in ("", *noises):
        table.add_column(column)
    for who in ("human", "machine"):
        row = []
        for noise in noises:
            theirs = [one for one in told if one.call.who == who and one.call.noise == noise]
            row.append(f"{sum(map(_is_right, theirs))} of {len(theirs)}")
        table.add_row(who, *row)
    console.print(table)


def _print_beeps(console: Console, told: list[Told]) -> None:
    judged = [one for one in told if one.result == "machine"]
    there = [one for one in judged if one.call.beep_ms is not None]
    heard = [
        one
        for one in there
        if one.beep_ms is not None and abs(one.beep_ms - (one.call.beep_ms or 0)) <= BEEP_LATE_MS
    ]
    wrong = sum(one.beep_ms is not None for one in judged) - len(heard)
    console.print(
        f"beeps of machines: {len(heard)} of {len(there)} heard, {wrong} where there was none"
    )


def _print_times(console: Console, told: list[Told]) -> None:
    for who in ("human", "machine"):
        times = [one.elapsed_ms for one in told if one.call.who == who and one.result == who]
        median, late = statistics.median(times), statistics.quantiles(times, n=20)[-1]
        console.print(f"{who}: known after {median / 1000:.1f} s, 95 % after {late / 1000:.1f} s")


if __name__ == "__main__":
    main()
