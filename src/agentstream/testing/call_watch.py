"""A model of a call in thirty lines: what any sequence of events and effects must keep to.

Exactly one CallStarted at most, exactly one CallEnded, nothing after it; whatever was begun was
told to end or reported its end before; a leg is released once and nothing is ordered for it later.
"""

from agentstream.calls import effects
from agentstream.calls.attached import Output
from agentstream.calls.events import CallEnded, CallHungUp, CallStarted, Event

Begun = effects.PlayPrompt | effects.StartStream | effects.RecordLeg
Told = effects.StopPrompt | effects.EndStream | effects.EndRecording


class CallWatch:
    """Give it every output and every end that was reported; it asserts."""

    def __init__(self) -> None:
        self.running: dict[str, Begun] = {}  # begun, and no end reported
        self.legs: set[str] = set()  # offered, and no end reported
        self.ended: CallEnded | None = None
        self.has_hung_up = False
        self._told: set[str] = set()
        self._known_legs: set[str] = set()
        self._told_legs: set[str] = set()
        self._released: set[str] = set()

    def see(self, outputs: list[Output]) -> None:
        """Check what a call answered."""
        for output in outputs:
            assert self.ended is None, f"{output} after CallEnded"
            if isinstance(output, Event):
                self._see_event(output)
            else:
                self._see_effect(output)

    def report_end(self, sid: str) -> None:
        """Take note that the end of a leg, prompt, stream or recording was reported."""
        self.running.pop(sid, None)
        self.legs.discard(sid)

    def _see_event(self, event: Event) -> None:
        if isinstance(event, CallStarted):
            assert not self._known_legs
            self._known_legs.add(event.leg_sid)
            self.legs.add(event.leg_sid)
        if isinstance(event, CallHungUp):
            assert not self.has_hung_up
            self.has_hung_up = True
        if isinstance(event, CallEnded):
            assert self.has_hung_up
            assert set(self.running) <= self._told, "something was left running"
            assert self.legs <= self._told_legs, "a leg was left up"
            assert self._known_legs <= self._released
            self.ended = event

    def _see_effect(self, effect: effects.Effect) -> None:
        if isinstance(effect, effects.RejectLeg | effects.EndLeg):
            assert effect.leg_sid not in self._told_legs
            self._told_legs |= {effect.leg_sid} & self._known_legs  # others are refused each time
        elif isinstance(effect, effects.ReleaseLeg):
            assert effect.leg_sid not in self._released
            self._released |= {effect.leg_sid} & self._known_legs
        elif not isinstance(effect, effects.TellStream | effects.EndStream):
            assert effect.leg_sid not in self._released, "ordered for a leg that is free"
        if isinstance(effect, Begun):
            assert not self.has_hung_up, "begun after the end"
            assert sid_of(effect) not in self.running
            self.running[sid_of(effect)] = effect
        if isinstance(effect, Told):
            assert sid_of(effect) not in self._told, "told to end twice"
            self._told.add(sid_of(effect))


def sid_of(effect: Begun | Told) -> str:
    """Return the id of the prompt, stream or recording."""
    if isinstance(effect, effects.PlayPrompt | effects.StopPrompt):
        return effect.prompt_id
    if isinstance(effect, effects.StartStream | effects.EndStream):
        return effect.stream_sid
    return effect.recording_sid
