"""Refusals that several parts of a call share: what is not there, is there already, is too much."""

from typing import TypeVar

from agentstream.base.errors import CommandError

Found = TypeVar("Found")


def found(one: Found | None, what: str) -> Found:
    """Return what an id stands for; raises CommandError when it stands for nothing."""
    if one is None:
        raise CommandError(f"this {what} has ended or was never there")
    return one


def check_new(is_taken: bool, what: str) -> None:
    """Refuse an id that is in use."""
    if is_taken:
        raise CommandError(f"this {what} is already there")


def check_room(count: int, limit: int, what: str) -> None:
    """Refuse one more than the limit."""
    if count >= limit:
        raise CommandError(f"a call can have no more than {limit} {what}")


def check_range(value: int, low: int, high: int, what: str) -> None:
    """Refuse a number outside of its range."""
    if not low <= value <= high:
        raise CommandError(f"{what} is {low} to {high}, not {value}")


def check_length(text: str, limit: int, what: str) -> None:
    """Refuse a text that is too long."""
    if len(text) > limit:
        raise CommandError(f"{what} is longer than {limit} characters")
