"""Who may call what: a message and the book of trunks in, a verdict out (SIP-20 to SIP-35).

message ─▶ claim ─▶ what the trunk wants (source, login) ─▶ what the call may be ─▶ Pass
              '─none─▶ a caller from outside: numbers that ring here, never the telephone network
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network, ip_address
from types import MappingProxyType
from typing import Final, Literal, Protocol

from agentstream.base.ids import AccountSid
from agentstream.base.values import dataclass
from agentstream.sip.digest import HaLookup, from_stored
from agentstream.sip.gate import OUTSIDER, Arrival, Ask, Drop, Pass, Refuse, Verdict
from agentstream.sip.reports import Header
from agentstream.store.trunk_book import TrunkBook, TrunkEntry
from agentstream.switch.admit import PLATFORM_SIDS
from agentstream.switch.caller_id import (
    EVERY_SOURCE,
    CliSource,
    alias_of,
    asserted_numbers,
    shown_number,
    user_number,
)
from agentstream.switch.dial_guard import DialGuard
from agentstream.switch.trunk_claims import Claim, claim_of, host_of
from agentstream.switch.trunk_load import Ceilings, TrunkLoad

Reason = Literal[
    "trunk-not-found",  # nothing in the message is a trunk's
    "acl-miss",
    "digest-failed",
    "cli-not-mapped",
    "domain-mismatch",
    "streamkit-headers",  # SIP-22, where it is strict
    "insecure-transport",  # TR-42
    "certificate-missing",  # SIP-36
    "prefix-denied",  # the guard of the telephone network
    "number-format",
    "flow-missing",
    "trunk-inactive",
    "limit",
]
UnknownCallers = Literal["accept", "refuse", "silence"]
ERROR_CODE: Final[Header] = ("X-Exotel-ErrorCode", "4001")  # SIP-23
RETRY_AFTER_S: Final = 5
_STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {"number-format": 484, "flow-missing": 404, "trunk-inactive": 503, "limit": 503}
)
ACCOUNT_HEADER: Final = "x-exotel-accountsid"
_ENCRYPTED: Final = frozenset(("tls", "wss"))
_NOBODY: Final = ";".join(f"{name}={'0' * 64}" for name in ("SHA-512-256", "SHA-256", "MD5"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """What an operator decides about callers; the defaults are lenient (SD-3)."""

    unknown_callers: UnknownCallers = "accept"
    carriers: tuple[IPv4Network | IPv6Network, ...] = ()  # whose calls come from outside, always
    from_host_check: Literal["strict", "warn", "off"] = "warn"
    cli_fallback: tuple[CliSource, ...] = EVERY_SOURCE
    challenge_status: Literal[401, 407] = 407
    algorithms: tuple[str, ...] = ("MD5",)
    verbose_rejects: Literal["known", "always", "never"] = "known"
    strict_headers: bool = False
    reads_trunk_header: bool = False  # X-Exotel-TrunkSid tells trunks of one address apart
    wants_certificates: bool = False  # over TLS a trunk's caller shows one that names its domain
    daily_minutes: int = 0  # of each trunk; 0: no limit
    calls_per_minute: int = 0  # from each trunk (TR-83); 0: no limit
    account_calls_per_minute: int = 0  # that an account begins, by trunks and by API; 0: no limit
    country_code: str = ""
    guard: DialGuard = field(default_factory=DialGuard)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and what to note of it."""

    verdict: Verdict
    reason: Reason | Literal[""] = ""  # the check that failed
    entry: TrunkEntry | None = None
    detail: str = ""  # for the operator and the account, not for the wire
    is_foreign_from: bool = False  # From is not of the trunk's domain, and that is let pass


def is_flow_number(book: TrunkBook, entry: TrunkEntry, number: str) -> bool:
    """Tell whether the account has this number on a trunk, in `flow` mode (FL-2)."""
    return any(
        one.account.sid == entry.account.sid and one.numbers[number] == "flow"
        for one in book.with_number(number)
    )


class Numbers(Protocol):
    """The numbers of this house."""

    def rings(self, number: str) -> bool:
        """Tell whether a number in E.164 rings by its own entry."""

    def takes(self, number: str) -> bool:
        """Tell whether a call to it goes anywhere, be it by the entry of all other numbers."""

    def owns(self, account_sid: AccountSid, number: str) -> bool:
        """Tell whether a number in E.164 is this account's."""


class TrunkGate:
    """The judge."""

    def __init__(
        self,
        settings: GateSettings,
        book: Callable[[], TrunkBook],
        numbers: Numbers,
        load: TrunkLoad,
    ) -> None:
        self.settings = settings
        self._book = book
        self._numbers = numbers
        self._load = load

    @property
    def is_open(self) -> bool:
        """Whether there is nothing to judge by."""
        return self.settings.unknown_callers == "accept" and not self._book().entries

    def is_carrier(self, host: str) -> bool:
        """Tell whether a numeric address is in a carrier's networks."""
        if not self.settings.carriers:
            return False
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in self.settings.carriers)

    def knows(self, host: str) -> bool:
        """Tell whether a numeric address is a carrier's, or in a trunk's list."""
        return self.is_carrier(host) or bool(self._book().at_source(host))

    def judge(self, arrival: Arrival, now_ms: int) -> Judged:
        """Judge a request outside of any dialog."""
        book, settings = self._book(), self.settings
        if self.is_open:
            return _LET_IN
        if not arrival.logins and self.is_carrier(arrival.flow.remote_host):
            return _LET_IN
        if arrival.method != "INVITE":
            return self._other(book, arrival)
        claim = claim_of(
            book,
            arrival,
            settings.country_code,
            reads_trunk_header=settings.reads_trunk_header,
        )
        if claim is None or self._is_anybodys(claim, arrival):
            return self._outsider(arrival)
        return self._claimed(claim, arrival, now_ms)

    def logged_in(self, arrival: Arrival, asked: Ask, now_ms: int) -> Judged:
        """Judge what a user who has logged in wants."""
        entry = self._book().find(asked.trunk_sid)
        if entry is None:  # it went away in between
            return self._refused("trunk-not-found", None)
        return self._admit(entry, arrival, now_ms)

    def login_failed(self, asked: Ask) -> Judged:
        """Judge wrong credentials: the same for every cause (SIP-35)."""
        return self._refused("digest-failed", self._book().find(asked.trunk_sid))

    def _other(self, book: TrunkBook, arrival: Arrival) -> Judged:
        """SIP-51: OPTIONS of who is in a list or names a domain of ours is always answered."""
        if self.settings.unknown_callers == "accept":
            return _LET_IN
        if arrival.method == "OPTIONS" and (
            book.with_domain(host_of(arrival.request_uri))
            or book.with_domain(host_of(arrival.from_uri))
        ):
            return _LET_IN
        return _LET_IN if book.at_source(arrival.flow.remote_host) else self._outsider(arrival)

    def _is_anybodys(self, claim: Claim, arrival: Arrival) -> bool:
        """Tell whether any stranger could place this call, and it shows no more than one would.

        A call to a flow number of the same account is StreamKit's (FL-2), so its user is asked for.
        """
        if not claim.is_weak or self.settings.unknown_callers != "accept":
            return False
        entry = claim.entry
        number = user_number(arrival.request_uri, self.settings.country_code)
        if entry.parts.credentials and is_flow_number(self._book(), entry, number):
            return False
        return self._numbers.rings(number)

    def _outsider(self, arrival: Arrival) -> Judged:
        """Let a caller from outside reach what rings here, and nothing else.

        Where nothing rings the answer is that of a trunk's failed check, so that neither a number
        nor a domain can be found out by asking (SIP-23).
        """
        unknown = self.settings.unknown_callers
        if unknown == "silence":
            return Judged(Drop(), "trunk-not-found")
        if unknown == "accept":
            uri = arrival.request_uri
            number = user_number(uri, self.settings.country_code) or host_of(uri)
            if self._numbers.takes(number):
                return _LET_IN
        return self._refused("trunk-not-found", None)

    def _claimed(self, claim: Claim, arrival: Arrival, now_ms: int) -> Judged:
        """Ask for what the trunk wants (SIP-30)."""
        entry = claim.entry
        has_acl, has_users = bool(entry.networks), bool(entry.parts.credentials)
        if not (has_acl or has_users):
            return self._refused("trunk-not-found", entry, detail="it has no list and no users")
        if entry.trunk.is_secure and arrival.flow.transport not in _ENCRYPTED:
            return self._refused("insecure-transport", entry, is_known=claim.is_listed)
        if self.settings.wants_certificates and not _is_certified(entry, arrival):
            return self._refused("certificate-missing", entry, is_known=claim.is_listed)
        is_enough = claim.is_listed and (not has_users or entry.options.auth_mode == "any")
        if is_enough:
            return self._admit(entry, arrival, now_ms)
        if has_acl and not claim.is_listed and not (has_users and entry.options.auth_mode == "any"):
            return self._refused("acl-miss", entry)
        settings = self.settings
        asked = Ask(
            entry.trunk.domain_name,
            _look_up_in(entry),
            entry.sid,
            settings.challenge_status,
            settings.algorithms,
        )
        return Judged(asked, "", entry)

    def _admit(self, entry: TrunkEntry, arrival: Arrival, now_ms: int) -> Judged:
        """Judge what a caller wants who is the trunk's without doubt."""
        settings = self.settings
        if not entry.trunk.is_active:
            return self._refused("trunk-inactive", entry, is_known=True)
        is_foreign = host_of(arrival.from_uri) != entry.trunk.domain_name.lower()
        if is_foreign and settings.from_host_check == "strict":
            return self._refused("domain-mismatch", entry, is_known=True)
        failed = self._why_not_there(entry, arrival)
        if failed is not None:
            return self._refused(failed[0], entry, detail=failed[1], is_known=True)
        caller = shown_number(
            entry,
            user_number(arrival.from_uri, settings.country_code),
            asserted_numbers(arrival.headers, settings.country_code),
            settings.cli_fallback,
            alias_of(entry, self._numbers.owns),
            is_outbound=False,  # where it goes, and so whether the alias is shown, comes later
        )
        if not caller:
            return self._refused("cli-not-mapped", entry, is_known=True)
        ceilings = self._ceilings(entry)
        full = self._load.why_not(entry.sid, ceilings, now_ms)
        if not full and not self._load.draw(entry.sid, ceilings, now_ms):
            full = f"this trunk places {ceilings.per_second} calls in a second, and no more"
        full = full or self._load.begin(entry.sid, entry.account.sid, ceilings, now_ms)
        if full:
            return self._refused("limit", entry, detail=full, is_known=True)
        is_noted = is_foreign and settings.from_host_check == "warn"
        return Judged(
            Pass(entry.sid, caller, entry.options.session_timer_s),
            "",
            entry,
            is_foreign_from=is_noted,
        )

    def _why_not_there(self, entry: TrunkEntry, arrival: Arrival) -> tuple[Reason, str] | None:
        """Return why this trunk may not call this number (SIP-20, SIP-22, FL-2)."""
        settings = self.settings
        number = user_number(arrival.request_uri, settings.country_code)
        if not is_e164(number):
            return "number-format", ""
        if is_flow_number(self._book(), entry, number):
            if settings.strict_headers and not _is_streamkit(entry, arrival.headers):
                return "streamkit-headers", ""
            return None if self._numbers.rings(number) else ("flow-missing", "")
        why = settings.guard.why_not(number)
        return ("prefix-denied", why) if why else None

    def _ceilings(self, entry: TrunkEntry) -> Ceilings:
        options, settings = entry.options, self.settings
        return Ceilings(
            options.max_calls,
            options.cps,
            options.daily_minutes or settings.daily_minutes,
            options.calls_per_minute or settings.calls_per_minute,
            settings.account_calls_per_minute,
        )

    def _refused(
        self,
        reason: Reason,
        entry: TrunkEntry | None,
        *,
        detail: str = "",
        is_known: bool = False,
    ) -> Judged:
        status = _STATUS.get(reason, 403)
        headers: list[Header] = [ERROR_CODE] if status == 403 else []
        if status == 503:
            headers.append(("Retry-After", str(RETRY_AFTER_S)))
        text = ""
        verbose = self.settings.verbose_rejects
        if verbose == "always" or (verbose == "known" and is_known):
            headers.append(("Reason", f'SIP;cause={status};text="{reason}"'))
            headers.append(("Warning", f'399 agentstream "{reason}"'))
            text = _SENTENCES.get(reason, "")
        return Judged(Refuse(status, tuple(headers), text), reason, entry, detail)


_LET_IN: Final = Judged(OUTSIDER)
_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "number-format": "The called number is not in international form (+ and 8 to 15 digits).",
        "flow-missing": "The called number is in flow mode, but no flow is bound to it.",
    }
)


def is_e164(number: str) -> bool:
    """Tell whether this is a plus and 8 to 15 digits."""
    digits = number[1:]
    return number[:1] == "+" and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15


def _look_up_in(entry: TrunkEntry) -> HaLookup:
    """Return where HA1s are found, in the same time for a user and for nobody."""
    users = {one.user_name: one.ha1 for one in entry.parts.credentials}

    def look_up(user: str, algorithm: str) -> str | None:
        stored = users.get(user)
        found = from_stored(_NOBODY if stored is None else stored, algorithm)
        return None if stored is None else found

    return look_up


def _is_certified(entry: TrunkEntry, arrival: Arrival) -> bool:
    if arrival.flow.transport not in _ENCRYPTED:
        return True
    domain = entry.trunk.domain_name.lower()
    names = (name.lower().removeprefix("sip:") for name in arrival.certificate_names)
    return any(name == domain for name in names)


def _is_streamkit(entry: TrunkEntry, headers: tuple[Header, ...]) -> bool:
    """SIP-22: the account's sid is there, and no sid that only the platform gives."""
    given = {name.lower(): value for name, value in headers}
    account = given.get(ACCOUNT_HEADER, "").strip().lower()
    return account == entry.account.sid.lower() and not PLATFORM_SIDS & given.keys()
