"""A customer's web server for tests: keeps what it was asked, and answers what the test says.

async with customer() as shop:
    shop.answers["/after"] = Reply(302)
    ...  # let a flow ask shop.url("/after")
    assert shop.asked("/after")[0].query["Stream[Status]"] == "completed"
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from agentstream.testing.waiting import until

HOST = "127.0.0.1"
HEAD_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    raw_query: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """The query's names and values, decoded; of a name that comes twice the last."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The body's names and values, when it is a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered, after `delay_ms`."""

    status: int = 200
    body: str | bytes = ""
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()
    delay_ms: int = 0


Answer = Reply | Callable[[Asked], Reply | Awaitable[Reply]]


@dataclass
class Customer:
    """A running server. A path without an answer gets 404."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)

    def url(self, path: str, scheme: str = "http") -> str:
        """Return the address of a path here."""
        return f"{scheme}://{HOST}:{self.port}{path}"

    def asked(self, path: str) -> list[Asked]:
        """Return the requests for a path, in order."""
        return [request for request in self.requests if request.path == path]

    async def until_asked(self, path: str, count: int = 1, timeout_ms: int = 10_000) -> Asked:
        """Wait until a path was asked so often; returns the last of those requests."""
        await until(lambda: len(self.asked(path)) >= count, timeout_ms)
        return self.asked(path)[count - 1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        try:
            request = await _read(reader)
            self.requests.append(request)
            reply = await self._reply(request)
            await asyncio.sleep(reply.delay_ms / 1000)
            writer.write(_written(reply))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _reply(self, request: Asked) -> Reply:
        answer = self.answers.get(request.path, Reply(404))
        if isinstance(answer, Reply):
            return answer
        made = answer(request)
        return made if isinstance(made, Reply) else await made


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    place = urlsplit(target)
    return Asked(method, place.path, place.query, headers, body)


def _written(reply: Reply) -> bytes:
    body = reply.body.encode() if isinstance(reply.body, str) else reply.body
    phrase = HTTPStatus(reply.status).phrase
    headers = (
        ("Content-Type", reply.content_type),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *reply.headers,
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {reply.status} {phrase}\r\n{lines}\r\n".encode() + body


@asynccontextmanager
async def customer(
    tls: ssl.SSLContext | None = None, /, **answers: Answer
) -> AsyncIterator[Customer]:
    """Run a server, of https with `tls`; a keyword `after` answers the path `/after`."""
    shop = Customer(answers={f"/{name}": answer for name, answer in answers.items()})
    server = await asyncio.start_server(shop.serve, HOST, 0, limit=HEAD_LIMIT, ssl=tls)
    shop.port = int(server.sockets[0].getsockname()[1])
    try:
        yield shop
    finally:
        server.close()
