"""What a Connect adds to the INVITE of a trunk: `a=b&c=d` as X- headers (AP-42, SIP-13, FL-4)."""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl

from agentstream.base.errors import PeerError

HEADERS_LIMIT: Final = 3
HEADERS_LIMIT_BYTES: Final = 200
RESERVED_HEADERS: Final = ("exotel-", "veeno-")

_TOKEN: Final = re.compile(r"[A-Za-z0-9!%*_+`'~-]{1,64}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\u00a0-\U0010ffff]*")


class CustomParamsError(PeerError):
    """The parameters cannot be headers; the text names the rule that they break."""


def headers_of(parameters: str, fill: Callable[[str], str] = str) -> tuple[tuple[str, str], ...]:
    """Return the headers; each name begins with X-. Raises CustomParamsError.

    `fill` is given each value, which may be a template.
    """
    pairs = [(name, fill(value)) for name, value in parse_qsl(parameters, keep_blank_values=True)]
    size = len("&".join(f"{name}={value}" for name, value in pairs).encode())
    if size > HEADERS_LIMIT_BYTES:
        raise CustomParamsError(f"'custom_params' has more than {HEADERS_LIMIT_BYTES} bytes")
    if len(pairs) > HEADERS_LIMIT:
        raise CustomParamsError(f"'custom_params' has more than {HEADERS_LIMIT} headers")
    return tuple(_header(name, value) for name, value in pairs)


def _header(name: str, value: str) -> tuple[str, str]:
    bare = name[2:] if name.lower().startswith("x-") else name
    if bare.lower().startswith(RESERVED_HEADERS):
        text = "'custom_params': names that begin with Exotel- or Veeno- are reserved"
        raise CustomParamsError(text)
    if not _TOKEN.fullmatch(bare) or not _HEADER_VALUE.fullmatch(value):
        raise CustomParamsError(f"'custom_params': '{name[:40]}' cannot be a SIP header")
    return f"X-{bare}", value
