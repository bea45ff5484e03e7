"""Status callbacks: what those who had a call placed wanted to be told of it (calls-api CB-1).

Feed ─▶ hear(): ringing, answered, at once        ─▶ webhooks, to the call writer's queue
        ended(): terminal, or the one at the end  ─▶ webhooks, with the call's own row
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlsplit

from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    LegRinging,
    LegUp,
    RecordingFinished,
)
from agentstream.calls.record import CallRecord, CallSetup, StatusCallback
from agentstream.hooks.callback_body import encode
from agentstream.store.values import Webhook
from agentstream.switch.call_terms import (
    Fields,
    Terms,
    callback,
    is_two_number,
    short_callback,
)
from agentstream.switch.call_view import CallView, view_of
from agentstream.switch.feed import Fact

HOST_LIMIT: Final = 300  # characters, as the outbox has room for
_CALLS_LIMIT: Final = 10_000  # calls that broke off without their last event; the oldest goes


@dataclass(frozen=True, slots=True)
class CallbackStyle:
    """How callbacks are written."""

    terms: Terms
    form: Literal["multipart", "urlencoded"] = "multipart"  # of those that did not ask for JSON
    extra_events: Collection[str] = ()  # "initiated", "recording-available" (OC-4)


@dataclass(slots=True)
class _Told:
    """A call of whose events somebody is told."""

    setup: CallSetup
    callback: StatusCallback
    first_leg_sid: LegSid
    count: int = 0
    has_rung: bool = False


class Callbacks:
    """Subscribe `hear` to the feed, after the views that `find` looks into.

    `write` (a CallWriter's) must return at once.
    """

    KINDS = (CallStarted, LegRinging, CallAnswered, LegUp, RecordingFinished, CallEnded)

    def __init__(
        self,
        find: Callable[[CallSid], CallView | None],
        write: Callable[[Webhook], None],
        style: CallbackStyle,
    ) -> None:
        self._find = find
        self._write = write
        self._style = style
        self._calls: OrderedDict[CallSid, _Told] = OrderedDict()

    def hear(self, fact: Fact) -> None:
        """Take one fact."""
        if isinstance(fact.event, CallStarted):
            self._take_note(fact.event)
        call = self._calls.get(fact.call_sid)
        if call is None:
            return
        match fact.event:
            case CallStarted() if "initiated" in self._style.extra_events:
                self._tell(call, "initiated", fact.at)
            case LegRinging(leg_sid=leg_sid) if leg_sid == call.first_leg_sid:
                if not call.has_rung and "ringing" in call.callback.events:
                    self._tell(call, "ringing", fact.at)
                call.has_rung = True
            case CallAnswered() if "answered" in call.callback.events:
                self._tell(call, "answered", fact.at)
            case LegUp() if "answered" in call.callback.events and is_two_number(call.setup):
                self._tell(call, "answered", fact.at)  # CB-7: for each of the two
            case RecordingFinished(error="") if "recording-available" in self._style.extra_events:
                self._tell(call, "recording-available", fact.at)
            case CallEnded():
                del self._calls[fact.call_sid]
            case _:
                pass

    def ended(self, record: CallRecord, at: datetime) -> Sequence[Webhook]:
        """Return what is told of a call's end, to be written with its row."""
        wanted, terms = record.setup.callback, self._style.terms
        if wanted is None or (wanted.events and "terminal" not in wanted.events):
            return ()
        view = view_of(record)
        fields = callback(view, "terminal", terms) if wanted.events else short_callback(view, terms)
        # The same name whoever tells it: it is told once, also when a crash is cleared up.
        return (self._webhook(record.setup, wanted, "terminal", "end", fields, at),)

    def _take_note(self, started: CallStarted) -> None:
        wanted = started.setup.callback
        if wanted is None or not wanted.events:
            return
        self._calls[started.call_sid] = _Told(started.setup, wanted, started.leg_sid)
        if len(self._calls) > _CALLS_LIMIT:
            self._calls.popitem(last=False)

    def _tell(self, call: _Told, event: str, at: datetime) -> None:
        view = self._find(call.setup.call_sid)
        assert view is not None, "the views hear a call before this does"
        call.count += 1
        fields = callback(view, event, self._style.terms)
        name = str(call.count)
        self._write(self._webhook(call.setup, call.callback, event, name, fields, at))

    def _webhook(
        self,
        setup: CallSetup,
        wanted: StatusCallback,
        event: str,
        name: str,
        fields: Fields,
        at: datetime,
    ) -> Webhook:
        sid = f"{setup.call_sid}-{name}"
        content_type, body = encode(fields, "json" if wanted.is_json else self._style.form, sid)
        return Webhook(
            sid=sid,
            account_sid=setup.account_sid,
            subject=setup.call_sid,
            kind=f"callback.{event}",
            url=wanted.url,
            host=urlsplit(wanted.url).netloc.rpartition("@")[2].lower()[:HOST_LIMIT],
            content_type=content_type,
            body=body.replace("\0", ""),  # PostgreSQL keeps no such character
            created_at=at,
            next_at=at,
        )
