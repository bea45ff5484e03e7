"""Our registration with a carrier (RFC 3261 §10.2): what to send when, and what an answer means.

begin --> ASKING --200--> HOLDING --in time--> ASKING ...
            |--423: a longer time, 3xx: another place, 439: without outbound--> ASKING
            |--refused (401, 403, 404 ...)--> RESTING, for long --> ASKING
            '--5xx, no answer, no way-------> RESTING, twice as long each time --> ASKING
leave --> LEAVING (a REGISTER with Expires 0) --any answer, or none--> OVER
"""

import hashlib
from enum import Enum
from typing import Final

from agentstream.base.errors import PeerError
from agentstream.base.ids import Tokens
from agentstream.base.values import dataclass, replace
from agentstream.sip.dialog import first_hop
from agentstream.sip.digest import DigestClient
from agentstream.sip.flow import Hop
from agentstream.sip.headers import NameAddr, parse_name_addr_list, seconds_of
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.reports import OutsideRef, Registered, RegistrationFailed, Unregistered
from agentstream.sip.settings import ALLOW
from agentstream.sip.signaling import RegistrationPlan
from agentstream.sip.uri import SipUri, parse_uri

BACKOFF_MS: Final = 5_000  # before the second attempt; doubled with each failure
BACKOFF_LIMIT_MS: Final = 300_000
REFUSED_MS: Final = 900_000  # a wrong password tried often locks an account
RETRY_AFTER_LIMIT_MS: Final = 3_600_000  # longer wishes count as this
EXPIRES_LIMIT_S: Final = 604_800  # a longer time is neither asked for nor believed
REASKS: Final = 3  # answers in a row that only say how to ask
ROUTE_LIMIT: Final = 8  # of Service-Route and Path; what is longer is not followed
# RFC 3261 §10.2.4, §21: what may pass by itself. The other 4xx and 6xx are somebody's decision.
_PASSING = frozenset((408, 425, 429, 430, 480, 491))


class RegistrationState(Enum):
    """See the drawing above."""

    IDLE = "idle"
    ASKING = "asking"
    HOLDING = "holding"
    RESTING = "resting"
    LEAVING = "leaving"
    OVER = "over"


_RESTFUL = frozenset((RegistrationState.IDLE, RegistrationState.HOLDING, RegistrationState.RESTING))


@dataclass(frozen=True, slots=True)
class Begin:
    """Register, for the first time or again now."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Take it back."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The final answer, after challenges and further targets."""

    response: Response


@dataclass(frozen=True, slots=True)
class Unanswered:
    """None will come: 408 no answer, 503 no way there, 502 one that made no sense."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class SendRegister:
    """Send this, with `Registration.contact` and `digest`."""

    request: Request
    to: Hop


RegistrationInput = Begin | Leave | Answered | Unanswered
RegistrationOutput = SendRegister | Registered | RegistrationFailed | Unregistered


class Registration:
    """A Machine[RegistrationInput, RegistrationOutput].

    Raises PeerError on construction for a plan whose URIs cannot be used.
    """

    def __init__(
        self, ref: OutsideRef, plan: RegistrationPlan, tokens: Tokens, our_host: str, agent: str
    ) -> None:
        self.ref = ref
        self.state = RegistrationState.IDLE
        self.digest = DigestClient(plan.credentials) if plan.credentials is not None else None
        self._plan = plan
        self._tokens = tokens
        self._agent = agent
        self._registrar = _registrar(plan.registrar)
        self._address = str(parse_uri(plan.address))
        self._proxy = parse_uri(plan.proxy) if plan.proxy else None
        self._elsewhere: SipUri | None = None  # where a 3xx sent us, for one attempt
        self._call_id = f"{tokens.hex(12)}@{our_host}"
        self._tag = tokens.hex(8)
        self._instance = _instance(plan, our_host)
        self._cseq = 0
        self._asked_s = max(1, min(plan.expires_s, EXPIRES_LIMIT_S))
        self._has_outbound = True  # RFC 5626, over connections
        self._reasks = 0
        self._failures = 0
        self._contact: SipUri | None = None  # as it was sent last
        self._valid_until_ms = 0
        self._is_leaving = False
        self.wake_at_ms: int | None = None

    def receive(self, happening: RegistrationInput, now_ms: int) -> list[RegistrationOutput]:
        """Take one happening; return what follows."""
        match happening:
            case Begin():
                return self._ask() if self.state in _RESTFUL else []
            case Leave():
                return self._leave(now_ms)
            case Answered(response):
                return self._answered(response, now_ms)
            case Unanswered(status, text):
                if self.state is RegistrationState.LEAVING:
                    return self._over()
                return self._failed(status, text, 0, now_ms)

    def wake(self, now_ms: int) -> list[RegistrationOutput]:
        """Ask again when it is time."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        return self._ask()

    @property
    def is_over(self) -> bool:
        """Whether it can be forgotten."""
        return self.state is RegistrationState.OVER

    def next_cseq(self) -> int:
        """Count up (§10.2: by one for each REGISTER, the Call-ID stays)."""
        self._cseq += 1
        return self._cseq

    def contact(self, transport: str, host: str, port: int) -> str:
        """Write our Contact; host and port always, as some take 5060 when there is none (PN-6a)."""
        host = f"[{host}]" if ":" in host and host[0] != "[" else host
        is_secure = self._registrar.scheme == "sips"
        params: dict[str, str | None] = {}
        if transport != "udp" and not is_secure:
            params["transport"] = "ws" if transport == "wss" else transport  # RFC 7118 §5.2
        scheme = "sips" if is_secure else "sip"
        self._contact = SipUri(scheme, host, self._plan.contact_user, port=port, params=params)
        also: dict[str, str | None] = {}
        if transport != "udp" and self._has_outbound:
            # RFC 5626 §4.1, §4.2: this connection is kept alive, and calls may come by it.
            also = {"+sip.instance": f"<{self._instance}>", "reg-id": "1"}
        also["expires"] = str(self._wanted_s)
        return str(NameAddr("", str(self._contact), also))

    # Sending

    @property
    def _wanted_s(self) -> int:
        return 0 if self._is_leaving else self._asked_s

    def _ask(self) -> list[RegistrationOutput]:
        self.state = RegistrationState.LEAVING if self._is_leaving else RegistrationState.ASKING
        self.wake_at_ms = None
        target = self._elsewhere or self._registrar
        headers = Headers()
        headers.add("Max-Forwards", "70")
        headers.add("From", f"<{self._address}>;tag={self._tag}")
        headers.add("To", f"<{self._address}>")
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self.next_cseq()} REGISTER")
        hop = first_hop(headers, target, self._proxy if self._elsewhere is None else None)
        headers.add("User-Agent", self._agent)
        headers.add("Supported", "path, outbound" if self._has_outbound else "path")
        headers.add("Allow", ALLOW)
        headers.add("Expires", str(self._wanted_s))
        hop = replace(hop, tls_profile=self._plan.tls_profile)
        return [SendRegister(Request("REGISTER", str(target), headers), hop)]

    def _leave(self, now_ms: int) -> list[RegistrationOutput]:
        if self._is_leaving or self.is_over:
            return []
        self._is_leaving = True
        if self.state is RegistrationState.ASKING:
            return []  # one REGISTER at a time (§10.2); the answer goes on with it
        return self._take_back(now_ms)

    def _take_back(self, now_ms: int) -> list[RegistrationOutput]:
        return self._ask() if now_ms < self._valid_until_ms else self._over()

    def _over(self) -> list[RegistrationOutput]:
        self.state = RegistrationState.OVER
        self.wake_at_ms = None
        return [Unregistered(self.ref)]

    # Hearing

    def _answered(self, response: Response, now_ms: int) -> list[RegistrationOutput]:
        if self.state is RegistrationState.LEAVING:
            return self._over()
        if self.state is not RegistrationState.ASKING:
            return []
        if response.is_success:
            return self._succeeded(response, now_ms)
        if not self._is_leaving and self._reasks < REASKS and self._can_ask_better(response):
            self._reasks += 1
            return self._ask()
        after_ms = _retry_after_ms(response)
        return self._failed(response.status, response.reason, after_ms, now_ms)

    def _succeeded(self, response: Response, now_ms: int) -> list[RegistrationOutput]:
        granted_s = self._granted_s(response)
        if granted_s <= 0:
            return self._failed(response.status, "it grants no time", 0, now_ms)
        self._failures = self._reasks = 0
        self._elsewhere = None
        self._valid_until_ms = now_ms + granted_s * 1000
        if self._is_leaving:
            return self._ask()
        self.state = RegistrationState.HOLDING
        # Early enough for several attempts before it ends, and not all at once with others.
        refresh_in_ms = max(500, granted_s * self._between(650, 750))
        self.wake_at_ms = now_ms + refresh_in_ms
        return [
            Registered(
                self.ref,
                granted_s,
                refresh_in_ms,
                str(self._contact or ""),
                _routes(response, "Service-Route"),
                _routes(response, "Path"),
            )
        ]

    def _can_ask_better(self, response: Response) -> bool:
        """Take from an answer how to ask; False when it says nothing new."""
        status = response.status
        if status == 423:  # §10.2.8
            least_s = seconds_of(response.headers.get("Min-Expires"))
            if not self._asked_s < least_s <= EXPIRES_LIMIT_S:
                return False
            self._asked_s = least_s
            return True
        if status == 439 and self._has_outbound:  # RFC 5626 §6
            self._has_outbound = False
            return True
        if 300 <= status < 400:
            self._elsewhere = self._redirection(response)
            return self._elsewhere is not None
        return False

    def _redirection(self, response: Response) -> SipUri | None:
        """Return where a 3xx sends us (§8.1.3.4); never from TLS to less."""
        for contact in response.contacts:
            uri = contact.sip_uri()
            if uri.scheme == "tel" or (_is_secure(self._registrar) and not _is_secure(uri)):
                continue
            return _registrar(str(uri))
        return None

    def _failed(
        self, status: int, text: str, after_ms: int, now_ms: int
    ) -> list[RegistrationOutput]:
        if self.state is not RegistrationState.ASKING:
            return []
        if self._is_leaving:
            return self._take_back(now_ms)
        self._elsewhere = None
        self._reasks = 0
        is_refused = 300 <= status < 500 or status >= 600
        if is_refused and status not in _PASSING:
            wait_ms = REFUSED_MS * self._between(900, 1_100) // 1000
        else:
            # RFC 5626 §4.5: from half of it to all of it, so that thousands do not come at once.
            wait_ms = min(BACKOFF_LIMIT_MS, BACKOFF_MS << min(self._failures, 10))
            wait_ms = wait_ms * self._between(500, 1_000) // 1000
        self._failures += 1
        wait_ms = max(wait_ms, after_ms)
        self.state = RegistrationState.RESTING
        self.wake_at_ms = now_ms + wait_ms
        valid_for_ms = max(0, self._valid_until_ms - now_ms)
        return [RegistrationFailed(self.ref, status, text, wait_ms, valid_for_ms)]

    def _granted_s(self, response: Response) -> int:
        """Return for how long our binding holds (§10.2.4); other bindings are not ours."""
        contacts = response.contacts if "Contact" in response.headers else []
        ours = [contact for contact in contacts if self._is_ours(contact)]
        for contact in ours or contacts:  # a registrar behind a NAT's fix lists it rewritten
            if "expires" in contact.params:
                return min(EXPIRES_LIMIT_S, seconds_of(contact.params["expires"]))
        said = response.headers.get("Expires")
        return min(EXPIRES_LIMIT_S, seconds_of(said) if said else self._asked_s)

    def _is_ours(self, contact: NameAddr) -> bool:
        instance = contact.params.get("+sip.instance") or ""
        if instance.strip("<>").lower() == self._instance:
            return True
        uri, sent = contact.sip_uri(), self._contact
        if sent is None:
            return False
        return (uri.user, uri.host.lower(), uri.port) == (sent.user, sent.host.lower(), sent.port)

    def _between(self, low: int, high: int) -> int:
        return low + int(self._tokens.hex(4), 16) % (high - low + 1)


def _registrar(text: str) -> SipUri:
    """Return the Request-URI of a REGISTER: a domain without a user (§10.2)."""
    uri = parse_uri(text)
    if uri.scheme == "tel" or not uri.host:
        raise PeerError("a registrar is a SIP URI with a host", 416)
    return SipUri(uri.scheme, uri.host, port=uri.port, params=uri.params).without("method", "lr")


def _instance(plan: RegistrationPlan, our_host: str) -> str:
    """Name this node for this registration, the same after a restart (RFC 5626 §4.1)."""
    text = f"{plan.address} {plan.contact_user} {our_host}".encode("utf-8", "surrogateescape")
    h = hashlib.sha256(text).hexdigest()
    return f"urn:uuid:{h[:8]}-{h[8:12]}-8{h[13:16]}-8{h[17:20]}-{h[20:32]}"


def _is_secure(uri: SipUri) -> bool:
    return uri.scheme == "sips" or uri.transport == "tls"


def _retry_after_ms(response: Response) -> int:
    return min(RETRY_AFTER_LIMIT_MS, seconds_of(response.headers.get("Retry-After")) * 1000)


def _routes(response: Response, name: str) -> tuple[str, ...]:
    """Return a recorded way; one that is malformed or too long is none."""
    values = response.headers.all(name)
    if not values:
        return ()
    try:
        routes = parse_name_addr_list(values)
    except PeerError:
        return ()
    return tuple(map(str, routes)) if len(routes) <= ROUTE_LIMIT else ()
