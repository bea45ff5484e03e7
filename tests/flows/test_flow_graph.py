"""The shape of flows."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from agentstream.flows.applet import Onward, Settings, wired
from agentstream.flows.applets.greeting import GreetingSettings
from agentstream.flows.applets.hangup import HangupSettings
from agentstream.flows.graph import (
    endless,
    ends_call,
    exits_of,
    open_exits,
    spinning,
    unknown_targets,
    unreached,
)


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


class Menu(Settings):
    kind = "menu"
    keys: dict[str, str] = Field(default_factory=dict)
    on_invalid: str | None = None
    label: str | None = None  # no exit

    def exits(self) -> Mapping[str, str]:
        return {**{f"key {key}": to for key, to in self.keys.items()}, **wired(bad=self.on_invalid)}


class Over(Settings):
    kind = "over"
    on_failure: str | None = None

    def exits(self) -> Mapping[str, str]:
        return wired(on_failure=self.on_failure)


class Chooser(Settings):
    kind = "chooser"
    default: str
    on_failure: str | None = None

    def exits(self) -> Mapping[str, str]:
        return wired(default=self.default, on_failure=self.on_failure)


def test_every_exit_is_known_wired_or_not() -> None:
    assert exits_of(Menu(keys={"1": "a"})) == {"key 1": "a", "bad": None}
    assert exits_of(Menu(on_invalid="b", label="x")) == {"bad": "b"}
    assert exits_of(Slow()) == {"next": None}
    assert exits_of(HangupSettings()) == {}
    assert exits_of(GreetingSettings(text="x", next="a")) == {"next": "a", "on_failure": None}


def test_an_exit_without_a_wire_ends_the_call_unless_a_failure_may_go_on() -> None:
    assert open_exits(GreetingSettings(text="x")) == ["next", "on_failure"]
    assert open_exits(GreetingSettings(text="x", next="a")) == []  # AP-7
    assert open_exits(Menu(keys={"1": "a"})) == ["bad"]
    assert open_exits(Chooser(default="a")) == []
    assert (open_exits(Over()), ends_call(Over(on_failure="a"))) == ([], True)
    assert (ends_call(HangupSettings()), ends_call(Chooser(default="a"))) == (True, False)


def test_a_loop_without_a_way_out_is_found_though_it_takes_time() -> None:
    loop: dict[str, Settings] = {
        "a": GreetingSettings(text="x", next="b"),
        "b": Slow(next="c"),
        "c": Slow(next="b"),
    }
    assert endless(loop, "a") == [["b", "c"]]
    assert endless({**loop, "c": Slow()}, "a") == []  # an exit that leads nowhere ends the call
    assert endless({**loop, "c": Menu(keys={"1": "b"})}, "a") == []
    out: dict[str, Settings] = {**loop, "c": Menu(keys={"1": "b"}, on_invalid="end")}
    assert endless({**out, "end": HangupSettings()}, "a") == []
    assert endless({**loop, "a": HangupSettings()}, "a") == []  # no call comes to it


@given(st.lists(st.none() | st.integers(0, 6), min_size=1, max_size=7))
def test_a_way_without_end_is_found_exactly_when_a_walk_goes_on_for_ever(
    nodes: list[int | None],
) -> None:
    applets: dict[str, Settings] = {
        str(number): Slow(next=None if to is None or to >= len(nodes) else str(to))
        for number, to in enumerate(nodes)
    }
    name: str | None = "0"
    for _ in range(len(nodes) + 1):
        name = dict(applets[name].exits()).get("next") if name is not None else None
    assert bool(endless(applets, "0")) == (name is not None)
