"""What a call does when no published flow says it: two numbers are connected, or a bot talks."""

from agentstream.api.errors import ApiError
from agentstream.api.v1.connect_request import ConnectRequest
from agentstream.base.errors import CommandError
from agentstream.flows.direct import DirectBot, TwoNumbers, bot, two_numbers
from agentstream.flows.document import FlowDocument


def document_of(request: ConnectRequest, second: str, caller_id: str) -> FlowDocument:
    """Return the flow of a call without one of its own; ApiError 400 for what cannot be."""
    try:
        if request.mode == "bot":
            return bot(_bot(request))
        return two_numbers(_two_numbers(request, second, caller_id))
    except CommandError as error:
        raise ApiError(400, str(error)) from error


def _bot(request: ConnectRequest) -> DirectBot:
    assert request.stream is not None
    return DirectBot(url=request.stream.url, name=request.stream.name)


def _two_numbers(request: ConnectRequest, second: str, caller_id: str) -> TwoNumbers:
    fork = request.stream
    return TwoNumbers(
        second=second,
        caller_id=caller_id,
        ring_seconds=request.ring_s,
        wait_url=request.wait_url,
        whisper_url=request.playback_url,
        whisper_to=request.playback_to,
        record=request.records,
        recording_channels=request.channels,
        stream_url=fork.url if fork else "",
        stream_name=fork.name if fork else "",
        stream_begin=fork.begin if fork else "first",
    )
