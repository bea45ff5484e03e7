"""The one slot of a leg for plays, says and sequences: a new one interrupts the old (LG-100).

idle ──start──▶ asked ──PromptBegins──▶ playing ──PromptFinished──▶ the next item, or idle
                  └───── start, stop, a key of a gather, the leg's end ─────▶ interrupted
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from agentstream.base.ids import PromptId
from agentstream.calls.commands import Play, StopPlaying
from agentstream.calls.events import PromptFinished
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.told import (
    IMPOSSIBLE,
    UNPLAYABLE,
    LegInput,
    Origin,
    Over,
    PromptBegins,
    Step,
    Teller,
)
from agentstream.flows.legs.verbs import PromptVerb, StartPlay, StartSay

Kind = Literal["play", "say", "sequence", "beep"]  # of a beep nothing is told
NEXT_ITEM_MS: Final = 2_000  # the longest that bots wait for the next one of a sequence
EVERYTHING: Final[frozenset[Kind]] = frozenset({"play", "say", "sequence", "beep"})


@dataclass(slots=True)
class _Playing:
    origin: Origin
    kind: Kind
    items: tuple[PromptVerb, ...]
    prompt_id: PromptId
    bots_wait: bool
    index: int = 0
    has_begun: bool = False

    @property
    def word(self) -> str:
        """How the events of the item that plays begin."""
        return word_of(self.items[self.index])


class Playback:
    """What one leg is played."""

    def __init__(
        self,
        teller: Teller,
        new_prompt_id: Callable[[], PromptId],
        comes_first: Callable[[], bool] = lambda: False,
    ) -> None:
        """`comes_first` tells whether bots are to wait for the end of what is begun now."""
        self._teller = teller
        self._comes_first = comes_first
        self._new_prompt_id = new_prompt_id
        self._now: _Playing | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something plays, or is about to."""
        return self._now is not None

    def start(self, origin: Origin, items: tuple[PromptVerb, ...], kind: Kind) -> list[Step]:
        """Play one after the other; what plays now is interrupted."""
        steps = self.interrupt()
        waits = self._comes_first() and kind != "beep"
        self._now = _Playing(origin, kind, items, self._new_prompt_id(), waits)
        return [*steps, self._play(self._now)]

    def interrupt(self, kinds: frozenset[Kind] = EVERYTHING) -> list[Step]:
        """Stop what plays, if it is one of these; otherwise nothing happens (LG-104)."""
        playing = self._now
        if playing is None or playing.kind not in kinds:
            return []
        return [StopPlaying(playing.prompt_id), *self._interrupted(playing)]

    def interrupt_unheard(self) -> list[Step]:
        """Stop what is still being fetched or spoken; nothing of it was heard."""
        is_unheard = self._now is not None and not self._now.has_begun
        return self.interrupt() if is_unheard else []

    def interrupt_of(self, origin: Origin) -> list[Step]:
        """Stop what plays, if it comes from this verb."""
        playing = self._now
        return self.interrupt() if playing is not None and playing.origin == origin else []

    def end(self) -> list[Step]:
        """Take it that the leg is over; its call stops what plays."""
        return self._interrupted(self._now) if self._now else []

    def receive(self, happening: LegInput) -> list[Step]:
        """Take what becomes of the prompt that plays."""
        playing = self._now
        if playing is None:
            return []
        match happening:
            case PromptBegins(prompt_id=playing.prompt_id):
                return self._begun(playing)
            case PromptFinished(prompt_id=playing.prompt_id, error="", completed=True):
                return [*self._begun(playing), *self._completed(playing)]
            case PromptFinished(prompt_id=playing.prompt_id, error=error) if error:
                return self._failed(playing, UNPLAYABLE, error)
            case PromptFinished(prompt_id=playing.prompt_id):
                return self._interrupted(playing)
            case CommandRefused(command=Play(prompt_id=playing.prompt_id), text=text):
                return self._failed(playing, IMPOSSIBLE, text)
            case _:
                return []

    def _play(self, playing: _Playing) -> Play:
        item = playing.items[playing.index]
        prompt = item.sound if isinstance(item, StartPlay) else item.speech
        is_last = playing.index + 1 == len(playing.items)
        wait_ms = (1 if is_last else NEXT_ITEM_MS) if playing.bots_wait else 0
        leg_sid, prompt_id = self._teller.leg_sid, playing.prompt_id
        return Play(leg_sid, prompt_id, prompt, item.loops, bots_wait_ms=wait_ms)

    def _begun(self, playing: _Playing) -> list[Step]:
        if playing.has_begun:
            return []
        playing.has_begun = True
        return self._tell("started", playing)

    def _completed(self, playing: _Playing) -> list[Step]:
        told = self._tell("completed", playing)
        if playing.index + 1 == len(playing.items):
            self._now = None
            return [*told, Over(playing.origin)]
        playing.index += 1
        playing.prompt_id, playing.has_begun = self._new_prompt_id(), False
        return [*told, self._play(playing)]

    def _failed(self, playing: _Playing, code: int, why: str) -> list[Step]:
        self._now = None
        if playing.kind == "beep":
            return [Over(playing.origin, is_failure=True)]
        return self._teller.fail(f"{playing.word}_failed_to_start", playing.origin, code, why)

    def _interrupted(self, playing: _Playing) -> list[Step]:
        self._now = None
        return [*self._tell("interrupted", playing), Over(playing.origin)]

    def _tell(self, what: str, playing: _Playing) -> list[Step]:
        if playing.kind == "beep":
            return []
        return [self._teller.tell(f"{playing.word}_{what}", playing.origin)]


def word_of(item: PromptVerb) -> Literal["play", "say"]:
    """Return how the events of a prompt begin."""
    return "say" if isinstance(item, StartSay) else "play"
