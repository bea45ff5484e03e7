"""The text of a Say, with the two elements of SSML that it may hold, as pieces to be heard (XR-10).

Engines differ in the SSML that they know. `say-as` therefore becomes words that any of them speaks
right, and `break` a silence of our own.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from agentstream.calls.commands import Prompt, Speech
from agentstream.flows.given import Given
from agentstream.flows.markup import Element
from agentstream.flows.prompt import TEXT_CHARS
from agentstream.flows.recital import Silence

BREAK_LIMIT_MS: Final = 10_000
VOICES: Final[Mapping[str, str]] = MappingProxyType({"woman": "female", "man": "male"})
# What is spoken one by one; cardinals, dates and the like are left to the engine.
_SPELLED: Final = frozenset({"characters", "spell-out", "digits", "telephone", "verbatim"})
_STRENGTHS_MS: Final[Mapping[str, int]] = MappingProxyType(
    {"none": 0, "x-weak": 100, "weak": 250, "medium": 500, "strong": 1_000, "x-strong": 1_500}
)
_TIME: Final = re.compile(r"(\d{1,5}(?:\.\d{1,3})?)(ms|s)")

Piece = Prompt | Silence


def pieces_of(say: Element, language: str, voice: str) -> tuple[Piece, ...]:
    """Return what is to be heard, nothing for no words; raises BadActionError naming the place."""
    pieces: list[Piece] = []
    words: list[str] = []
    for part in _parts(say):
        if isinstance(part, str):
            words.append(part)
            continue
        pieces += _spoken(words, language, voice)
        words.clear()
        if part.ms:
            pieces.append(part)
    pieces += _spoken(words, language, voice)
    if sum(len(piece.text) for piece in pieces if isinstance(piece, Speech)) > TEXT_CHARS:
        raise say.given().wrong("text", f"is longer than {TEXT_CHARS} characters")
    return tuple(pieces)


def _parts(say: Element) -> Iterator[str | Silence]:
    for one in say.content:
        if isinstance(one, str):
            yield one
        elif one.name == "break":
            yield Silence(_break_ms(one.given()))
        else:
            yield _said_as(one.given())


def _spoken(words: list[str], language: str, voice: str) -> list[Speech]:
    text = " ".join("".join(words).split())
    return [Speech(text, language, voice)] if text else []


def _said_as(given: Given) -> str:
    how = given.text_of("interpret-as", limit=64).lower()
    return f" {' '.join(given.text)} " if how in _SPELLED else given.text


def _break_ms(given: Given) -> int:
    time = given.text_of("time", limit=16).lower()
    if not time:
        strength = given.choice("strength", of=tuple(_STRENGTHS_MS), default="medium")
        return _STRENGTHS_MS[strength]
    found = _TIME.fullmatch(time)
    ms = int(float(found[1]) * (1 if found[2] == "ms" else 1_000)) if found else -1
    if not 0 <= ms <= BREAK_LIMIT_MS:
        raise given.wrong("time", f"must be such as 500ms or 1.5s, at most {BREAK_LIMIT_MS} ms")
    return ms
