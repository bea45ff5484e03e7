"""What accounts may write about trunks, and the sentence for what they may not (TR-35 to TR-72).

The sentences stand as clients know them: scripts compare them to the letter.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal, NoReturn

from agentstream.base.errors import CommandError, PeerError
from agentstream.base.ids import AccountSid
from agentstream.base.values import dataclass, replace
from agentstream.sip.digest import to_stored
from agentstream.sip.uri import SipUri, parse_uri
from agentstream.store.trunk_options import ALIAS, check
from agentstream.store.trunks import AclEntry, NumberMode

Charset = Literal["printable", "strict"]
NOT_FOUND: Final = 1000  # TR-20
MISSING: Final = 1001  # TR-21
INVALID: Final = 1002  # TR-22
ANY_CARRIER: Final = "ANY-ANY"
NAME_CHARS: Final = 16  # TR-36
FRIENDLY_CHARS: Final = 32  # TR-62
USER_CHARS: Final = 64
PASSWORD_CHARS: Final = 128
DOMAIN_CHARS: Final = 253  # RFC 1035 §2.3.4
DESTINATION_CHARS: Final = 512
WEIGHT_LIMIT: Final = 65_535  # RFC 2782
NO_HOST: Final = "Destination is not a valid Ip or Fqdn"  # TR-63
NOT_LISTED: Final = "Destination not whitelisted"  # TR-63
_NAME: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_NSO: Final = re.compile(r"[A-Z0-9]{1,32}-[A-Z0-9]{1,32}", re.ASCII)
_OLD_ANY: Final = re.compile(r"any\s*-?\s*any", re.ASCII | re.IGNORECASE)  # SC-3
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_E164: Final = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)
_E164_CHARS: Final = 16
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_SCHEME: Final = re.compile(r"sips?:", re.ASCII | re.IGNORECASE)
_PORTS: Final = {"tls": 5061, "tcp": 5060, "udp": 5060, "ws": 80, "wss": 443}  # TR-66, RFC 7118
_NO_UDP: Final = "Transport should be tls or tcp"
_V4_MASKS: Final = 32
_V6_MASKS: Final = (48, 128)  # TR-59


class RuleError(CommandError):
    """What was written cannot stand; `code` is the interface's own (TR-20 to TR-22)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkRules:
    """What may be written, by setting; these are the lenient ones (SD-3)."""

    is_strict: bool = False  # refuse what the hosted service refuses and no setting names
    region: str = "dev"  # TR-4: three letters of every sid
    domain_suffixes: tuple[str, ...] = ("pstn.exotel.com", "pstn.agentstream.internal")  # TR-38
    nso_codes: tuple[str, ...] = ()  # TR-37: beside ANY-ANY
    credential_charset: Charset = "printable"  # TR-62
    acl_mask_low: int = 16  # TR-59
    takes_ipv6: bool = True  # TR-59
    takes_udp: bool = True  # TR-66
    needs_acl_for_ip: bool = False  # TR-67
    own_numbers_only: bool = False  # only numbers that ring for the account can be mapped


def refuse(text: str, code: int = INVALID) -> NoReturn:
    """Refuse with a sentence."""
    raise RuleError(code, text)


def name_of(text: str) -> str:
    """Return a trunk's name (TR-36)."""
    if len(text) > NAME_CHARS:
        refuse(f"Maximum allowed length for TrunkName is {NAME_CHARS}")
    if not _NAME.fullmatch(text):
        refuse("Allowed characters for TrunkName is alphanumeric and _")
    return text


def nso_code_of(text: str, rules: TrunkRules) -> str:
    """Return the group of carriers that calls go by (TR-37, SC-3)."""
    if text == ANY_CARRIER or (text in rules.nso_codes and _NSO.fullmatch(text)):
        return text
    if not rules.is_strict and _OLD_ANY.fullmatch(text):
        return ANY_CARRIER
    refuse("Nso code is invalid")


def domain_of(text: str, rules: TrunkRules) -> str:
    """Return a trunk's domain, in small letters (TR-38); the first suffix is the one named."""
    domain, suffixes = text.lower(), [one.lower().lstrip(".") for one in rules.domain_suffixes]
    if suffixes and not domain.endswith(tuple(f".{suffix}" for suffix in suffixes)):
        refuse(f"Domain name should end with .{suffixes[0]}")
    if len(domain) > DOMAIN_CHARS or not _DOMAIN.fullmatch(domain):
        refuse("Domain name is invalid")
    return domain


def number_of(text: str) -> str:
    """Return a number in E.164 with plus (TR-50)."""
    if not text or len(text) > _E164_CHARS:
        refuse("Not Found", NOT_FOUND)
    if not _E164.fullmatch(text):
        refuse("Invalid PhoneNumber")
    return text


def mode_of(text: str | None) -> NumberMode | None:
    """Return what calls from the trunk to a number do (TR-51)."""
    match text:
        case None | "pstn" | "flow":
            return text
        case _:
            refuse("Mode should be pstn or flow")


def address_of(text: str, rules: TrunkRules) -> str:
    """Return a numeric address in its usual form (TR-58, TR-59)."""
    try:
        address = ip_address(text)
    except ValueError:
        refuse("Invalid ip")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    is_taken = isinstance(address, IPv4Address) or (rules.takes_ipv6 and not address.scope_id)
    return str(address) if is_taken else refuse("Invalid ip")


def mask_of(text: str | None, ip: str, rules: TrunkRules) -> int:
    """Return how many bits of an address count; every one of them without a text (TR-59)."""
    low, high = _V6_MASKS if ":" in ip else (rules.acl_mask_low, _V4_MASKS)
    if text is None:
        return high
    if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
        refuse(f"mask should be in-between {low} and {high}")
    return int(text)


def user_of(text: str, rules: TrunkRules) -> str:
    """Return the name of a user (TR-62)."""
    return _credential("UserName", text, USER_CHARS, rules)


def password_of(text: str, rules: TrunkRules) -> str:
    """Return a password (TR-62)."""
    return _credential("Password", text, PASSWORD_CHARS, rules)


def friendly_name_of(text: str, rules: TrunkRules) -> str:
    """Return a name for people (TR-62)."""
    if len(text) > FRIENDLY_CHARS:
        refuse(f"Maximum allowed length for FriendlyName is {FRIENDLY_CHARS}")
    is_strict = rules.credential_charset == "strict"
    if text and (not text.isprintable() or (is_strict and not _NAME.fullmatch(text))):
        refuse("Allowed characters for FriendlyName is alphanumeric and _")
    return text


def secret_of(user: str, domain: str, password: str) -> str:
    """Return what is kept instead of a password; the domain is the realm, for ever (SIP-33)."""
    return to_stored(user, domain, password)


def destination_of(text: str, rules: TrunkRules, transport: str = "") -> SipUri:
    """Return where calls go, as it is kept (TR-63, TR-66); `transport` is the trunk's own.

    Where neither a port nor a transport is written, both are found by RFC 3263.
    """
    if len(text) > DESTINATION_CHARS:
        refuse(f"Maximum allowed length for Destination is {DESTINATION_CHARS}")
    scheme = _SCHEME.match(text)
    if scheme and rules.is_strict:
        refuse(NO_HOST)
    plain = text[scheme.end() :] if scheme else text
    try:
        uri = parse_uri(f"sip:{plain}")
    except PeerError:
        refuse(NO_HOST)
    if uri.headers or uri.password is not None or _looks_like_nothing(uri):
        refuse(NO_HOST)
    is_tls = scheme is not None and scheme[0].lower() == "sips:"
    means = uri.transport or ("tls" if is_tls else transport)
    known = ("tls", "tcp", "udp") if rules.is_strict else _PORTS
    if (means and means not in known) or (is_tls and means not in ("tls", "wss")):
        refuse("Transport should be tls, tcp or udp" if rules.takes_udp else _NO_UDP)
    if means == "udp" and not rules.takes_udp:
        refuse(_NO_UDP)
    if rules.is_strict and not (uri.port and uri.transport):
        refuse("Port and transport are mandatory in Destination")
    if uri.transport or is_tls:
        uri = uri.with_params(transport=means)
    port = uri.port or (_PORTS[means] if uri.transport else 0)
    return replace(uri, host=uri.host.lower(), port=port)


def check_listed(uri: SipUri, acl: Iterable[AclEntry], rules: TrunkRules) -> None:
    """Refuse a numeric target that is not in the trunk's list, where that is asked (TR-67)."""
    if not rules.needs_acl_for_ip:
        return
    try:
        address = ip_address(uri.address)
    except ValueError:
        return  # a name needs no entry (TR-63)
    if not any(address in ip_network(f"{one.ip}/{one.mask}", strict=False) for one in acl):
        refuse(NOT_LISTED)


def weight_of(name: str, text: str) -> int:
    """Return a priority or a weight."""
    if not _WHOLE.fullmatch(text) or int(text) > WEIGHT_LIMIT:
        refuse(f"{name} should be in-between 0 and {WEIGHT_LIMIT}")
    return int(text)


def check_setting(name: str, value: str, rules: TrunkRules) -> None:
    """Refuse a setting that means nothing (TR-70 to TR-72)."""
    if rules.is_strict and name != ALIAS:
        refuse(f"{ALIAS} is the only setting")
    why_not = check(name, value) or ("" if value.isprintable() else "value is not printable")
    if why_not:
        refuse(why_not)


def check_alias(account_sid: AccountSid, alias: str, owners: Mapping[str, AccountSid]) -> None:
    """Refuse an alias that is not the account's (TR-71): it would be shown to those who are called.

    `owners` are those of the numbers that ring here; one that a trunk of the account has is its own
    already.
    """
    if owners.get(alias) != account_sid:
        refuse(f"{ALIAS} is not a number of this account")


def _credential(field: str, text: str, limit: int, rules: TrunkRules) -> str:
    if len(text) > limit:
        refuse(f"Maximum allowed length for {field} is {limit}")
    if rules.credential_charset == "strict" and not _NAME.fullmatch(text):
        refuse(f"Allowed characters for {field} is alphanumeric and _")
    if not _PRINTABLE.fullmatch(text):
        refuse(f"Allowed characters for {field} is printable ASCII")
    return text


def _looks_like_nothing(uri: SipUri) -> bool:
    """Tell whether a host is neither an address nor a name (RFC 3261 §25.1)."""
    host = uri.host.lower().rstrip(".")
    if host.startswith("["):
        return False
    if re.fullmatch(r"[0-9.]+", host):
        try:
            IPv4Address(host)
        except ValueError:
            return True
        return False
    return len(host) > DOMAIN_CHARS or not _DOMAIN.fullmatch(host.replace("_", "-"))
