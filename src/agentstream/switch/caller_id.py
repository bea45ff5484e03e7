"""Which number a call from a trunk shows (SIP-21, SIP-26): one that the trunk may show, or none."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from agentstream.base.errors import PeerError
from agentstream.base.phone import normalise
from agentstream.sip.headers import parse_name_addr_list
from agentstream.sip.reports import Header
from agentstream.sip.uri import parse_uri
from agentstream.store.trunk_book import TrunkEntry

CliSource = Literal["pai", "alias", "first"]
IDENTITIES_READ: Final = 4  # of P-Asserted-Identity: RFC 3325 §9.1 allows two


def shown_caller(
    entry: TrunkEntry,
    from_uri: str,
    headers: tuple[Header, ...],
    fallback: tuple[CliSource, ...],
    country_code: str,
) -> str:
    """Return the caller's number: From's if it is mapped, else what the fallbacks find, else "".

    Plus or none makes no difference, and national numbers are the country's.
    """
    user = user_number(from_uri, country_code)
    if user in entry.numbers:
        return user
    ways: dict[CliSource, Callable[[], str]] = {
        "pai": lambda: _asserted(entry, headers, country_code),
        "alias": lambda: entry.options.external_alias,
        "first": lambda: next(iter(entry.numbers), ""),
    }
    return next((found for way in fallback if (found := ways[way]())), "")


def user_number(uri: str, country_code: str) -> str:
    """Return the number in the user part of a URI, in one form; "" when it has none."""
    try:
        user = parse_uri(uri).user
    except PeerError:
        return ""
    return normalise(user.partition(";")[0], country_code) if user else ""


def _asserted(entry: TrunkEntry, headers: tuple[Header, ...], country_code: str) -> str:
    numbers = (user_number(uri, country_code) for uri in _identities(headers))
    return next((number for number in numbers if number in entry.numbers), "")


def _identities(headers: tuple[Header, ...]) -> Iterator[str]:
    values = [value for name, value in headers if name == "P-Asserted-Identity"]
    try:
        addresses = parse_name_addr_list(values[:IDENTITIES_READ])
    except PeerError:
        return
    for address in addresses[:IDENTITIES_READ]:
        yield address.uri
