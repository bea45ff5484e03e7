"""The page for bot developers says what the code does."""

import re
import runpy
from dataclasses import fields
from pathlib import Path

from agentstream.stream.profile import WireProfile

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "protocol.md").read_text()


def test_the_picture_is_the_one_that_the_table_of_moves_draws() -> None:
    drawing = runpy.run_path(str(DOCS / "draw_bot_stream.py"))
    assert drawing["draw"]() in PAGE
    assert drawing["with_picture"](PAGE) == PAGE


def test_every_setting_of_a_bot_is_on_the_page() -> None:
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {field.name for field in fields(WireProfile)} - named == set()
