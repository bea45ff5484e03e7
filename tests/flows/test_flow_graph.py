"""The shape of flows."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from agentstream.flows.applet import Onward, Settings
from agentstream.flows.graph import spinning, unknown_targets, unreached


class Quick(Onward):
    kind = "quick"
    takes_time = False
    other: str | None = None

    def exits(self) -> Mapping[str, str]:
        pairs = {"next": self.next, "other": self.other}
        return {name: target for name, target in pairs.items() if target is not None}


class Slow(Onward):
    kind = "slow"


def test_exits_that_lead_nowhere_are_found() -> None:
    applets: dict[str, Settings] = {"a": Slow(next="b"), "b": Slow(next="gone"), "c": Slow()}
    assert list(unknown_targets(applets)) == [("b", "next", "gone")]


def test_applets_that_no_call_comes_to_are_found() -> None:
    applets: dict[str, Settings] = {
        "a": Slow(next="b"),
        "b": Slow(next="a"),
        "c": Slow(next="a"),
    }
    assert unreached(applets, "a") == ["c"]
    assert unreached(applets, "gone") == ["a", "b", "c"]


def test_a_loop_in_which_nothing_waits_is_found_and_one_that_waits_is_fine() -> None:
    spin: dict[str, Settings] = {
        "in": Quick(next="a"),
        "a": Quick(next="end", other="b"),
        "b": Quick(next="a"),
        "end": Quick(),
    }
    assert spinning(spin) == [["a", "b"]]
    assert spinning({**spin, "b": Slow(next="a")}) == []
    assert spinning({"me": Quick(next="me")}) == [["me"]]


@given(st.lists(st.tuples(st.booleans(), st.none() | st.integers(0, 6)), max_size=7))
def test_a_spin_is_found_exactly_when_a_walk_without_waiting_never_ends(
    nodes: list[tuple[bool, int | None]],
) -> None:
    applets: dict[str, Settings] = {
        str(number): (Slow if slow else Quick)(next=None if to is None else str(to))
        for number, (slow, to) in enumerate(nodes)
    }

    def never_ends(name: str | None) -> bool:
        for _ in range(len(applets) + 1):
            settings = applets.get(name or "")
            if not isinstance(settings, Quick):
                return False
            name = settings.next
        return True

    assert bool(spinning(applets)) == any(never_ends(name) for name in applets)
