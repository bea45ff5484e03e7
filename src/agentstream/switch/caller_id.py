"""Which number a call from a trunk shows (SIP-21, SIP-26, TR-71): one that the trunk may show.

a call to the telephone network      the alias, where it is set, whatever else is claimed
any other call, or without an alias  From's number, if it is mapped
                                     else what the fallbacks find: asserted, alias, first mapped
none of them                         the call is refused

The alias counts only as long as it is a number of the account.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

from agentstream.base.errors import PeerError
from agentstream.base.ids import AccountSid
from agentstream.base.phone import normalise
from agentstream.sip.headers import parse_name_addr_list
from agentstream.sip.reports import Header
from agentstream.sip.uri import parse_uri
from agentstream.store.trunk_book import TrunkEntry

CliSource = Literal["pai", "alias", "first"]
Owns = Callable[[AccountSid, str], bool]
IDENTITIES_READ: Final = 4  # of P-Asserted-Identity: RFC 3325 §9.1 allows two
EVERY_SOURCE: Final[tuple[CliSource, ...]] = ("pai", "alias", "first")


def shown_number(
    entry: TrunkEntry,
    claimed: str,
    asserted: Iterable[str],
    fallback: tuple[CliSource, ...],
    alias: str,
    *,
    is_outbound: bool,
) -> str:
    """Return the one number that a call shows, "" when there is none that it may.

    `claimed` is From's and `asserted` are those of P-Asserted-Identity, in the form of
    `phone.normalise`; `alias` is that of `alias_of`.
    """
    found = claimed if claimed in entry.numbers else ""
    for source in fallback:
        if found:
            break
        match source:
            case "pai":
                found = next((number for number in asserted if number in entry.numbers), "")
            case "alias":
                found = alias
            case "first":
                found = next(iter(entry.numbers), "")
    return alias if found and alias and is_outbound else found


def alias_of(entry: TrunkEntry, owns: Owns) -> str:
    """Return a trunk's alias, "" where it has none, or none (any more) that is its account's."""
    alias = entry.options.external_alias
    return alias if alias and owns(entry.account.sid, alias) else ""


def user_number(uri: str, country_code: str) -> str:
    """Return the number in the user part of a URI, in one form; "" when it has none."""
    try:
        user = parse_uri(uri).user
    except PeerError:
        return ""
    return normalise(user.partition(";")[0], country_code) if user else ""


def asserted_numbers(headers: tuple[Header, ...], country_code: str) -> Iterator[str]:
    """Yield the numbers of P-Asserted-Identity (RFC 3325)."""
    values = [value for name, value in headers if name == "P-Asserted-Identity"]
    try:
        addresses = parse_name_addr_list(values[:IDENTITIES_READ])
    except PeerError:
        return
    for address in addresses[:IDENTITIES_READ]:
        yield user_number(address.uri, country_code)
