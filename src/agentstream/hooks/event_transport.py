"""How an event reaches its endpoint: by HTTPS, gRPC or a WebSocket, as its scheme says (LD-1).

A transport knows nothing of legs and bridges: it takes an endpoint and a body, and says what became
of one attempt.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from agentstream.base.ids import AccountSid
from agentstream.net.egress import GRPC_SCHEMES, HTTP_SCHEMES, STREAM_SCHEMES, mask_secrets

ERROR_LIMIT: Final = 300  # characters of what is kept of a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPost:
    """One attempt to tell an event."""

    endpoint: str = field(repr=False)  # may hold credentials
    account_sid: AccountSid
    event_sid: str
    body: str = field(repr=False)  # the JSON object, the same in every transport (LD-7)
    number: int  # of the attempt, from 1
    at: datetime  # when it happened

    @property
    def request_id(self) -> str:
        """What tells this attempt from the others (EV-34, LD-5)."""
        return f"{self.event_sid}-{self.number}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt."""

    error: str = ""  # "": it was taken
    is_final: bool = False  # another attempt would be the same
    elapsed_ms: int = 0  # from the sending to the acknowledgement


class EventTransport(Protocol):
    """One way out."""

    async def send(self, post: EventPost) -> Outcome:
        """Try once, within a time of its own; raises nothing that an endpoint can cause."""

    async def stop(self) -> None:
        """Close every connection."""


class Transports:
    """Chooses by the scheme of the endpoint."""

    def __init__(self, http: EventTransport, grpc: EventTransport, sockets: EventTransport) -> None:
        self._all = (http, grpc, sockets)
        ways = zip((HTTP_SCHEMES, GRPC_SCHEMES, STREAM_SCHEMES), self._all, strict=True)
        self._by_scheme = {scheme: way for schemes, way in ways for scheme in schemes}

    async def send(self, post: EventPost) -> Outcome:
        """Try once by the way that the endpoint names."""
        way = self._by_scheme.get(scheme_of(post.endpoint))
        if way is None:
            return Outcome("the endpoint has no scheme that events can go by", is_final=True)
        return await way.send(post)

    async def stop(self) -> None:
        """Close every connection."""
        for way in self._all:
            await way.stop()


def scheme_of(endpoint: str) -> str:
    """Return the scheme of an address in lower case."""
    return endpoint.partition(":")[0].lower()


def waits_for_its_socket(endpoint: str) -> bool:
    """Whether an attempt there may take long, and costs next to nothing meanwhile (LD-8)."""
    return scheme_of(endpoint) in STREAM_SCHEMES


def told_error(text: str) -> str:
    """Return what may be kept of a failure: no secrets, and nothing that PostgreSQL refuses."""
    return mask_secrets(text).replace("\0", "")[:ERROR_LIMIT]
