"""A bot's settings: what the documents leave open or contradict, and which reading is sent.

Defaults follow the newest documents, but `media_format` looks as it was captured on the wire.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final, Literal, get_args, get_type_hints

from agentstream.base.errors import ConfigError
from agentstream.base.phone import NumberForm
from agentstream.base.values import dataclass, replace

FRAMES_MS: Final = (20, 40, 60, 100)  # AS-80
FrameMs = Literal[20, 40, 60, 100]
MediaFormat = Literal[  # BX-1; L16 is little-endian here, as all PCM on this wire (AS-140)
    "auto",
    "audio/x-mulaw;rate=8000",
    "audio/x-alaw;rate=8000",
    "audio/L16;rate=8000",
    "audio/L16;rate=16000",
    "audio/L16;rate=24000",
]


@dataclass(frozen=True, slots=True)
class WireProfile:
    """Settings of one bot, or of all. `from_mapping` reads them from a configuration."""

    # What messages look like.
    numbers_as: Literal["string", "number"] = "string"  # CX-1, CX-2
    media_format_profile: Literal["docs", "field"] = "field"  # CX-3
    camel_keys: Literal["off", "top", "full"] = "off"  # CX-5; "full" breaks Pipecat (AS-68)
    number_format: NumberForm = "e164"  # CX-9
    country_code: str = "91"
    # AS-70: who is `from` in a call that was placed; the other one is `to`.
    placed_from: Literal["customer", "number"] = "customer"
    always_send_custom_parameters: bool = False  # AS-28
    marks_carry_played_ms: bool = False  # our extension: how much the line has heard
    marks_carry_cleared: bool = False  # our extension: `cleared` on marks that were not heard
    acknowledge_clear: bool = False  # our extension: `cleared` answers `clear` (OP-7)
    custom_parameters_in: Literal["start", "connected"] = "start"  # BX-3, CX-11
    # Audio.
    media_format: MediaFormat = "auto"  # BX-1, CX-4; auto: by the address and the kind of stream
    track: Literal["auto", "inbound", "outbound", "mixed", "both"] = "auto"  # BX-2
    frame_ms: FrameMs = 100  # AS-80, CX-10
    chunk_policy: Literal["lenient", "warn", "strict"] = "warn"  # AS-156
    marks_on_clear: Literal["echo", "drop"] = "echo"  # AS-128
    buffer_seconds: int = 600  # AS-125
    max_message_bytes: int = 1_048_576  # AS-155
    max_mark_chars: int = 0  # AS-117; 0: no limit of ours
    reject_wrong_stream_sid: bool = False  # AS-114
    # What a bot may ask for, and is told of the caller.
    control_events: bool = False  # OP-1
    hangup_wait_ms: int = 30_000  # how long a hang-up waits for what is queued
    silence_timeout_ms: int = 0  # BX-4; 0: nobody listens for silence
    silence_action: Literal["notify", "hangup"] = "notify"
    dtmf_handling: Literal["stream", "suppress", "hide", "passthrough"] = "stream"  # BX-5
    # Custom parameters.
    custom_parameters: str = ""  # "k=v,k=v", beside those of the address (BX-3, CX-12)
    custom_field_parameter: str = ""  # the key under which the call's CustomField is sent (OP-5)
    max_pairs: int = 3  # AS-25
    max_chars: int = 256  # AS-25
    on_violation: Literal["truncate", "reject"] = "truncate"  # AS-27
    # Address.
    stream_url_https: Literal["reject", "rewrite", "resolve"] = "resolve"  # AS-13, AS-19
    mask_stream_url: bool = True  # AS-37
    require_wss: bool = False  # CX-18
    verify_tls: bool = True  # AS-38
    ca_file: str | None = None
    user_agent: str = "AgentStream"
    # Time and endings.
    resolver_timeout_ms: int = 5_000  # AS-17
    connect_timeout_ms: int = 10_000  # AS-45
    connect_retries: int = 1  # AS-46, CX-19
    max_seconds: int = 3_600  # AS-48
    fallback_url: str = ""  # a second ws(s) address, for when the first is not reached (OP-10)
    reconnect_attempts: int = 0  # AS-168, OP-10: how often one stream dials again in its life
    reconnect_delay_ms: int = 500  # before each of them
    hold_audio: str = ""  # a sound file for the caller meanwhile
    drain_on_close_ms: int = 2_000  # ST-33
    close_reply_ms: int = 5_000  # AS-100
    on_bot_stop: Literal["drain", "flush"] = "drain"  # AS-116
    abnormal_close: Literal["failed", "completed"] = "failed"  # ST-32
    ping_interval_ms: int = 20_000  # AS-118; 0: never
    pong_timeout_ms: int = 60_000

    @property
    def echoes_marks(self) -> bool:
        """Whether marks are echoed one by one by us, not by a template of the audio path."""
        return self.marks_carry_cleared or self.max_mark_chars > 0

    @classmethod
    def from_mapping(cls, settings: Mapping[str, object]) -> "WireProfile":
        """Read settings by their names here; `preset` names the set that they change.

        Raises ConfigError that names the setting and what it may be.
        """
        rest = dict(settings)
        preset = rest.pop("preset", "default")
        if not isinstance(preset, str) or preset not in PRESETS:
            raise ConfigError(f"preset: {preset!r} is none of {', '.join(PRESETS)}")
        hints = _hints()
        unknown = sorted(set(rest) - set(hints))
        if unknown:
            raise ConfigError(f"{unknown[0]}: there is no such setting of a bot")
        checked: dict[str, Any] = {
            name: _check(name, value, hints[name]) for name, value in rest.items()
        }
        return replace(PRESETS[preset], **checked)

    def overridden(self, preset: str, texts: Mapping[str, str]) -> "WireProfile":
        """Return this profile, or the preset if one is named, changed by settings given as text.

        Raises ConfigError as `from_mapping` does.
        """
        base = PRESETS.get(preset) if preset else self
        if base is None:
            raise ConfigError(f"preset: {preset!r} is none of {', '.join(PRESETS)}")
        return _changed(base, tuple(texts.items())) if texts else base


PRESETS: Final[dict[str, WireProfile]] = {
    "default": WireProfile(),
    "docs": WireProfile(media_format_profile="docs"),
    "field": WireProfile(number_format="national0"),
}

_LOWEST: Final = {
    "max_seconds": 1,
    "connect_timeout_ms": 1,
    "resolver_timeout_ms": 1,
    "reconnect_delay_ms": 50,  # the audio path has forgotten the old socket by then
}


@cache
def _hints() -> Mapping[str, Any]:
    return get_type_hints(WireProfile)


@lru_cache(maxsize=256)  # every call of a bot asks for the same
def _changed(base: WireProfile, texts: tuple[tuple[str, str], ...]) -> WireProfile:
    hints = _hints()
    values = {name: _read(text, hints.get(name)) for name, text in texts}
    checked = WireProfile.from_mapping(values)
    return replace(base, **{name: getattr(checked, name) for name in values})


def _check(name: str, value: object, kind: Any) -> object:  # noqa: ANN401 - a type, as typing gives it
    choices = get_args(kind)
    if kind == str | None:
        if value is None or isinstance(value, str):
            return value
        raise ConfigError(f"{name}: {value!r} is not a text")
    if choices:
        # `True == 1` in Python, hence the look at the type as well.
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
        raise ConfigError(f"{name}: {value!r} is none of {', '.join(map(str, choices))}")
    if type(value) is not kind:
        raise ConfigError(f"{name}: {value!r} is not {_A[kind]}")
    if isinstance(value, int) and value < _LOWEST.get(name, 0):
        raise ConfigError(f"{name}: {value} is less than {_LOWEST.get(name, 0)}")
    if name == "custom_parameters":
        _check_pairs(str(value))
    return value


def comma_pairs(text: str) -> list[tuple[str, str, str]]:
    """Split "k=v,k=v" into (raw pair, key, value); blanks around them mean nothing (CX-12)."""
    pairs = []
    for raw in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = raw.partition("=")
        pairs.append((raw, key.strip(), value.strip()))
    return pairs


def _check_pairs(text: str) -> None:
    for raw, key, _ in comma_pairs(text):
        if not key or "=" not in raw:
            raise ConfigError(f"custom_parameters: {raw[:40]!r} is not key=value")


def _read(text: str, kind: Any) -> object:  # noqa: ANN401 - a type, as typing gives it
    """Return what a text says if it can say it; else the text, for `_check` to refuse."""
    wanted = {type(choice) for choice in get_args(kind)} or {kind}
    if bool in wanted and text in ("true", "false"):
        return text == "true"
    if int in wanted and text.isascii() and text.isdecimal() and len(text) <= 12:
        return int(text)
    return text


_A: Final = {bool: "true or false", int: "a whole number", str: "a text"}
