"""A ladder drawn in text: a column for each party, an arrow for each message.

ms  192.0.2.7:5060            agentstream
0  │──── INVITE ────────────▶│
PCMU telephone-event, 192.0.2.7:4000, sendrecv, no crypto
41  │◀──────────── 200 OK ────│
PCMU telephone-event, 198.51.100.1:20000, sendrecv, no crypto
"""

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from agentstream.switch.ladder import Ladder, Step

WIDTH: Final = 100  # columns of what stands below arrows
_TIME: Final = 9  # columns of the time
_LEAST: Final = 26  # columns between two parties
_PARTIES: Final = 6  # drawn side by side; more are told in words


def ladder_rows(ladder: Ladder) -> Iterator[tuple[Step | None, str]]:
    """Yield the picture line by line, each with its step; no line has a blank at its end.

    What an SDP or a header tells of a message stands below its arrow, at most WIDTH columns wide.
    """
    parties = ladder.parties[:_PARTIES]
    gap = max((_LEAST, *(len(party) + 4 for party in parties)))
    yield None, "ms".rjust(_TIME) + "  " + "".join(party.ljust(gap) for party in parties).rstrip()
    for step in ladder.steps:
        yield step, f"{_time(step.at_ms).rjust(_TIME)}  {_arrow(step, parties, gap)}"
        for line in wrap(_notes(step), WIDTH - _TIME - 6):
            yield step, f"{'':{_TIME}}      {line}"
    if ladder.dropped:
        yield None, f"{'…'.rjust(_TIME)}  {ladder.dropped} more messages were not kept"


def ladder_text(ladder: Ladder, hints: tuple[str, ...] = ()) -> str:
    """Return the picture as text, with what is to be known of it below."""
    lines = [line for _, line in ladder_rows(ladder)]
    if hints:
        lines += ["", *(f"! {hint}" for hint in hints)]
    return "\n".join(lines) + "\n"


def _time(at_ms: float) -> str:
    return f"{round(at_ms):,}"


def _arrow(step: Step, parties: tuple[str, ...], gap: int) -> str:
    if step.sender not in parties or step.receiver not in parties:
        return f"{step.sender} ─▶ {step.receiver}: {_label(step)}"
    start, end = parties.index(step.sender), parties.index(step.receiver)
    left, right = min(start, end), max(start, end)
    width = (right - left) * gap - 1
    label = f" {_label(step)[: width - 8]} "
    if start < end:
        line = f"────{label}".ljust(width - 1, "─") + "▶"
    else:
        line = "◀" + f"{label}────".rjust(width - 1, "─")
    before = "".join("│".ljust(gap) for _ in range(left))
    after = "".join("│".rjust(gap) for _ in range(len(parties) - 1 - right))
    return f"{before}│{line}│{after}"


def _label(step: Step) -> str:
    # What a response answers is plain while a call is set up; elsewhere it must be said.
    name = step.label
    if step.status and step.method not in {"", "INVITE"}:
        name = f"{name} ({step.method})"
    return f"{name} (again)" if step.is_repeat else name


def _notes(step: Step) -> str:
    notes = [str(step.sdp)] if step.sdp else []
    if step.why:
        notes.append(step.why)
    return "; ".join(notes)
