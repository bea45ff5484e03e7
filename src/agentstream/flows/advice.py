"""What is allowed in a flow and seldom meant: dead ends, loops without a way out, empty names.

`parse` refuses what cannot run; this is about flows that run, and surprise.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

from agentstream.base.values import dataclass
from agentstream.flows.applet import NEXT, Settings
from agentstream.flows.document import FlowDocument
from agentstream.flows.graph import (
    endless,
    exits_of,
    is_last,
    open_exits,
    reachable,
    unreached,
)

Code = Literal[
    "unreached",
    "dead-end",
    "unwired",
    "endless-loop",
    "never-set",
    "no-stream-before",
    "no-stream-after",
    "no-passthru-before",
    "answered-before",
]
_Applets = Mapping[str, Settings]

# Kinds by what they leave behind for later applets; written as in `_is_one_of`.
STREAMS: Final = ("voicebot", "stream", "exoml")
ASKERS: Final = ("passthru",)
KEY_TAKERS: Final = ("exoml", "gather", "ivr", "menu", "ivrmenu")
RECORDERS: Final = (*STREAMS, "connect", "voicemail")


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to look at. `field` "" is the applet as a whole."""

    code: Code
    applet: str
    field: str
    text: str


def advise(document: FlowDocument) -> list[Advice]:
    """Return what is odd, in the order of the document."""
    applets = document.applets
    idle = set(unreached(applets, document.start))
    found = [
        *(Advice("unreached", name, "", "no exit leads here") for name in idle),
        *_dead_ends({name: each for name, each in applets.items() if name not in idle}),
        *_endless(document),
        *_never_set(applets, idle),
        *_misplaced(applets, idle),
        *_answered_before(document),
    ]
    places = {name: place for place, name in enumerate(applets)}
    return sorted(found, key=lambda advice: places[advice.applet])


def _dead_ends(applets: _Applets) -> Iterator[Advice]:
    for name, settings in applets.items():
        if settings.may_end_call:
            continue
        if not is_last(settings) and not any(exits_of(settings).values()):
            yield Advice("dead-end", name, "", f"nothing follows: {_without(settings, NEXT)}")
            continue
        for exit_name in open_exits(settings):
            why = _without(settings, exit_name)
            yield Advice("unwired", name, exit_name, f"exit '{exit_name}' leads nowhere: {why}")


def _endless(document: FlowDocument) -> Iterator[Advice]:
    minutes = document.timeout_ms / 60_000
    for loop in endless(document.applets, document.start):
        way = " → ".join([*loop, loop[0]])
        end = f"only the caller or the limit of {minutes:g} minutes ends the call"
        yield Advice("endless-loop", loop[0], "", f"the loop {way} has no way out: {end}")


def _never_set(applets: _Applets, idle: set[str]) -> Iterator[Advice]:
    """Find names in templates that nothing before can have filled."""
    setters: tuple[tuple[str, Callable[[Settings], bool], str], ...] = (
        ("StreamSid", _opens_stream, "no stream"),
        ("digits", _takes_keys, "no applet that takes keys"),
        ("RecordingUrl", _records, "nothing that records"),
    )
    for variable, sets, what in setters:
        after = _after(applets, sets)
        for name, settings in applets.items():
            if name in after or name in idle:
                continue
            for field in _fields_with(settings, f"{{{variable}}}"):
                text = f"'{{{variable}}}' is empty here: {what} comes before"
                yield Advice("never-set", name, field, text)


def _misplaced(applets: _Applets, idle: set[str]) -> Iterator[Advice]:
    after_stream = _after(applets, _opens_stream)
    after_answer = _after(applets, _brings_an_answer)
    for name, settings in applets.items():
        if name in idle:
            continue
        style = str(getattr(settings, "style", "") or "")
        if _is_one_of(settings, ("switchcase",)) and name not in after_answer:
            text = "no Passthru that waits for its answer comes before, so the default is taken"
            yield Advice("no-passthru-before", name, "", text)
        if not _is_one_of(settings, ASKERS):
            continue
        if style.endswith("_after") and name not in after_stream:
            text = f"'{style}' reports a stream, and none comes before"
            yield Advice("no-stream-before", name, "style", text)
        followers = [applets[to] for to in settings.exits().values() if to in applets]
        if style.endswith("_before") and not any(_is_one_of(each, STREAMS) for each in followers):
            text = f"'{style}' announces a stream, and none follows"
            yield Advice("no-stream-after", name, "style", text)


def _answered_before(document: FlowDocument) -> Iterator[Advice]:
    for name, settings in document.applets.items():
        if settings.begins_before_answer() and name != document.start:
            text = "it has no effect: the flow starts elsewhere, so the call is answered before"
            yield Advice("answered-before", name, "preconnect_ms", text)


def _after(applets: _Applets, sets: Callable[[Settings], bool]) -> set[str]:
    """Return the applets that a call may come to after one that `sets` holds for."""
    return reachable(
        applets, [to for each in applets.values() if sets(each) for to in each.exits().values()]
    )


def _is_one_of(settings: Settings, kinds: tuple[str, ...]) -> bool:
    return settings.kind.replace("_", "") in kinds


def _opens_stream(settings: Settings) -> bool:
    return _is_one_of(settings, STREAMS) and getattr(settings, "action", "start") != "stop"


def _takes_keys(settings: Settings) -> bool:
    return _is_one_of(settings, KEY_TAKERS) or bool(getattr(settings, "interruptible", False))


def _records(settings: Settings) -> bool:
    return _is_one_of(settings, RECORDERS) and bool(getattr(settings, "record", True))


def _brings_an_answer(settings: Settings) -> bool:
    in_background = getattr(settings, "mode", "") == "async" or getattr(settings, "is_async", False)
    return _is_one_of(settings, ASKERS) and not in_background


def _without(settings: Settings, field: str) -> str:
    """Return what happens without an exit, as the field's own description says it."""
    known = type(settings).model_fields.get(field)
    said = re.search(r"[Ww]ithout one,? (.+?)[.;]?$", (known.description or "") if known else "")
    return said[1] if said else "the call is hung up"


def _fields_with(settings: Settings, text: str) -> Iterator[str]:
    for field, value in settings.model_dump().items():
        if any(text in each for each in _texts(value)):
            yield field


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  (whatever a setting holds)
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
