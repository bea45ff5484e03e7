"""The gate: what a request outside of any dialog shows of its sender, and whether it comes in.

request ──▶ is_ignored ──yes──▶ silence
               no ▼
            judge ──▶ Pass | Refuse | Drop
               '───▶ Ask ──no credentials──▶ 401/407
                        ├──right──▶ logged_in ──▶ Pass | Refuse
                        '──wrong──▶ login_failed ──▶ Refuse, or the challenge again
"""

from collections.abc import Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network, ip_address
from types import MappingProxyType
from typing import Final, Protocol

from agentstream.base.values import dataclass
from agentstream.sip.digest import HaLookup, ha1
from agentstream.sip.flow import Flow
from agentstream.sip.reports import Header


@dataclass(frozen=True, slots=True)
class Login:
    """Whom an Authorization or Proxy-Authorization names. It proves nothing yet."""

    user: str
    realm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a request shows; everything but the flow is the sender's own word."""

    method: str
    request_uri: str
    from_uri: str
    flow: Flow
    sip_call_id: str = ""
    user_agent: str = ""
    headers: tuple[Header, ...] = ()  # X-*, P-Asserted-Identity, Diversion, Referred-By
    logins: tuple[Login, ...] = ()
    certificate_names: tuple[str, ...] = ()  # proved by mutual TLS (SIP-36)


@dataclass(frozen=True, slots=True)
class Pass:
    """It may go on. `trunk_sid` "": as a caller from outside."""

    trunk_sid: str = ""
    caller: str = ""  # the number that its calls show (SIP-26); "": as From says
    session_expires_s: int = 0  # the session timer that we ask for (SIP-50); 0: as settings say


@dataclass(frozen=True, slots=True)
class Ask:
    """It must log in (RFC 3261 §22). `look_up` must take as long for a stranger as for a user."""

    realm: str
    look_up: HaLookup = field(repr=False)
    trunk_sid: str = ""
    # SIP-31: LiveKit, Asterisk and others answer both; 407 is the proxy's convention.
    status: int = 407
    algorithms: tuple[str, ...] = ("MD5",)  # SIP-32: some stacks read the first challenge only


@dataclass(frozen=True, slots=True)
class Refuse:
    """It gets this answer, which is made without keeping anything of it."""

    status: int
    headers: tuple[Header, ...] = ()
    text: str = ""  # the body, for a person (PN-6)


@dataclass(frozen=True, slots=True)
class Drop:
    """It gets no answer at all."""


Verdict = Pass | Ask | Refuse | Drop
OUTSIDER: Final = Pass()


class Gate(Protocol):
    """Whom the endpoint asks before a call exists. It answers at once, and waits for nothing."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Return what was decided, by name, since the start."""

    @property
    def is_open(self) -> bool:
        """Whether everybody passes as things are, so that nobody need be judged."""

    def knows(self, host: str) -> bool:
        """Tell whether a numeric address is a carrier's or a trunk's, and may send much."""

    def is_ignored(self, user_agent: str, flow: Flow) -> bool:
        """Tell whether a request of this User-Agent gets silence, whatever it is."""

    def judge(self, arrival: Arrival, now_ms: int) -> Verdict:
        """Say what becomes of a request; of others than INVITE, `Pass` is the usual answer."""

    def logged_in(self, arrival: Arrival, asked: Ask, user: str, now_ms: int) -> Pass | Refuse:
        """Go on with a user whose credentials are right."""

    def login_failed(
        self, arrival: Arrival, asked: Ask, user: str, now_ms: int, *, is_proven: bool
    ) -> Refuse | None:
        """Say what wrong credentials get; None: the challenge again.

        `is_proven`: they answer a challenge that went to this source, so its address is no lie.
        """


class OpenGate:
    """Everybody comes in, as a caller from outside."""

    is_open: bool = True
    counters: Mapping[str, int] = MappingProxyType({})

    def knows(self, host: str) -> bool:
        """Know nobody."""
        del host
        return False

    def is_ignored(self, user_agent: str, flow: Flow) -> bool:
        """Ignore nobody."""
        del user_agent, flow
        return False

    def judge(self, arrival: Arrival, now_ms: int) -> Verdict:
        """Let it pass."""
        del arrival, now_ms
        return OUTSIDER

    def logged_in(self, arrival: Arrival, asked: Ask, user: str, now_ms: int) -> Pass | Refuse:
        """Let it pass."""
        del arrival, asked, user, now_ms
        return OUTSIDER

    def login_failed(
        self, arrival: Arrival, asked: Ask, user: str, now_ms: int, *, is_proven: bool
    ) -> Refuse | None:
        """Ask again."""
        del arrival, asked, user, now_ms, is_proven
        return None


OPEN: Final = OpenGate()


class PasswordGate(OpenGate):
    """Everybody logs in, but who comes from a trusted network; for a product without trunks."""

    is_open = False

    def __init__(
        self,
        realm: str,
        users: Mapping[str, str],
        status: int = 407,
        algorithms: tuple[str, ...] = ("MD5",),
        trusted: tuple[IPv4Network | IPv6Network, ...] = (),
    ) -> None:
        def look_up(user: str, algorithm: str) -> str | None:
            known = users.get(user)
            found = ha1(user, realm, known or "", algorithm)
            return None if known is None else found

        self.asked = Ask(realm, look_up, "", status, algorithms)
        self._trusted = trusted

    def judge(self, arrival: Arrival, now_ms: int) -> Verdict:
        """Ask for a password."""
        del now_ms
        if arrival.method != "INVITE" or self._trusts(arrival.flow.remote_host):
            return OUTSIDER
        return self.asked

    def _trusts(self, host: str) -> bool:
        if not self._trusted:
            return False
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in self._trusted)
