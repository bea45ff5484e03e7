"""A bot's address, from the URL of an applet, an API call or a resolver's answer."""

import json
import re
from base64 import b64encode
from functools import lru_cache
from typing import Final
from urllib.parse import SplitResult, quote, unquote, unquote_to_bytes, urlsplit

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.stream.profile import FRAMES_MS, WireProfile, comma_pairs

URL_LIMIT: Final = 600  # characters, the query included (AS-11)
RESOLVED_URL_LIMIT: Final = 4_096  # a resolver's answer may carry a signed token
BODY_LIMIT: Final = 65_536  # bytes of a resolver's answer (AS-17)

RATES_HZ: Final = (8000, 16000, 24000)  # AS-141

_RESERVED: Final = {"sample-rate", "sample_rate", "frame-ms"}  # AS-26; the last is ours
_PORTS: Final = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_ASCII: Final = "".join(map(chr, range(33, 127)))
_HOST: Final = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\-]+")


@dataclass(frozen=True, slots=True)
class BotAddress:
    """Where the bot is and what its URL asks for."""

    secure: bool
    host: str  # a name or an IP address, without brackets
    port: int
    host_header: str
    target: str  # path and query exactly as given (AS-20)
    authorization: str | None  # value of the header (AS-35)
    shown_url: str  # for logs, webhooks and the inspector (AS-37)
    rate_hz: int = 8000
    frame_ms: int | None = None
    custom_parameters: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"BotAddress({self.shown_url!r})"


@dataclass(frozen=True, slots=True)
class ResolverAddress:
    """A URL that is asked by GET for the bot's address (AS-13)."""

    url: str
    shown_url: str

    def __repr__(self) -> str:
        return f"ResolverAddress({self.shown_url!r})"


@lru_cache(maxsize=256)  # every call to a bot reads the same
def read_address(url: str, profile: WireProfile) -> BotAddress | ResolverAddress:
    """Read the URL of an applet or of an API call; raises PeerError that says what is wrong."""
    parts = _split(url, URL_LIMIT)
    if parts.scheme in {"http", "https"}:
        if profile.stream_url_https == "resolve":
            return ResolverAddress(url, _shown(parts, profile))
        parts = _rewritten(parts, profile)
    return _bot_address(parts, profile)


def read_resolved(url: str, profile: WireProfile) -> BotAddress:
    """Read the URL that a resolver gave; it must be ws or wss (ST-3). Raises PeerError."""
    parts = _split(url, RESOLVED_URL_LIMIT)
    if parts.scheme in {"http", "https"}:
        parts = _rewritten(parts, profile)
    return _bot_address(parts, profile)


def read_resolver_answer(status: int, content_type: str, body: bytes) -> str:
    """Return the `url` of a resolver's answer; other keys are ignored (AS-15).

    Raises PeerError with a sentence for whoever runs the resolver.
    """
    if status != 200:
        raise PeerError(f"the resolver answered HTTP {status}, not 200")
    if len(body) > BODY_LIMIT:
        raise PeerError(f"the resolver's answer is longer than {BODY_LIMIT} bytes")
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise PeerError(  # AS-18
            f"the resolver answered XML or HTML ({content_type or 'no content type'}); "
            'XML call instructions do not work here, answer JSON like {"url": "wss://..."}'
        )
    try:
        answer = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise PeerError("the resolver's answer is not JSON") from None
    if not isinstance(answer, dict):
        raise PeerError("the resolver's answer is not a JSON object")
    url = answer.get("url")
    if not isinstance(url, str) or not url:
        keys = ", ".join(sorted(map(str, answer))[:8])[:200] or "none"
        raise PeerError(f'the resolver\'s answer has no text under "url"; its keys: {keys}')
    return url


def _split(url: str, limit: int) -> SplitResult:
    if len(url) > limit:
        raise PeerError(f"the stream URL of {len(url)} characters is longer than {limit}")
    if any(character <= " " or character == "\x7f" for character in url):
        raise PeerError("the stream URL contains a blank or a control character")
    try:
        parts = urlsplit(url)
        _ = parts.port  # urlsplit checks the port only now
    except ValueError:  # its text could quote a part of a password
        raise PeerError("the stream URL cannot be read: see its host and port") from None
    if parts.scheme not in _PORTS:
        raise PeerError(
            f"the stream URL begins with {parts.scheme or 'no scheme'!r}, not ws or wss"
        )
    if not parts.hostname or not _HOST.fullmatch(_ascii_host(parts.hostname)):
        raise PeerError("the stream URL has no usable host")
    return parts


def _rewritten(parts: SplitResult, profile: WireProfile) -> SplitResult:
    if profile.stream_url_https != "rewrite":
        raise PeerError(f"a stream URL here must be ws:// or wss://, not {parts.scheme}://")
    return parts._replace(scheme="wss" if parts.scheme == "https" else "ws")


def _bot_address(parts: SplitResult, profile: WireProfile) -> BotAddress:
    if profile.require_wss and parts.scheme != "wss":
        raise PeerError("the stream URL must be wss:// here")
    host = _ascii_host(parts.hostname or "")
    port = parts.port or _PORTS[parts.scheme]
    bracketed = f"[{host}]" if ":" in host else host
    pairs = _pairs(parts.query)
    rate_hz, frame_ms, warnings = _audio_wishes(pairs)
    custom, more = _custom_parameters([*pairs, *comma_pairs(profile.custom_parameters)], profile)
    return BotAddress(
        secure=parts.scheme == "wss",
        host=host,
        port=port,
        host_header=bracketed if port == _PORTS[parts.scheme] else f"{bracketed}:{port}",
        target=quote(_target(parts), safe=_ASCII),
        authorization=_authorization(parts),
        shown_url=_shown(parts, profile),
        rate_hz=rate_hz,
        frame_ms=frame_ms,
        custom_parameters=custom,
        warnings=(*warnings, *more),
    )


def _ascii_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _authorization(parts: SplitResult) -> str | None:
    """RFC 7617, from the URL's own user and password, percent-decoded (AS-35)."""
    if not parts.username and not parts.password:
        return None
    user = unquote_to_bytes(parts.username or "")
    password = unquote_to_bytes(parts.password or "")
    return "Basic " + b64encode(user + b":" + password).decode("ascii")


def _shown(parts: SplitResult, profile: WireProfile) -> str:
    credentials, at, place = parts.netloc.rpartition("@")
    if at and profile.mask_stream_url:
        credentials = "***"
    return parts._replace(netloc=credentials + at + place, fragment="").geturl()


def _pairs(query: str) -> list[tuple[str, str, str]]:
    """Split a query into (raw pair, key, value), decoded like a form."""
    pairs = []
    for raw in filter(None, query.split("&")):
        key, _, value = raw.partition("=")
        pairs.append((raw, unquote(key.replace("+", " ")), unquote(value.replace("+", " "))))
    return pairs


def _audio_wishes(pairs: list[tuple[str, str, str]]) -> tuple[int, int | None, list[str]]:
    """Read sample-rate (AS-141; the hyphen wins, CX-6) and frame-ms; nonsense counts as absent."""
    wishes = {key: value for _, key, value in pairs if key in _RESERVED}
    warnings = []
    rate_hz, frame_ms = RATES_HZ[0], None
    rate = wishes.get("sample-rate", wishes.get("sample_rate"))
    if rate is not None and rate not in map(str, RATES_HZ):
        warnings.append(f"sample-rate={rate[:20]} is none of 8000, 16000, 24000: 8000 is used")
    elif rate is not None:
        rate_hz = int(rate)
    frame = wishes.get("frame-ms")
    if frame is not None and frame not in map(str, FRAMES_MS):
        warnings.append(f"frame-ms={frame[:20]} is none of 20, 40, 60, 100: it is left out")
    elif frame is not None:
        frame_ms = int(frame)
    return rate_hz, frame_ms, warnings


def _custom_parameters(
    pairs: list[tuple[str, str, str]], profile: WireProfile
) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Keep the first pairs within the limits (AS-25, AS-27); of one key the last value counts.

    Those of the address come first, then those of the setting (BX-3).
    """
    own = [pair for pair in pairs if pair[1] not in _RESERVED]
    kept: dict[str, str] = {}
    chars = -1  # no separator before the first pair
    count = 0
    for raw, key, value in own:
        chars += 1 + len(raw)
        if count == profile.max_pairs or chars > profile.max_chars:
            break
        count += 1
        kept[key] = value
    if count == len(own):
        return tuple(kept.items()), []
    problem = (
        f"the stream has {len(own)} custom parameters; at most {profile.max_pairs} pairs "
        f"and {profile.max_chars} characters are allowed"
    )
    if profile.on_violation == "reject":
        raise PeerError(problem)
    return tuple(kept.items()), [f"{problem}: {len(own) - count} were left out"]
