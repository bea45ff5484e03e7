"""From an order, an address and a profile to the plan of one socket."""

from typing import Final

from agentstream.stream.address import BotAddress
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import Audio, Resume, SocketPlan, StreamOrder
from agentstream.stream.profile import WireProfile

# "strict" stands for the hosted size limit (CX-7): 102400 bytes as base64, and the envelope.
STRICT_MESSAGE_BYTES: Final = 102_400 * 4 // 3 + 1_024

CUSTOM_FIELD_LIMIT: Final = 1_024  # characters that reach the bot (OP-5)


def plan_socket(
    order: StreamOrder,
    bot: BotAddress,
    profile: WireProfile,
    *,
    holds_opening: bool = False,
    resume: Resume | None = None,
) -> SocketPlan:
    """Lay out headers, templates and opening: `connected`, then `start` (ST-34).

    The opening may be held until the call is there (OP-6), or `resume` what broke off (OP-10).
    """
    audio = audio_of(order, bot, profile)
    parameters = _parameters(order, bot, profile)
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
        rate_hz=audio.rate_hz,
        encoding=audio.encoding,
        frame_ms=bot.frame_ms or profile.frame_ms,
        track=audio.track,
        two_way=order.two_way,
        holds_opening=holds_opening,
        opening=(
            exotel.write_connected(parameters, profile),
            exotel.write_start(order, parameters, audio, profile, resume),
        ),
        media_template=exotel.write_media_template(order, audio, profile),
        mark_template=exotel.write_mark_template(order, profile),
        connect_timeout_ms=profile.connect_timeout_ms,
        max_message_bytes=(
            min(profile.max_message_bytes, STRICT_MESSAGE_BYTES)
            if profile.chunk_policy == "strict"
            else profile.max_message_bytes
        ),
        rejects_other_sids=profile.reject_wrong_stream_sid,
        hides_keys=profile.dtmf_handling == "hide" and order.two_way,
        buffer_ms=profile.buffer_seconds * 1000,
        marks_on_clear=profile.marks_on_clear,
        ping_interval_ms=profile.ping_interval_ms,
        pong_timeout_ms=profile.pong_timeout_ms,
        verify_tls=profile.verify_tls,
        ca_file=profile.ca_file,
    )


def audio_of(order: StreamOrder, bot: BotAddress, profile: WireProfile) -> Audio:
    """Choose format and track: a setting by its name, else what address and order ask for.

    µ-law and A-law are always 8000 Hz (AS-144); a format that is set overrules the rate of the
    address (BX-1).
    """
    track = order.track if profile.track == "auto" else profile.track
    # Two tracks in one stream cannot be told apart without their names.
    shown = profile.track != "auto" or track == "both"
    kind, _, rate = profile.media_format.partition(";rate=")
    if kind == "audio/L16":
        return Audio("pcm16", int(rate), track, shown)
    if kind == "audio/x-alaw":
        return Audio("alaw", 8000, track, shown)
    if kind == "audio/x-mulaw" or order.encoding == "mulaw":
        return Audio("mulaw", 8000, track, shown)
    return Audio("pcm16", bot.rate_hz, track, shown)


def overruled(bot: BotAddress, audio: Audio) -> list[str]:
    """Say when a format leaves the rate of the address aside."""
    if bot.rate_hz in (8000, audio.rate_hz):
        return []
    kind = f"{audio.law} at {audio.rate_hz} Hz"
    return [f"the stream is {kind}: sample-rate={bot.rate_hz} is left aside"]


def _parameters(
    order: StreamOrder, bot: BotAddress, profile: WireProfile
) -> tuple[tuple[str, str], ...]:
    """Add the call's CustomField, unless the address has something under its key (OP-5)."""
    key = profile.custom_field_parameter
    if not key or not order.custom_field:
        return bot.custom_parameters
    field = order.custom_field[:CUSTOM_FIELD_LIMIT]
    return tuple(({key: field} | dict(bot.custom_parameters)).items())
