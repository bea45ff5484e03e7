"""What a server is told of one callee of a Dial, as it asked to be: StatusCallback (XR-14)."""

from agentstream.base.ids import LegSid
from agentstream.calls.causes import status_word
from agentstream.calls.commands import Fetch
from agentstream.calls.events import LegDialled, LegGone, LegRinging, LegUp
from agentstream.flows.applet import AppletInput
from agentstream.flows.context import Context
from agentstream.flows.exoml.requests import tell
from agentstream.flows.exoml.verbs import Callee, Moment


class CalleeNews:
    """What is told of one leg, each moment once and the end last."""

    def __init__(self, context: Context, callee: Callee, leg_sid: LegSid) -> None:
        self._context = context
        self._callee = callee
        self._leg_sid = leg_sid
        self._told: set[Moment] = set()

    def receive(self, happening: AppletInput) -> list[Fetch]:
        """Tell what became of the leg."""
        match happening:
            case LegDialled(leg_sid=self._leg_sid):
                return self._tell("initiated", "queued")
            case LegRinging(leg_sid=self._leg_sid):
                return self._tell("ringing", "ringing")
            case LegUp(leg_sid=self._leg_sid):
                return self._tell("answered", "in-progress")
            case LegGone(leg_sid=self._leg_sid, cause=cause, talk_ms=talk_ms):
                status = status_word(cause, was_answered="answered" in self._told)
                return self._tell("completed", status, talk_ms // 1000)
            case _:
                return []

    def end(self) -> list[Fetch]:
        """Tell the end of a leg that the call ends; its duration is nobody's to know any more."""
        if not self._told:
            return []  # there was no leg
        was_answered = "answered" in self._told
        return self._tell("completed", "completed" if was_answered else "canceled")

    def _tell(self, moment: Moment, status: str, talk_s: int = 0) -> list[Fetch]:
        callback = self._callee.callback
        if moment in self._told or "completed" in self._told:
            return []
        self._told.add(moment)
        if callback is None or moment not in callback.moments:
            return []
        fields = (
            ("EventType", moment),
            ("DialCallSid", str(self._leg_sid)),
            ("DialCallStatus", status),
            ("DialWhomNumber", self._context.numbers.show(self._callee.destination)),
            ("DialCallDuration", str(talk_s)),
        )
        return [tell(self._context, callback.to, fields)]
