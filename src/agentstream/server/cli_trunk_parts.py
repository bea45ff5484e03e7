"""What commands on trunks share: the way in, and how a trunk is shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import typer

from agentstream.server.cli_common import configuration, console, opened, print_json

if TYPE_CHECKING:
    from agentstream.api.v2.trunk_doors import TrunkDoor
    from agentstream.store.protocols import Store
    from agentstream.store.trunks import TrunkParts


@asynccontextmanager
async def opened_trunks(context: typer.Context) -> "AsyncIterator[tuple[Store, TrunkDoor]]":
    """Open the store, and what writes trunks into it."""
    from agentstream.net.dns import Resolver  # slow to import: not for --help
    from agentstream.server.trunk_door import open_trunks

    config, resolver = configuration(context), Resolver()
    try:
        async with opened(config) as store:
            yield store, open_trunks(config, store, resolver)
    finally:
        resolver.close()


def row_of(parts: "TrunkParts") -> dict[str, Any]:
    """Return what is shown of a trunk; its users' passwords are not kept."""
    from agentstream.api.v2.trunk_shown import auth_effective
    from agentstream.store.trunk_options import shown

    trunk = parts.trunk
    return {
        "name": trunk.name,
        "state": "active" if trunk.is_active else "inactive",
        "auth": auth_effective(parts),
        "numbers": ", ".join(
            one.phone_number + ("=flow" if one.mode == "flow" else "") for one in parts.numbers
        ),
        "destinations": ", ".join(one.uri for one in parts.destinations),
        "settings": ", ".join(f"{one.name}={shown(one.name, one.value)}" for one in parts.settings),
        "account": trunk.account_sid,
        "sid": trunk.sid,
        "domain": trunk.domain_name,
        "nso_code": trunk.nso_code,
        "secure": trunk.is_secure,
        "networks": ", ".join(f"{one.ip}/{one.mask}" for one in parts.acl),
        "users": ", ".join(one.user_name for one in parts.credentials),
    }


def show_trunk_parts(parts: "TrunkParts", as_json: bool) -> None:
    """Print a trunk."""
    row = row_of(parts)
    if as_json:
        print_json(row)
        return
    output = console()
    for name, value in row.items():
        output.print(f"{name:<13}", style="bold", end="")
        output.print(str(value), markup=False, soft_wrap=True)
