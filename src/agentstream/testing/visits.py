"""One visit to one applet as a screenplay, with what dialled legs and servers say to it.

visit = Visit(ConnectSettings(numbers=["+919000000001"]))
dial = visit.take(Dial)
visit.up(dial.leg_sid)
...
visit.left("on_conversation_ended")
"""

from agentstream.base.ids import CountedTokens, LegSid, PromptId, RecordingSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Command, Fetch
from agentstream.calls.events import (
    CallHungUp,
    LegDialled,
    LegGone,
    LegRinging,
    LegsBridged,
    LegUp,
    PromptFinished,
    RecordingFinished,
    RequestFinished,
)
from agentstream.calls.record import CallSetup
from agentstream.flows.applet import AppletInput, CommandRefused, Leave, Settings, Step
from agentstream.flows.context import Context
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.script import Script


class Visit(Script[AppletInput, Step]):
    """An applet that has been entered at 0 ms by the call of `agentstream.testing.calls`."""

    def __init__(self, settings: Settings, setup: CallSetup | None = None) -> None:
        self.context = Context(setup or make_setup(), CountedTokens(), 0)
        self.context.leg_sid = LEG
        applet = settings.applet(self.context)
        super().__init__(applet)
        self._answers.extend(applet.enter(0))

    def rings(self, leg_sid: LegSid, *, early: bool = False) -> None:
        """Let a dialled party be alerted."""
        self.feed(LegRinging(CALL, leg_sid, early))

    def up(self, leg_sid: LegSid) -> None:
        """Let a dialled party answer."""
        self.feed(LegUp(CALL, leg_sid))

    def gone(
        self, leg_sid: LegSid, cause: Cause = Cause.NORMAL, party: Party = Party.CALLEE
    ) -> None:
        """Let a dialled party's leg end, once the call has said that it was dialled."""
        self.feed(LegDialled(CALL, leg_sid, "", ""), LegGone(CALL, leg_sid, cause, party, 0, ""))

    def bridged(self, leg_sid: LegSid) -> None:
        """Let the caller and a party hear each other."""
        self.feed(LegsBridged(CALL, LEG, leg_sid))

    def played(self, prompt_id: PromptId, *, leg_sid: LegSid = LEG, error: str = "") -> None:
        """Let a prompt come to its end."""
        self.feed(PromptFinished(CALL, leg_sid, prompt_id, not error, error))

    def recorded(
        self, recording_sid: RecordingSid, duration_ms: int = 7300, *, error: str = ""
    ) -> None:
        """Let a recording be finished."""
        url = "" if error else "/recordings/r1.mp3"
        event = RecordingFinished(CALL, LEG, recording_sid, duration_ms, url, error)
        self.context.note(event)  # as the engine does first
        self.feed(event)

    def answers(self, fetch: Fetch, body: bytes = b"", status: int = 200, error: str = "") -> None:
        """Let a customer's server answer, or (status 0) not."""
        what = fetch.purpose, status, "text/plain", body
        self.feed(RequestFinished(CALL, fetch.request_id, *what, 40, 1, error))

    def refused(self, command: Command, text: str = "it cannot be") -> None:
        """Let the call refuse what was wanted."""
        self.feed(CommandRefused(command, text))

    def hangs_up(self, party: Party = Party.CALLER, cause: Cause = Cause.NORMAL) -> None:
        """Let the call be over."""
        self.feed(CallHungUp(CALL, cause, party, "over"))

    def left(self, exit_name: str) -> Leave:
        """Take the Leave, which must be the only thing left, and by this exit."""
        leave = self.take(Leave)
        assert leave.exit == exit_name
        self.expect_nothing()
        return leave
