"""The story as lines: one for each event that says something, one for a long run of the same."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentstream.server.explain.cast import Cast, Happening, number, seconds, text, times
from agentstream.server.explain.words import Tone, say

# Kinds that a bot's talk is full of: one after the other they become one line.
_CHATTER: Final = frozenset({"bot_spoke", "mark_echoed", "playout_cleared"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story."""

    at_ms: int
    who: str
    text: str
    tone: Tone = ""


def lines_of(happenings: Sequence[Happening], *, fold: bool = True) -> list[Line]:
    """Return the story; with `fold`, runs of a bot's marks and utterances become one line each."""
    cast = Cast.of(happenings)
    lines: list[Line] = []
    run: list[Happening] = []
    for each in happenings:
        if fold and _is_chatter(each, cast):
            run.append(each)
            continue
        lines += _folded(run, cast)
        run = []
        lines += _line(each, cast)
    return lines + _folded(run, cast)


def _is_chatter(each: Happening, cast: Cast) -> bool:
    if each.kind == "bot_spoke":  # the first time is news
        return text(each.body, "stream_sid") in cast.has_spoken
    return each.kind in _CHATTER or each.kind == "digit_received"


def _folded(run: Sequence[Happening], cast: Cast) -> list[Line]:
    lines: list[Line] = []
    groups: dict[str, list[Happening]] = defaultdict(list)
    for each in run:
        sid = text(each.body, "stream_sid") or text(each.body, "leg_sid")
        groups[sid].append(each)
    for group in groups.values():
        if group[0].kind == "digit_received" and len(group) > 1:
            lines.append(Line(group[0].at_ms, "line", _keys(group, cast)))
        elif len(group) < 3:
            lines += [line for each in group for line in _line(each, cast)]
        else:
            lines.append(_talk(group, cast))
    return sorted(lines, key=lambda line: line.at_ms)


def _keys(group: Sequence[Happening], cast: Cast) -> str:
    keys = " ".join(text(each.body, "digit") or "·" for each in group)
    return f"{cast.leg(group[0].body)} presses {keys}"


def _talk(group: Sequence[Happening], cast: Cast) -> Line:
    counts: dict[str, int] = defaultdict(int)
    dropped_ms = 0
    for each in group:
        counts[each.kind] += 1
        dropped_ms += number(each.body, "dropped_ms")
    parts = []
    if counts["bot_spoke"]:
        parts.append(f"speaks {times(counts['bot_spoke'])}")
    if counts["mark_echoed"]:
        parts.append(f"{counts['mark_echoed']} marks reached")
    if counts["playout_cleared"]:
        parts.append(f"clears {times(counts['playout_cleared'])}, {seconds(dropped_ms)} unheard")
    until = f"until {group[-1].at_ms:,} ms"
    return Line(group[0].at_ms, "bot", f"{cast.bot(group[0].body)}: {', '.join(parts)} ({until})")


def _line(each: Happening, cast: Cast) -> list[Line]:
    said = say(each, cast)
    return [] if said is None else [Line(each.at_ms, *said)]
