"""The shape of a flow: where its exits lead, what is never reached, what would spin."""

from collections.abc import Iterator, Mapping

from agentstream.flows.applet import Settings


def unknown_targets(applets: Mapping[str, Settings]) -> Iterator[tuple[str, str, str]]:
    """Yield (applet, exit, target) for every exit that leads to an applet that is not there."""
    for name, settings in applets.items():
        for exit_name, target in settings.exits().items():
            if target not in applets:
                yield name, exit_name, target


def unreached(applets: Mapping[str, Settings], start: str) -> list[str]:
    """Return the applets that no call can come to, in the order of the document."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in applets and name not in reached:
            reached.add(name)
            waiting += applets[name].exits().values()
    return [name for name in applets if name not in reached]


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
