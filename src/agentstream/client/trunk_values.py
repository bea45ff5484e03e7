"""What the trunks API answers, with types. Times are in UTC; ids are texts of digits (TR-4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

ValueT = TypeVar("ValueT")
Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A trunk of the account (TR-39)."""

    sid: str
    name: str
    domain_name: str  # the host of From, and the realm of passwords
    nso_code: str
    is_active: bool
    is_secure: bool  # TLS and SRTP, or no call
    auth: str  # "none", "acl", "credentials", "all of acl and credentials", "any of ..."
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkNumber:
    """A number of a trunk; `mode` is "pstn", "flow" or "", which is pstn (TR-52)."""

    id: str
    trunk_sid: str
    number: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkNetwork:
    """A network whose messages are the trunk's (TR-58)."""

    id: str
    trunk_sid: str
    ip: str
    mask: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkUser:
    """A user who may log in; nobody is told the password (TR-62)."""

    id: str
    trunk_sid: str
    user: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkDestination:
    """Where calls to the trunk go (TR-64)."""

    id: str
    trunk_sid: str
    uri: str
    priority: int  # lower first
    weight: int  # higher takes more of one priority


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSetting:
    """A named setting (TR-70)."""

    trunk_sid: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Item(Generic[ValueT]):
    """What became of one of several things that were asked for together (TR-13)."""

    value: ValueT | None  # None: it was refused
    error: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[ValueT]):
    """Some of a list, newest first (TR-11)."""

    items: tuple[ValueT, ...]
    total: int
    has_more: bool


def read_trunk(told: Told) -> Trunk:
    """Read the trunk of an answer."""
    return Trunk(
        sid=told["trunk_sid"],
        name=told["trunk_name"],
        domain_name=told["domain_name"],
        nso_code=told["nso_code"],
        is_active=told["status"] == "active",
        is_secure=told["secure_trunking"] == "enabled",
        auth=told.get("auth_effective", ""),
        created_at=datetime.fromisoformat(told["date_created"]),
        updated_at=datetime.fromisoformat(told["date_updated"]),
    )


def read_number(told: Told) -> TrunkNumber:
    """Read a number, of a trunk or of the maps of the account (TR-49)."""
    return TrunkNumber(
        id=str(told.get("id") or told["phone_number_id"]),
        trunk_sid=told["trunk_sid"],
        number=told.get("phone_number") or told["exophone"],
        mode=told["mode"] or "",
    )


def read_network(told: Told) -> TrunkNetwork:
    """Read an entry of a list."""
    return TrunkNetwork(
        id=str(told["id"]),
        trunk_sid=told["trunk_sid"],
        ip=told["ip"],
        mask=told["mask"],
        label=told["friendly_name"] or "",
    )


def read_user(told: Told) -> TrunkUser:
    """Read a user."""
    return TrunkUser(
        id=str(told["id"]),
        trunk_sid=told["trunk_sid"],
        user=told["user_name"],
        label=told["friendly_name"] or "",
    )


def read_destination(told: Told) -> TrunkDestination:
    """Read a destination."""
    return TrunkDestination(
        id=str(told["id"]),
        trunk_sid=told["trunk_sid"],
        uri=told["destination"],
        priority=told["priority"],
        weight=told["weight"],
    )


def read_setting(told: Told) -> TrunkSetting:
    """Read a setting."""
    return TrunkSetting(trunk_sid=told["trunk_sid"], name=told["name"], value=told["value"])


def read_page(answer: Told, read: Callable[[Told], ValueT]) -> Page[ValueT]:
    """Read a page."""
    items = tuple(read(one["data"]) for one in answer["response"])
    about = answer.get("metadata", {})
    return Page(items, about.get("total", len(items)), about.get("next_page_uri") is not None)


def read_items(answer: Told, read: Callable[[Told], ValueT]) -> tuple[Item[ValueT], ...]:
    """Read what became of several things."""
    return tuple(
        Item(read(one["data"]))
        if one["status"] == "success"
        else Item(None, one["error_data"]["description"])
        for one in answer["response"]
    )
