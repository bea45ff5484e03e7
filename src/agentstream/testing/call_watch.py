"""A model of a call in a page: what any sequence of events and effects must keep to.

Exactly one CallStarted at most, exactly one CallEnded, nothing after it. Whatever was begun was
told to end or reported its end before. Every leg is told to end once at most, released once, and
nothing is ordered for it later; of every leg that was dialled one LegGone is told, and of the first
one only if the call goes on; of every leg that is listened to one AnswerJudged. A leg is in one
bridge at most, and every bridge is parted. Whoever waits for an answer is told one.
"""

from agentstream.base.ids import LegSid, RequestId
from agentstream.calls import effects
from agentstream.calls.attached import Output
from agentstream.calls.events import (
    AnswerJudged,
    CallAnswered,
    CallEnded,
    CallHungUp,
    CallStarted,
    Event,
    LegDialled,
    LegGone,
    LegRinging,
    LegsBridged,
    LegsUnbridged,
    LegUp,
    RequestFinished,
    RequestStarted,
)

Begun = effects.PlayPrompt | effects.StartStream | effects.RecordLeg
Told = effects.StopPrompt | effects.EndStream | effects.EndRecording
WithoutLeg = (
    effects.ActivateStream
    | effects.TellStream
    | effects.EndStream
    | effects.SendRequest
    | effects.DeliverMail
)


class CallWatch:
    """Give it every output and every end that was reported; it asserts."""

    def __init__(self) -> None:
        self.running: dict[str, Begun] = {}  # begun, and no end reported
        self.legs: set[str] = set()  # there, and no end reported
        self.asked: dict[RequestId, effects.SendRequest] = {}  # and no answer reported
        self.dialled: set[LegSid] = set()
        self.bridged: set[frozenset[LegSid]] = set()
        self.ended: CallEnded | None = None
        self.has_hung_up = False
        self.first_sid: LegSid | None = None
        self.gone: set[LegSid | None] = set()
        self.talking: set[LegSid] = set()  # neither told to end nor gone
        self._placed: set[LegSid] = set()  # the first leg of a call of ours
        self._told: set[str] = set()
        self._known_legs: set[str] = set()
        self._told_legs: set[str] = set()
        self._released: set[str] = set()
        self._listened: set[str] = set()  # and no verdict yet
        self._judged: set[str] = set()
        self._announced: set[str] = set()
        self._waited_for: set[RequestId] = set()
        self._joined: set[frozenset[LegSid]] = set()  # by effects; `bridged` is by events

    def see(self, outputs: list[Output]) -> None:
        """Check what a call answered."""
        for output in outputs:
            assert self.ended is None, f"{output} after CallEnded"
            if isinstance(output, AnswerJudged):
                self._listened.remove(output.leg_sid)
                self._judged.add(output.leg_sid)
            elif isinstance(output, Event):
                self._see_event(output)
            else:
                self._see_effect(output)

    def report_end(self, sid: str) -> None:
        """Take note that the end of a leg, prompt, stream or recording was reported."""
        self.running.pop(sid, None)
        self.legs.discard(sid)

    def _see_event(self, event: Event) -> None:
        match event:
            case CallStarted(leg_sid=leg_sid, setup=setup):
                assert not self._known_legs
                self.first_sid = leg_sid
                self._placed = {leg_sid} if setup.direction == "outbound" else set()
                self._known_legs.add(leg_sid)
                self.legs.add(leg_sid)
            case CallAnswered(leg_sid=leg_sid):
                self.talking.add(leg_sid)
            case CallHungUp():
                assert not self.has_hung_up
                self.has_hung_up = True
                self.talking.clear()
            case CallEnded():
                self._see_the_end()
                self.ended = event
            case RequestStarted() | RequestFinished():
                self._see_request(event)
            case LegsBridged(leg_sid=one, other_sid=other):
                pair = frozenset((one, other))
                assert len(pair) == 2
                assert not any(pair & known for known in self.bridged), "a leg in two bridges"
                self.bridged.add(pair)
            case LegsUnbridged(leg_sid=one, other_sid=other):
                self.bridged.remove(frozenset((one, other)))
            case LegDialled() | LegRinging() | LegUp() | LegGone():
                self._see_leg(event)
            case _:
                pass

    def _see_leg(self, event: LegDialled | LegRinging | LegUp | LegGone) -> None:
        match event:
            case LegDialled(leg_sid=leg_sid):
                assert leg_sid not in self._announced
                self._announced.add(leg_sid)
            case LegRinging(leg_sid=leg_sid) | LegUp(leg_sid=leg_sid):
                first = self._placed if isinstance(event, LegRinging) else set()
                assert leg_sid in (self.dialled | first) - self.gone
                self.talking |= {leg_sid} if isinstance(event, LegUp) else set()
            case LegGone(leg_sid=leg_sid):
                assert leg_sid in (self.dialled | {self.first_sid}) - self.gone
                assert leg_sid != self.first_sid or not self.has_hung_up, "told by CallHungUp"
                assert not any(leg_sid in pair for pair in self.bridged), "gone, but bridged"
                on_it = {sid for sid, begun in self.running.items() if begun.leg_sid == leg_sid}
                assert on_it <= self._told, "gone, but something goes on"
                self.gone.add(leg_sid)
                self.talking.discard(leg_sid)

    def _see_request(self, event: RequestStarted | RequestFinished) -> None:
        if isinstance(event, RequestStarted):
            assert event.request_id not in self.asked
            return
        request = self.asked.pop(event.request_id)
        if not request.in_background:
            self._waited_for.remove(event.request_id)

    def _see_the_end(self) -> None:
        assert self.has_hung_up
        assert set(self.running) <= self._told, "something was left running"
        assert self.legs <= self._told_legs, "a leg was left up"
        assert self._known_legs <= self._released
        assert self.dialled == self.gone - {self.first_sid} == self._announced
        assert not self._listened, "a verdict is missing"
        assert not self._waited_for, "somebody waits for an answer"
        assert not self.bridged
        assert not self._joined

    def _see_effect(self, effect: effects.Effect) -> None:
        if isinstance(effect, effects.DialLeg):
            assert not self.has_hung_up, "dialled after the end"
            assert effect.leg_sid not in self._known_legs
            self.dialled.add(effect.leg_sid)
            self._known_legs.add(effect.leg_sid)
            self.legs.add(effect.leg_sid)
        if isinstance(effect, effects.RejectLeg | effects.EndLeg):
            assert effect.leg_sid not in self._told_legs
            self.talking.discard(effect.leg_sid)
            self._told_legs |= {effect.leg_sid} & self._known_legs  # others are refused each time
        elif isinstance(effect, effects.ReleaseLeg):
            assert effect.leg_sid not in self._released
            assert not any(effect.leg_sid in pair for pair in self._joined)
            self._released |= {effect.leg_sid} & self._known_legs
        elif not isinstance(effect, WithoutLeg):
            assert effect.leg_sid not in self._released, "ordered for a leg that is free"
        self._see_work(effect)

    def _see_work(self, effect: effects.Effect) -> None:
        match effect:
            case effects.PlayPrompt() | effects.StartStream() | effects.RecordLeg():
                assert not self.has_hung_up, "begun after the end"
                assert sid_of(effect) not in self.running
                self.running[sid_of(effect)] = effect
            case effects.StopPrompt() | effects.EndStream() | effects.EndRecording():
                assert sid_of(effect) not in self._told, "told to end twice"
                self._told.add(sid_of(effect))
            case effects.BridgeLegs(leg_sid=one, other_sid=other):
                assert other not in self._released
                self._joined.add(frozenset((one, other)))
            case effects.ListenForAnswer(leg_sid=leg_sid, criteria=criteria) if criteria:
                assert leg_sid not in self._listened | self._judged, "listened to twice"
                self._listened.add(leg_sid)
            case effects.UnbridgeLegs(leg_sid=one, other_sid=other):
                self._joined.remove(frozenset((one, other)))
            case effects.SendRequest(request_id=request_id):
                self.asked[request_id] = effect
                if not effect.in_background:
                    self._waited_for.add(request_id)
            case _:
                pass


def sid_of(effect: Begun | Told) -> str:
    """Return the id of the prompt, stream or recording."""
    if isinstance(effect, effects.PlayPrompt | effects.StopPrompt):
        return effect.prompt_id
    if isinstance(effect, effects.StartStream | effects.EndStream):
        return effect.stream_sid
    return effect.recording_sid
