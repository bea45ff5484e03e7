"""docs/compatibility.md is whole and true to the tests and settings that it names."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

from agentstream.flows.applets import KINDS
from agentstream.server.config import Config
from agentstream.stream.profile import WireProfile

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
SCRIPTS = ROOT / "docs" / "howto" / "from-exotel.md"

# Every id that the page must have. Numbers that are left out were never given.
IDS = {
    "AS": "1-6 10-20 25-29 35-38 45-51 60-62 65-71 75-83 90-93 95 98-101 105-106 110-118 125-132"
    " 140-145 150-158 165-171 180-184",
    "ST": "1-18 20-22 30-34 40-46 50-52",
    "CX": "1 2 3a 3b 3c 4-21",
    "CL": "1-10 20-22",
    "AP": "1-7 10-15 20 21 25-29 33 40-50 55-60 65 66",
    "PT": "1-7 10-13 20-25 30-35 40",
    "BX": "1-7",
    "OC": "1-6 8 9",
    "OP": "1 4-7 9 10 12",
    "RC": "1-5",
    "US": "13",
    "CB": "1-18",
    "SIP": "1-7 10-18 20-27 30-37 40-45 50-52 60-64 70-81",
    "PN": "1-6 6a 7-12 12a 13 20-26 30-34 40-43 50-57 60-63",
    "AC": "1-5",
    "CD": "1-14",
    "V3": "1-8",
    "ER": "1-9",
    "KX": "1-4 6 9-15 19-21",
    "AF": "1-3 6-8 20 21",
    "LG": "1-14 20-43 50-55 60-62 70-72 80-84 84a 85-88 90-93 100-106 110-114 120-128",
    "EX": "1-4 10-28 30-35 40-48",
    "EV": "1-19 30-39 50-52",
    "LD": "1-10",
    "BR": "1-5 5a 6 7 7a 7b 8-11",
    "LC": "1-22",
    "XR": "1 2 10-20",
    "TR": "1-7 10-14 20-42 45-67 70-72 80-83",
    "SC": "1-21",
    "FL": "1-8 10",
    "SD": "1-6",
    "CC": "1-13 20-27 30-33 36-38 40 45-57 60-64",
}
CITING = re.compile(r"^\|[^|]+\|([^|]+)\| ([A-Z0-9]+-[A-Za-z0-9, -]+) \|$", re.MULTILINE)
SETTING = re.compile(r"`([\w.]+)` = `([^`]*)`")


@dataclass(frozen=True)
class Row:
    """One id of the page."""

    number: str
    text: str
    state: str
    tests: tuple[str, ...]


@cache
def rows() -> tuple[Row, ...]:
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "Id" and set(line) - set("|- "):
            assert len(cells) == 4, line
            tests = tuple(re.findall(r"`([^`]+)`", cells[3]))
            assert cells[3] == ", ".join(f"`{test}`" for test in tests), cells[0]
            found.append(Row(cells[0], cells[1], cells[2], tests))
    return tuple(found)


def wanted_ids() -> Iterator[str]:
    for prefix, ranges in IDS.items():
        for part in ranges.split():
            first, _, last = part.partition("-")
            numbers = range(int(first), int(last) + 1) if last else [first]
            yield from (f"{prefix}-{number}" for number in numbers)


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def test_every_id_is_on_the_page_once() -> None:
    on_page = [row.number for row in rows()]
    assert len(on_page) == len(set(on_page))
    assert set(on_page) == set(wanted_ids())


def test_every_row_says_a_sentence_and_one_of_three_states() -> None:
    for row in rows():
        assert row.text.endswith("."), row
        is_known = row.state == "held" or row.state.startswith(("setting: `", "later: "))
        assert is_known, row


def test_what_is_held_is_shown_by_tests_that_exist() -> None:
    for row in rows():
        assert row.tests or row.state.startswith("later: "), row
        assert len(set(row.tests)) == len(row.tests), row
        for test in row.tests:
            path, _, name = test.partition("::")
            assert name.startswith("test_"), test
            assert name in functions_of(path), f"{row.number}: there is no {test}"


def test_every_setting_has_the_default_that_is_written() -> None:
    for row in rows():
        if row.state.startswith("setting: "):
            settings = SETTING.findall(row.state)
            written = ", ".join(f"`{name}` = `{default}`" for name, default in settings)
            assert row.state == f"setting: {written}", row
            for name, default in settings:
                assert as_written(default_of(name)) == default, name


def test_the_page_for_scripts_says_what_rows_say() -> None:
    known = {row.number: row.text + row.state for row in rows()}
    told = CITING.findall(SCRIPTS.read_text())
    assert len(told) > 20
    for here, ids in told:
        about = " ".join(known[number] for number in ids.split(", "))
        for name in re.findall(r"`([a-z]+\.[a-z_]+)`", here):
            assert f"`{name}`" in about, f"{ids} say nothing of {name}"


def default_of(name: str) -> Any:
    section, _, field = name.rpartition(".")
    kinds = {kind.kind: kind for kind in KINDS}
    if section in kinds:
        return kinds[section].model_fields[field].default
    if not section:
        return getattr(WireProfile(), name)
    whole = Config()
    place = whole if section == "config" else reduce(getattr, section.split("."), whole)
    return getattr(place, field)


def as_written(value: Any) -> str:
    if isinstance(value, bool | None):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value) or "none"
