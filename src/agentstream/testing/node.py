"""A real node on loopback for tests: SIP, RTP, store and all, with one flow for every number."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentstream import _media
from agentstream.base.errors import ConfigError
from agentstream.base.ids import CallSid
from agentstream.calls.events import CallEnded, Event
from agentstream.calls.record import CallRecord
from agentstream.media.plan import EnginePlan
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine, TlsFiles
from agentstream.net.tls import Certificate
from agentstream.server import config as settings
from agentstream.server.callee import Manners, ScriptedPhone
from agentstream.server.caller import ScriptedCaller
from agentstream.server.house import House
from agentstream.sip.flow import TransportName
from agentstream.switch.feed import Fact, LegCounted, Note
from agentstream.switch.placing import CallOrder
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.waiting import until

RTP = {"host": HOST, "workers": 1, "port_rest_ms": 0}
ANY_FLOW = """
name: any
start: talk
applets:
  talk: {type: voicebot, url: "%s", next: bye}
  bye: {type: hangup}
"""


@dataclass
class Node:
    """A running node and what happened in it."""

    house: House
    pairs: int
    facts: list[Fact] = field(default_factory=list)

    @property
    def events(self) -> list[Event | Note]:
        """Return what happened, without times."""
        return [fact.event for fact in self.facts]

    def saw(self, name: str) -> list[Event | Note]:
        """Return the facts of this kind."""
        return [event for event in self.events if type(event).__name__ == name]

    @property
    def legs(self) -> list[_media.LegStats]:
        """Return the counters of the legs that are over."""
        return [event.stats for event in self.events if isinstance(event, LegCounted)]

    def address(self, transport: str = "udp") -> str:
        """Return where SIP is listened to, as "127.0.0.1:5060" or "[::1]:5060"."""
        bound = self.house.parts.signaling.addresses
        host, port = next((host, port) for name, host, port in bound if name == transport)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def target(self, user: str = "1000", transport: str = "udp") -> str:
        """Return the SIP URI of a number here."""
        return f"sip:{user}@{self.address(transport)};transport={transport}"

    async def flow(self, document: str) -> None:
        """Let every number ring this flow from the next call on."""
        store = self.house.parts.store
        account = (await store.accounts.list())[0]
        flow = await store.flows.apply(account.sid, "any", document, publish=True)
        await store.numbers.assign("*", account.sid, flow.sid)
        await self.house.parts.directory.refresh()

    async def place(self, destination: str, **fields: Any) -> CallSid:  # noqa: ANN401  (of an order)
        """Call somebody, who is shown 1000 unless `caller_id` says otherwise."""
        account = (await self.house.parts.store.accounts.list())[0]
        wanted: dict[str, Any] = {"caller_id": "1000", **fields}
        order = CallOrder(account=account, destination=destination, **wanted)
        return await self.house.parts.switchboard.place(order)

    async def records(self, count: int = 1, timeout_ms: int = 10_000) -> list[CallRecord]:
        """Wait until this many calls have ended; returns their records."""
        await until(lambda: len(self.saw("CallEnded")) >= count, timeout_ms)
        await until(lambda: self.house.parts.switchboard.live_calls == 0, timeout_ms)
        return [event.record for event in self.events if isinstance(event, CallEnded)]

    async def is_idle(self, timeout_ms: int = 10_000) -> bool:
        """Wait until nothing of any call is left: no call, no dialog, every media port free."""
        parts = self.house.parts
        await until(
            lambda: (
                parts.switchboard.live_calls == 0
                and parts.signaling.counters["calls_now"] == 0
                and parts.media.free_ports() == self.pairs
            ),
            timeout_ms,
        )
        return True


@asynccontextmanager
async def running_node(
    data_dir: Path,
    bot_url: str,
    *,
    pairs: int = 20,
    transports: Iterable[str] = ("udp", "tcp"),
    host: str = HOST,
    certificate: Certificate | None = None,
    **sections: object,
) -> AsyncIterator[Node]:
    """Run a node whose every number rings a bot. `sections` replace parts of the configuration.

    The transport "tls" needs a `certificate`.
    """
    config = settings.Config.model_validate(
        {
            "data_dir": data_dir,
            "sip": _sip_section(host, transports, certificate),
            "rtp": {**RTP, "host": host},
            "limits": {"calls": pairs},
            "speech": {"engine": "espeak"},
            **sections,
        }
    )
    async with AsyncHouse(config, pairs) as house:
        store = house.parts.store
        await store.accounts.create("Green Leaf", "greenleaf1")
        node = Node(house, pairs)
        house.parts.feed.subscribe(node.facts.append)
        await node.flow(ANY_FLOW % bot_url)
        yield node


class AsyncHouse:
    """A house on a port range that was free; tried a few times, as others may take it meanwhile."""

    def __init__(self, config: settings.Config, pairs: int) -> None:
        self._config = config
        self._has_rtp = "rtp" in config.model_fields_set
        self._pairs = pairs
        self._house: House | None = None

    async def __aenter__(self) -> House:
        for attempt in range(20):
            low, high = media_range(self._pairs)
            rtp = self._config.rtp if self._has_rtp else settings.RtpConfig.model_validate(RTP)
            rtp = rtp.model_copy(update={"port_low": low, "port_high": high})
            house = House(self._config.model_copy(update={"rtp": rtp}))
            try:
                self._house = await house.__aenter__()
            except ConfigError:
                if attempt == 19:
                    raise
            else:
                return self._house
        raise AssertionError("unreachable")

    async def __aexit__(self, *error: object) -> None:
        assert self._house is not None
        await self._house.__aexit__(None, None, None)


@asynccontextmanager
async def scripted_caller(
    pairs: int = 10, transport: TransportName = "udp", host: str = HOST, tls: TlsFiles | None = None
) -> AsyncIterator[ScriptedCaller]:
    """Run a caller with SIP and RTP of its own on loopback; "tls" needs its files."""
    media = _open_media(host, pairs)
    listener = Listener(transport, host, 0)
    signaling = SipEngine(SipConfig(listeners=(listener,), tls=tls or TlsFiles()))
    async with ScriptedCaller(signaling, media, host) as caller:
        yield caller


@asynccontextmanager
async def scripted_phone(
    manners: Manners | None = None, pairs: int = 12
) -> AsyncIterator[tuple[ScriptedPhone, str]]:
    """Run a phone of its own on loopback; gives it and its "127.0.0.1:5060"."""
    media = _open_media(HOST, pairs)
    signaling = SipEngine(SipConfig(listeners=(Listener("udp", HOST, 0),)))
    async with ScriptedPhone(signaling, media, HOST, manners) as phone:
        _, host, port = signaling.addresses[0]
        yield phone, f"{host}:{port}"


def _open_media(host: str, pairs: int) -> _media.Engine:
    for _ in range(20):
        low, high = media_range(pairs)
        try:
            return _media.Engine(EnginePlan(host, low, high, workers=1, port_rest_ms=0))
        except _media.MediaError:
            continue
    raise AssertionError("no free port range on the loopback interface")


def _sip_section(
    host: str, transports: Iterable[str], certificate: Certificate | None
) -> dict[str, object]:
    shown = f"[{host}]" if ":" in host else host
    section: dict[str, object] = {
        "listeners": ",".join(f"{transport}://{shown}:0" for transport in transports)
    }
    if certificate is not None:
        section |= {
            "tls_certificate": certificate.chain_file,
            "tls_key": certificate.key_file,
        }
    return section
