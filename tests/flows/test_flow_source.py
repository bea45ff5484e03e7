"""YAML and JSON texts: plain values with lines, or a SourceError."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.flows.source import (
    DEPTH_LIMIT,
    NODE_LIMIT,
    SOURCE_LIMIT_CHARS,
    Plain,
    Source,
    SourceError,
    Span,
    read,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff")
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz"), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_scalars_mean_what_json_says_and_everything_else_is_text() -> None:
    source = read(
        "a: yes\nb: on\nc: 2027-01-01\nd: 010\ne: true\nf: null\ng: -12\nh: 1.5e3\n"
        "i: '12'\nj: \"true\"\nk:\nl: 1:30\nm: ~\nn: |\n  two\n  lines\n"
    )
    assert source.value == {
        "a": "yes",
        "b": "on",
        "c": "2027-01-01",
        "d": "010",
        "e": True,
        "f": None,
        "g": -12,
        "h": 1500.0,
        "i": "12",
        "j": "true",
        "k": None,
        "l": "1:30",
        "m": None,
        "n": "two\nlines\n",
    }


def test_every_value_knows_its_line() -> None:
    source = read("a: 1\nb:\n  c: [5,\n    6]\n")
    assert source.line(("a",)) == 1
    assert source.line(("b",)) == 2
    assert source.line(("b", "c")) == 3
    assert source.line(("b", "c", 1)) == 4
    assert source.line(("b", "nowhere", "deeper")) == 2
    assert source.line(()) == 1


def test_every_value_knows_where_it_stands_on_its_line() -> None:
    source = read("a: one\nb: {c: [5, 66], d:\n  7}\ntext: |\n  two\n  lines\n")
    assert source.span(("a",)) == Span(1, 1, 6)
    assert source.span(("b",)) == Span(2, 1, 1)
    assert source.span(("b", "c")) == Span(2, 5, 1)
    assert source.span(("b", "c", 1)) == Span(2, 12, 2)
    assert source.span(("b", "d")) == Span(2, 17, 1)
    assert source.span(("text",)) == Span(4, 1, 4)
    assert source.span(("a", "deeper")) == Span(1, 1, 6)
    assert Source(None).span(("nowhere",)) == Span(0, 1, 1)


def test_json_may_be_indented_with_tabs() -> None:
    assert read('{\n\t"a": [1,\n\t\t"x\\ty"]}').value == {"a": [1, "x\ty"]}


@pytest.mark.parametrize(
    ("text", "complaint", "line"),
    [
        ("", "empty", 0),
        ("# nothing\n", "empty", 0),
        ("a: 1\na: 2", "'a' stands here twice", 2),
        ("a: &x 1\nb: *x", "anchors and aliases", 1),
        ("b: *x", "anchors and aliases", 1),
        ("a: !!python/object:os.system x", "tags", 1),
        ("a: !!str 5", "tags", 1),
        ("[a]: 1", "a name must be a plain text", 1),
        ("a: [1, 2", "neither YAML nor JSON", 1),
        ("a: 1\n--- \nb: 2", "neither YAML nor JSON", 0),
        ("a: \x00", "neither YAML nor JSON", 0),
        ("[" * (DEPTH_LIMIT + 1), "nested deeper", 1),
        ("[" + "1," * NODE_LIMIT + "]", "more than 20000 parts", 1),
        ("x" * (SOURCE_LIMIT_CHARS + 1), "longer than", 0),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(text: str, complaint: str, line: int) -> None:
    with pytest.raises(SourceError, match=complaint) as caught:
        read(text)
    if line:
        assert caught.value.line == line
        assert str(caught.value).startswith(f"line {line}: ")


@given(PLAIN.filter(lambda value: value is not None))
def test_json_is_read_as_json_reads_it(value: Plain) -> None:
    assert read(json.dumps(value, ensure_ascii=False)).value == value


@given(st.text() | st.text("{}[]:,-&*!|>'\"#%@` \n\tab1", max_size=60))
def test_any_text_gives_a_value_or_a_source_error(text: str) -> None:
    with contextlib.suppress(SourceError):
        read(text)
