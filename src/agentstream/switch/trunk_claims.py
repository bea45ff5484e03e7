"""Whose trunk a message seems to be of: by login, source, From, To whom it goes (SIP-25).

A claim proves nothing; the gate then asks for what the trunk wants. A weak one (a number in From,
the host that is called) is also what any stranger's call may look like.
"""

from collections.abc import Iterable
from typing import Literal

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.sip.gate import Arrival, Login
from agentstream.sip.uri import parse_uri
from agentstream.store.trunk_book import TrunkBook, TrunkEntry
from agentstream.switch.caller_id import user_number

ClaimKind = Literal["digest", "acl", "domain", "number", "target"]
TRUNK_HEADER = "x-exotel-trunksid"


@dataclass(frozen=True, slots=True)
class Claim:
    """A trunk, and what made us think of it."""

    entry: TrunkEntry
    by: ClaimKind
    is_listed: bool  # the source is in the trunk's own list

    @property
    def is_weak(self) -> bool:
        """Whether a caller from outside may show the same."""
        return self.by in ("number", "target")


def claim_of(
    book: TrunkBook, arrival: Arrival, country_code: str = "", *, reads_trunk_header: bool = False
) -> Claim | None:
    """Return the trunk that a message seems to be of, None for a caller from outside."""
    at_source = book.at_source(arrival.flow.remote_host)
    number = user_number(arrival.from_uri, country_code)

    def claim(entry: TrunkEntry, by: ClaimKind) -> Claim:
        return Claim(entry, by, any(entry.sid == listed.sid for listed in at_source))

    entry = _by_login(book, arrival.logins)
    if entry is not None:
        return claim(entry, "digest")
    named = book.with_domain(host_of(arrival.from_uri))
    if at_source:
        wanted = _header(arrival) if reads_trunk_header else ""
        entry = _by_source(at_source, named, number, wanted)
        if entry is not None:
            return claim(entry, "acl")
    if named:
        return claim(_showing(named, number) or named[0], "domain")
    target = book.with_domain(host_of(arrival.request_uri))
    owners = book.with_number(number)
    if owners:
        return claim(_first_of(owners, target) or owners[0], "number")
    return claim(target[0], "target") if target else None


def host_of(uri: str) -> str:
    """Return the host of a SIP URI, "" when there is none that can be read."""
    try:
        return parse_uri(uri).host.lower()
    except PeerError:
        return ""


def _by_login(book: TrunkBook, logins: tuple[Login, ...]) -> TrunkEntry | None:
    """Return the trunk of a login's realm that has its user, else the first of that realm.

    The realm alone decides whether there is a claim: else a known user would be told from an
    unknown one by what comes back (SIP-35).
    """
    for login in logins:
        entries = book.with_domain(login.realm)
        if entries:
            return _first_of(entries, book.with_user(login.user)) or entries[0]
    return None


def _by_source(
    at_source: tuple[TrunkEntry, ...], named: tuple[TrunkEntry, ...], number: str, wanted: str
) -> TrunkEntry | None:
    """Return which trunk of a shared address it is; None when From names another one.

    Many accounts may list the same egress of a platform: who says in From whose he is, is asked
    there, and is not taken for whoever listed the address.
    """
    if named:
        at_source = tuple(one for one in at_source if any(one.sid == e.sid for e in named))
        if not at_source:
            return None
    if len(at_source) == 1:
        return at_source[0]
    by_header = next((one for one in at_source if wanted and one.sid == wanted.lower()), None)
    return _showing(at_source, number) or by_header or at_source[0]


def _showing(entries: Iterable[TrunkEntry], number: str) -> TrunkEntry | None:
    return next((entry for entry in entries if number in entry.numbers), None)


def _first_of(entries: Iterable[TrunkEntry], among: tuple[TrunkEntry, ...]) -> TrunkEntry | None:
    sids = {entry.sid for entry in among}
    return next((entry for entry in entries if entry.sid in sids), None)


def _header(arrival: Arrival) -> str:
    return next((text for name, text in arrival.headers if name.lower() == TRUNK_HEADER), "")
