import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agentstream.base.errors import ConfigError
from agentstream.net.egress import Egress, EgressError, EgressPolicy
from agentstream.net.http_client import HttpClient, HttpError

pytestmark = pytest.mark.integration
Answer = Callable[[bytes], bytes]


class Book:
    """Every *.example name is this machine, and so is whatever else is asked."""

    async def lookup(self, host: str) -> tuple[str, ...]:
        if host == "two.example":
            return ("127.0.0.9", "127.0.0.1")
        return (host,) if host[0].isdigit() else ("127.0.0.1",)


class Server:
    """Answers each request by a function of the request's bytes, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.answer: Answer = lambda _request: ok(b"hello")
        self.stall = False
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.seen.append(request)
                if not self.stall:
                    writer.write(self.answer(request))
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


def ok(body: bytes, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n%s" % (len(body), head, body)


def to(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()


Start = Callable[[ssl.SSLContext | None], Awaitable[Server]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    running: list[tuple[asyncio.Server, Server]] = []

    async def begin(tls: ssl.SSLContext | None = None) -> Server:
        server = Server()
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        server.port = listener.sockets[0].getsockname()[1]
        running.append((listener, server))
        return server

    yield begin
    for listener, server in running:
        listener.close()
        server.hang_up()
        await listener.wait_closed()


@pytest.fixture
async def server(start: Start) -> Server:
    return await start(None)


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(Egress(EgressPolicy(), Book()))
    yield client
    await client.close()


async def test_a_url_is_asked_by_its_name_at_the_checked_address(
    http: HttpClient, server: Server
) -> None:
    answer = await http.get(
        f"http://bot.example:{server.port}/r/1?a=%41&b", timeout_ms=2_000, max_bytes=1_000
    )
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"hello", "5")
    assert answer.elapsed_ms >= 0
    [request] = server.seen
    assert request.startswith(b"GET /r/1?a=%41&b HTTP/1.1\r\n")
    assert f"Host: bot.example:{server.port}".encode() in request


async def test_what_is_asked_joins_the_urls_own_query(http: HttpClient, server: Server) -> None:
    url, more = (
        f"http://bot.example:{server.port}/r",
        (("CallFrom", "+91 80"), ("Direction", "incoming")),
    )
    await http.get(url, timeout_ms=2_000, max_bytes=100, query=more)
    await http.get(url + "?a=%41", timeout_ms=2_000, max_bytes=100, query=more)
    lines = [request.split(b" ")[1] for request in server.seen]
    assert lines[0] == b"/r?CallFrom=%2B91+80&Direction=incoming"
    assert lines[1] == b"/r?a=%41&CallFrom=%2B91+80&Direction=incoming"


async def test_a_url_can_be_pinned_for_another_connection(http: HttpClient) -> None:
    pinned = await http.pin("wss://bot.example:8443/ws")
    assert (pinned.addresses, pinned.secure) == (("127.0.0.1:8443",), True)
    assert pinned.elapsed_ms >= 0


async def test_credentials_go_in_a_header_and_never_into_an_error(
    http: HttpClient, server: Server
) -> None:
    url = f"http://me:hunter2@bot.example:{server.port}/"
    await http.get(url, timeout_ms=2_000, max_bytes=1_000)
    assert b"Authorization: Basic bWU6aHVudGVyMg==" in server.seen[0]
    assert b"hunter2" not in server.seen[0]
    with pytest.raises(HttpError) as caught:
        await http.get(url, timeout_ms=2_000, max_bytes=1)
    assert "hunter2" not in str(caught.value)


async def test_a_connection_is_used_again_under_the_same_list_only(
    http: HttpClient, server: Server
) -> None:
    url = f"http://bot.example:{server.port}/"
    for allow in ((), (), ("bot.example",)):
        await http.get(url, timeout_ms=2_000, max_bytes=1_000, allow=allow)
    assert server.connections == 2


async def test_the_next_address_is_tried_when_one_refuses(http: HttpClient, server: Server) -> None:
    answer = await http.get(f"http://two.example:{server.port}/", timeout_ms=2_000, max_bytes=1_000)
    assert answer.status == 200


async def test_a_redirect_is_an_answer_unless_following_was_asked_for(
    http: HttpClient, server: Server
) -> None:
    server.answer = lambda _: to("/elsewhere")
    assert (
        await http.get(
            f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=100, max_redirects=0
        )
    ).status == 302  # PT-3
    assert len(server.seen) == 1


async def test_redirects_are_followed_on_the_same_host_three_times(
    http: HttpClient, server: Server
) -> None:
    def answer(request: bytes) -> bytes:
        step = int(request.split(b"/")[1][:1])
        return ok(b"there") if step == 3 else to(f"/{step + 1}")

    server.answer = answer
    url = f"http://b.example:{server.port}"
    found = await http.get(f"{url}/0", timeout_ms=2_000, max_bytes=100)  # AS-17
    assert found.body == b"there"
    with pytest.raises(HttpError, match="too many redirects"):
        await http.get(f"{url}/0", timeout_ms=2_000, max_bytes=100, max_redirects=2)


@pytest.mark.parametrize(
    "location", ["http://evil.example/", "//evil.example/", "http://169.254.169.254/"]
)
async def test_a_redirect_to_another_host_is_not_followed(
    http: HttpClient, server: Server, location: str
) -> None:
    server.answer = lambda _: to(location)
    with pytest.raises(HttpError, match="another host"):
        await http.get(
            f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=100, max_redirects=3
        )
    assert len(server.seen) == 1


async def test_credentials_do_not_follow_to_another_port(
    http: HttpClient, server: Server, start: Start
) -> None:
    other = await start(None)
    server.answer = lambda _: to(f"http://b.example:{other.port}/")
    await http.get(
        f"http://u:p@b.example:{server.port}/", timeout_ms=2_000, max_bytes=100, max_redirects=1
    )
    assert b"Authorization" in server.seen[0]
    assert b"Authorization" not in other.seen[0]


async def test_a_large_answer_is_cut_off(http: HttpClient, server: Server) -> None:
    server.answer = lambda _: ok(b"x" * 1_001)
    with pytest.raises(HttpError, match="larger than 1000 bytes"):
        await http.get(f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=1_000)
    server.answer = lambda _: ok(b"x" * 1_000)
    assert (
        len(
            (
                await http.get(
                    f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=1_000
                )
            ).body
        )
        == 1_000
    )


async def test_an_answer_that_does_not_come_is_given_up_in_time(
    http: HttpClient, server: Server
) -> None:
    server.stall = True
    with pytest.raises(HttpError, match="no answer in 30 ms"):
        await http.get(f"http://u:p@b.example:{server.port}/", timeout_ms=30, max_bytes=1_000)


@pytest.mark.parametrize(
    "nonsense", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"]
)
async def test_an_answer_that_is_no_http_is_the_far_ends_fault(
    http: HttpClient, server: Server, nonsense: bytes
) -> None:
    server.answer = lambda _: nonsense
    with pytest.raises(HttpError, match=r"b\.example"):
        await http.get(f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=1_000)


async def test_an_answer_that_comes_compressed_unasked_is_refused(
    http: HttpClient, server: Server
) -> None:
    server.answer = lambda _: ok(b"zip", b"content-encoding: gzip\r\n")
    with pytest.raises(HttpError, match="compressed"):
        await http.get(f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=1_000)


async def test_nobody_listening_is_said_with_the_address(http: HttpClient) -> None:
    with pytest.raises(HttpError, match=r"127\.0\.0\.1"):
        await http.get("http://b.example:1/", timeout_ms=2_000, max_bytes=1_000)


async def test_the_policy_is_asked_before_anything_is_sent(server: Server) -> None:
    client = HttpClient(Egress(EgressPolicy("closed"), Book()))
    with pytest.raises(EgressError, match="loopback"):
        await client.get(f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=1_000)
    answer = await client.get(
        f"http://b.example:{server.port}/",
        timeout_ms=2_000,
        max_bytes=1_000,
        allow=("127.0.0.0/8",),
    )
    assert answer.status == 200
    assert server.connections == 1
    await client.close()


async def test_environment_proxies_are_not_used(
    http: HttpClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (
        await http.get(f"http://b.example:{server.port}/", timeout_ms=2_000, max_bytes=100)
    ).status == 200


async def test_pools_have_a_bound(http: HttpClient, server: Server) -> None:
    url = f"http://b.example:{server.port}/"
    for number in range(40):
        await http.get(url, timeout_ms=2_000, max_bytes=100, allow=(f"n{number}.example",))
    assert server.connections == 40
    await http.get(url, timeout_ms=2_000, max_bytes=100, allow=("n39.example",))
    assert server.connections == 40
    await http.get(
        url, timeout_ms=2_000, max_bytes=100, allow=("n0.example",)
    )  # was closed to make room
    assert server.connections == 41


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName(name),
        x509.IPAddress(ipaddress.ip_address("127.0.0.2")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    both = folder / "both.pem"
    both.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return context, str(both)


async def test_a_certificate_is_checked_against_the_name_in_the_url(
    start: Start, tmp_path: Path
) -> None:
    tls, ca_file = certificate(tmp_path, "bot.example")
    server = await start(tls)
    egress = Egress(EgressPolicy(), Book())
    trusting = HttpClient(egress, ca_file=ca_file)
    answer = await trusting.get(
        f"https://bot.example:{server.port}/", timeout_ms=5_000, max_bytes=100
    )  # AS-38
    assert answer.status == 200
    with pytest.raises(HttpError, match=r"(?i)certificate"):
        await trusting.get(f"https://other.example:{server.port}/", timeout_ms=5_000, max_bytes=100)
    await trusting.close()
    careful, careless = HttpClient(egress), HttpClient(egress, verify_tls=False)
    with pytest.raises(HttpError, match=r"(?i)certificate"):
        await careful.get(f"https://bot.example:{server.port}/", timeout_ms=5_000, max_bytes=100)
    assert (
        await careless.get(f"https://x.example:{server.port}/", timeout_ms=5_000, max_bytes=100)
    ).status == 200
    await careful.close()
    await careless.close()


async def test_a_redirect_from_tls_to_plain_is_not_followed(start: Start, tmp_path: Path) -> None:
    tls, ca_file = certificate(tmp_path, "bot.example")
    server = await start(tls)
    server.answer = lambda _: to("http://bot.example/")
    client = HttpClient(Egress(EgressPolicy(), Book()), ca_file=ca_file)
    with pytest.raises(HttpError, match="from https to http"):
        await client.get(
            f"https://bot.example:{server.port}/", timeout_ms=5_000, max_bytes=100, max_redirects=3
        )
    await client.close()


def test_a_ca_file_that_cannot_be_read_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CA file"):
        HttpClient(Egress(EgressPolicy(), Book()), ca_file=str(tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("bad")
    with pytest.raises(ConfigError, match="CA file"):
        HttpClient(Egress(EgressPolicy(), Book()), ca_file=str(tmp_path / "bad.pem"))
