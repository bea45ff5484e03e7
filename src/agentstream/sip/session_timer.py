"""Session timers (RFC 4028): who refreshes a call, how often, and when it counts as dead.

agreed ---interval/2---> the refresher refreshes ---+
   ^------------------------------------------------'
   '---interval - min(32 s, interval/3)---> nobody did: BYE
"""

from typing import Literal

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.sip.headers import SessionExpires, parse_options, parse_session_expires
from agentstream.sip.message import Request, Response
from agentstream.sip.settings import SipSettings

LONGEST_S = 86_400  # more than a day is as good as no session timer


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed on; `refresher` is a role in the transaction, as on the wire."""

    interval_s: int
    refresher: Literal["uac", "uas"]
    is_required: bool  # the response says Require: timer

    @property
    def refresh_after_ms(self) -> int:
        """When the refresher refreshes (§7.2, §10): half the interval."""
        return self.interval_s * 500

    @property
    def expires_after_ms(self) -> int:
        """When a BYE is sent for want of a refresh (§10)."""
        return (self.interval_s - min(32, self.interval_s // 3)) * 1000


@dataclass(frozen=True, slots=True)
class TooSmall:
    """The interval is below our least: answer 422 with Min-SE."""

    min_se_s: int


def agree_as_server(
    request: Request, settings: SipSettings, wish_s: int = 0
) -> Agreement | TooSmall | None:
    """Decide on an INVITE or UPDATE of the peer (§9); None: no session timer.

    `wish_s` is what we want of this peer where it asks for nothing; 0: as settings say.
    """
    headers = request.headers
    is_supported = "timer" in parse_options(headers.all("Supported") + headers.all("Require"))
    asked = _expires(headers.get("Session-Expires"))
    if asked is None:
        wish_s = wish_s or settings.session_expires_s
        if not wish_s:
            return None
        seconds = max(wish_s, settings.min_se_s, _min_se(request))
        return Agreement(seconds, "uac" if is_supported else "uas", is_supported)
    if asked.seconds < settings.min_se_s and is_supported:
        return TooSmall(settings.min_se_s)
    seconds = max(asked.seconds, settings.min_se_s)
    if not is_supported:  # a proxy asked; only we can refresh
        return Agreement(seconds, "uas", False)
    # SIP-50: the peer refreshes unless it wants us to.
    refresher: Literal["uac", "uas"] = "uas" if asked.refresher == "uas" else "uac"
    return Agreement(seconds, refresher, refresher == "uac")


def agree_as_client(response: Response) -> Agreement | None:
    """Read what a 2xx to our INVITE or UPDATE says (§7.2); None: no session timer."""
    try:
        said = _expires(response.headers.get("Session-Expires"))
    except PeerError:  # a call that is answered is not ended for that
        said = None
    if said is None:
        return None
    seconds = max(said.seconds, 4)  # a nonsense interval must not make us send all the time
    return Agreement(seconds, "uas" if said.refresher == "uas" else "uac", False)


def write_agreement(response: Response, agreement: Agreement) -> None:
    """Put the agreement into our 2xx."""
    value = SessionExpires(agreement.interval_s, agreement.refresher)
    response.headers.add("Session-Expires", str(value))
    if agreement.is_required:
        response.headers.add("Require", "timer")


def write_wish(request: Request, interval_s: int, min_se_s: int, refresher: str = "") -> None:
    """Put our wish into a request of ours; harmless to call again with more seconds (422)."""
    request.headers.set("Session-Expires", str(SessionExpires(interval_s, refresher)))
    request.headers.set("Min-SE", str(min_se_s))


def min_se_of(response: Response) -> int:
    """Return the Min-SE of a 422, 0 when it has none."""
    try:
        value = _expires(response.headers.get("Min-SE"))
    except PeerError:
        return 0
    return min(value.seconds, LONGEST_S) if value else 0


def _min_se(request: Request) -> int:
    value = _expires(request.headers.get("Min-SE"))
    return value.seconds if value else 0


def _expires(text: str | None) -> SessionExpires | None:
    return None if text is None else parse_session_expires(text)
