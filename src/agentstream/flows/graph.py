"""The shape of a flow: where exits lead, what is never reached, what would spin or never end."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, get_args

from agentstream.flows.applet import NEXT, ON_FAILURE, Settings

DEFAULT: Final = "default"  # the exit for what no other exit is for
_PROBE: Final = "\0"  # never the name of an applet


def exits_of(settings: Settings) -> dict[str, str | None]:
    """Return every exit that the applet has, wired (to an applet's name) or not (None).

    An exit is a field whose value turns up among `exits()`; the fields that are empty are tried.
    """
    empty = [
        name
        for name, field in type(settings).model_fields.items()
        if getattr(settings, name) is None and str in get_args(field.annotation)
    ]
    probed = settings.model_copy(update={name: _PROBE + name for name in empty})
    wired = settings.exits()
    found = {
        name: None if target.startswith(_PROBE) else wired.get(name, target)
        for name, target in probed.exits().items()
    }
    return {**found, **wired}


def ways(applets: Mapping[str, Settings]) -> dict[str, dict[str, str]]:
    """Return where each applet's exits lead, without those that lead to no applet.

    A failure without its own exit takes `next` (AP-7), which is no way of its own.
    """
    return {
        name: {exit_name: to for exit_name, to in settings.exits().items() if to in applets}
        for name, settings in applets.items()
    }


def unknown_targets(applets: Mapping[str, Settings]) -> Iterator[tuple[str, str, str]]:
    """Yield (applet, exit, target) for every exit that leads to an applet that is not there."""
    for name, settings in applets.items():
        for exit_name, target in settings.exits().items():
            if target not in applets:
                yield name, exit_name, target


def reachable(applets: Mapping[str, Settings], starts: Iterable[str]) -> set[str]:
    """Return the applets that a call comes to from any of these, themselves included."""
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in applets and name not in reached:
            reached.add(name)
            waiting += applets[name].exits().values()
    return reached


def unreached(applets: Mapping[str, Settings], start: str) -> list[str]:
    """Return the applets that no call can come to, in the order of the document."""
    reached = reachable(applets, [start])
    return [name for name in applets if name not in reached]


def open_exits(settings: Settings) -> list[str]:
    """Return the exits that lead nowhere: taking one ends the call.

    A failure without its own exit goes on by `next` (AP-7), or by `default` where there is that.
    """
    exits = exits_of(settings)
    goes_on = exits.get(NEXT) is not None or exits.get(DEFAULT) is not None
    return [
        name
        for name, target in exits.items()
        if target is None
        and not settings.may_be_open(name)
        and not (name == ON_FAILURE and (goes_on or is_last(settings)))
    ]


def is_last(settings: Settings) -> bool:
    """Whether nothing can follow this kind of applet, unless it fails: a hang-up, a transfer."""
    return set(exits_of(settings)) <= {ON_FAILURE}


def ends_call(settings: Settings) -> bool:
    """Whether the flow may end here: by the applet's kind, or by an exit that leads nowhere."""
    return settings.may_end_call or is_last(settings) or bool(open_exits(settings))


def endless(applets: Mapping[str, Settings], start: str) -> list[list[str]]:
    """Return the loops that a call can come to and that the flow has no way out of."""
    onward = ways(applets)
    before: dict[str, list[str]] = {name: [] for name in applets}
    for name, exits in onward.items():
        for target in exits.values():
            before[target].append(name)
    ending: set[str] = set()
    waiting = [name for name, settings in applets.items() if ends_call(settings)]
    while waiting:
        name = waiting.pop()
        if name not in ending:
            ending.add(name)
            waiting += before[name]
    caught = reachable(applets, [start]) - ending
    # What leads from here leads to more of the same: whoever is caught walks in rings.
    rings = {name: list(onward[name].values()) for name in applets if name in caught}
    return _loops(rings)


def spinning(applets: Mapping[str, Settings]) -> list[list[str]]:
    """Return the loops in which no applet takes any time; a call in one would never pause."""
    quick = {name: settings for name, settings in applets.items() if settings.leaves_at_once()}
    onward = {
        name: [target for target in settings.exits().values() if target in quick]
        for name, settings in quick.items()
    }
    # What leads nowhere is no part of a loop; taking it away until nothing changes leaves loops
    # and what leads into them.
    while ends := [name for name, targets in onward.items() if not targets]:
        for name in ends:
            del onward[name]
        for targets in onward.values():
            targets[:] = [target for target in targets if target in onward]
    return _loops(onward)


def _loops(onward: Mapping[str, list[str]]) -> list[list[str]]:
    """Return a loop for each place where walking on comes back to its own path."""
    loops: list[list[str]] = []
    seen: set[str] = set()
    for name in onward:
        path: list[str] = []
        while name not in seen:
            seen.add(name)
            path.append(name)
            name = onward[name][0]
        if name in path:
            loops.append(path[path.index(name) :])
    return loops
