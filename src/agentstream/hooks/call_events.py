"""Call events: the facts of a call, kept as rows, so that `agentstream explain` can tell its story.

Feed ─▶ hear(): one more event of the call ─▶ CallEnded: the whole story to `write`
                    └─▶ live(): the story so far, to whoever asks

Nothing is written while a call lives. What is kept is bounded and harmless: few words of what
servers answered, no credentials, and no keys that a caller pressed unless the operator wants them.
Events become JSON several at once: most calls are over before the first few have come together.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from agentstream.base.ids import AccountSid, CallSid
from agentstream.base.values import fields_of
from agentstream.calls import events
from agentstream.net.egress import mask_secrets
from agentstream.store.call_events import Story
from agentstream.switch import feed

EVENTS_LIMIT: Final = 2_000  # of one call; more are counted, and the count is kept
BODY_LIMIT: Final = 4_096  # bytes of one event's JSON; longer texts in it are cut
_TOGETHER: Final = 16  # events that become JSON at once; few enough to hold nobody up
EXCERPT_LIMIT: Final = 200  # characters of what a server answered
_FOR_THE_REST: Final = 200  # of the limit; chatter does not get them, so that the end is kept
LIVE_LIMIT: Final = 500_000  # of all live calls, some 200 MB; full: chatter is not kept
_CALLS_LIMIT: Final = 10_000  # calls that broke off without their last event; the oldest is told
# A call begins with the one; a call that was refused has only the other.
_FIRST: Final = frozenset({events.CallStarted, events.CallEnded})
_CHATTER: Final = frozenset(
    {
        feed.BotSpoke,
        feed.MarkEchoed,
        feed.PlayoutCleared,
        feed.StreamWarned,
        events.DigitReceived,
        events.SilenceHeard,
    }
)
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")
_KEYS_TYPED: Final = re.compile(
    r"\b(keys?|digits?|pressed|entered|collected)([ :=\"“']+)[\d*#A-D]+"
)
_USERINFO: Final = re.compile(rb"://[^/?#\s]*@")
_DIGITS_OF_QUERY: Final = re.compile(r"([?&]digits=)[^&#\s]+")


# Milliseconds since the call's first event, its name as the row has it, and what it says: the
# event itself while nobody has asked, or what is kept of it.
_Told = tuple[int, str, Any]


@dataclass(slots=True)
class _Story:
    account_sid: AccountSid
    at: datetime
    zero_ms: int
    last_ms: int = 0
    count: int = 0
    dropped: int = 0
    fresh: list[_Told] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # of what came before them


class CallEvents:
    """Subscribe `hear` to the whole feed; `write` (a StoryWriter's) must return at once."""

    def __init__(self, write: Callable[[Story], None], *, mask_digits: bool = True) -> None:
        self._write = write
        self._bodies = _Bodies(mask_digits)
        self._stories: OrderedDict[CallSid, _Story] = OrderedDict()
        self._kept = 0  # events of all of them

    def hear(self, fact: feed.Fact) -> None:
        """Take one fact."""
        event = fact.event
        kind = type(event)
        story = self._stories.get(fact.call_sid)
        if story is None:
            if kind not in _FIRST:
                return  # an errand that was over after its call
            story = self._begin(fact)
        if story.count < (EVENTS_LIMIT if kind not in _CHATTER else self._chatter_limit()):
            told = _answer(event) if isinstance(event, events.RequestFinished) else event
            story.last_ms = fact.at_ms - story.zero_ms
            story.fresh.append((story.last_ms, self._bodies.name(kind), told))
            story.count += 1
            self._kept += 1
            if len(story.fresh) >= _TOGETHER:
                story.texts.append(self._bodies.text(story.fresh))
                story.fresh.clear()
        else:
            story.dropped += 1
        if kind is events.CallEnded:
            self._tell(fact.call_sid, self._stories.pop(fact.call_sid))

    def live(self, account_sid: AccountSid | None, beginning: str = "") -> list[Story]:
        """Return the stories so far of the calls whose sid begins so, the oldest call first.

        None asks for every account's.
        """
        return [
            self._so_far(call_sid, story)
            for call_sid, story in self._stories.items()
            if account_sid in (None, story.account_sid) and call_sid.startswith(beginning)
        ]

    def _begin(self, fact: feed.Fact) -> _Story:
        story = self._stories[fact.call_sid] = _Story(fact.account_sid, fact.at, fact.at_ms)
        if len(self._stories) > _CALLS_LIMIT:
            self._tell(*self._stories.popitem(last=False))
        return story

    def _chatter_limit(self) -> int:
        return EVENTS_LIMIT - _FOR_THE_REST if self._kept < LIVE_LIMIT else 0

    def _tell(self, call_sid: CallSid, story: _Story) -> None:
        self._kept -= story.count
        if story.dropped:
            story.fresh.append((story.last_ms, "events_dropped", {"count": story.dropped}))
            story.count += 1
        self._write(self._so_far(call_sid, story))

    def _so_far(self, call_sid: CallSid, story: _Story) -> Story:
        texts = [*story.texts, self._bodies.text(story.fresh)] if story.fresh else story.texts
        return Story(call_sid, story.at, story.count, f"[{','.join(texts)}]")


class _Bodies:
    """Writes events down as JSON."""

    def __init__(self, mask_digits: bool) -> None:
        self._readers = _READERS | (_WITHOUT_DIGITS if mask_digits else {})
        self._names: dict[type, str] = {}

    def name(self, kind: type) -> str:
        """Return the name of a kind as a row has it."""
        return self._names.get(kind) or self._learn(kind)

    def text(self, told: list[_Told]) -> str:
        """Return some events as JSON, separated by commas."""
        rows = [(at_ms, name, self._body(one)) for at_ms, name, one in told]
        text = _encode(rows)
        # Every body is short enough, and without credentials, when all of them together are.
        if len(text) <= BODY_LIMIT and not _may_have_secrets(text):
            return text[1:-1].decode()
        return ",".join(f'[{at_ms},"{name}",{_harmless(body)}]' for at_ms, name, body in rows)

    def _body(self, told: Any) -> dict[str, Any]:  # noqa: ANN401  (an event, or what is kept of it)
        return told if isinstance(told, dict) else self._readers[type(told)](told)

    def _learn(self, kind: type) -> str:
        self._readers.setdefault(kind, _plain)
        self._names[kind] = _WORD.sub("_", kind.__name__).lower()
        return self._names[kind]


_Read = Callable[[Any], dict[str, Any]]


def _plain(event: Any) -> dict[str, Any]:  # noqa: ANN401  (any event or note)
    """Return every field but the call's sid, which the row has."""
    body = fields_of(event)
    body.pop("call_sid", None)
    return body


def _started(event: events.CallStarted) -> dict[str, Any]:
    setup = event.setup
    # Not its variables: headers of a trunk may be secrets.
    return {
        "leg_sid": event.leg_sid,
        "account_sid": setup.account_sid,
        "direction": setup.direction,
        "from": setup.from_number,
        "to": setup.to_number,
        "flow_sid": setup.flow_sid,
        "flow_version": setup.flow_version,
        "trunk_sid": setup.trunk_sid,
        "forwarded_from": setup.forwarded_from,
    }


def _ended(event: events.CallEnded) -> dict[str, Any]:
    record = event.record
    # Streams and recordings have rows of their own; legs told their ends when these came.
    return {
        "status": record.status,
        "cause": record.cause.value,
        "ended_by": record.ended_by.value,
        "text": record.text,
        "rang_ms": record.rang_ms,
        "answered_ms": record.answered_ms,
        "hung_up_ms": record.hung_up_ms,
        "ended_ms": record.ended_ms,
        "talk_ms": record.talk_ms,
    }


def _answer(event: events.RequestFinished) -> dict[str, Any]:
    """Return what is kept of a server's answer: a few words, if it is text."""
    said = event.body[: 4 * EXCERPT_LIMIT].decode(errors="replace")[:EXCERPT_LIMIT]
    is_binary = "\0" in said or event.content_type.startswith(("audio/", "image/"))
    return {
        "request_id": event.request_id,
        "purpose": event.purpose,
        "status": event.status,
        "content_type": event.content_type,
        "bytes": len(event.body),
        "excerpt": "" if is_binary else said,
        "elapsed_ms": event.elapsed_ms,
        "attempts": event.attempts,
        "error": event.error,
    }


def _key(event: events.DigitReceived) -> dict[str, Any]:
    return {**_plain(event), "digit": ""}


def _asked(event: events.BotAsked) -> dict[str, Any]:
    body = _plain(event)
    return {**body, "value": ""} if event.action == "send_dtmf" else body


def _left(event: events.AppletLeft) -> dict[str, Any]:
    return {**_plain(event), "reason": _KEYS_TYPED.sub(r"\1\2·", event.reason)}


def _noted(event: events.AppletNoted) -> dict[str, Any]:
    return {**_plain(event), "text": _KEYS_TYPED.sub(r"\1\2·", event.text)}


def _request(event: events.RequestStarted) -> dict[str, Any]:
    return {**_plain(event), "url": _DIGITS_OF_QUERY.sub(r"\1·", event.url)}


def _told(event: events.LegTold) -> dict[str, Any]:
    data = [(name, "" if name == "digits" else value) for name, value in event.data]
    return {**_plain(event), "data": data}


_READERS: Final[dict[type, _Read]] = {
    events.CallStarted: _started,
    events.CallEnded: _ended,
}
_WITHOUT_DIGITS: Final[dict[type, _Read]] = {
    events.DigitReceived: _key,
    events.BotAsked: _asked,
    events.AppletLeft: _left,
    events.AppletNoted: _noted,
    events.RequestStarted: _request,
    events.LegTold: _told,
}


def _harmless(body: dict[str, Any]) -> str:
    """Return a body without credentials, and short enough."""
    text = _encode(body)
    if _may_have_secrets(text):
        text = _encode(_masked(json.loads(text)))
    return (text if len(text) <= BODY_LIMIT else _cut(json.loads(text))).decode()


def _may_have_secrets(text: bytes) -> bool:
    return b"://" in text and (b"=" in text or _USERINFO.search(text) is not None)


def _encode(value: dict[str, Any] | list[_Told]) -> bytes:
    try:
        return to_json(value, fallback=_foreign, inf_nan_mode="null")
    except PydanticSerializationError:  # half a character: of something cut, or broken on purpose
        return json.dumps(value, default=_foreign, separators=(",", ":")).encode()


def _foreign(value: Any) -> Any:  # noqa: ANN401  (any field of any event)
    """Return what stands for a value that JSON does not know."""
    if hasattr(value, "as_dict"):  # the audio path's counters
        return value.as_dict()
    return str(value)


def _masked(value: Any) -> Any:  # noqa: ANN401  (a plain value)
    if isinstance(value, str):
        return mask_secrets(value)
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return value


def _cut(body: dict[str, Any]) -> bytes:
    """Return a body whose texts and lists are short enough; it says that it was cut."""
    for limit in (512, 128, 32):
        text = _encode({**_shortened(body, limit), "cut": True})
        if len(text) <= BODY_LIMIT:
            return text
    return _encode({"cut": True})


def _shortened(value: Any, limit: int) -> Any:  # noqa: ANN401  (a plain value)
    if isinstance(value, str):
        return value if len(value) <= limit else value[:limit] + "…"
    if isinstance(value, dict):
        return {key: _shortened(each, limit) for key, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each, limit) for each in value[: limit // 8]]
    return value
