"""Where the time of a call went: what the caller waited for, and where the talk was spent."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agentstream.server.explain.cast import Cast, Happening, host, number, text

# What the caller hears first, and what it is called.
_SOUNDS: Final = {
    "bot_spoke": "the bot's first sound",
    "prompt_began": "the first prompt",
    "legs_bridged": "the other party",
}
_WORTH_TELLING_MS: Final = 10
_NEVER: Final = "waiting for a sound that never came"
_NOT_YET: Final = "waiting for a sound that has not come yet"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the time and what it went into."""

    what: str
    took_ms: int


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one call; None for what never came."""

    setup_ms: int | None  # from the call's start to its answer
    silence_ms: int | None  # from the answer to the first sound; None: there was no sound
    unheard_ms: int  # from the answer to the hang-up, when there was no sound; else 0
    first_sound: str  # what it was; "" when there was none
    waited_for: tuple[Share, ...]  # in the silence, in order
    gap_ms: int  # the longest silence after a prompt, 0 when there was none
    gap_waited_for: tuple[Share, ...]  # in that gap, in order
    applets: tuple[Share, ...]  # the longest first


def times_of(happenings: Sequence[Happening], now_ms: int | None = None) -> Times:
    """Return where the time went; `now_ms` is for a call that still lives."""
    answered_ms = _first(happenings, "call_answered")
    ended_ms = _first(happenings, "call_hung_up")
    if ended_ms is None:
        ended_ms = happenings[-1].at_ms if happenings else 0
        ended_ms = max(ended_ms, now_ms or 0)
    applets = tuple(sorted(_visits(happenings, ended_ms), key=lambda share: -share.took_ms))
    if answered_ms is None:
        return Times(None, None, 0, "", (), 0, (), applets)
    cast = Cast.of(happenings)
    place = next(at for at, each in enumerate(happenings) if each.kind == "call_answered")
    sound = _next_sound(happenings[place:], cast)
    until_ms = ended_ms if sound is None else sound.at_ms
    rest = _NEVER if now_ms is None else _NOT_YET
    waited_for = tuple(_waits(happenings[place:], answered_ms, until_ms, cast, rest))
    gap_ms, gap_waited_for = _longest_gap(happenings, cast)
    return Times(
        setup_ms=answered_ms,
        silence_ms=None if sound is None else sound.at_ms - answered_ms,
        unheard_ms=until_ms - answered_ms if sound is None else 0,
        first_sound="" if sound is None else _SOUNDS[sound.kind],
        waited_for=waited_for,
        gap_ms=gap_ms,
        gap_waited_for=gap_waited_for,
        applets=applets,
    )


def _next_sound(happenings: Sequence[Happening], cast: Cast) -> Happening | None:
    """Return what the first party hears next."""
    return next((each for each in happenings if _is_sound(each, cast)), None)


def _is_sound(each: Happening, cast: Cast) -> bool:
    # A whisper to somebody else is none.
    is_theirs = each.kind == "prompt_began" and text(each.body, "leg_sid") != cast.first_leg
    return each.kind in _SOUNDS and not is_theirs


def _longest_gap(happenings: Sequence[Happening], cast: Cast) -> tuple[int, tuple[Share, ...]]:
    """Find the longest time between a prompt's end and the next sound; what bots say has no end."""
    longest_ms, shares = 0, tuple[Share, ...]()
    for place, each in enumerate(happenings):
        if each.kind != "prompt_finished" or text(each.body, "leg_sid") != cast.first_leg:
            continue
        sound = _next_sound(happenings[place:], cast)
        if sound is not None and sound.at_ms - each.at_ms > longest_ms:
            longest_ms = sound.at_ms - each.at_ms
            shares = tuple(_waits(happenings[place + 1 :], each.at_ms, sound.at_ms, cast))
    return longest_ms, shares


def _first(happenings: Sequence[Happening], kind: str) -> int | None:
    return next((each.at_ms for each in happenings if each.kind == kind), None)


def _waits(
    since: Sequence[Happening], from_ms: int, until_ms: int, cast: Cast, rest: str = _NEVER
) -> Iterator[Share]:
    """Share a silence out: each stretch goes to what it ended with, the last one to `rest`."""
    shares: dict[str, int] = defaultdict(int)
    for each in since:
        if each.at_ms > until_ms:
            break
        what = _what_was_waited_for(each, cast)
        if what:
            shares[what] += each.at_ms - from_ms
            from_ms = each.at_ms
        if _is_sound(each, cast):
            break
    shares[rest] += until_ms - from_ms
    for what, took_ms in shares.items():
        if took_ms >= _WORTH_TELLING_MS:
            yield Share(what, took_ms)


def _what_was_waited_for(each: Happening, cast: Cast) -> str:
    body = each.body
    match each.kind:
        case "request_finished":
            asked = cast.asked.get(text(body, "request_id"), {})
            where = host(text(asked, "url"))
            return f"{text(body, 'purpose')}" + (f" at {where}" if where else "")
        case "stream_attempt_failed":
            return f"attempt {number(body, 'attempt')} to reach the bot, which failed"
        case "stream_connected":
            return "connecting to the bot"
        case "bot_spoke":
            return "the bot, connected and quiet"
        case "prompt_began":
            return "preparing the prompt"
        case "legs_bridged" | "leg_up" | "leg_gone":
            return "dialling"
        case _:
            return ""


def _visits(happenings: Sequence[Happening], ended_ms: int) -> Iterator[Share]:
    """Yield how long the call was in each applet, all visits together."""
    shares: dict[str, int] = defaultdict(int)
    entered: tuple[str, int] | None = None
    for each in happenings:
        if each.kind == "applet_entered":
            name = f"{text(each.body, 'applet')} ({text(each.body, 'type')})"
            entered = name, each.at_ms
        elif each.kind == "applet_left" and entered is not None:
            shares[entered[0]] += each.at_ms - entered[1]
            entered = None
    if entered is not None:
        shares[entered[0]] += max(0, ended_ms - entered[1])
    yield from (Share(what, took_ms) for what, took_ms in shares.items())
