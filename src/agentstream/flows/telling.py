"""What a Passthru sends, in each of its styles (PT-40), with the words of each (CX-15, CX-16)."""

import json
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final, Literal, assert_never
from urllib.parse import urlencode

from agentstream.base.values import dataclass
from agentstream.calls.commands import HttpRequest
from agentstream.flows.context import DIRECTIONS, Context, Parameters, Wording

Style = Literal["get", "post_form", "post_json_before", "post_lowercase_after"]
StreamEncoding = Literal["brackets", "json"]

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
BRACKETS: Final = ("Stream[", "]")

# CX-16: what the lower-case style calls those who end a stream.
_ENDED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {"user": "caller", "bot": "bot", "NA": "system", "": ""}
)


@dataclass(frozen=True, slots=True)
class Telling:
    """How a Passthru speaks."""

    url: str
    style: Style = "get"
    stream_encoding: StreamEncoding = "brackets"
    wording: Wording = field(default_factory=Wording)

    def request(self, context: Context, now_ms: int) -> HttpRequest:
        """Return the request, without its times; a redirect is an answer (PT-3)."""
        url = context.url(self.url, now_ms)
        match self.style:
            case "get":
                return HttpRequest(url, query=self._parameters(context, now_ms))
            case "post_form":
                form = urlencode(self._parameters(context, now_ms))
                return HttpRequest(url, "POST", body=form, content_type=FORM)
            case "post_json_before":
                body = json.dumps(announcement(context, now_ms), ensure_ascii=False)
                return HttpRequest(url, "POST", body=body, content_type=JSON)
            case "post_lowercase_after":
                form = urlencode(lower_case(context, now_ms))
                return HttpRequest(url, "POST", body=form, content_type=FORM)
            case _:
                assert_never(self.style)

    def _parameters(self, context: Context, now_ms: int) -> Parameters:
        stream = context.stream_parameters()
        if stream and self.stream_encoding == "json":  # PT-21
            value = {"RecordingUrl": "", **unbracketed(stream)}
            stream = (("Stream", json.dumps(value, ensure_ascii=False)),)
        return context.parameters(now_ms, self.wording) + stream


def announcement(context: Context, now_ms: int) -> dict[str, str]:
    """Return what is told of a stream before it begins (PT-30, PT-31)."""
    setup = context.setup
    return {
        "CallSid": setup.call_sid,
        "StreamSid": context.coming_stream_sid,
        "StreamUrl": context.coming_url(now_ms),
        "AccountSid": setup.account_sid,
        "EventType": "stream-start",
        "From": context.numbers.show(setup.from_number),
        "To": context.numbers.show(setup.to_number),
        "Direction": DIRECTIONS["inbound"][setup.direction == "outbound"],
    }


def lower_case(context: Context, now_ms: int) -> Parameters:
    """Return what is told of a stream after it has ended, in small letters (PT-32)."""
    call = dict(context.parameters(now_ms))
    stream = unbracketed(context.stream_parameters())
    parties = context.dial.parties if context.dial else ()
    legs = [
        {
            "number": context.numbers.show(one.number),
            "status": one.status,
            "oncallduration": one.talk_s,
        }
        for one in parties
    ]
    return (
        ("callsid", context.setup.call_sid),
        ("streamsid", stream.get("StreamSID", "")),
        ("streamurl", stream.get("StreamUrl", "")),
        ("status", stream.get("Status", "")),
        ("duration", stream.get("Duration", "")),
        ("recordingurl", stream.get("RecordingUrl", "") or context.recording_url),
        ("error", stream.get("Error", "")),
        ("disposition", context.call_type),
        ("disconnectedby", _ENDED_BY[stream.get("DisconnectedBy", "")]),
        ("detailedstatus", stream.get("DetailedStatus", "")),
        ("legs", json.dumps(legs, ensure_ascii=False) if legs else ""),
        ("dialcallstatus", call.get("DialCallStatus", "")),
        ("dialwhomnumber", call["DialWhomNumber"]),
    )


def unbracketed(stream: Parameters) -> dict[str, str]:
    """Return a stream's parameters by their plain names."""
    before, after = BRACKETS
    return {name.removeprefix(before).removesuffix(after): value for name, value in stream}
