"""The book of trunks: every account's trunks in memory, asked for each call.

Whoever changes rows lets the directory's revision grow; the book is read again with it. A page is
a value: what a call has looked up stays as it was, whatever is stored meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.base.values import dataclass
from agentstream.store.trunk_options import TrunkOptions, options_of
from agentstream.store.trunks import AccountTrunk, NumberMode, TrunkParts
from agentstream.store.values import Account

_Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class TrunkEntry:
    """A trunk as calls need it."""

    account: Account
    parts: TrunkParts
    options: TrunkOptions
    networks: tuple[_Network, ...]
    numbers: Mapping[str, NumberMode]  # in the order of their making

    @property
    def trunk(self) -> AccountTrunk:
        """Its row."""
        return self.parts.trunk

    @property
    def sid(self) -> TrunkSid:
        """Its sid."""
        return self.parts.trunk.sid

    def allows(self, host: str) -> bool:
        """Tell whether this numeric address is in the trunk's list."""
        address = _address(host)
        return address is not None and any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class TrunkBook:
    """Every trunk, found by whatever a message shows of it."""

    entries: Mapping[TrunkSid, TrunkEntry] = field(default_factory=dict)
    _users: Mapping[str, tuple[TrunkEntry, ...]] = field(default_factory=dict)
    _domains: Mapping[str, tuple[TrunkEntry, ...]] = field(default_factory=dict)
    _numbers: Mapping[str, tuple[TrunkEntry, ...]] = field(default_factory=dict)
    _networks: Mapping[int, Mapping[int, tuple[TrunkEntry, ...]]] = field(default_factory=dict)

    def find(self, sid: str) -> TrunkEntry | None:
        """Return a trunk by its sid, compared without regard to case."""
        return self.entries.get(TrunkSid(sid.lower()))

    def of_account(self, account_sid: AccountSid, sid: str) -> TrunkEntry | None:
        """Return an account's own trunk."""
        found = self.find(sid)
        return found if found is not None and found.account.sid == account_sid else None

    def with_user(self, user: str) -> tuple[TrunkEntry, ...]:
        """Return the trunks that have a credential of this name."""
        return self._users.get(user, ())

    def with_domain(self, host: str) -> tuple[TrunkEntry, ...]:
        """Return the trunks of this domain name; an account's may share one."""
        return self._domains.get(host.lower(), ())

    def with_number(self, number: str) -> tuple[TrunkEntry, ...]:
        """Return the trunks that a number (E.164) is mapped to, one per account."""
        return self._numbers.get(number, ())

    def at_source(self, host: str) -> tuple[TrunkEntry, ...]:
        """Return the trunks in whose lists this numeric address is, narrowest network first."""
        address = _address(host)
        if address is None:
            return ()
        bits, found = int(address), {}
        family = address.version * 1_000
        for key in sorted(self._networks, reverse=True):
            if key // 1_000 == address.version:
                length = key - family
                shift = address.max_prefixlen - length
                for entry in self._networks[key].get(bits >> shift, ()):
                    found[entry.sid] = entry
        return tuple(found.values())


def book_of(trunks: Iterable[TrunkParts], accounts: Mapping[AccountSid, Account]) -> TrunkBook:
    """Write the book of these trunks; one whose account is gone is left out."""
    entries = {
        parts.trunk.sid: _entry(parts, accounts[parts.trunk.account_sid])
        for parts in trunks
        if parts.trunk.account_sid in accounts
    }
    users: dict[str, dict[TrunkSid, TrunkEntry]] = defaultdict(dict)
    domains: dict[str, dict[TrunkSid, TrunkEntry]] = defaultdict(dict)
    numbers: dict[str, dict[TrunkSid, TrunkEntry]] = defaultdict(dict)
    networks: dict[int, dict[int, tuple[TrunkEntry, ...]]] = defaultdict(dict)
    for sid, entry in entries.items():
        for credential in entry.parts.credentials:
            users[credential.user_name][sid] = entry
        domains[entry.trunk.domain_name.lower()][sid] = entry
        for number in entry.numbers:
            numbers[number][sid] = entry
        for network in entry.networks:
            level = networks[network.version * 1_000 + network.prefixlen]
            head = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            level[head] = (*level.get(head, ()), entry)
    return TrunkBook(entries, _lists(users), _lists(domains), _lists(numbers), networks)


def _lists(
    found: Mapping[str, Mapping[TrunkSid, TrunkEntry]],
) -> dict[str, tuple[TrunkEntry, ...]]:
    return {key: tuple(entries.values()) for key, entries in found.items()}


def _entry(parts: TrunkParts, account: Account) -> TrunkEntry:
    numbers = {one.phone_number: one.mode or "pstn" for one in parts.numbers}
    return TrunkEntry(
        account, parts, options_of(parts.settings), tuple(_networks_of(parts)), numbers
    )


def _networks_of(parts: TrunkParts) -> Iterator[_Network]:
    for one in parts.acl:
        try:
            yield ip_network(f"{one.ip}/{one.mask}", strict=False)
        except ValueError:  # a row of another release
            continue


def _address(host: str) -> _Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
