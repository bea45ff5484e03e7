"""What the parts of a steered leg say: commands to its call, events for the customer, ends."""

from typing import Final, Literal

from agentstream.base.ids import CallSid, LegSid, PromptId, RecordingSid, StreamSid
from agentstream.base.values import dataclass
from agentstream.calls.commands import Command
from agentstream.calls.events import (
    AnswerJudged,
    BeepHeard,
    BridgeAsked,
    Event,
    LegTold,
    Mishap,
    MonitorMode,
)
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.bridge_signs import BridgeSign
from agentstream.flows.legs.verbs import Acknowledged, Act

IMPOSSIBLE: Final = 1020  # LG-11: valid, but it cannot be done now
UNPLAYABLE: Final = 1040  # ours: a sound could not be fetched, spoken or decoded
UNREACHED: Final = 3009  # AS-166: the bot was not reached
UNWRITTEN: Final = 1041  # ours: a recording broke off
UNJUDGED: Final = 1042  # ours: nobody knows who answered
UNSENT: Final = 1043  # ours: a recording did not reach the customer's storage


@dataclass(frozen=True, slots=True)
class PromptBegins:
    """A prompt was found, fetched or spoken, and is given to the line."""

    leg_sid: LegSid
    prompt_id: PromptId


@dataclass(frozen=True, slots=True)
class BotSpeaks:
    """A bot's audio began to reach the line."""

    stream_sid: StreamSid


@dataclass(frozen=True, slots=True)
class RecordingBegins:
    """A leg is being recorded."""

    recording_sid: RecordingSid


Sign = PromptBegins | BotSpeaks | RecordingBegins  # of what runs, finer than events tell
Steering = Act | Acknowledged | Sign | BridgeSign  # what only a call that is steered understands
LegInput = Event | CommandRefused | Steering
LegOutput = Command | LegTold | BridgeAsked


@dataclass(frozen=True, slots=True)
class Origin:
    """The verb of a request that something comes from."""

    action_sid: str = ""
    custom: str = ""
    verb_index: int = 0


NOBODY: Final = Origin()


@dataclass(frozen=True, slots=True)
class Over:
    """What a verb began has ended: whoever waits for it goes on."""

    origin: Origin
    is_failure: bool = False


Step = LegOutput | Over


class Teller:
    """Words the events of one leg."""

    def __init__(self, call_sid: CallSid, leg_sid: LegSid) -> None:
        self._call_sid = call_sid
        self.leg_sid = leg_sid

    def ask(
        self,
        wish: Literal["join", "decline", "watch"],
        bridge_sid: str,
        mode: MonitorMode = "listen",
        other_sid: LegSid | None = None,
        text: str = "",
    ) -> BridgeAsked:
        """Return what the leg wants of a bridge."""
        call_sid, leg_sid = self._call_sid, self.leg_sid
        return BridgeAsked(call_sid, leg_sid, wish, bridge_sid, mode, other_sid, text)

    def tell(
        self,
        name: str,
        origin: Origin = NOBODY,
        error: Mishap | None = None,
        /,
        **data: str | int | None,
    ) -> LegTold:
        """Return an event of this leg."""
        action_sid, custom, index = origin.action_sid, origin.custom, origin.verb_index
        facts = tuple(data.items())
        return LegTold(self._call_sid, self.leg_sid, name, action_sid, custom, index, facts, error)

    def fail(
        self,
        name: str,
        origin: Origin,
        code: int,
        why: str,
        **data: str | int | None,
    ) -> list[Step]:
        """Tell that a verb failed, and that it is over."""
        sentence = why or "it failed"
        error = Mishap(code, WORDS.get(code, "it failed"), sentence)
        return [self.tell(name, origin, error, **data), Over(origin, is_failure=True)]


def who_answered(teller: Teller, told: AnswerJudged | BeepHeard) -> LegTold:
    """Return the event of a verdict (EV-6); what nobody could find out any more is a failure."""
    ms = told.elapsed_ms
    match told:
        case BeepHeard():
            return teller.tell("amd_beep_detected", elapsed_ms=ms)
        case AnswerJudged(reason="gone"):
            error = Mishap(UNJUDGED, WORDS[UNJUDGED], "the leg ended before it was known")
            return teller.tell("amd_result_failed", NOBODY, error, elapsed_ms=ms)
        case AnswerJudged(result=result):
            return teller.tell("amd_result_success", result=result, elapsed_ms=ms)


WORDS: Final = {
    IMPOSSIBLE: "this cannot be done now",
    UNPLAYABLE: "the sound could not be played",
    UNREACHED: "the bot was not reached",
    UNWRITTEN: "the recording broke off",
    UNJUDGED: "it is not known who answered",
    UNSENT: "the recording was not stored",
}
