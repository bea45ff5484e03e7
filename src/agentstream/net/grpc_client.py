"""gRPC out: unary calls over one channel for each authority, only to addresses that may be reached.

The name is looked up and judged by the egress policy before each call; the channel is made for the
addresses that came of it, so what gRPC itself would resolve is never asked. TLS and the :authority
header keep the name.
"""

import asyncio
import ipaddress
import ssl
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import ConfigError
from agentstream.net.egress import GRPC_SCHEMES, Egress, EgressError, HostRules, Target, parse_url

ANSWER_LIMIT: Final = 65_536  # bytes
GRACE_S: Final = 1.0  # in which calls of a channel that is given up may still end
KEEPALIVE_MS: Final = 30_000  # LD-6
KEEPALIVE_TIMEOUT_MS: Final = 5_000
# Without a call for so long the connection is closed, before a NAT forgets it, and made again when
# it is needed. It is not pinged instead: a server of gRPC as it is shipped takes two pings in five
# minutes without calls, and then closes with "too_many_pings", under a call if one has just begun.
IDLE_MS: Final = 180_000
# Our own attempts come 200 and 500 ms after each other: gRPC must not fail them without trying.
RECONNECT_MS: Final = 100
RECONNECT_MOST_MS: Final = 1_000
_OPTIONS: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.client_idle_timeout_ms", IDLE_MS),
    ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS),
    ("grpc.max_reconnect_backoff_ms", RECONNECT_MOST_MS),
    ("grpc.max_receive_message_length", ANSWER_LIMIT),
)


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """How gRPC servers are reached; files are PEM."""

    ca_file: str = ""  # trusted beside the system's authorities
    certificate_file: str = ""  # of ours, for mutual TLS; "": none is shown
    key_file: str = field(default="", repr=False)
    cleartext_hosts: tuple[str, ...] = ()  # names, "*.name", addresses and networks
    channels: int = 128  # full: the one not used for longest is closed
    user_agent: str = "AgentStream"


@dataclass(frozen=True, slots=True)
class GrpcAnswer:
    """How a call ended: the name of its status code, and what the server said of it."""

    status: str
    details: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the status is OK."""
        return self.status == "OK"


@dataclass(slots=True)
class _Channel:
    channel: grpc.aio.Channel
    answered_ms: int = -1  # when something last came back; -1: nothing did


_Key = tuple[str, bool, frozenset[str]]  # authority, whether TLS, addresses


class GrpcClient:
    """Make it and use it on one event loop; `close` it at the end."""

    def __init__(
        self, egress: Egress, settings: GrpcSettings | None = None, clock: Clock | None = None
    ) -> None:
        """Read the certificates; raises ConfigError when one cannot be used."""
        self._egress = egress
        self._settings = settings or GrpcSettings()
        self._clock = clock or SystemClock()
        self._credentials = _credentials(self._settings)
        self._cleartext = HostRules(self._settings.cleartext_hosts)
        self._channels: OrderedDict[_Key, _Channel] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def channels(self) -> int:
        """How many are open."""
        return len(self._channels)

    async def ask(
        self,
        url: str,
        method: str,
        body: bytes,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        timeout_ms: int,
        allow: tuple[str, ...] = (),
    ) -> GrpcAnswer:
        """Call a method, "/package.Service/Name", of the server that a grpc:// URL names.

        The time counts from the look-up of the name to the answer. `allow` is the account's own
        list. Raises EgressError or DnsError (each a PeerError), or BusyError; whatever the server
        or the connection does is an answer.
        """
        target, began_ms = parse_target(url), self._clock.now_ms()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                addresses = await self._egress.addresses(target.host, target.port, allow)
        except TimeoutError:
            return GrpcAnswer("DEADLINE_EXCEEDED", "the name was not looked up in time")
        key = (target.host_header, self._is_secure(target), frozenset(addresses))
        entry = self._channel(key, target, addresses)
        if target.authorization:
            metadata = (*metadata, ("authorization", target.authorization))
        left_ms = max(1, timeout_ms - (self._clock.now_ms() - began_ms))
        answer = await _call(entry.channel, method, body, metadata, left_ms)
        if answer.status != "DEADLINE_EXCEEDED":
            entry.answered_ms = self._clock.now_ms()
        elif entry.answered_ms <= began_ms:
            # Nothing at all came back meanwhile: the connection may be one that a NAT forgot.
            self._give_up(key, entry)
        return answer

    async def close(self) -> None:
        """Close every channel."""
        while self._channels:
            await self._channels.popitem()[1].channel.close(None)
        await asyncio.gather(*self._closing)

    def _channel(self, key: _Key, target: Target, addresses: Sequence[str]) -> _Channel:
        entry = self._channels.get(key)
        if entry is None:
            opened = self._open(target, addresses, is_secure=key[1])
            entry = self._channels[key] = _Channel(opened)
            if len(self._channels) > self._settings.channels:
                oldest = next(iter(self._channels))
                self._give_up(oldest, self._channels[oldest])
        self._channels.move_to_end(key)
        return entry

    def _open(
        self, target: Target, addresses: Sequence[str], *, is_secure: bool
    ) -> grpc.aio.Channel:
        options: list[tuple[str, Any]] = [
            *_OPTIONS,
            ("grpc.default_authority", target.host_header),
            ("grpc.primary_user_agent", self._settings.user_agent),
        ]
        where = _where(addresses, target.port)
        if not is_secure:
            return grpc.aio.insecure_channel(where, options)
        options.append(("grpc.ssl_target_name_override", target.host))
        return grpc.aio.secure_channel(where, self._credentials, options)

    def _is_secure(self, target: Target) -> bool:
        """LD-1: grpc:// is TLS, but on this machine and for the hosts of the setting."""
        host = target.host
        if target.secure:
            return True
        if host == "localhost" or self._cleartext.names(host):
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return True
        return not (address.is_loopback or self._cleartext.holds(address))

    def _give_up(self, key: _Key, entry: _Channel) -> None:
        if self._channels.get(key) is entry:
            del self._channels[key]
            task = asyncio.create_task(entry.channel.close(GRACE_S), name="close gRPC channel")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def parse_target(url: str) -> Target:
    """Take a grpc:// or grpcs:// URL apart, 443 its port (EV-52); raises EgressError."""
    target = parse_url(url, GRPC_SCHEMES)
    if target.target != "/":
        raise EgressError(f"{target.scheme}://{target.host_header} is all that a server needs")
    return target


async def _call(
    channel: grpc.aio.Channel,
    method: str,
    body: bytes,
    metadata: Sequence[tuple[str, str]],
    timeout_ms: int,
) -> GrpcAnswer:
    call = channel.unary_unary(method)  # bytes go in, bytes come out
    try:
        await call(body, timeout=timeout_ms / 1000, metadata=tuple(metadata))
    except grpc.aio.AioRpcError as error:
        return GrpcAnswer(error.code().name, error.details() or "")
    except grpc.aio.UsageError as error:
        return GrpcAnswer("UNAVAILABLE", str(error))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return GrpcAnswer("UNAVAILABLE", "the channel was closed")  # under this call
    return GrpcAnswer("OK")


def _where(addresses: Sequence[str], port: int) -> str:
    """Return what gRPC takes without looking anything up; of both families the first one's."""
    version = ipaddress.ip_address(addresses[0]).version
    same = [text for text in addresses if ipaddress.ip_address(text).version == version]
    if version == 6:
        return "ipv6:" + ",".join(f"[{text}]:{port}" for text in same)
    return "ipv4:" + ",".join(f"{text}:{port}" for text in same)


def _credentials(settings: GrpcSettings) -> grpc.ChannelCredentials:
    try:
        system = ssl.get_default_verify_paths().cafile
        roots = b"\n".join(Path(file).read_bytes() for file in (system, settings.ca_file) if file)
        chain = Path(settings.certificate_file).read_bytes() if settings.certificate_file else None
        key = Path(settings.key_file).read_bytes() if settings.key_file else None
    except OSError as error:
        raise ConfigError(f"gRPC: {error.filename}: {error.strerror or error}") from error
    if (chain is None) != (key is None):
        raise ConfigError("gRPC: a certificate and its key belong together")
    return grpc.ssl_channel_credentials(roots or None, key, chain)
