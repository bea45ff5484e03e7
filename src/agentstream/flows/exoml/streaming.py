"""Stream: a Voicebot, or a Stream that goes on at once, by the words of a document (XR-19)."""

from agentstream.calls.commands import Fetch
from agentstream.flows.applet import ON_FAILURE, Abandoned, Applet, AppletInput, Leave, Step
from agentstream.flows.applets.stream import StreamSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.context import Context
from agentstream.flows.exoml.turn import Over, TurnStep
from agentstream.flows.exoml.verbs import Stream


class Streaming:
    """One Stream."""

    def __init__(self, verb: Stream, context: Context) -> None:
        self._verb = verb
        self._context = context
        self._applet = _applet(verb, context)

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._applet.wake_at_ms

    def begin(self, now_ms: int) -> list[TurnStep]:
        """Open the stream."""
        return self._after(self._applet.enter(now_ms))

    def receive(self, happening: AppletInput, now_ms: int) -> list[TurnStep]:
        """Take a fact of the call; how a talk ended is told also when the call is over."""
        return self._after(self._applet.receive(happening, now_ms))

    def wake(self, now_ms: int) -> list[TurnStep]:
        """Let a timer that is due fire."""
        return self._after(self._applet.wake(now_ms))

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Tell what the applet has to tell."""
        return self._applet.abandon(now_ms) if isinstance(self._applet, Abandoned) else []

    def _after(self, steps: list[Step]) -> list[TurnStep]:
        return [self._over(step) if isinstance(step, Leave) else step for step in steps]

    def _over(self, leave: Leave) -> Over:
        fields = self._context.stream_parameters()
        return Over(self._verb.action, fields, leave.reason, leave.exit == ON_FAILURE)


def _applet(verb: Stream, context: Context) -> Applet:
    # Braces cannot stand in an address, and here they are no variables of ours.
    url = verb.url.replace("{", "%7B").replace("}", "%7D")
    if verb.two_way:
        return VoicebotSettings(url=url, name=verb.name).applet(context)
    return StreamSettings(url=url, name=verb.name, track=verb.track).applet(context)
