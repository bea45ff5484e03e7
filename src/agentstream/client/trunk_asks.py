"""What can be asked about trunks: each a value that knows its request and reads its answer.

trunk = client.ask(CreateTrunk("bot", "acct1.pstn.exotel.com"))
client.ask(AddDestinations(trunk.sid, (Destination("sip.bot.example:5061;transport=tls"),)))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from agentstream.client import trunk_values as values
from agentstream.client.leg_asks import data_of
from agentstream.client.sent import Document, Sent, part
from agentstream.client.trunk_values import Item, Page

Mode = Literal["pstn", "flow"]
Kind = Literal["phone-numbers", "whitelisted-ips", "credentials", "destination-uris", "settings"]
ValueT = TypeVar("ValueT")
Answer = Mapping[str, Any]


class _OneTrunk:
    """What is answered with a trunk."""

    __slots__ = ()

    def read(self, answer: Answer) -> values.Trunk:
        """Return the trunk."""
        return values.read_trunk(data_of(answer))


class _OneNumber:
    """What is answered with a number."""

    __slots__ = ()

    def read(self, answer: Answer) -> values.TrunkNumber:
        """Return the number."""
        return values.read_number(data_of(answer))


class _OneNetwork:
    """What is answered with a network."""

    __slots__ = ()

    def read(self, answer: Answer) -> values.TrunkNetwork:
        """Return the network."""
        return values.read_network(data_of(answer))


class _OneUser:
    """What is answered with a user."""

    __slots__ = ()

    def read(self, answer: Answer) -> values.TrunkUser:
        """Return the user."""
        return values.read_user(data_of(answer))


class _Destinations:
    """What is answered with what became of each destination."""

    __slots__ = ()

    def read(self, answer: Answer) -> tuple[Item[values.TrunkDestination], ...]:
        """Return what became of each, in order."""
        return values.read_items(answer, values.read_destination)


@dataclass(frozen=True, slots=True)
class CreateTrunk(_OneTrunk):
    """Make a trunk (TR-30)."""

    name: str  # 1 to 16 letters, digits and _
    domain_name: str  # ends as the server wants it; stays
    nso_code: str = "ANY-ANY"

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {
            "trunk_name": self.name,
            "nso_code": self.nso_code,
            "domain_name": self.domain_name,
        }
        return Sent("POST", _trunks(account_sid), {}, json=body)


@dataclass(frozen=True, slots=True)
class ReadTrunk(_OneTrunk):
    """Ask for one trunk (TR-32)."""

    sid: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return Sent("GET", _of(account_sid, self.sid), {})


@dataclass(frozen=True, slots=True)
class ListTrunks:
    """Ask for a page of the account's trunks, newest first (TR-31)."""

    offset: int = 0
    page_size: int = 50  # at most 200

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return Sent("GET", _trunks(account_sid), _page(self.offset, self.page_size))

    def read(self, answer: Answer) -> Page[values.Trunk]:
        """Return the page."""
        return values.read_page(answer, values.read_trunk)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTrunk(_OneTrunk):
    """Let a trunk be different (TR-33); what is empty or None stays."""

    sid: str
    name: str = ""
    nso_code: str = ""
    is_secure: bool | None = None  # TR-42
    is_active: bool | None = None

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        words: dict[str, object] = {"trunk_name": self.name, "nso_code": self.nso_code}
        body = {name: value for name, value in words.items() if value}
        if self.is_secure is not None:
            body["secure_trunking"] = "enabled" if self.is_secure else "disabled"
        if self.is_active is not None:
            body["status"] = "active" if self.is_active else "inactive"
        return Sent("PUT", _of(account_sid, self.sid), {}, json=body)


@dataclass(frozen=True, slots=True)
class DeleteTrunk(_OneTrunk):
    """Forget a trunk with all that belongs to it (TR-34); answered with what it was."""

    sid: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return Sent("DELETE", _trunks(account_sid), {"trunk_sid": self.sid})


@dataclass(frozen=True, slots=True)
class MapNumber(_OneNumber):
    """Map a number to a trunk (TR-45)."""

    trunk_sid: str
    number: str  # E.164, with its plus
    mode: Mode = "pstn"  # flow: calls to it from the trunk enter the number's flow

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {"phone_number": self.number, "mode": self.mode}
        return Sent("POST", _of(account_sid, self.trunk_sid, "phone-numbers"), {}, json=body)


@dataclass(frozen=True, slots=True)
class ChangeNumberMode(_OneNumber):
    """Let calls from the trunk to a number do something else (TR-47)."""

    trunk_sid: str
    id: str
    number: str  # as it is mapped
    mode: Mode

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {"phone_number": self.number, "mode": self.mode}
        path = _of(account_sid, self.trunk_sid, "phone-numbers", self.id)
        return Sent("PUT", path, {}, json=body)


@dataclass(frozen=True, slots=True)
class FindNumber(_OneNumber):
    """Ask which trunk a number is mapped to (TR-49); a RefusedError 404 when it is none."""

    number: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        path = f"/v2/accounts/{part(account_sid)}/trunk-maps"
        return Sent("GET", path, {"exophone": self.number})


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowNetwork(_OneNetwork):
    """Let messages from a network be the trunk's (TR-56)."""

    trunk_sid: str
    ip: str
    mask: int = 0  # 0: this address alone
    label: str = ""

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body: dict[str, object] = {"ip": self.ip}
        if self.mask:
            body["mask"] = self.mask
        if self.label:
            body["friendly_name"] = self.label
        return Sent("POST", _of(account_sid, self.trunk_sid, "whitelisted-ips"), {}, json=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddUser(_OneUser):
    """Let a user log in (TR-60)."""

    trunk_sid: str
    user: str
    password: str = field(repr=False)
    label: str = ""

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {"user_name": self.user, "password": self.password}
        if self.label:
            body["friendly_name"] = self.label
        return Sent("POST", _of(account_sid, self.trunk_sid, "credentials"), {}, json=body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword(_OneUser):
    """Give a user another password (TR-61)."""

    trunk_sid: str
    id: str
    password: str = field(repr=False)

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        path = _of(account_sid, self.trunk_sid, "credentials", self.id)
        return Sent("PUT", path, {}, json={"password": self.password})


@dataclass(frozen=True, slots=True)
class Destination:
    """A place for calls to go, such as "sip.bot.example:5061;transport=tls"."""

    uri: str
    priority: int = 0  # 0 to 65535, lower first
    weight: int = 1  # 0 to 65535, higher takes more of one priority

    def document(self) -> Document:
        """Return it as it is sent."""
        return {"destination": self.uri, "priority": self.priority, "weight": self.weight}


@dataclass(frozen=True, slots=True)
class AddDestinations(_Destinations):
    """Let calls go to these places too; each is taken or refused by itself (TR-63)."""

    trunk_sid: str
    destinations: tuple[Destination, ...]

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {"destinations": [one.document() for one in self.destinations]}
        return Sent("POST", _of(account_sid, self.trunk_sid, "destination-uris"), {}, json=body)


@dataclass(frozen=True, slots=True)
class ReplaceDestinations(_Destinations):
    """Let calls go to these places only; while none is good, all stays as it is (TR-65)."""

    trunk_sid: str
    destinations: tuple[Destination, ...]

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {"destinations": [one.document() for one in self.destinations]}
        return Sent("PUT", _of(account_sid, self.trunk_sid, "destination-uris"), {}, json=body)


@dataclass(frozen=True, slots=True)
class SetOnTrunk:
    """Write settings over those of the same names; each is taken or refused by itself (TR-70)."""

    trunk_sid: str
    settings: Mapping[str, str]

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        items = [{"name": name, "value": value} for name, value in self.settings.items()]
        path = _of(account_sid, self.trunk_sid, "settings")
        return Sent("POST", path, {}, json={"settings": items})

    def read(self, answer: Answer) -> tuple[Item[values.TrunkSetting], ...]:
        """Return what became of each, in order."""
        return values.read_items(answer, values.read_setting)


@dataclass(frozen=True, slots=True)
class PartKind(Generic[ValueT]):
    """A kind of what belongs to a trunk."""

    path: Kind
    read: Callable[[Answer], ValueT]


NUMBERS: Final = PartKind("phone-numbers", values.read_number)
NETWORKS: Final = PartKind("whitelisted-ips", values.read_network)
USERS: Final = PartKind("credentials", values.read_user)
DESTINATIONS: Final = PartKind("destination-uris", values.read_destination)
SETTINGS: Final = PartKind("settings", values.read_setting)


@dataclass(frozen=True)  # slots and Generic do not go together in Python 3.11
class ListOnTrunk(Generic[ValueT]):
    """Ask for a page of what belongs to a trunk: ListOnTrunk(sid, NUMBERS)."""

    trunk_sid: str
    kind: PartKind[ValueT]
    offset: int = 0
    page_size: int = 50  # at most 200

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        path = _of(account_sid, self.trunk_sid, self.kind.path)
        return Sent("GET", path, _page(self.offset, self.page_size))

    def read(self, answer: Answer) -> Page[ValueT]:
        """Return the page."""
        return values.read_page(answer, self.kind.read)


@dataclass(frozen=True)  # slots and Generic do not go together in Python 3.11
class DropFromTrunk(Generic[ValueT]):
    """Take something off a trunk, by its id, or a setting by its name; answered with what it was.

    DropFromTrunk(sid, NUMBERS, "301")
    """

    trunk_sid: str
    kind: PartKind[ValueT]
    id: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        name = "name" if self.kind.path == "settings" else "id"
        return Sent("DELETE", _of(account_sid, self.trunk_sid, self.kind.path), {name: self.id})

    def read(self, answer: Answer) -> ValueT:
        """Return what it was."""
        return self.kind.read(data_of(answer))


def _page(offset: int, size: int) -> dict[str, str | list[str]]:
    return {"offset": str(offset), "page_size": str(size)}


def _trunks(account_sid: str) -> str:
    return f"/v2/accounts/{part(account_sid)}/trunks"


def _of(account_sid: str, sid: str, *more: str) -> str:
    return "/".join((_trunks(account_sid), part(sid), *map(part, more)))
