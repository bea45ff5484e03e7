"""A flow's address is a name, never fetched (AF-1, AF-2).

http://my.example.com/GreenLeaf1/exoml/start_voice/8123   a call's
http://my.example.com/exoml/start/8123                    a number's, or an older one
8123                                                      or nothing but what it is called here
"""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from agentstream.api.forms import refuse

_PATH: Final = re.compile(r"(?:/([^/]+))?/exoml/start(?:_voice)?/([^/]+)/?", re.IGNORECASE)


class FlowUrl(NamedTuple):
    """Which flow is meant."""

    flow: str  # its sid or its name
    account: str = ""  # "": the address names none


def is_flow_url(text: str) -> bool:
    """Tell whether an address can mean a flow; another one may be a server's."""
    return "/" not in text or _found(text) is not None


def read_flow_url(text: str, name: str = "Url") -> FlowUrl:
    """Return which flow an address means, whatever its host; ApiError when it means none."""
    if "/" not in text:
        return FlowUrl(unquote(text))
    found = _found(text)
    if found is None:
        refuse(name, "is the address of a flow, such as .../exoml/start_voice/APP_ID")
    return FlowUrl(unquote(found[2]), unquote(found[1] or ""))


def _found(text: str) -> re.Match[str] | None:
    try:
        path = urlsplit(text).path
    except ValueError:
        return None
    found = _PATH.search(path)
    return found if found is not None and found.end() == len(path) else None
