"""Values that are frozen for the type checker: all else is as the standard library has it."""

import dataclasses

import pytest

from agentstream.base.values import dataclass, fields_of, replace


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class Alone:
    name: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """It has no field."""


def test_a_value_has_equality_hash_slots_and_patterns() -> None:
    assert Point(1, ["a"]) == Point(1, ["b"])
    assert len({Point(1), Point(1, ["b"]), Point(2)}) == 2
    assert not hasattr(Point(1), "__dict__")
    match Point(3):
        case Point(x):
            assert x == 3
    assert dataclasses.replace(Point(1), x=4) == Point(4)


def test_a_copy_has_some_fields_changed_and_shares_the_others() -> None:
    first = Point(1, ["a"])
    second = replace(first, x=2)
    assert (first.x, second.x) == (1, 2)
    assert second.tags is first.tags
    assert replace(Alone("a"), name="b") == Alone("b")
    with pytest.raises(TypeError, match="y"):
        replace(first, y=1)  # type: ignore[call-arg]


def test_fields_are_read_in_their_order_and_not_copied() -> None:
    point = Point(1, ["a"])
    assert list(fields_of(point)) == ["x", "tags"]
    assert fields_of(point)["tags"] is point.tags
    assert fields_of(Alone("a")) == {"name": "a"}
    assert fields_of(Nothing()) == {}
