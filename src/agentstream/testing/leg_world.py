"""A small world around a leg that is steered: requests in, what they come to out.

world = LegWorld()
world.up()
world.act(StartSay(Speech("hello")))
world.begin_prompt()
assert world.told() == ["say_started"]
"""

from typing import Final

from agentstream.base.ids import CountedTokens, LegSid
from agentstream.calls import effects
from agentstream.calls.answering import AskWho
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import AudioFile, Speech
from agentstream.calls.events import LegTold
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import LegAnswered, LegEnded, LegRang, StreamOutcome
from agentstream.flows.journey import Journey
from agentstream.flows.legs.control import LegControl
from agentstream.flows.legs.settings import USUAL, LegSettings
from agentstream.flows.legs.told import BotSpeaks, PromptBegins, RecordingBegins
from agentstream.flows.legs.verbs import Act, Dial, StartPlay, StartSay, StartStream, Verb
from agentstream.testing.calls import LEG, make_setup
from agentstream.testing.journeys import JourneyWorld

HELLO: Final = StartSay(Speech("hello"))
SAY: Final = StartSay(Speech("hello"), is_awaited=True)
SONG: Final = StartPlay(AudioFile("https://sounds.example/song.mp3"), loops=0)
BOT: Final = StartStream("wss://bot.example/ws")
EAR: Final = StartStream("wss://ear.example/ws", two_way=False, source="both")
AGENT: Final = Dial("+919876500002", "+918040000002", custom_param="agent 7")
GONE: Final = StreamOutcome("completed", "bot")


def facts_of(tale: LegTold) -> dict[str, str | int | None]:
    """Return what an event says, by name."""
    return dict(tale.data)


class LegWorld(JourneyWorld):
    """A call that was placed, or (`inbound`) came in, and is steered."""

    def __init__(
        self,
        settings: LegSettings = USUAL,
        *,
        inbound: bool = False,
        asks_who: AskWho | None = None,
    ) -> None:
        setup = make_setup("inbound" if inbound else "outbound")
        self.control = LegControl(setup, CountedTokens(), settings)
        limits = CallLimits(outlives_first=True)
        call = Call(setup, limits, 0, awaits_flow=False, asks_who=asks_who)
        super().__init__(setup, Journey(call, self.control))
        self._acts = 0
        self._seen = 0

    def up(self) -> None:
        """Let the first leg be answered; what was told of it is forgotten."""
        self.ring()
        self.answer()
        self.tales()

    def act(self, *verbs: Verb, leg_sid: LegSid = LEG, custom: str = "") -> str:
        """Ask for verbs; returns the action's sid. Raises CommandError."""
        self._acts += 1
        action_sid = f"action-{self._acts}"
        self.happens(Act(action_sid, leg_sid, verbs, custom))
        return action_sid

    def tales(self) -> list[LegTold]:
        """Return what was told of legs since the last time."""
        tales = [one for one in self.story[self._seen :] if isinstance(one, LegTold)]
        self._seen = len(self.story)
        return tales

    def told(self) -> list[str]:
        """Return the names of what was told since the last time."""
        return [tale.name for tale in self.tales()]

    def begin_recording(self) -> None:
        """Let every recording begin."""
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.RecordLeg):
                self.happens(RecordingBegins(begun.recording_sid))

    def begin_prompt(self) -> None:
        """Let every prompt begin to be heard."""
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.PlayPrompt):
                self.happens(PromptBegins(begun.leg_sid, begun.prompt_id))

    def bot_speaks(self) -> None:
        """Let every bot say something."""
        for begun in list(self.watch.running.values()):
            if isinstance(begun, effects.StartStream):
                self.happens(BotSpeaks(begun.stream_sid))

    def second(self) -> LegSid:
        """Return the party that an action dialled."""
        (leg_sid,) = self.watch.dialled & self.watch.legs
        return LegSid(leg_sid)

    def ring_second(self) -> None:
        """Let it be alerted."""
        self.happens(LegRang(self.second()))

    def answer_second(self) -> None:
        """Let it answer."""
        self.happens(LegAnswered(self.second()))

    def end_one(self, leg_sid: LegSid) -> None:
        """Let one party go, if it is there."""
        if leg_sid in self.watch.legs:
            self.ends(leg_sid, LegEnded(leg_sid, Cause.NORMAL, Party.CALLEE))
