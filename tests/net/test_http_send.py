"""Questions to a customer's server: method, headers, body, redirects, over a real connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from agentstream.calls.commands import HttpRequest
from agentstream.net.egress import Egress, EgressError, EgressPolicy
from agentstream.net.http_client import HttpAnswer, HttpClient, HttpError
from agentstream.net.signature import signature_headers

pytestmark = pytest.mark.integration


class Book:
    """Every name is this machine."""

    async def lookup(self, host: str) -> tuple[str, ...]:
        return (host,) if host[0].isdigit() else ("127.0.0.1",)


@dataclass
class Asked:
    """One request that the server saw."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], bytes] = lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                pairs = (line.split(": ", 1) for line in head[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.asked.append(Asked(method, target, headers, body))
                writer.write(self.answer(self.asked[-1]))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


def to(location: str, status: int = 302) -> Callable[[Asked], bytes]:
    line = f"HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()
    there = location.partition(".example")[2].partition("/")[2] or location.strip("/")

    def answer(asked: Asked) -> bytes:
        if asked.target.endswith(there):
            return b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere"
        return line

    return answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    yield server
    listener.close()
    await listener.wait_closed()


@pytest.fixture
async def http(server: Server) -> AsyncIterator[HttpClient]:
    client = HttpClient(Egress(EgressPolicy(), Book()))
    yield client
    await client.close()  # before the server waits for its connections


async def test_a_post_carries_its_body_and_says_what_it_is(
    http: HttpClient, server: Server
) -> None:
    url = f"http://hooks.example:{server.port}/in?key=1"
    answer = await http.send(
        HttpRequest(
            url,
            "POST",
            (("From", "+91 80"),),
            (("X-Step", "2"), ("User-Agent", "Mine")),
            "CallSid=1&x=\u0939",
            "application/x-www-form-urlencoded",
        )
    )
    assert (answer.status, answer.body) == (200, b"ok")
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/in?key=1&From=%2B91+80")
    assert asked.body == "CallSid=1&x=\u0939".encode()
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (asked.headers["x-step"], asked.headers["user-agent"]) == ("2", "Mine")
    assert asked.headers["host"] == f"hooks.example:{server.port}"


async def test_a_question_is_signed_with_its_body_or_else_its_path_and_query_op_4(
    server: Server,
) -> None:
    key, now = b"k" * 24, int(datetime.now(UTC).timestamp())
    client = HttpClient(Egress(EgressPolicy(), Book()), signing_keys=(key,))
    server.answer = to("/after/b?x")
    url = f"http://hooks.example:{server.port}/after"
    get = HttpRequest(f"{url}?key=%7B1", query=(("From", "+91 80"),), redirects=1)
    await client.send(get, message_id="m1")
    await client.send(HttpRequest(url, "POST", body="CallSid=1&x=\u0939"), message_id="m2")
    await client.send(HttpRequest(url))  # it has no name
    await client.close()
    contents = [b"/after?key=%7B1&From=%2B91+80", b"/after/b?x", "CallSid=1&x=\u0939".encode()]
    *signed, unsigned = server.asked
    for asked, content, message_id in zip(signed, contents, ("m1", "m1", "m2"), strict=True):
        time_s = int(asked.headers["webhook-timestamp"])
        assert 0 <= time_s - now < 60
        expected = signature_headers([key], message_id, time_s, content)
        assert {name: asked.headers[name] for name in expected} == expected
    assert not any(name.startswith("webhook") for name in unsigned.headers)


async def test_without_a_key_nothing_is_signed(http: HttpClient, server: Server) -> None:
    await http.send(HttpRequest(f"http://hooks.example:{server.port}/"), message_id="m1")
    assert not any(name.startswith("webhook") for name in server.asked[0].headers)


async def test_a_head_has_no_body_and_follows_like_a_get_ap_12(
    http: HttpClient, server: Server
) -> None:
    server.answer = to("/b")
    url = f"http://hooks.example:{server.port}/a"
    answer = await http.send(HttpRequest(url, "HEAD", redirects=1))
    assert (answer.status, answer.body) == (200, b"")
    assert [(asked.method, asked.target) for asked in server.asked] == [
        ("HEAD", "/a"),
        ("HEAD", "/b"),
    ]


async def test_an_empty_post_says_so(http: HttpClient, server: Server) -> None:
    await http.send(HttpRequest(f"http://hooks.example:{server.port}/", "POST"))
    assert server.asked[0].headers["content-length"] == "0"


async def test_a_get_has_neither_body_nor_length(http: HttpClient, server: Server) -> None:
    await http.send(HttpRequest(f"http://a:b@hooks.example:{server.port}/x"))
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("GET", "/x", b"")
    assert "content-length" not in asked.headers
    assert asked.headers["authorization"] == "Basic YTpi"


async def test_a_header_of_the_request_counts_before_the_urls_credentials(
    http: HttpClient, server: Server
) -> None:
    await http.send(
        HttpRequest(
            f"http://a:b@hooks.example:{server.port}/", headers=(("Authorization", "Bearer t"),)
        )
    )
    assert server.asked[0].headers["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "header",
    [("Host", "evil.example"), ("content-length", "1"), ("Transfer-Encoding", "chunked")],
)
async def test_headers_of_the_connection_cannot_be_set(
    http: HttpClient, server: Server, header: tuple[str, str]
) -> None:
    with pytest.raises(HttpError, match="cannot be set"):
        await http.send(HttpRequest(f"http://h.example:{server.port}/", headers=(header,)))
    assert not server.asked


@pytest.mark.parametrize("header", [("X-A", "b\r\nX-C: d"), ("X A", "b"), ("X-A", "\u0939")])
async def test_a_header_that_cannot_be_sent_is_an_error_and_nothing_is_sent(
    http: HttpClient, server: Server, header: tuple[str, str]
) -> None:
    with pytest.raises(HttpError):
        await http.send(HttpRequest(f"http://h.example:{server.port}/", headers=(header,)))
    assert not server.asked


async def test_a_redirect_is_an_answer_by_default_pt_3(http: HttpClient, server: Server) -> None:
    server.answer = to("/there")
    answer = await http.send(HttpRequest(f"http://h.example:{server.port}/here"))
    assert answer.status == 302
    assert len(server.asked) == 1


async def redirected(http: HttpClient, server: Server, status: int) -> tuple[HttpAnswer, Asked]:
    server.answer = to("/there", status)
    answer = await http.send(
        HttpRequest(
            f"http://h.example:{server.port}/here",
            "POST",
            headers=(("X-A", "b"),),
            body="b",
            content_type="text/plain",
            redirects=1,
        )
    )
    return answer, server.asked[-1]


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_post_that_is_redirected_becomes_a_get(
    http: HttpClient, server: Server, status: int
) -> None:
    answer, asked = await redirected(http, server, status)
    assert (answer.body, asked.method, asked.body) == (b"there", "GET", b"")
    assert "content-type" not in asked.headers
    assert asked.headers["x-a"] == "b"


@pytest.mark.parametrize("status", [307, 308])
async def test_a_post_that_is_redirected_strictly_stays_one(
    http: HttpClient, server: Server, status: int
) -> None:
    answer, asked = await redirected(http, server, status)
    assert (answer.body, asked.method, asked.body) == (b"there", "POST", b"b")
    assert asked.headers["content-type"] == "text/plain"


async def test_secrets_in_headers_do_not_follow_to_another_port(
    http: HttpClient, server: Server
) -> None:
    other = Server()
    listener = await asyncio.start_server(other.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server.answer = to(f"http://h.example:{port}/there")
    headers = (("Authorization", "Bearer t"), ("Cookie", "c"), ("X-A", "b"))
    await http.send(
        HttpRequest(f"http://h.example:{server.port}/here", headers=headers, redirects=1)
    )
    assert server.asked[0].headers["authorization"] == "Bearer t"
    assert "authorization" not in other.asked[0].headers
    assert "cookie" not in other.asked[0].headers
    assert other.asked[0].headers["x-a"] == "b"
    await http.close()
    listener.close()
    await listener.wait_closed()


async def test_the_policy_and_the_limits_hold_for_a_post(http: HttpClient, server: Server) -> None:
    with pytest.raises(EgressError, match="must begin with"):
        await http.send(HttpRequest("ftp://h.example/", "POST"))
    with pytest.raises(HttpError, match="larger than 1 bytes"):
        await http.send(HttpRequest(f"http://h.example:{server.port}/", "POST", max_bytes=1))
    closed = HttpClient(Egress(EgressPolicy("closed"), Book()))
    with pytest.raises(EgressError, match="loopback"):
        await closed.send(HttpRequest(f"http://h.example:{server.port}/", "POST"))
    await closed.close()


async def test_five_hundred_may_ask_one_server_at_once(http: HttpClient, server: Server) -> None:
    url = f"http://h.example:{server.port}/"
    answers = await asyncio.gather(
        *(http.send(HttpRequest(url, timeout_ms=20_000)) for _ in range(500))
    )
    assert [answer.status for answer in answers] == [200] * 500
