"""What a call does when no published flow says it: two numbers are connected, or a bot talks."""

from pydantic import ValidationError

from agentstream.api.errors import ApiError
from agentstream.api.v1.connect_request import ConnectRequest
from agentstream.flows.applet import Settings
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.applets.stream import StreamSettings
from agentstream.flows.document import FlowDocument, direct

LIMIT_MS = 14_400_000


def document_of(request: ConnectRequest, second: str, caller_id: str) -> FlowDocument:
    """Return the flow of a call without one of its own; ApiError 400 for what cannot be."""
    try:
        return _document_of(request, second, caller_id)
    except ValidationError as error:
        raise ApiError(400, str(error.errors()[0]["msg"])) from error


def _document_of(request: ConnectRequest, second: str, caller_id: str) -> FlowDocument:
    if request.mode == "bot":
        assert request.stream is not None
        return direct(request.stream.url)
    connect = ConnectSettings(
        numbers=[second],
        caller_id=caller_id,
        ring_seconds=request.ring_s,
        retries=0,
        record=request.records,
        recording_channels=request.channels,
        music_on_hold=request.wait_url or "operator_tone",
        whisper_audio=request.playback_url or None,
        whisper_to=request.playback_to,
    )
    applets: dict[str, Settings] = {"connect": connect}
    if request.stream is not None:
        url, name = request.stream.url, request.stream.name
        applets["fork"] = StreamSettings(url=url, name=name, next="connect")
    return FlowDocument("two numbers", next(reversed(applets)), LIMIT_MS, applets)
