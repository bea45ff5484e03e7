"""A node asks a real web server and sends a real letter."""

import asyncio
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from agentstream.base.ids import RequestId
from agentstream.calls.commands import Command, Fetch, HttpRequest, Mail, SendMail
from agentstream.calls.events import CallStarted, RequestFinished
from agentstream.switch.feed import ErrandDone
from agentstream.testing.ports import HOST
from agentstream.testing.scene import Scene, raw_server, scene
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration


class Hooks:
    """A customer's server: says 302 to everything, once it may."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            await self.may_answer.wait()
            writer.write(b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()


class Box:
    """A mail server."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []

    async def handle_DATA(  # noqa: N802  (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.letters.append(envelope)
        return "250 OK"


async def ask(night: Scene, *wishes: Command) -> None:
    started = next(event for event in night.node.events if isinstance(event, CallStarted))
    for wish in wishes:
        await night.node.house.parts.switchboard.ask(started.call_sid, wish)


async def test_a_call_waits_for_its_server_and_leaves_errands_behind(tmp_path: Path) -> None:
    """PT-1, PT-2, PT-3: the query is appended, a 302 is an answer, async outlives the call."""
    hooks = Hooks()
    async with raw_server(hooks.talk) as port, scene(tmp_path) as night:
        url = f"http://{HOST}:{port}/after?key=1"
        call = await night.talk()
        request = HttpRequest(url, query=(("CallFrom", "+91 9"),))
        await ask(night, Fetch(RequestId("sync"), request, "passthru"))
        await until(lambda: night.node.saw("RequestFinished"))
        (finished,) = night.node.saw("RequestFinished")
        assert isinstance(finished, RequestFinished)
        assert (finished.status, finished.attempts, finished.error) == (302, 1, "")
        assert hooks.asked[0].startswith(b"GET /after?key=1&CallFrom=%2B91+9 HTTP/1.1\r\n")
        hooks.may_answer.clear()
        await ask(night, Fetch(RequestId("async"), request, "passthru", in_background=True))
        await until(lambda: len(hooks.asked) == 2)
        await call.hang_up()
        await night.record()
        assert not night.node.saw("ErrandDone")
        assert night.node.house.parts.courier.running == 1
        hooks.may_answer.set()
        await until(lambda: night.node.saw("ErrandDone"))
        (done,) = night.node.saw("ErrandDone")
        assert isinstance(done, ErrandDone)
        assert (done.request_id, done.status) == ("async", 302)
        assert len(night.node.saw("RequestFinished")) == 1


async def test_a_letter_goes_out_by_the_configured_server(tmp_path: Path) -> None:
    box = Box()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), HOST, 0)
    port = server.sockets[0].getsockname()[1]
    mail = {"host": HOST, "port": port, "starttls": False, "from": "calls@example.org"}
    async with scene(tmp_path, mail=mail) as night:
        call = await night.talk()
        await ask(night, SendMail(RequestId("m"), Mail(("ann@example.org",), "Voicemail", "One.")))
        await until(lambda: box.letters)
        assert box.letters[0].rcpt_tos == ["ann@example.org"]
        await until(lambda: night.node.saw("ErrandDone"))
        await call.hang_up()
        await night.record()
    server.close()
    await server.wait_closed()


async def test_without_a_mail_server_the_fact_says_what_is_missing(tmp_path: Path) -> None:
    async with scene(tmp_path) as night:
        call = await night.talk()
        await ask(night, SendMail(RequestId("m"), Mail(("ann@example.org",), "Voicemail", "One.")))
        await until(lambda: night.node.saw("ErrandDone"))
        (done,) = night.node.saw("ErrandDone")
        assert isinstance(done, ErrandDone)
        assert (done.purpose, done.status) == ("email", 0)
        assert "[mail]" in done.error
        await call.hang_up()
        await night.record()
