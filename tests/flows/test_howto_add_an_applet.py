"""The how-to page's applet works as the page says."""

from pathlib import Path
from typing import Any

from agentstream.flows.applets import KINDS
from agentstream.flows.document import parse
from agentstream.testing.applets import visit

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "add-an-applet.md"


def test_the_applet_of_the_howto_page_runs_with_its_own_test() -> None:
    blocks = [block.split("```")[0] for block in PAGE.read_text().split("```python\n")[1:]]
    names: dict[str, Any] = {"visit": visit, "__name__": "pause"}
    exec(blocks[0], names)  # noqa: S102 - our own page; this is the check that it is right
    exec(blocks[2], names)  # noqa: S102 - as above
    names["test_a_pause_leaves_when_its_time_is_over"]()
    kinds = (*KINDS, names["PauseSettings"])
    flow = parse("name: x\nstart: a\napplets: {a: {type: pause, seconds: 3}}", kinds)
    assert flow.applets["a"] == names["PauseSettings"](seconds=3)
