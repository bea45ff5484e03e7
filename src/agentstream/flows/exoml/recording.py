"""Record: what the caller says, told to the action, also when the caller has hung up (XR-13)."""

from agentstream.calls.commands import Fetch
from agentstream.flows.applet import AppletInput, Step
from agentstream.flows.context import Context
from agentstream.flows.exoml.turn import Over, TurnStep
from agentstream.flows.exoml.verbs import Record
from agentstream.flows.message import Kept, Message


class Recording:
    """One Record."""

    def __init__(self, verb: Record, context: Context) -> None:
        self._verb = verb
        self._message = Message(context, verb.wish, self._then)
        self._over: Over | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._message.wake_at_ms

    def begin(self, now_ms: int) -> list[TurnStep]:
        """Beep, then record."""
        return self._after(self._message.begin(now_ms))

    def receive(self, happening: AppletInput, now_ms: int) -> list[TurnStep]:
        """Take what ends it."""
        return self._after(self._message.receive(happening, now_ms))

    def wake(self, now_ms: int) -> list[TurnStep]:
        """Let it be long enough."""
        return self._after(self._message.wake(now_ms))

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Have nothing to tell."""
        return []

    def _then(self, kept: Kept, now_ms: int) -> list[Step]:
        recording = kept.recording
        if recording is None:
            self._over = Over(reason=kept.error or kept.why, is_trouble=bool(kept.error))
            return []
        fields = (
            ("RecordingUrl", recording.url),
            ("RecordingDuration", str(recording.duration_ms // 1000)),
            ("RecordingSid", str(recording.recording_sid)),
        )
        self._over = Over(self._verb.action, fields, kept.why)
        return []

    def _after(self, steps: list[Step]) -> list[TurnStep]:
        return [*steps, self._over] if self._over else [*steps]
