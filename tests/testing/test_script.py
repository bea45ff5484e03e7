"""The screenplay helper."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.testing.script import Script


class Parrot:
    """Repeats a word at once and once more after a second."""

    def __init__(self) -> None:
        self.wake_at_ms: int | None = None
        self.again = ""

    def receive(self, happening: str, now_ms: int) -> list[str]:
        if happening == "":
            raise CommandError("silence cannot be repeated")
        self.again, self.wake_at_ms = happening, now_ms + 1000
        return [happening]

    def wake(self, now_ms: int) -> list[str]:
        if self.again != "forever":
            self.wake_at_ms = None
        return [f"{self.again} at {now_ms}"]


def test_a_script_feeds_waits_and_expects() -> None:
    script = Script(Parrot(), now_ms=500)
    script.feed("hello", "world")
    script.expect("hello", "world")
    script.wait(999)
    script.expect_nothing()
    script.wait(10_000)
    assert script.take(str) == "world at 1500"
    assert script.now_ms == 11_499
    assert script.refuse("") == "silence cannot be repeated"
    script.feed("a", "b")
    assert script.take_all() == ["a", "b"]


def test_a_script_says_what_was_not_as_expected() -> None:
    script = Script(Parrot())
    for fails in (lambda: script.expect("a"), lambda: script.take(str)):
        with pytest.raises(AssertionError, match="nothing was answered"):
            fails()
    script.feed("b")
    with pytest.raises(AssertionError, match="expected a, got b"):
        script.expect("a")
    script.feed("b", "c")
    with pytest.raises(AssertionError, match="expected int"):
        script.take(int)
    with pytest.raises(AssertionError, match="unexpected"):
        script.expect_nothing()
    assert script.skip_to(str) == "c"
    with pytest.raises(AssertionError, match="was not answered"):
        script.skip_to(str)
    with pytest.raises(AssertionError, match="was not refused"):
        script.refuse("b")


def test_a_machine_that_never_lets_go_of_its_timer_is_found() -> None:
    script = Script(Parrot())
    script.feed("forever")
    with pytest.raises(AssertionError, match="still wants to be"):
        script.wait(1000)
