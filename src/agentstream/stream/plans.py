"""From an order, an address and a profile to the plan of one socket."""

from typing import Final

from agentstream.stream.address import BotAddress
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import SocketPlan, StreamOrder
from agentstream.stream.profile import WireProfile

# "strict" stands for the hosted size limit (CX-7): 102400 bytes as base64, and the envelope.
STRICT_MESSAGE_BYTES: Final = 102_400 * 4 // 3 + 1_024


def plan_socket(order: StreamOrder, bot: BotAddress, profile: WireProfile) -> SocketPlan:
    """Lay out headers, templates and opening: `connected`, then `start` (ST-34)."""
    rate_hz = bot.rate_hz if order.encoding == "pcm16" else 8000  # AS-144
    is_strict = profile.chunk_policy == "strict"
    headers = [("User-Agent", profile.user_agent)]
    if bot.authorization is not None:
        headers.insert(0, ("Authorization", bot.authorization))
    return SocketPlan(
        stream_sid=order.stream_sid,
        secure=bot.secure,
        server_name=bot.host,
        host_header=bot.host_header,
        target=bot.target,
        headers=tuple(headers),
        rate_hz=rate_hz,
        encoding=order.encoding,
        frame_ms=bot.frame_ms or profile.frame_ms,
        two_way=order.two_way,
        opening=(
            exotel.write_connected(),
            exotel.write_start(order, bot.custom_parameters, rate_hz, profile),
        ),
        media_template=exotel.write_media_template(order, profile),
        mark_template=exotel.write_mark_template(order, profile),
        connect_timeout_ms=profile.connect_timeout_ms,
        max_message_bytes=(
            min(profile.max_message_bytes, STRICT_MESSAGE_BYTES)
            if is_strict
            else profile.max_message_bytes
        ),
        buffer_ms=profile.buffer_seconds * 1000,
        marks_on_clear=profile.marks_on_clear,
        ping_interval_ms=profile.ping_interval_ms,
        pong_timeout_ms=profile.pong_timeout_ms,
        verify_tls=profile.verify_tls,
        ca_file=profile.ca_file,
    )
