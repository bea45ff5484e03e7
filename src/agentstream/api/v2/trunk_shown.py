"""How trunks and their parts are told (TR-39, TR-52, TR-58, TR-62, TR-64, TR-70)."""

from datetime import datetime
from typing import Any, Final

from agentstream.base.ids import AccountSid
from agentstream.store.trunk_options import options_of, shown
from agentstream.store.trunks import (
    AclEntry,
    TrunkCredential,
    TrunkDestination,
    TrunkNumber,
    TrunkParts,
    TrunkSetting,
)

NUMBERS: Final = "phone-numbers"
NETWORKS: Final = "whitelisted-ips"
USERS: Final = "credentials"
DESTINATIONS: Final = "destination-uris"
SETTINGS: Final = "settings"


def trunks_path(account_sid: AccountSid) -> str:
    """Return where an account's trunks are."""
    return f"/v2/accounts/{account_sid}/trunks"


def path_of(parts: TrunkParts, what: str = "") -> str:
    """Return where a trunk is, or what belongs to it."""
    path = f"{trunks_path(parts.trunk.account_sid)}/{parts.trunk.sid}"
    return f"{path}/{what}" if what else path


def trunk_data(parts: TrunkParts) -> dict[str, Any]:
    """Tell of a trunk (TR-39)."""
    trunk = parts.trunk
    return {
        "trunk_sid": trunk.sid,
        "trunk_name": trunk.name,
        "status": "active" if trunk.is_active else "inactive",
        "domain_name": trunk.domain_name,
        "auth_type": trunk.auth_type,
        "auth_effective": auth_effective(parts),
        "registration_enabled": "disabled",
        "edge_preference": "auto",
        "nso_code": trunk.nso_code,
        "secure_trunking": "enabled" if trunk.is_secure else "disabled",
        **_dates(trunk.created_at, trunk.updated_at),
        "phone_numbers": path_of(parts, NUMBERS),
        "whitelisted_ips": path_of(parts, NETWORKS),
        "destination_uris": path_of(parts, DESTINATIONS),
        "credentials": path_of(parts, USERS),
    }


def auth_effective(parts: TrunkParts) -> str:
    """Return what messages of a trunk are asked for, as its rows say (TR-40, SIP-30)."""
    if parts.acl and parts.credentials:
        return f"{options_of(parts.settings).auth_mode} of acl and credentials"
    if parts.acl:
        return "acl"
    return "credentials" if parts.credentials else "none"


def number_data(number: TrunkNumber) -> dict[str, Any]:
    """Tell of a number's map (TR-52)."""
    return {
        "id": str(number.id),
        "phone_number": number.phone_number,
        "trunk_sid": number.trunk_sid,
        "mode": number.mode,
        **_dates(number.created_at, number.updated_at),
    }


def map_data(number: TrunkNumber) -> dict[str, Any]:
    """Tell which trunk a number has (TR-49)."""
    return {
        "exophone": number.phone_number,
        "trunk_sid": number.trunk_sid,
        "phone_number_id": str(number.id),
        "mode": number.mode,
    }


def acl_data(entry: AclEntry) -> dict[str, Any]:
    """Tell of a network (TR-58)."""
    return {
        "id": str(entry.id),
        "ip": entry.ip,
        "mask": entry.mask,
        "friendly_name": entry.friendly_name or None,
        "trunk_sid": entry.trunk_sid,
        **_dates(entry.created_at, entry.updated_at),
    }


def credential_data(credential: TrunkCredential) -> dict[str, Any]:
    """Tell of a user; never of the password (TR-62)."""
    return {
        "id": str(credential.id),
        "user_name": credential.user_name,
        "friendly_name": credential.friendly_name or None,
        "trunk_sid": credential.trunk_sid,
        **_dates(credential.created_at, credential.updated_at),
    }


def destination_data(destination: TrunkDestination) -> dict[str, Any]:
    """Tell where calls go (TR-64)."""
    return {
        "id": str(destination.id),
        "destination": destination.uri,
        "type": "public",
        "priority": destination.priority,
        "weight": destination.weight,
        "trunk_sid": destination.trunk_sid,
        **_dates(destination.created_at, destination.updated_at),
    }


def setting_data(setting: TrunkSetting) -> dict[str, Any]:
    """Tell of a setting (TR-70); null stands for a secret."""
    return {
        "name": setting.name,
        "value": shown(setting.name, setting.value),
        "trunk_sid": setting.trunk_sid,
        **_dates(setting.created_at, setting.updated_at),
    }


def _dates(created_at: datetime, updated_at: datetime) -> dict[str, str]:
    """Return whole seconds in UTC (TR-5)."""
    return {
        "date_created": f"{created_at:%Y-%m-%dT%H:%M:%SZ}",
        "date_updated": f"{updated_at:%Y-%m-%dT%H:%M:%SZ}",
    }
