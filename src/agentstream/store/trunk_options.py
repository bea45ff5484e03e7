"""What the settings of a trunk mean (TR-70 to TR-72): texts in rows, values for the switch.

`check` says what is wrong with one setting before it is stored; `options_of` reads what is stored,
and takes the default for what it cannot read: a call must not fail for a row of another release.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Final, Literal, get_args

from agentstream.base.values import dataclass
from agentstream.store.trunks import TrunkSetting

SrtpMode = Literal["disabled", "allowed", "required"]  # SIP-42
ReferMode = Literal["deny", "allow", "allow_pstn"]  # SIP-61
DtmfMode = Literal["rfc4733", "info", "auto"]
AuthMode = Literal["all", "any"]  # SIP-30: of an ACL and credentials
TransportChoice = Literal["", "udp", "tcp", "tls", "ws", "wss"]  # RFC 7118

VALUE_LIMIT: Final = 1_024  # characters of one value
HEADER_LIMIT: Final = 16  # headers of a map
LOGIN_LIMIT: Final = 128  # characters of a user or a password
_LOGIN: Final = re.compile(rf"[\x20-\x7e]{{1,{LOGIN_LIMIT}}}", re.ASCII)
PREFIX: Final = "as_"
ALIAS: Final = "trunk_external_alias"
PASSWORD: Final = "as_destination_password"  # noqa: S105  (a setting's name)
SECRETS: Final = frozenset({PASSWORD})  # sealed in rows, and shown to nobody
MASK: Final = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkOptions:
    """Every setting of a trunk, by default or as set."""

    external_alias: str = ""  # TR-71: the caller id of calls to the telephone network
    transport: TransportChoice = ""  # of destinations that name none
    srtp: SrtpMode = "allowed"  # keys are offered over TLS alone (SIP-43)
    codecs: tuple[str, ...] = ()  # in order of preference; empty: the house's
    dtmf: DtmfMode = "auto"
    refer: ReferMode = "deny"
    options_interval_s: int = 0  # 0: no OPTIONS of ours (SIP-51)
    session_timer_s: int = (
        0  # that we ask for, 90 or more (RFC 4028 §4); 0: only the peer's (SIP-50)
    )
    header_map: tuple[tuple[str, str], ...] = ()  # header, template (SIP-15)
    preset: str = ""
    cps: int = 0  # calls per second from the trunk; 0: no limit
    calls_per_minute: int = 0  # from the trunk (TR-83); 0: as the operator says
    max_calls: int = 0  # at once, both ways; 0: no limit
    daily_minutes: int = 0  # of a day in UTC; 0: as the operator says
    ring_timeout_s: int = 0  # 0: as the applet says
    failover_timeout_ms: int = 4_000  # a destination that does not answer at all (SIP-17)
    auth_mode: AuthMode = "all"
    registration_enabled: bool = False  # its users may register with us (SIP-37)
    destination_user: str = ""  # logs in where a destination asks for it (PN-2)
    destination_password: str = field(default="", repr=False)


def check(name: str, value: str) -> str:
    """Return why this setting cannot be stored, "" when it can."""
    if not name or len(name) > 64:
        return "name is 1 to 64 characters"
    if len(value) > VALUE_LIMIT:
        return f"value is at most {VALUE_LIMIT} characters"
    if name == ALIAS:
        return "" if _is_number(value) else f"{ALIAS} is a number with + and 8 to 15 digits"
    reader = _READERS.get(name)
    if reader is None:
        known = ", ".join((ALIAS, *sorted(_READERS)))
        return f"there is no setting {name[:64]!r}; there are: {known}"
    try:
        reader[1](value)
    except ValueError as error:
        return f"{name}: {error}"
    return ""


def shown(name: str, value: str) -> str:
    """Return a setting's value as anybody may see it."""
    return MASK if name in SECRETS and value else value


def options_of(settings: Iterable[TrunkSetting | tuple[str, str]]) -> TrunkOptions:
    """Return what these settings mean together."""
    values: dict[str, object] = {}
    for one in settings:
        name, value = one if isinstance(one, tuple) else (one.name, one.value)
        if name == ALIAS:
            values["external_alias"] = value
            continue
        known = _READERS.get(name)
        if known is None:
            continue
        try:
            values[known[0]] = known[1](value)
        except ValueError:
            continue
    return TrunkOptions(**values)  # type: ignore[arg-type]  # each reader makes its field's kind


def _is_number(text: str) -> bool:
    digits = text.removeprefix("+")
    return text.startswith("+") and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15


def _one_of(choices: tuple[str, ...]) -> Callable[[str], object]:
    def read(text: str) -> object:
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(name or 'nothing' for name in choices)}")
        return text.lower()

    return read


def _yes_or_no(text: str) -> object:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _login(text: str) -> object:
    if not _LOGIN.fullmatch(text):
        raise ValueError(f"1 to {LOGIN_LIMIT} printable ASCII characters")
    return text


def _secret(text: str) -> object:
    if text == MASK:
        raise ValueError("what is shown instead of it is none")
    return _login(text)


def _whole(low: int, high: int) -> Callable[[str], object]:
    def read(text: str) -> object:
        if not (text.isascii() and text.isdigit()) or not low <= int(text[:9]) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _zero_or(low: int, high: int) -> Callable[[str], object]:
    def read(text: str) -> object:
        number = int(text[:9]) if text.isascii() and text.isdigit() else -1
        if number and not low <= number <= high:
            raise ValueError(f"0, or a whole number from {low} to {high}")
        return number

    return read


CODECS: Final = ("PCMU", "PCMA", "G722", "OPUS")


def _codecs(text: str) -> object:
    names = tuple(part.strip().upper() for part in text.split(",") if part.strip())
    if not names or any(name not in CODECS for name in names) or len(set(names)) < len(names):
        raise ValueError(f"names with commas between, each once, of {', '.join(CODECS)}")
    return names


def _header_map(text: str) -> object:
    """Read "X-CALL-ID={call_sid}, X-CALLER-ID={caller}"."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    found = tuple((name.strip(), value.strip()) for name, _, value in pairs)
    if len(found) > HEADER_LIMIT:
        raise ValueError(f"at most {HEADER_LIMIT} headers")
    for name, value in found:
        if not name.lower().startswith("x-") or not value.isprintable() or not value:
            raise ValueError("X-NAME={variable} with commas between")
    return found


_READERS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "as_transport": ("transport", _one_of(get_args(TransportChoice))),
    "as_srtp": ("srtp", _one_of(get_args(SrtpMode))),
    "as_codecs": ("codecs", _codecs),
    "as_dtmf": ("dtmf", _one_of(get_args(DtmfMode))),
    "as_refer": ("refer", _one_of(get_args(ReferMode))),
    "as_options_interval": ("options_interval_s", _whole(0, 3_600)),
    "as_session_timer": ("session_timer_s", _zero_or(90, 86_400)),
    "as_header_map": ("header_map", _header_map),
    "as_preset": ("preset", str),
    "as_cps": ("cps", _whole(0, 10_000)),
    "as_calls_per_minute": ("calls_per_minute", _whole(0, 10_000)),
    "as_max_calls": ("max_calls", _whole(0, 100_000)),
    "as_daily_minutes": ("daily_minutes", _whole(0, 1_000_000)),
    "as_ring_timeout": ("ring_timeout_s", _whole(0, 600)),
    "as_failover_timeout": ("failover_timeout_ms", _whole(100, 32_000)),
    "as_auth_mode": ("auth_mode", _one_of(get_args(AuthMode))),
    "as_destination_user": ("destination_user", _login),
    PASSWORD: ("destination_password", _secret),
    "as_registration_enabled": ("registration_enabled", _yes_or_no),
}
