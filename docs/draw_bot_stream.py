"""Draw the states of a bot's stream, from its table of moves, into docs/protocol.md.

PYTHONPATH=src python docs/draw_bot_stream.py
"""

import re
import sys
from pathlib import Path

from agentstream.stream.bot_stream import MOVES
from agentstream.stream.life import State

PAGE = Path(__file__).parent / "protocol.md"
_PICTURE = re.compile(r"(<!-- picture: .*? -->\n)```mermaid\n.*?```\n", re.DOTALL)


def draw() -> str:
    """Return the picture as Mermaid text: one arrow for each pair of states."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, happening), (_, targets) in MOVES.items():
        for target in targets:
            arrows.setdefault((state, target), []).append(happening.__name__)
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE.value}"]
    for (state, target), names in arrows.items():
        if (state, target) != (State.ENDED, State.ENDED):
            lines.append(f"    {state.value} --> {target.value}: {', '.join(names)}")
    lines.append(f"    {State.ENDED.value} --> [*]")
    return "\n".join(lines) + "\n"


def with_picture(page: str) -> str:
    """Return the page with its picture drawn anew."""
    return _PICTURE.sub(lambda match: f"{match[1]}```mermaid\n{draw()}```\n", page)


def main() -> int:
    """Write the page; 1 when it was out of date."""
    page = PAGE.read_text()
    drawn = with_picture(page)
    PAGE.write_text(drawn)
    return int(drawn != page)


if __name__ == "__main__":
    sys.exit(main())
