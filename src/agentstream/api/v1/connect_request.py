"""What POST .../Calls/connect asks for, read and checked (CC-20 to CC-33).

flow      From, CallerId, Url                              CC-21
bot       From, CallerId, StreamUrl                        CC-22
numbers   From, CallerId, To, perhaps a fork's StreamUrl   CC-20, CC-25
"""

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, refuse
from agentstream.api.settings import WebStream
from agentstream.calls.answering import AnswerMode
from agentstream.calls.record import CallbackEvent, StatusCallback
from agentstream.flows.dial_plan import RING_LIMIT_S, caller_id_of, is_dialable

Mode = Literal["numbers", "flow", "bot"]

TIME_LIMIT_S: Final = 14_400
CUSTOM_FIELD_CHARS: Final = 128
STREAM_URL_CHARS: Final = 600  # AS-11
STREAM_NAME_CHARS: Final = 32  # AS-12
URL_CHARS: Final = 2_048
NUMBER_CHARS: Final = 256
EVENTS: Final[dict[str, tuple[CallbackEvent, ...]]] = {
    "terminal": ("terminal",),
    "answered": ("answered",),
    "ringing": ("ringing",),  # CB-9
    "both": ("terminal", "answered"),  # CC-11
}
AMD: Final[dict[str, AnswerMode]] = {"off": "off", "sync": "sync", "async": "async"}  # OC-5
_CHANNELS: Final = {"single": "mono", "mono": "mono", "dual": "stereo"}  # KX-10
_BEGIN: Final = {"at leg1connect": "first", "at leg2connect": "second"}
_BIDIRECTIONAL: Final = "bidirectional"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStream:
    """A stream to a bot: the whole call (mode bot), or a fork of it that only listens (CC-40)."""

    url: str
    name: str = ""
    begin: Literal["first", "second"] = "first"  # of a fork: whose answer it begins with


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """A call that somebody wants; numbers as they were written."""

    mode: Mode
    from_number: str  # dialled first, also in modes flow and bot (CC-23)
    caller_id: str
    to_number: str = ""
    flow_url: str = ""
    stream: BotStream | None = None
    ring_s: int = 30  # of each leg (TimeOut)
    limit_s: int = TIME_LIMIT_S  # KX-21
    wait_url: str = ""
    playback_url: str = ""
    playback_to: Literal["callee", "both"] = "callee"
    records: bool = False
    channels: Literal["mono", "stereo"] = "mono"
    custom_field: str = ""
    callback: StatusCallback | None = None
    amd: AnswerMode = "off"
    warnings: tuple[str, ...] = ()


def read_connect(
    form: Form, *, is_strict: bool = False, web_stream: WebStream = "reject"
) -> ConnectRequest:
    """Return what a form asks for; ApiError 400 naming the parameter that is wrong (CC-30)."""
    warnings: list[str] = []
    from_number = _party(form, "From", takes_sip=True)
    caller_id = own_number_of(form, "CallerId")
    mode = _mode(form, warnings, is_strict=is_strict)
    to_number = _party(form, "To", takes_sip=False) if mode == "numbers" else ""
    form.word("CallType", {"trans": "", "promo": ""}, "")
    form.word("RecordingFormat", {"mp3": "", "mp3-hq": ""}, "")
    return ConnectRequest(
        mode=mode,
        from_number=from_number,
        caller_id=caller_id,
        to_number=to_number,
        flow_url=form.text("Url", URL_CHARS) if mode == "flow" else "",
        stream=_stream(form, web_stream),
        ring_s=form.whole("TimeOut", 1, RING_LIMIT_S) or 30,
        limit_s=form.whole("TimeLimit", 1, TIME_LIMIT_S) or TIME_LIMIT_S,
        wait_url=web_url(form, "WaitUrl"),
        playback_url=web_url(form, "StartPlaybackValueNew"),
        playback_to="both" if _plays_to_both(form) else "callee",
        records=form.flag("Record"),
        channels="stereo" if form.word("RecordingChannels", _CHANNELS, "") == "stereo" else "mono",
        custom_field=_custom_field(form, warnings, is_strict=is_strict),
        callback=_callback(form, warnings),
        amd=_amd(form),
        warnings=tuple(warnings),
    )


def stream_url(form: Form, web_stream: WebStream = "reject") -> str:
    """Return a bot's address, "" when none is given; ApiError when no stream can go there.

    An http(s) address is refused, taken as one of a WebSocket, or as that of a resolver (AS-19).
    """
    url = form.text("StreamUrl", STREAM_URL_CHARS)
    if not url or web_stream == "reject" or not url.lower().startswith(("http://", "https://")):
        return _checked(url, "StreamUrl", ("ws", "wss")) if url else ""
    url = _checked(url, "StreamUrl", ("http", "https"))
    return url if web_stream == "resolve" else "ws" + url[len("http") :]


def web_url(form: Form, name: str) -> str:
    """Return the URL of a server or a sound, "" when none is given."""
    url = form.text(name, URL_CHARS)
    return _checked(url, name, ("http", "https")) if url else ""


def party(text: str, name: str, *, takes_sip: bool) -> str:
    """Return a number or a SIP address as it was written."""
    is_sip = text.lower().startswith(("sip:", "sips:"))
    if is_sip and not takes_sip:
        refuse(name, "is a phone number; SIP addresses are taken in From only")
    if not is_dialable(text) or (is_sip and "@" not in text):
        refuse(name, f"is neither a phone number nor a SIP address: {text[:40]!r}")
    return text


def own_number_of(form: Form, name: str) -> str:
    """Return the number to be shown as it was written; whose it is, is another question."""
    text = form.required(name, NUMBER_CHARS)
    if not caller_id_of(text):
        refuse(name, f"is no number: {text[:40]!r}")
    return text


def _party(form: Form, name: str, *, takes_sip: bool) -> str:
    return party(form.required(name, NUMBER_CHARS), name, takes_sip=takes_sip)


def _mode(form: Form, warnings: list[str], *, is_strict: bool) -> Mode:
    kind = form.text("StreamType").lower()
    if "Url" in form:
        if "StreamUrl" in form:  # CC-24
            raise ApiError(400, "Url and StreamUrl exclude each other: give one of them")
        if "To" in form:
            warnings.append("To is ignored, as Url says what happens after the answer")  # CC-26
        return "flow"
    if "StreamUrl" not in form:
        if "To" not in form:
            raise ApiError(400, "To, Url or StreamUrl is missing: one says what the call is for")
        return "numbers"
    if "To" in form and kind != _BIDIRECTIONAL:
        return "numbers"  # CC-25
    if kind != _BIDIRECTIONAL and (kind or is_strict):  # CC-27
        refuse("StreamType", f"is {_BIDIRECTIONAL} where there is no To")
    if "To" in form:
        warnings.append("To is ignored, as the bot is whom From talks with")
    return "bot"


def _stream(form: Form, web_stream: WebStream) -> BotStream | None:
    url = stream_url(form, web_stream)
    if not url:
        return None
    begin = form.word("StreamBegin", _BEGIN, "first")
    return BotStream(
        url=url,
        name=form.text("StreamName", STREAM_NAME_CHARS),
        begin="second" if begin == "second" else "first",
    )


def _amd(form: Form) -> AnswerMode:
    return AMD[form.word("MachineDetection", {mode: mode for mode in AMD}, "off")]


def _plays_to_both(form: Form) -> bool:
    words = {"callee": "callee", "both": "both"}
    return form.word("StartPlaybackToNew", words, "callee") == "both"


def _custom_field(form: Form, warnings: list[str], *, is_strict: bool) -> str:
    if is_strict:
        return form.text("CustomField", CUSTOM_FIELD_CHARS)
    text = form.text("CustomField")
    if len(text) > CUSTOM_FIELD_CHARS:  # CC-31
        warnings.append(f"CustomField is cut after {CUSTOM_FIELD_CHARS} of {len(text)} characters")
    return text[:CUSTOM_FIELD_CHARS]


def _callback(form: Form, warnings: list[str]) -> StatusCallback | None:
    url = web_url(form, "StatusCallback")
    events: set[CallbackEvent] = set()
    for name in form.texts("StatusCallbackEvents", len(EVENTS)):
        if name.lower() not in EVENTS:
            refuse("StatusCallbackEvents", f"are some of {', '.join(EVENTS)}, not {name[:40]!r}")
        events |= set(EVENTS[name.lower()])
    kinds = {"multipart/form-data": "form", "application/json": "json"}
    is_json = form.word("StatusCallbackContentType", kinds, "form") == "json"
    if events and not url:
        warnings.append("StatusCallbackEvents are ignored, as there is no StatusCallback")
    return StatusCallback(url, frozenset(events), is_json) if url else None


def _checked(url: str, name: str, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # looked at only now
    except ValueError:
        refuse(name, "cannot be read: see its host and port")
    if parts.scheme not in schemes:
        refuse(name, f"begins with {schemes[0]}:// or {schemes[1]}://")
    if not parts.hostname or any(character <= " " or character == "\x7f" for character in url):
        refuse(name, "has no host, or a blank in it")
    return parts.scheme + url[len(parts.scheme) :]  # urlsplit has made it lower case
