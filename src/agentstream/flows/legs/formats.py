"""How the audio of a stream is asked for: the many spellings of `content_type` (LG-87)."""

from typing import Final

from agentstream.flows.legs.verbs import StreamFormat

_MULAW: Final = frozenset({"audio/x-mulaw", "audio/mulaw", "audio/pcmu", "audio/basic"})
_ALAW: Final = frozenset({"audio/x-alaw", "audio/alaw", "audio/pcma"})
_LINEAR: Final = frozenset({"audio/l16", "audio/x-l16", "audio/raw", "audio/x-raw", "audio/pcm"})
_MULAW_NAMES: Final = frozenset({"mulaw", "ulaw", "x-mulaw", "pcmu"})
_ALAW_NAMES: Final = frozenset({"alaw", "x-alaw", "pcma"})
_LINEAR_NAMES: Final = frozenset({"", "l16", "pcm", "pcm16", "linear16", "raw", "x-raw", "s16le"})
_BY_RATE: Final[dict[str, StreamFormat]] = {
    "8000": "audio/L16;rate=8000",
    "16000": "audio/L16;rate=16000",
    "24000": "audio/L16;rate=24000",
}


def stream_format(content_type: str) -> StreamFormat:
    """Return the format of a content type, "" for none; raises ValueError that says what may be."""
    kind, *rest = (part.strip().lower() for part in content_type.split(";"))
    settings = dict(part.partition("=")[::2] for part in rest if part)
    rate, name = settings.get("rate", "8000"), settings.get("encoding", "")
    if not kind and not rest:
        return ""
    is_raw = kind in _LINEAR
    if (kind in _MULAW or (is_raw and name in _MULAW_NAMES)) and rate == "8000":
        return "audio/x-mulaw;rate=8000"
    if (kind in _ALAW or (is_raw and name in _ALAW_NAMES)) and rate == "8000":
        return "audio/x-alaw;rate=8000"
    if is_raw and name in _LINEAR_NAMES and rate in _BY_RATE:
        return _BY_RATE[rate]
    raise ValueError(
        "must be audio/x-mulaw or audio/x-alaw with rate=8000, or audio/l16 or audio/raw with"
        " rate=8000, 16000 or 24000"
    )
