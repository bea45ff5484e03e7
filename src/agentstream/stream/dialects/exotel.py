r"""The AgentStream wire: JSON objects in text frames, letter by letter as existing bots read them.

    to the bot     connected  start  media*  dtmf*  mark*  stop
    from the bot   media  mark  clear  (stop)

Keys are snake case. Media, marks and sequence numbers are filled in by the audio path: what is
written here are templates (see `agentstream.stream.messages`). User text goes through `json.dumps`,
which escapes control characters, so nobody can smuggle in a placeholder.
"""

import json
from typing import Final

from agentstream.base.phone import NumberStyle
from agentstream.stream.dialects.controls import ack_body, read_ask
from agentstream.stream.messages import (
    CHUNK,
    MARK_NAME,
    PAYLOAD,
    PLAYED_MS,
    SEQ,
    TIMESTAMP_MS,
    TRACK,
    AskId,
    Audio,
    BotText,
    ControlEvent,
    Echoed,
    Malformed,
    Resume,
    Said,
    StopAsked,
    StopReason,
    StreamOrder,
    Unknown,
)
from agentstream.stream.profile import WireProfile

_DEFAULT: Final = WireProfile()

# Events of ours that bots send back (AS-115), and `start`, which one connector sends (CL-9).
_OURS: Final = {"connected", "start", "dtmf", "mark", "clear"}
CONTROLS: Final[dict[str, ControlEvent]] = {
    "hangup": "hangup",
    "transfer": "transfer",
    "send_dtmf": "send_dtmf",
    "set_rate": "set_rate",
}
_NEEDS: Final = {"media": "media.payload, a text", "mark": "mark.name, a text"}


def write_connected(
    custom_parameters: tuple[tuple[str, str], ...] = (), profile: WireProfile = _DEFAULT
) -> str:
    """Write the first message; it carries nothing else (AS-61, CX-17) unless set so (BX-3)."""
    if profile.custom_parameters_in == "start":
        return '{"event":"connected"}'
    message: dict[str, object] = {"event": "connected"}
    return _json(message | _parameters(custom_parameters, profile))


def write_start(
    order: StreamOrder,
    custom_parameters: tuple[tuple[str, str], ...],
    audio: Audio,
    profile: WireProfile,
    resume: Resume | None = None,
) -> str:
    """Write the second message (AS-65 to AS-71)."""
    numbers = NumberStyle(profile.number_format, profile.country_code)
    start: dict[str, object] = {
        "stream_sid": order.stream_sid,
        "call_sid": order.call_sid,
        "account_sid": order.account_sid,
        "from": numbers.show(order.from_number),
        "to": numbers.show(order.to_number),
    }
    if profile.custom_parameters_in == "start":
        start |= _parameters(custom_parameters, profile)
    start["media_format"] = _media_format(audio, profile)
    if profile.reconnect_attempts:  # OP-10
        start["resume_token"] = order.stream_sid
    if resume is not None:
        start |= {"resumed": True, "played_ms": str(resume.played_ms)}
    if profile.camel_keys == "full":
        start |= _camel(start)
    return _message("start", order, profile, ',"start":' + _json(start))


def write_media_template(order: StreamOrder, audio: Audio, profile: WireProfile) -> str:
    """Write `media` (AS-75 to AS-79); `timestamp` is a text in every variant (CX-2)."""
    chunk, track = _number(CHUNK, profile), ""
    if audio.shows_track:  # BX-2; only the audio path knows which of both it is
        track = f'"track":"{TRACK if audio.track == "both" else audio.track}",'
    body = f'{{{track}"chunk":{chunk},"timestamp":"{TIMESTAMP_MS}","payload":"{PAYLOAD}"}}'
    return _message("media", order, profile, f',"media":{body}')


def write_mark_template(order: StreamOrder, profile: WireProfile) -> str:
    """Write the echo of a mark (AS-95); empty when each is written by `write_mark`."""
    if profile.echoes_marks:
        return ""
    played = f',"played_ms":"{PLAYED_MS}"' if profile.marks_carry_played_ms else ""
    return _message("mark", order, profile, f',"mark":{{"name":"{MARK_NAME}"{played}}}')


def write_mark(
    order: StreamOrder, profile: WireProfile, name: str, played_ms: int, *, cleared: bool
) -> str:
    """Write the echo of one mark, by setting with what became of its audio (OP-7, AS-128)."""
    body: dict[str, object] = {"name": name}
    if profile.marks_carry_played_ms:
        body["played_ms"] = str(played_ms)
    if profile.marks_carry_cleared and cleared:
        body["cleared"] = True
    return _message("mark", order, profile, f',"mark":{_json(body)}')


def write_cleared(order: StreamOrder, profile: WireProfile, played_ms: int, dropped_ms: int) -> str:
    """Write the answer to a clear: what the line has heard, and what it will not (OP-7)."""
    body = _json({"played_ms": str(played_ms), "dropped_ms": str(dropped_ms)})
    return _message("cleared", order, profile, f',"cleared":{body}')


def write_ack(
    order: StreamOrder, profile: WireProfile, event: ControlEvent, ask_id: AskId, refusal: str
) -> str:
    """Write the answer to a control event (OP-1); no refusal means accepted."""
    return _message("ack", order, profile, f',"ack":{_json(ack_body(event, ask_id, refusal))}')


def write_silence(order: StreamOrder, profile: WireProfile, silent_ms: int) -> str:
    """Write that the caller has been quiet (BX-4)."""
    body = _json({"duration": str(silent_ms)})
    return _message("silence", order, profile, f',"silence":{body}')


def write_dtmf(order: StreamOrder, profile: WireProfile, digit: str, duration_ms: int) -> str:
    """Write one key press, always nested (AS-90, CX-20)."""
    body = _json({"digit": digit, "duration": str(duration_ms)})
    return _message("dtmf", order, profile, f',"dtmf":{body}')


def write_stop(order: StreamOrder, profile: WireProfile, reason: StopReason) -> str:
    """Write the last message (AS-98)."""
    stop: dict[str, object] = {
        "call_sid": order.call_sid,
        "account_sid": order.account_sid,
        "reason": reason,
    }
    if profile.camel_keys == "full":
        stop |= _camel(stop)
    return _message("stop", order, profile, f',"stop":{_json(stop)}')


def read_text(text: str) -> BotText:
    """Read what the audio path does not know itself; any text gives a value (AS-114 to AS-116)."""
    return read_said(text).text


def read_said(text: str, *, has_controls: bool = False) -> Said:
    """Read a text, and the stream that it names, if any (AS-114).

    Without `has_controls` control events are as unknown as others (OP-1).
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return Said(Malformed("not JSON"))
    if not isinstance(message, dict):
        return Said(Malformed("JSON, but not an object"))
    sid = message.get("stream_sid", message.get("streamSid"))
    return Said(_meaning(message, has_controls), sid if isinstance(sid, str) else None)


def _meaning(message: dict[str, object], has_controls: bool) -> BotText:
    event = next((value for key, value in message.items() if key.lower() == "event"), None)
    if not isinstance(event, str):
        return Malformed('no text under "event"')
    if event == "stop":
        return StopAsked()
    if has_controls and event in CONTROLS:
        return read_ask(CONTROLS[event], message)
    if event in _NEEDS and not _is_echo(event, message):
        return Malformed(f'"{event}" without {_NEEDS[event]}')
    if event in _OURS:
        return Echoed(event)
    return Unknown(event[:64])


def _is_echo(event: str, message: dict[str, object]) -> bool:
    body = message.get(event)
    return event == "mark" and isinstance(body, dict) and isinstance(body.get("name"), str)


def _message(event: str, order: StreamOrder, profile: WireProfile, rest: str) -> str:
    """Write the head that all messages but the first share (AS-60), and the rest."""
    sid, number = _json(order.stream_sid), _number(SEQ, profile)
    camel = ""
    if profile.camel_keys != "off":
        camel = f',"sequenceNumber":{number},"streamSid":{sid}'
    return f'{{"event":"{event}","sequence_number":{number},"stream_sid":{sid}{camel}{rest}}}'


def _number(placeholder: str, profile: WireProfile) -> str:
    return placeholder if profile.numbers_as == "number" else f'"{placeholder}"'


def _parameters(pairs: tuple[tuple[str, str], ...], profile: WireProfile) -> dict[str, object]:
    """Give the key, or none when there is nothing to tell (AS-28)."""
    if not pairs and not profile.always_send_custom_parameters:
        return {}
    return {"custom_parameters": dict(pairs)}


def _media_format(audio: Audio, profile: WireProfile) -> dict[str, object]:
    """Describe the audio, for information only (AS-71, CX-3)."""
    is_pcm = audio.encoding == "pcm16"
    if profile.media_format_profile == "docs":
        companded = f"audio/x-{audio.encoding}"
        encoding, bit_rate = ("audio/x-raw", "16") if is_pcm else (companded, "8")
    else:
        encoding, bit_rate = "base64", f"{audio.bytes_per_ms * 8}kbps"
    return {"encoding": encoding, "sample_rate": str(audio.rate_hz), "bit_rate": bit_rate}


def _camel(values: dict[str, object]) -> dict[str, object]:
    """Give the values that have a two-word key under its camel form (CX-5, CL-5)."""
    return {_camel_key(key): value for key, value in values.items() if "_" in key}


def _camel_key(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(other.title() for other in others)


def _json(value: object) -> str:
    return _COMPACT.encode(value)


# `json.dumps` makes a new one for every text when the separators are not its own.
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"))
