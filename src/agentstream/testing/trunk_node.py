"""A whole node with an account's trunk in its store, a carrier, and a bot behind every number.

async with trunk_node(folder, users={"ann": "secret"}, numbers={DID: "pstn"}) as here:
    here.node.address()                  where the trunk's caller reaches it
    here.carrier.calls                   what came to the telephone network
    await here.change(maker)             more of the trunk: seen from the next call on

Its carrier calls from 127.0.0.8, so that whoever calls from elsewhere is no carrier.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentstream.base.ids import AccountSid
from agentstream.net.tls import Certificate
from agentstream.store.trunks import NumberMode
from agentstream.testing.node import Node, running_node
from agentstream.testing.ports import HOST
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.trunks import TrunkMaker

CARRIER_HOST = "127.0.0.8"
DID, FAR = "+918000000042", "+912240009999"


@dataclass
class TrunkNode:
    """The node, its trunk, and who answers everybody in the telephone network."""

    node: Node
    trunk: TrunkMaker
    carrier: ScriptedCallee

    @property
    def account_sid(self) -> str:
        """Return the account of the trunk."""
        return "greenleaf1"

    async def change(self, *changes: Callable[[TrunkMaker], Awaitable[object]]) -> None:
        """Change the trunk while the node runs."""
        for change in changes:
            await change(self.trunk)
        await self.node.house.parts.directory.refresh()

    async def flow(self, number: str, document: str) -> None:
        """Let a number of the account ring a flow of its own."""
        store = self.node.house.parts.store
        sid = AccountSid(self.account_sid)
        flow = await store.flows.apply(sid, f"of{number[-4:]}", document, publish=True)
        await store.numbers.assign(number, sid, flow.sid)
        await self.node.house.parts.directory.refresh()

    def counted(self, name: str) -> int:
        """Return a counter of signalling."""
        return int(self.node.house.parts.signaling.counters[name])

    def refused(self) -> list[str]:
        """Return why calls of the trunk were refused, as its account sees it."""
        seen = self.node.house.parts.gate.rejections.recent("greenleaf1")
        return [one.reason for one in seen]


@asynccontextmanager
async def trunk_node(  # noqa: PLR0913  (what a trunk is made of)
    folder: Path,
    *,
    numbers: Mapping[str, NumberMode | None] | None = None,
    users: Mapping[str, str] | None = None,
    networks: tuple[str, ...] = (),
    destinations: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
    transports: tuple[str, ...] = ("udp", "tcp"),
    certificate: Certificate | None = None,
    bot_url: str = "ws://127.0.0.1:9",
    **sections: Any,  # noqa: ANN401  (the parts of a configuration)
) -> AsyncIterator[TrunkNode]:
    """Run one; `destinations` are in the order in which they are tried."""
    async with (
        scripted_callee(lambda _: "answers") as carrier,
        running_node(
            folder,
            bot_url,
            transports=transports,
            certificate=certificate,
            **{
                "country_code": "91",
                "trunks": {
                    "carrier": {
                        "target": f"sip:{HOST}:{carrier.port}",
                        "sources": [CARRIER_HOST],
                    }
                },
                "dial": {"trunk": "carrier"},
                **sections,
            },
        ) as node,
    ):
        store, directory = node.house.parts.store, node.house.parts.directory
        account = (await store.accounts.list())[0]
        trunk = await TrunkMaker(store, account.sid).make()
        for number, mode in (numbers if numbers is not None else {DID: None}).items():
            await trunk.number(number, mode)
        for name, password in (users or {}).items():
            await trunk.user(name, password)
        for network in networks:
            await trunk.network(network)
        for priority, uri in enumerate(destinations):
            await trunk.destination(uri, priority)
        await trunk.settings(settings or {})
        await directory.refresh()
        yield TrunkNode(node, trunk, carrier)
