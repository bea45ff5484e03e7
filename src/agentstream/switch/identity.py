"""Who a callee is told that calls: From, the asserted identity, privacy, who forwarded the call.

P-Asserted-Identity and Privacy: RFC 3325 and 3323; Remote-Party-ID: what came before them;
Diversion: RFC 5806.
"""

from typing import Final, Literal

from agentstream.base.values import dataclass
from agentstream.sip.headers import NameAddr
from agentstream.sip.reports import Header
from agentstream.sip.uri import SipUri

CallerIdRule = Literal["as-is", "alias", "fixed"]
IdentityForm = Literal["none", "pai", "rpid", "from"]

ANONYMOUS: Final = "anonymous"  # RFC 3323 section 4.1.1.3
ANONYMOUS_HOST: Final = "anonymous.invalid"


@dataclass(frozen=True, slots=True)
class Identity:
    """What is said of the caller beside From."""

    asserted: str = ""  # the user of P-Asserted-Identity
    display: str = ""  # its name
    remote_party: str = ""  # the user of Remote-Party-ID
    is_private: bool = False  # From is anonymous; only the carrier may know the number
    diverted_by: str = ""  # the number that forwards the call


PLAIN: Final = Identity()


def identity_headers(identity: Identity, host: str) -> tuple[Header, ...]:
    """Return the headers that say it; `host` is that of From, an IPv6 one in brackets."""
    if identity is PLAIN:
        return ()
    headers: list[Header] = []
    if identity.asserted and identity.asserted != ANONYMOUS:
        uri = str(SipUri("sip", host, identity.asserted))
        headers.append(("P-Asserted-Identity", str(NameAddr(identity.display, uri))))
    if identity.remote_party and identity.remote_party != ANONYMOUS:
        hidden = "full" if identity.is_private else "off"
        params: dict[str, str | None] = {"party": "calling", "screen": "yes", "privacy": hidden}
        uri = str(SipUri("sip", host, identity.remote_party))
        headers.append(("Remote-Party-ID", str(NameAddr("", uri, params))))
    if identity.is_private:
        headers.append(("Privacy", "id"))
    if identity.diverted_by:
        uri = str(SipUri("sip", host, identity.diverted_by))
        reason: dict[str, str | None] = {"reason": "unconditional"}
        headers.append(("Diversion", str(NameAddr("", uri, reason))))
    return tuple(headers)
