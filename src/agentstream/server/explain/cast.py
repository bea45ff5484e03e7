"""Who is who in a call, and how a kept event is read: its body may be cut, or older than we are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

Body = Mapping[str, Any]
_LONG: Final = 80


@dataclass(frozen=True, slots=True)
class Happening:
    """One kept event. `at_ms` counts from the call's first event."""

    at_ms: int
    kind: str
    body: Body


@dataclass(slots=True)
class Cast:
    """Who is who in one call, and what belongs together."""

    legs: dict[str, str] = field(default_factory=dict)  # by sid: the caller, or whom we dialled
    first_leg: str = ""
    dialled_ms: dict[str, int] = field(default_factory=dict)
    bots: dict[str, str] = field(default_factory=dict)  # by the sid of their stream
    requested_ms: dict[str, int] = field(default_factory=dict)  # streams, by sid
    connected_ms: dict[str, int] = field(default_factory=dict)
    counted: dict[str, Body] = field(default_factory=dict)
    asked: dict[str, Body] = field(default_factory=dict)  # request_started, by id
    answered: dict[str, Body] = field(default_factory=dict)  # request_finished, by id
    has_spoken: set[str] = field(default_factory=set)  # streams whose bot was heard, so far
    gone: set[str] = field(default_factory=set)  # legs whose end was said, so far
    told: set[str] = field(default_factory=set)  # errors that were said already, so far

    @classmethod
    def of(cls, happenings: Iterable[Happening]) -> "Cast":
        """Look through a story for who is in it."""
        cast, applet = cls(), ""
        for each in happenings:
            body = each.body
            match each.kind:
                case "applet_entered":
                    applet = text(body, "applet")
                case "call_started":
                    inbound = body.get("direction") != "outbound"
                    name = "the caller" if inbound else "the called party"
                    cast.first_leg = text(body, "leg_sid")
                    cast.legs[cast.first_leg] = name
                case "leg_dialled":
                    cast.legs[text(body, "leg_sid")] = text(body, "destination")
                    cast.dialled_ms[text(body, "leg_sid")] = each.at_ms
                case "stream_requested":
                    name = text(body, "name") or applet or host(text(body, "url"))
                    cast.bots[text(body, "stream_sid")] = name
                    cast.requested_ms[text(body, "stream_sid")] = each.at_ms
                case "stream_connected":
                    cast.connected_ms[text(body, "stream_sid")] = each.at_ms
                case "stream_counted":
                    cast.counted[text(body, "stream_sid")] = body
                case "request_started":
                    cast.asked[text(body, "request_id")] = body
                case "request_finished" | "errand_done":
                    cast.answered[text(body, "request_id")] = body
                case _:
                    pass
        return cast

    def leg(self, body: Body, key: str = "leg_sid") -> str:
        """Return whose leg it is."""
        return self.legs.get(text(body, key), "a party")

    def bot(self, body: Body) -> str:
        """Return which bot it is: with several streams, that of this name or applet."""
        name = self.bots.get(text(body, "stream_sid"), "") if len(self.bots) > 1 else ""
        return f"the bot of {name}" if name else "the bot"


def text(body: Body, key: str) -> str:
    """Return a text of a body; "" when it has none, as bodies may be cut or older than we."""
    value = body.get(key)
    return value if isinstance(value, str) else ""


def number(body: Body, key: str) -> int:
    """Return a number of a body; 0 when it has none."""
    value = body.get(key)
    return int(value) if isinstance(value, int | float) else 0


def decimal(body: Body, key: str) -> float:
    """Return a number of a body with its fraction; 0 when it has none."""
    value = body.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def part(body: Body, key: str) -> Body:
    """Return a body inside a body; an empty one when it has none."""
    value = body.get(key)
    return value if isinstance(value, dict) else {}


def seconds(time_ms: int) -> str:
    """Return a time for a person."""
    return f"{time_ms} ms" if abs(time_ms) < 1_000 else f"{time_ms / 1000:,.1f} s"


def times(count: int) -> str:
    """Return how often."""
    return "once" if count == 1 else f"{count} times"


def short(said: str) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(said.split())
    return line if len(line) <= _LONG else line[:_LONG] + "…"


def host(url: str) -> str:
    """Return the host of a URL; "" when it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
