"""From the text of a document to its verbs; what is wrong is named with line and element (EX-3).

<Response>
  <Gather action="choice" numDigits="1"><Say>Press one for sales.</Say></Gather>
  <Redirect>again</Redirect>
</Response>

Addresses are relative to the document's own. Attributes that are not known are left out and
remarked on; a verb that is not known makes the document unreadable.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, cast, get_args
from urllib.parse import urljoin, urlsplit

from agentstream.base.errors import PeerError
from agentstream.calls.commands import AudioFile
from agentstream.flows.asking import URL_CHARS
from agentstream.flows.context import DIGITS_LIMIT
from agentstream.flows.dial_plan import (
    PARALLEL_LIMIT,
    RING_LIMIT_S,
    TALK_LIMIT_S,
    caller_id_of,
    is_dialable,
    targets_of,
)
from agentstream.flows.exoml.speech import VOICES, pieces_of
from agentstream.flows.exoml.verbs import (
    Ask,
    Callback,
    Callee,
    Dial,
    Gather,
    Hangup,
    Method,
    Moment,
    Placed,
    Play,
    Record,
    Redirect,
    Response,
    Say,
    Stream,
    Track,
    Verb,
)
from agentstream.flows.given import BadActionError, Given
from agentstream.flows.keypad import Keys
from agentstream.flows.markup import Element, Grammar, read_markup
from agentstream.flows.message import Wish
from agentstream.flows.prompt import WEB
from agentstream.flows.recital import Verse

LOOPS_LIMIT: Final = 100  # LC-5: 1 is the default, 0 and below are endless
LOWEST_LOOP: Final = -1_000_000
RECORD_LIMIT_S: Final = 14_400
STREAM_NAME_CHARS: Final = 32  # AS-12
STREAM_URL_CHARS: Final = 2_048  # what the applets take; a bot's own limit is AS-11
REMARKS_LIMIT: Final = 20
KEYS: Final = frozenset("0123456789*#")
BOTS: Final = ("wss://", "ws://", "https://", "http://")  # the last two: of a resolver (AS-13)
_PRESSED: Final = re.compile(r"[0-9*#A-Dw]{1,64}")

_TOP: Final = frozenset({"Say", "Play", "Gather", "Record", "Dial", "Redirect", "Hangup", "Stream"})
_WITHIN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "Response": _TOP,
        "Gather": frozenset({"Say", "Play"}),
        "Dial": frozenset({"Number"}),
        "Say": frozenset({"break", "say-as"}),
    }
)
GRAMMAR: Final = Grammar(
    "the document", "Response", lambda name: _WITHIN.get(name, frozenset()), depth=4
)
# What each element may say of itself; the names are `plain`.
_KNOWN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "Say": frozenset({"voice", "language", "loop"}),
        "break": frozenset({"time", "strength"}),
        "say-as": frozenset({"interpretas", "format", "detail"}),
        "Play": frozenset({"loop", "digits"}),
        "Gather": frozenset(
            {"action", "method", "numdigits", "maxdigits", "timeout", "finishonkey"}
        ),
        "Record": frozenset(
            {"action", "method", "maxlength", "timeout", "finishonkey", "playbeep"}
        ),
        "Dial": frozenset(
            {"action", "method", "callerid", "timeout", "timelimit", "record", "hanguponstar"}
        ),
        "Number": frozenset(
            {
                *("senddigits", "url", "method"),
                *("statuscallback", "statuscallbackevent", "statuscallbackmethod"),
            }
        ),
        "Redirect": frozenset({"method"}),
        "Stream": frozenset(
            {"url", "streamurl", "type", "streamtype", "name", "track", "action", "method"}
        ),
    }
)


class BadResponseError(PeerError):
    """A document that cannot be run; the text names line and element."""


def read_response(text: str, url: str) -> Response:
    """Return the document that `url` answered with; raises BadResponseError."""
    try:
        root = read_markup(text, GRAMMAR)
        reading = _Reading(url)
        verbs = tuple(Placed(reading.verb(one), one.line) for one in root.inside)
    except BadActionError as error:
        raise BadResponseError(str(error)) from error
    return Response(verbs, tuple(reading.remarks[:REMARKS_LIMIT]))


@dataclass
class _Reading:
    url: str
    remarks: list[str] = field(default_factory=list)

    def verb(self, element: Element) -> Verb:
        self._look_at(element)
        return _READERS[element.name](self, element, element.given())

    def remark(self, given: Given, text: str) -> None:
        self.remarks.append(f"{given.place}: {text}")

    def _look_at(self, element: Element) -> None:
        for inner in element.inside:
            self._look_at(inner)
        unknown = element.fields.keys() - _KNOWN.get(element.name, frozenset())
        for name in sorted(unknown):
            if not name.startswith("xml"):
                self.remark(element.given(), f"attribute '{name[:40]}' means nothing here")

    def address(self, given: Given, name: str, written: str) -> str:
        """Return a whole http(s) address."""
        try:
            url = urljoin(self.url, written)
            _ = urlsplit(url).port  # looked at only now
        except ValueError:
            raise given.wrong(name, "is no address: see its host and port") from None
        if not url.startswith(WEB) or not urlsplit(url).hostname:
            raise given.wrong(name, "must be an http(s) address, or relative to the document's")
        if len(url) > URL_CHARS:
            raise given.wrong(name, f"is longer than {URL_CHARS} characters")
        if any(character <= " " or character == "\x7f" for character in url):
            raise given.wrong(name, "has a blank in it")
        return url

    def action(self, given: Given) -> Ask | None:
        written = given.text_of("action", limit=URL_CHARS)
        method = _method(given)
        return Ask(self.address(given, "action", written), method) if written else None


def _method(given: Given, name: str = "method") -> Method:
    return "GET" if given.choice(name, of=("get", "post"), default="post") == "get" else "POST"


def _loops(given: Given) -> int:
    return max(given.number("loop", low=LOWEST_LOOP, high=LOOPS_LIMIT, default=1), 0)


def _say(reading: _Reading, element: Element, given: Given) -> Say:
    asked = given.text_of("voice", limit=64).lower() or "woman"
    if asked not in VOICES:
        reading.remark(given, f"voice '{asked}' is not here; it is man or woman")
    language = given.text_of("language", limit=35) or "en"
    pieces = pieces_of(element, language, VOICES.get(asked, "female"))
    if not pieces:
        reading.remark(given, "says nothing")
    return Say(Verse(pieces, _loops(given)))


def _play(reading: _Reading, element: Element, given: Given) -> Play:
    digits = _digits(given, "digits")
    if digits and not given.text:
        return Play(Verse(()), digits)
    source = reading.address(given, "URL", given.content("URL", limit=URL_CHARS))
    return Play(Verse((AudioFile(source),), _loops(given)), digits)


def _digits(given: Given, name: str) -> str:
    digits = given.text_of(name, limit=64)
    if digits and not _PRESSED.fullmatch(digits):
        raise given.wrong(name, "are 1 to 64 of 0-9 * # A-D, and w for half a second")
    return digits


def _gather(reading: _Reading, element: Element, given: Given) -> Gather:
    finish = given.text_of("finishOnKey", limit=1) if "finishonkey" in given.fields else "#"
    if finish and finish not in KEYS:
        raise given.wrong("finishOnKey", "must be one of 0-9 * #, or empty")
    keys = Keys(
        given.number("numDigits", "maxDigits", low=1, high=DIGITS_LIMIT, default=DIGITS_LIMIT),
        finish,
        given.number("timeout", low=1, high=600, default=5) * 1000,
    )
    prompts = tuple(_prompt(reading, one) for one in element.inside)
    return Gather(reading.action(given) or Ask(reading.url, _method(given)), keys, prompts)


def _prompt(reading: _Reading, element: Element) -> Verse:
    given = element.given()
    said = (_say if element.name == "Say" else _play)(reading, element, given)
    if isinstance(said, Play) and said.digits:
        raise given.wrong("digits", "cannot be pressed while keys are gathered")
    return said.verse


def _record(reading: _Reading, element: Element, given: Given) -> Record:
    end_keys = KEYS
    if "finishonkey" in given.fields:
        end_keys = frozenset(given.text_of("finishOnKey", limit=12))
    if not end_keys <= KEYS:
        raise given.wrong("finishOnKey", "must be some of 0-9 * #, or empty")
    wish = Wish(
        given.number("maxLength", low=1, high=RECORD_LIMIT_S, default=3_600) * 1000,
        given.number("timeout", low=0, high=600, default=5) * 1000,
        end_keys,
        beeps=given.flag("playBeep") if "playbeep" in given.fields else True,
    )
    return Record(wish, reading.action(given))


def _dial(reading: _Reading, element: Element, given: Given) -> Dial:
    callees = [_callee(reading, one.given()) for one in element.inside]
    if given.text:
        callees.insert(0, Callee(_destination(given)))
    if not 1 <= len(callees) <= PARALLEL_LIMIT:
        raise given.wrong("Number", f"is missing, or one more than {PARALLEL_LIMIT}")
    caller_id = given.text_of("callerId", limit=128)
    if caller_id and not caller_id_of(caller_id):
        raise given.wrong("callerId", "is no number")
    return Dial(
        tuple(callees),
        caller_id_of(caller_id),
        given.number("timeout", low=1, high=RING_LIMIT_S, default=30),
        given.number("timeLimit", low=1, high=TALK_LIMIT_S, default=TALK_LIMIT_S),
        given.flag("record"),
        given.flag("hangupOnStar"),
        reading.action(given),
    )


def _callee(reading: _Reading, given: Given) -> Callee:
    url = given.text_of("URL", limit=URL_CHARS)
    return Callee(
        _destination(given),
        _digits(given, "sendDigits"),
        Ask(reading.address(given, "URL", url), _method(given)) if url else None,
        _callback(reading, given),
    )


def _callback(reading: _Reading, given: Given) -> Callback | None:
    url = given.text_of("StatusCallback", limit=URL_CHARS)
    named = given.text_of("statusCallbackEvent", limit=256).replace(",", " ").lower().split()
    unknown = [name for name in named if name not in get_args(Moment)]
    if unknown:
        words = " ".join(get_args(Moment))
        raise given.wrong("statusCallbackEvent", f"is some of {words}, not {unknown[0][:40]!r}")
    if not url:
        return None
    ask = Ask(reading.address(given, "StatusCallback", url), _method(given, "StatusCallbackMethod"))
    moments = frozenset(cast("list[Moment]", named))
    return Callback(ask, moments) if moments else Callback(ask)


def _destination(given: Given) -> str:
    text = given.content("number", limit=256)
    if not is_dialable(text):
        raise given.wrong(f"'{text[:40]}'", "is neither a number nor a sip address")
    (target,), _ = targets_of([text], "")
    return target.destination  # of a number: without its punctuation


def _redirect(reading: _Reading, element: Element, given: Given) -> Redirect:
    written = given.content("URL", limit=URL_CHARS)
    return Redirect(Ask(reading.address(given, "URL", written), _method(given)))


def _stream(reading: _Reading, element: Element, given: Given) -> Stream:
    url = given.content("url", "streamUrl", limit=STREAM_URL_CHARS)
    if not url.startswith(BOTS):
        raise given.wrong("url", f"must begin with {', '.join(BOTS)}")
    kinds = ("bidirectional", "unidirectional")
    two_way = given.choice("type", "streamType", of=kinds, default=kinds[0]) == kinds[0]
    tracks = ("inbound", "outbound", "mixed", "both")
    track = given.choice("track", of=tracks, default="mixed")
    action = reading.action(given)
    if action and not two_way:
        raise given.wrong("action", "is for bidirectional streams; the others go on at once")
    name = given.text_of("name", limit=STREAM_NAME_CHARS)
    return Stream(url, two_way, name, cast("Track", track), action)


_READERS: Final[Mapping[str, Callable[[_Reading, Element, Given], Verb]]] = MappingProxyType(
    {
        "Say": _say,
        "Play": _play,
        "Gather": _gather,
        "Record": _record,
        "Dial": _dial,
        "Redirect": _redirect,
        "Hangup": lambda reading, element, given: Hangup(),
        "Stream": _stream,
    }
)
