"""Who answered, through the native audio path: events, rates, bridges; how often it is right."""

import asyncio
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from agentstream import _media
from agentstream.calls.answering import AnswerCriteria
from agentstream.media.plan import AnswerPlan, EnginePlan, FileLegPlan
from agentstream.testing.answered_calls import AnsweredCall, humans, machines, nobody
from agentstream.testing.ports import media_range
from agentstream.testing.sound import Samples, as_ulaw, with_silence, write_wav

PLAN = AnswerPlan(**asdict(AnswerCriteria()))
# Of 24 people without others in the room, 24 machines and 7 lines without anybody.
LEAST_RIGHT = {"human": 0.85, "machine": 0.9, "nobody": 1.0}
LEAST_BEEPS = 0.75


def tone(hz: float, ms: int) -> Samples:
    return np.sin(np.arange(8 * ms) * 2 * np.pi * hz / 8_000) * 6_000


def syllables(count: int) -> Samples:
    """A buzz at 120 Hz, 160 ms long, and 40 ms of nothing, so often."""
    time_s = np.arange(8 * 160) / 8_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 9)) * 4_000
    return np.tile(with_silence(np.asarray(buzz), 8_000, 40), count)


def quiet(ms: int) -> Samples:
    return np.zeros(8 * ms)


async def watched(rig: Any, plan: AnswerPlan | None) -> tuple[Any, Any]:
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.watch_answer(plan)
    return phone, leg


async def test_a_person_is_told_once_and_no_beep_after_it(rig: Any) -> None:
    phone, leg = await watched(rig, PLAN)
    hello = np.concatenate([quiet(300), syllables(2), quiet(1_000), tone(1_000, 300), quiet(400)])
    await phone.speak(as_ulaw(hello), leg.rtp_port)
    [told] = rig.all(_media.AnswerJudged)
    assert (told.leg_sid, told.result, told.reason) == ("l1", "human", "pause")
    assert 1_400 <= told.elapsed_ms <= 1_700
    assert rig.all(_media.BeepHeard) == []


async def test_a_machine_is_told_and_then_its_beep(rig: Any) -> None:
    phone, leg = await watched(rig, PLAN)
    greeting = np.concatenate([syllables(14), quiet(300), tone(1_000, 300), quiet(300)])
    await phone.speak(as_ulaw(greeting), leg.rtp_port)
    [told], [beep] = rig.all(_media.AnswerJudged), rig.all(_media.BeepHeard)
    assert (told.result, told.reason) == ("machine", "greeting")
    assert abs(beep.elapsed_ms - 3_400) <= 100
    assert abs(beep.hz - 1_000) <= 10


async def test_a_line_that_says_nothing_is_unknown(rig: Any) -> None:
    """No packet at all is the same as silence."""
    await watched(rig, replace(PLAN, initial_silence_ms=400))
    told = await rig.until(_media.AnswerJudged)
    assert (told.result, told.elapsed_ms, told.reason) == ("unknown", 400, "silence")


async def test_nothing_is_told_that_was_not_asked_for_or_not_any_more(rig: Any) -> None:
    phone, leg = await watched(rig, PLAN)
    leg.watch_answer(None)
    hello = np.concatenate([syllables(2), quiet(1_200)])
    await phone.speak(as_ulaw(hello), leg.rtp_port)
    assert rig.all(_media.AnswerJudged) == []


async def test_a_bridged_leg_is_listened_to_too(rig: Any) -> None:
    """What passes undecoded to the other leg is listened to all the same, until it is known."""
    phone, leg = await watched(rig, PLAN)
    other_phone, other = await rig.phone(ssrc=8), rig.leg(leg_sid="l2")
    other.connect(rig.remote(other_phone))
    leg.bridge(other)
    await phone.speak(as_ulaw(np.concatenate([syllables(2), quiet(1_200)])), leg.rtp_port)
    [told] = rig.all(_media.AnswerJudged)
    assert told.result == "human"


async def test_a_wideband_leg_is_judged_alike(rig: Any, tmp_path: Path) -> None:
    """G.722 is heard at 16 kHz, like this file."""
    narrow = np.concatenate([syllables(14), quiet(300), tone(900, 300), quiet(500)])
    path = write_wav(tmp_path / "in.wav", np.repeat(narrow, 2), 16_000)
    leg = rig.engine.open_file_leg(FileLegPlan("l1", str(path), None, rate_hz=16_000))
    leg.watch_answer(PLAN)
    leg.start()
    beep = await rig.until(_media.BeepHeard)
    assert abs(beep.elapsed_ms - 3_400) <= 100
    assert abs(beep.hz - 900) <= 10
    [told] = rig.all(_media.AnswerJudged)
    assert told.result == "machine"


def test_the_criteria_of_a_call_are_those_of_the_plan() -> None:
    assert [one.name for one in fields(AnswerPlan)] == [one.name for one in fields(AnswerCriteria)]


async def test_most_calls_are_judged_rightly_and_most_beeps_heard_oc_5(tmp_path: Path) -> None:
    """A subset of what `benchmarks/answering.py` measures, in real time, all at once."""
    people = [call for call in humans(40) if call.noise != "babble"][:24]
    calls = [*people, *machines(24), *nobody(7)]
    told = await judge(calls, tmp_path)
    for who, least in LEAST_RIGHT.items():
        wanted = "unknown" if who == "nobody" else who
        theirs = [told[sid][0] for sid, call in enumerate(calls) if call.who == who]
        assert theirs.count(wanted) / len(theirs) >= least, (who, theirs)
    beeps = [(call.beep_ms, told[sid][1]) for sid, call in enumerate(calls) if call.beep_ms]
    heard = [one for one in beeps if one[0] and one[1] and abs(one[0] - one[1]) <= 300]
    assert len(heard) / len(beeps) >= LEAST_BEEPS, beeps


async def judge(calls: list[AnsweredCall], folder: Path) -> list[tuple[str, int | None]]:
    """What the audio path tells of each call: who answered, and when the beep ended."""
    results: list[str] = [""] * len(calls)
    beeps: list[int | None] = [None] * len(calls)
    engine = _media.Engine(EnginePlan("127.0.0.1", *media_range(1), workers=2))
    try:
        for sid, call in enumerate(calls):
            path = write_wav(folder / f"{sid}.wav", call.sound.astype(np.float64), 8_000)
            leg = engine.open_file_leg(FileLegPlan(str(sid), str(path), None))
            leg.watch_answer(PLAN)
            leg.start()
        until = time.monotonic() + max(len(call.sound) for call in calls) / 8_000 + 2
        while time.monotonic() < until:
            await asyncio.sleep(0.1)
            for event in engine.events():
                if isinstance(event, _media.AnswerJudged):
                    results[int(event.leg_sid)] = event.result
                elif isinstance(event, _media.BeepHeard):
                    beeps[int(event.leg_sid)] = event.elapsed_ms
    finally:
        engine.close()
    return list(zip(results, beeps, strict=True))
