"""Several prompts and silences on one leg, one after the other; each part may be repeated.

begin ──Play──▶ heard ──its end──▶ the next piece ... ──▶ is_over
                  └── cannot be played, does not end in time ──▶ is_over, with an `error`
"""

from collections.abc import Sequence
from typing import Final

from agentstream.base.ids import LegSid, PromptId
from agentstream.base.values import dataclass
from agentstream.calls.commands import Play, Prompt, StopPlaying
from agentstream.calls.events import PromptFinished
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.context import Context
from agentstream.flows.prompt import PREPARE_MS

LONGEST_MS: Final = 300_000  # of one prompt that is played so often


@dataclass(frozen=True, slots=True)
class Silence:
    """A pause."""

    ms: int


@dataclass(frozen=True, slots=True)
class Verse:
    """What is heard as one, so often; of no pieces nothing is heard."""

    pieces: tuple[Prompt | Silence, ...]
    loops: int = 1  # 0: endless

    @property
    def is_one_prompt(self) -> bool:
        """Whether the player itself can repeat it, without a gap."""
        return len(self.pieces) == 1 and not isinstance(self.pieces[0], Silence)


class Recital:
    """One recital; `is_over` once nothing of it is heard any more."""

    def __init__(
        self,
        context: Context,
        verses: Sequence[Verse],
        max_ms: int = LONGEST_MS,
        leg_sid: LegSid | None = None,
    ) -> None:
        """Take what is to be heard; `max_ms` is for each prompt, 0 is no limit.

        `leg_sid` is who hears it; None: whom the flow speaks to.
        """
        self.is_over = False
        self.error = ""  # why it broke off
        self.wake_at_ms: int | None = None
        self._context = context
        self._verses = [verse for verse in verses if verse.pieces]
        self._max_ms = max_ms
        self._leg_sid = leg_sid or context.leg_sid
        self._prompt_id: PromptId | None = None  # while one plays
        self._verse = self._round = self._piece = 0

    def begin(self, now_ms: int) -> list[Step]:
        """Begin with the first piece."""
        if not self._verses:
            self.is_over = True
            return []
        verse = self._verses[self._verse]
        piece = verse.pieces[self._piece]
        if isinstance(piece, Silence):
            self.wake_at_ms = now_ms + piece.ms
            return []
        self._prompt_id = self._context.new_prompt_id()
        # The player keeps to max_ms itself; this is for a prompt that never even begins.
        self.wake_at_ms = now_ms + self._max_ms + PREPARE_MS if self._max_ms else None
        loops = verse.loops if verse.is_one_prompt else 1
        return [Play(self._leg_sid, self._prompt_id, piece, loops, self._max_ms)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take the end of a prompt; everything else is ignored."""
        match happening:
            case PromptFinished(prompt_id=self._prompt_id, error=error):
                self._prompt_id = None
                return self._fail(error) if error else self._go_on(now_ms)
            case CommandRefused(command=Play(prompt_id=self._prompt_id), text=text):
                self._prompt_id = None
                return self._fail(text)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Go on after a silence, or give up a prompt."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        stop = self._silence()
        return stop + self._fail("it did not end in time") if stop else self._go_on(now_ms)

    def stop(self) -> list[Step]:
        """Let nothing more be heard."""
        self.is_over, self.wake_at_ms = True, None
        return self._silence()

    def _go_on(self, now_ms: int) -> list[Step]:
        verse = self._verses[self._verse]
        self._piece += 1
        if self._piece == len(verse.pieces):
            self._piece, self._round = 0, self._round + 1
            if verse.is_one_prompt or self._round == verse.loops:
                self._verse, self._round = self._verse + 1, 0
        if self._verse == len(self._verses):
            self.is_over, self.wake_at_ms = True, None
            return []
        return self.begin(now_ms)

    def _fail(self, why: str) -> list[Step]:
        self.is_over, self.wake_at_ms, self.error = True, None, why
        return []

    def _silence(self) -> list[Step]:
        prompt_id, self._prompt_id = self._prompt_id, None
        return [StopPlaying(prompt_id)] if prompt_id else []
