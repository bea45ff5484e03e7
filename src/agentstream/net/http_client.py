"""HTTP out: httpx over connections that only ever go to addresses which the egress policy allowed.

The URL keeps its name, so Host, SNI and the certificate check are those of the name; the connection
itself goes to a checked address. No proxy of the environment, no cookie, no compression.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urljoin

import httpcore
import httpx

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import BusyError, PeerError
from agentstream.base.values import dataclass, replace
from agentstream.net.egress import HTTP_SCHEMES, Egress, Pinned, Target, mask_url, parse_url
from agentstream.net.http_question import Question
from agentstream.net.signature import signature_headers
from agentstream.net.tls import web_context

USER_AGENT = "AgentStream"
SOUND_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})  # RFC 9110 section 15.4: after the others it is a GET
_POOLS = 32  # one for each allow list in use; full: the one not used for longest is closed
_AT_ONCE = 1_000
# What belongs to the connection, or is ours to say.
_OUR_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te"}
    | {"trailer", "expect", "accept-encoding", "proxy-authorization", "proxy-connection"}
)
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie"})


class HttpError(PeerError):
    """No usable answer came; the text says what happened, without credentials."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer, whatever its status. Header names are in lower case; the first counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class _Get:
    url: str
    query: tuple[tuple[str, str], ...]
    timeout_ms: int
    max_bytes: int
    redirects: int
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request of a question: what is sent where."""

    target: Target
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout_ms: int
    max_bytes: int
    allow: tuple[str, ...]
    message_id: str


class HttpClient:
    """GET and POST with limits. Make it and use it on one event loop; `close` it at the end."""

    def __init__(
        self,
        egress: Egress,
        *,
        verify_tls: bool = True,
        ca_file: str | None = None,
        local_address: str | None = None,
        signing_keys: tuple[bytes, ...] = (),
        clock: Clock | None = None,
    ) -> None:
        self.egress = egress  # this and the next two are also for connections of other protocols
        self.tls = web_context(verify_tls, ca_file)
        self.local_address = local_address
        self._signing_keys = signing_keys
        self._clock = clock or SystemClock()
        self._pools: OrderedDict[tuple[str, ...], _EgressTransport] = OrderedDict()
        self._running = 0

    async def get(
        self,
        url: str,
        *,
        timeout_ms: int,
        max_bytes: int,
        query: tuple[tuple[str, str], ...] = (),
        allow: tuple[str, ...] = (),
        max_redirects: int = SOUND_REDIRECTS,
    ) -> HttpAnswer:
        """Ask a URL, `query` added to its own; otherwise as `send`."""
        question = _Get(url, query, timeout_ms, max_bytes, max_redirects)
        return await self.send(question, allow=allow)

    async def send(
        self, question: Question, *, allow: tuple[str, ...] = (), message_id: str = ""
    ) -> HttpAnswer:
        """Ask a server, and read the whole answer within time and size.

        Redirects are followed to the same host only and never from TLS to plain. `allow` is the
        account's own list. With a `message_id` the request is signed, if there are keys to sign
        with; a repetition has the id of the first. Raises HttpError, EgressError or DnsError (each
        a PeerError), or BusyError.
        """
        url, timeout_ms = question.url, question.timeout_ms
        if self._running >= _AT_ONCE:
            raise BusyError("too many HTTP requests are running")
        self._running += 1
        began_ms = self._clock.now_ms()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                status, fields, body = await self._follow(
                    _first_ask(question, allow, message_id), question.redirects
                )
        except TimeoutError as error:
            raise HttpError(f"{mask_url(url)}: no answer in {timeout_ms} ms") from error
        finally:
            self._running -= 1
        return HttpAnswer(status, fields, body, self._clock.now_ms() - began_ms)

    async def pin(self, url: str, *, allow: tuple[str, ...] = ()) -> Pinned:
        """Return where a URL leads, for a connection that somebody else makes; see `Egress`."""
        pinned = await self.egress.resolve(url, allow)
        return replace(pinned, local_address=self.local_address)

    async def close(self) -> None:
        """Close every connection."""
        while self._pools:
            await self._pools.popitem()[1].aclose()

    async def _follow(self, ask: _Ask, redirects: int) -> "_Answered":
        first = ask
        while True:
            status, headers, body = await self._send(ask)
            location = headers.get("location", "")
            if status not in _REDIRECTS or not location or redirects == 0:
                if status in _REDIRECTS and location and ask is not first:
                    raise HttpError(f"{first.target.url()}: too many redirects")
                return status, headers, body
            redirects -= 1
            ask = _redirected(ask, location, status)

    async def _send(self, ask: _Ask) -> "_Answered":
        transport = await self.transport(ask.allow)
        seconds = ask.timeout_ms / 1000
        target = ask.target
        request = httpx.Request(
            ask.method,
            target.url(),
            headers=_headers(ask),
            content=ask.body if ask.method == "POST" else None,
            extensions={
                "timeout": {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}
            },
        )
        self._sign(request, ask)
        try:
            response = await transport.handle_async_request(request)
            try:
                body = await _body(response, target, ask.max_bytes)
            finally:
                await response.aclose()
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            why = str(error) or type(error).__name__
            raise HttpError(f"{target.url()}: {why}") from error
        fields: dict[str, str] = {}
        for key, value in response.headers.multi_items():
            fields.setdefault(key.lower(), value)
        return response.status_code, fields, body

    def _sign(self, request: httpx.Request, ask: _Ask) -> None:
        if self._signing_keys and ask.message_id:
            now_s = int(self._clock.wall().timestamp())
            content = ask.body if ask.method == "POST" else request.url.raw_path
            request.headers.update(
                signature_headers(self._signing_keys, ask.message_id, now_s, content)
            )

    async def transport(self, allow: tuple[str, ...]) -> httpx.AsyncBaseTransport:
        """Return the connections under one allow list; they go to allowed addresses only."""
        # An open connection is used again only under the very list that let it be made.
        transport = self._pools.get(allow)
        if transport is None:
            transport = _EgressTransport(self.egress, allow, self.tls, self.local_address)
            self._pools[allow] = transport
            if len(self._pools) > _POOLS:
                await self._pools.popitem(last=False)[1].aclose()
        self._pools.move_to_end(allow)
        return transport


_Answered = tuple[int, Mapping[str, str], bytes]


class _EgressTransport(httpx.AsyncBaseTransport):
    """Connections under one allow list, kept open for a while."""

    def __init__(
        self,
        egress: Egress,
        allow: tuple[str, ...],
        tls: ssl.SSLContext,
        local_address: str | None,
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=_AT_ONCE,
            max_keepalive_connections=100,
            keepalive_expiry=15,
            local_address=local_address,
            network_backend=_EgressBackend(egress, allow),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Stream(answer), request=request
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._answer.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


class _EgressBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to allowed addresses, one after the other until one answers."""

    def __init__(self, egress: Egress, allow: tuple[str, ...]) -> None:
        self._egress = egress
        self._allow = allow
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._egress.addresses(host, port, self._allow)
        share = None if timeout is None else timeout / len(addresses)
        failed: list[str] = []
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed.append(f"{address}: {str(error) or type(error).__name__}")
        raise httpcore.ConnectError("; ".join(failed))


def _first_ask(question: Question, allow: tuple[str, ...], message_id: str) -> _Ask:
    target = _with_query(parse_url(question.url, HTTP_SCHEMES), question.query)
    for name, value in question.headers:
        if name.lower() in _OUR_HEADERS:
            raise HttpError(f"{target.url()}: the header {name} cannot be set")
        if not (name.isascii() and value.isascii()):
            raise HttpError(f"{target.url()}: the header {name!r} is not ASCII")
    headers = question.headers
    body = question.body.encode("utf-8", "replace")
    if question.content_type:
        headers = (*headers, ("Content-Type", question.content_type))
    return _Ask(
        target,
        question.method,
        headers,
        body,
        question.timeout_ms,
        question.max_bytes,
        allow,
        message_id,
    )


def _headers(ask: _Ask) -> list[tuple[str, str]]:
    target = ask.target
    headers = {
        "host": ("Host", target.host_header),
        "user-agent": ("User-Agent", USER_AGENT),
        "accept": ("Accept", "*/*"),
        "accept-encoding": ("Accept-Encoding", "identity"),
    }
    if target.authorization:
        headers["authorization"] = ("Authorization", target.authorization)
    if ask.method == "POST":
        headers["content-length"] = ("Content-Length", str(len(ask.body)))
    for name, value in ask.headers:
        headers[name.lower()] = (name, value)
    return list(headers.values())


def _with_query(target: Target, query: tuple[tuple[str, str], ...]) -> Target:
    if not query:
        return target
    joint = "&" if "?" in target.target else "?"
    return replace(target, target=f"{target.target}{joint}{urlencode(query)}")


def _redirected(ask: _Ask, location: str, status: int) -> _Ask:
    target = ask.target
    after = parse_url(urljoin(target.url(), location), HTTP_SCHEMES)
    if after.host != target.host:
        raise HttpError(f"{target.url()}: redirects to another host, {after.host}")
    if target.secure and not after.secure:
        raise HttpError(f"{target.url()}: redirects from https to http")
    # Credentials belong to the origin that they were given for (RFC 9110 §15.4).
    is_same = after.port == target.port and after.secure == target.secure
    user, password = (target.user, target.password) if is_same else ("", "")
    moved = Target(after.scheme, after.host, after.port, after.target, user, password)
    keeps = status in _KEEP_METHOD or ask.method != "POST"
    dropped = frozenset() if is_same else _SECRET_HEADERS
    if not keeps:
        dropped = dropped | {"content-type"}
    return replace(
        ask,
        target=moved,
        method=ask.method if keeps else "GET",
        body=ask.body if keeps else b"",
        headers=tuple(pair for pair in ask.headers if pair[0].lower() not in dropped),
    )


async def _body(response: httpx.Response, target: Target, max_bytes: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(f"{target.url()}: the answer is compressed, which was not asked for")
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > max_bytes:
            raise HttpError(f"{target.url()}: the answer is larger than {max_bytes} bytes")
    return bytes(body)
