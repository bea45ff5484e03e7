"""The Range header, RFC 9110 section 14."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.api.byte_range import Unsatisfiable, parse_range


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 500)),
        ("bytes=999-", (999, 1)),
        ("bytes=0-", (0, 1_000)),
        ("bytes=-500", (500, 500)),
        ("bytes=-5000", (0, 1_000)),
        ("bytes=900-5000", (900, 100)),
        (" Bytes = 1 - 2 ", (1, 2)),
    ],
)
def test_a_part_is_taken(header: str, wanted: tuple[int, int]) -> None:
    assert parse_range(header, 1_000) == wanted


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "chunks=0-1"),
        *("bytes=0-1,5-6", "bytes=0x1-2", "bytes=1-2-3", "bytes=9999999999999999-"),
    ],
)
def test_what_is_no_single_range_asks_for_everything(header: str | None) -> None:
    assert parse_range(header, 1_000) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=1000-", 1_000), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_part_behind_the_end_cannot_be_given(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


@given(header=st.text(alphabet="bytes=0123456789-, ", max_size=24), size=st.integers(0, 300))
def test_a_part_always_lies_within(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except Unsatisfiable:
        return
    assert part is None or 0 <= part.start < part.start + part.length <= size
