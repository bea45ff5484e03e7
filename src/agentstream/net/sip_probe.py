"""One question to one SIP server, outside of any call: is it there, who is it, does it answer.

connect ─▶ (TLS: who shows which certificate) ─▶ OPTIONS ─▶ 401, 407: once more with credentials

For people who look for a fault: every step is told with its time. Nothing is kept.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final, cast

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from agentstream.base.clock import Clock
from agentstream.base.errors import PeerError
from agentstream.base.ids import Tokens
from agentstream.base.values import dataclass
from agentstream.net.sip_sockets import local_host_towards
from agentstream.net.tls_names import identities, names_host
from agentstream.sip.client_side import contact
from agentstream.sip.digest import DigestClient
from agentstream.sip.flow import Hop
from agentstream.sip.headers import Via
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.signaling import Credentials
from agentstream.sip.wire import StreamParser, encode, parse_datagram

CONNECT_S: Final = 5.0
ANSWER_S: Final = 6.0
REPEAT_S: Final = (0.5, 1.0, 2.0)  # RFC 3261 section 17.1.2: Timer E, for as long as we wait
_READ_BYTES: Final = 65_536
_WAITING: Final = 64  # datagrams not yet looked at


class ProbeError(PeerError):
    """The server was not reached or did not answer; the text says at which step."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a server's certificate says."""

    subject: str
    names: tuple[str, ...]  # that it is for
    issuer: str
    ends_at: datetime
    trust: str  # "": it is trusted and for the name; else why not

    def days_left(self, now: datetime) -> int:
        """Return for how many more days it is valid."""
        return (self.ends_at - now).days


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """How TLS was set up."""

    version: str
    cipher: str
    certificate: CertificateFacts


@dataclass(frozen=True, slots=True)
class OptionsFacts:
    """What came of OPTIONS."""

    status: int
    reason: str
    took_ms: int
    allow: str = ""
    server: str = ""
    challenged: tuple[str, ...] = ()  # the realms that asked for credentials
    has_answered: bool = False  # with ours
    seen_as: str = ""  # our address as the far end saw it (RFC 3581), "" when it does not say


@dataclass(slots=True)
class Line:
    """A way to one server that is open."""

    hop: Hop
    local: tuple[str, int]
    connect_ms: int
    tls: TlsFacts | None
    send: asyncio.DatagramTransport | asyncio.StreamWriter
    heard: "asyncio.Queue[Response]" = field(default_factory=lambda: asyncio.Queue(_WAITING))


@asynccontextmanager
async def opened(hop: Hop, clock: Clock, ca_file: str = "") -> AsyncIterator[Line]:
    """Open a way to a settled, numeric hop. Raises ProbeError.

    A certificate that is not trusted is looked at all the same, and told in `tls`.
    """
    if hop.transport == "udp":
        async with _datagrams(hop) as line:
            yield line
        return
    began_ms = clock.now_ms()
    tls: TlsFacts | None = None
    if hop.transport == "tls":
        trust = await _why_not_trusted(hop, ca_file)
        context = _context(ca_file, verify=not trust)
        reader, writer = await _connect(hop, context)
        tls = _tls_facts(writer, trust)
    else:
        reader, writer = await _connect(hop, None)
    local = writer.get_extra_info("sockname")[:2]
    line = Line(hop, local, clock.now_ms() - began_ms, tls, writer)
    reading = asyncio.create_task(_read(reader, line), name="probe")
    try:
        yield line
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()


async def options(
    line: Line,
    target: str,
    from_uri: str,
    clock: Clock,
    tokens: Tokens,
    credentials: Credentials | None = None,
) -> OptionsFacts:
    """Send OPTIONS and, where credentials are asked for, once more with ours. Raises ProbeError."""
    request = _options(line, target, from_uri, tokens)
    began_ms = clock.now_ms()
    response = await _ask(line, request, tokens)
    took_ms = clock.now_ms() - began_ms
    realms = tuple(_realms(response))
    has_answered = False
    if response.status in {401, 407} and credentials is not None:
        digest = DigestClient(credentials)
        if answers := digest.answer(request, response, tokens.hex(8)):
            for name, value in answers:
                request.headers.set(name, value)
            request.headers.set("CSeq", "2 OPTIONS")
            began_ms, has_answered = clock.now_ms(), True
            response = await _ask(line, request, tokens)
            took_ms = clock.now_ms() - began_ms
    return OptionsFacts(
        response.status,
        response.reason,
        took_ms,
        ", ".join(response.headers.all("Allow")),
        response.headers.get("Server") or response.headers.get("User-Agent") or "",
        realms,
        has_answered,
        _seen_as(response),
    )


def _options(line: Line, target: str, from_uri: str, tokens: Tokens) -> Request:
    host, port = line.local
    return Request(
        "OPTIONS",
        target,
        Headers(
            [
                ("Max-Forwards", "70"),
                ("From", f"<{from_uri}>;tag={tokens.hex(4)}"),
                ("To", f"<{target}>"),
                ("Call-ID", f"{tokens.hex(12)}@{host}"),
                ("CSeq", "1 OPTIONS"),
                ("Contact", contact(line.hop.transport or "udp", host, port)),
                ("Accept", "application/sdp"),
                ("User-Agent", "AgentStream"),
            ]
        ),
    )


async def _ask(line: Line, request: Request, tokens: Tokens) -> Response:
    """Send a request, again and again over UDP, and return its final response."""
    host, port = line.local
    shown = f"[{host}]" if ":" in host else host
    branch = f"z9hG4bK{tokens.hex(8)}"
    via = Via((line.hop.transport or "udp").upper(), shown, port, {"branch": branch, "rport": None})
    asked = request.headers.copy()
    asked.prepend("Via", str(via))
    data = encode(Request(request.method, request.uri, asked))
    repeating = asyncio.create_task(_repeat(line, data), name="probe repeats")
    try:
        async with asyncio.timeout(ANSWER_S):
            while True:
                response = await line.heard.get()
                if response.top_via.branch == branch and response.status >= 200:
                    return response
    except TimeoutError:
        raise ProbeError(f"no answer to {request.method} in {ANSWER_S:g} s") from None
    finally:
        repeating.cancel()
        await asyncio.gather(repeating, return_exceptions=True)


async def _repeat(line: Line, data: bytes) -> None:
    for wait_s in (*REPEAT_S, ANSWER_S):
        if isinstance(line.send, asyncio.StreamWriter):
            line.send.write(data)
            return
        line.send.sendto(data)
        await asyncio.sleep(wait_s)


class _Datagrams(asyncio.DatagramProtocol):
    """Reads responses; a port that is closed shows as an error on a connected socket."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Response] = asyncio.Queue(_WAITING)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep a response (asyncio calls this)."""
        del addr
        _take(data, self.heard)


@asynccontextmanager
async def _datagrams(hop: Hop) -> AsyncIterator[Line]:
    loop, far = asyncio.get_running_loop(), (hop.host, hop.port)
    ours = (local_host_towards(hop.host), 0)
    try:
        sender, reader = await loop.create_datagram_endpoint(
            _Datagrams, local_addr=ours, remote_addr=far
        )
    except OSError as error:
        raise ProbeError(f"no way to {hop}: {error.strerror or error}") from error
    try:
        local = sender.get_extra_info("sockname")[:2]
        yield Line(hop, local, 0, None, sender, reader.heard)
    finally:
        sender.abort()


async def _connect(
    hop: Hop, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = (hop.tls_name or hop.host) if context else None
    try:
        async with asyncio.timeout(CONNECT_S):
            return await asyncio.open_connection(
                hop.host, hop.port, ssl=context, server_hostname=name
            )
    except TimeoutError:
        raise ProbeError(f"no connection to {hop} in {CONNECT_S:g} s") from None
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise ProbeError(f"no TLS with {hop}: {error.reason or error}") from error
    except OSError as error:
        raise ProbeError(f"no connection to {hop}: {error.strerror or error}") from error


async def _why_not_trusted(hop: Hop, ca_file: str) -> str:
    """Return why the certificate would be refused; "": it is trusted (RFC 5922 section 4)."""
    try:
        _, writer = await _connect(hop, _context(ca_file, verify=True))
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    shown = cast("ssl.SSLObject", writer.get_extra_info("ssl_object")).getpeercert() or {}
    writer.transport.abort()
    names, wanted = identities(shown, or_common_name=True), hop.tls_name or hop.host
    if names_host(names, wanted):
        return ""
    return f"it is for {', '.join(names) or 'nobody'}, not for {wanted}"


def _context(ca_file: str, *, verify: bool) -> ssl.SSLContext:
    """Return a context that leaves names to RFC 5922."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    return context


def _tls_facts(writer: asyncio.StreamWriter, trust: str) -> TlsFacts:
    found = cast("ssl.SSLObject", writer.get_extra_info("ssl_object"))
    shown = x509.load_der_x509_certificate(found.getpeercert(binary_form=True) or b"")
    cipher = found.cipher()
    facts = CertificateFacts(
        _common_name(shown.subject),
        tuple(_names(shown)),
        _common_name(shown.issuer),
        shown.not_valid_after_utc.astimezone(UTC),
        trust,
    )
    return TlsFacts(found.version() or "", cipher[0] if cipher else "", facts)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        ).value
    except x509.ExtensionNotFound:
        return []
    names = cast("x509.SubjectAlternativeName", found)
    addresses: list[IPv4Address | IPv6Address] = [
        each
        for each in names.get_values_for_type(x509.IPAddress)
        if isinstance(each, IPv4Address | IPv6Address)
    ]
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


async def _read(reader: asyncio.StreamReader, line: Line) -> None:
    parser = StreamParser()
    while data := await reader.read(_READ_BYTES):
        for frame in parser.feed(data):
            if isinstance(frame, bytes):
                _take(frame, line.heard)


def _take(data: bytes, heard: "asyncio.Queue[Response]") -> None:
    try:
        message = parse_datagram(data)
    except PeerError:
        return
    if isinstance(message, Response) and not heard.full():
        heard.put_nowait(message)


def _realms(response: Response) -> list[str]:
    found = []
    for name in ("WWW-Authenticate", "Proxy-Authenticate"):
        for value in response.headers.all(name):
            _, _, rest = value.partition("realm=")
            found.append(rest.strip('"').partition('"')[0] or "?")
    return found


def _seen_as(response: Response) -> str:
    via = response.top_via
    if not via.received and not via.rport:
        return ""
    host = via.received or via.host.strip("[]")
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{via.rport or via.port}"
