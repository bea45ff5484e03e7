"""Letters to a real mail server on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from agentstream.base.errors import ConfigError
from agentstream.net.mailer import Mailer, MailError, MailRefusedError, MailRoad, NoMailer
from agentstream.testing.certificates import Authority

pytestmark = pytest.mark.integration
SENDER = "Green Leaf <calls@example.org>"
TO = ("ann@example.org", "ben@example.org")


class Box:
    """Takes letters; `says` is what it answers to the next ones' recipients or text."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.says: list[str] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.says:
            return self.says.pop(0)
        self.letters.append(envelope)
        return "250 OK"


def knows(_server: object, _session: object, _envelope: object, _kind: str, who: object) -> Any:
    return AuthResult(success=who == LoginPassword(b"calls", b"hunter2"), handled=False)


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    box = Box()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(box, hostname="mail.example"), "127.0.0.1", 0
    )
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()
    await server.wait_closed()


def mailer(port: int, tls: str = "none") -> Mailer:
    return Mailer(MailRoad("127.0.0.1", port, tls=tls, sender=SENDER))


async def test_a_letter_arrives_as_it_was_written(box: Box) -> None:
    await mailer(box.port).send(
        TO, "Nachricht f\u00fcr\r\nBcc: all@example.org", "Gr\u00fc\u00dfe\n"
    )
    (envelope,) = box.letters
    assert envelope.mail_from == "calls@example.org"
    assert envelope.rcpt_tos == list(TO)
    assert isinstance(envelope.content, bytes)
    letter = message_from_bytes(envelope.content, policy=policy.default)
    assert letter["From"] == SENDER
    assert letter["To"] == ", ".join(TO)
    assert letter["Subject"] == "Nachricht f\u00fcr Bcc: all@example.org"
    assert letter["Bcc"] is None
    assert letter["Message-ID"].endswith("@example.org>")
    assert letter["Date"]
    assert letter.get_content().strip() == "Gr\u00fc\u00dfe"


async def test_a_passing_no_may_be_asked_again_and_a_final_one_not(box: Box) -> None:
    box.says = ["451 later", "554 never"]
    with pytest.raises(MailError, match="451 later") as caught:
        await mailer(box.port).send(TO, "s", "t")
    assert not isinstance(caught.value, MailRefusedError)
    with pytest.raises(MailRefusedError, match="554 never"):
        await mailer(box.port).send(TO, "s", "t")


async def test_a_mailbox_that_is_not_there_is_final(box: Box) -> None:
    with pytest.raises(MailRefusedError, match="550 no such mailbox"):
        await mailer(box.port).send(("nobody@example.org",), "s", "t")


@pytest.mark.parametrize(
    "to", [("ann",), ("ann@example.org, ben@example.org",), ("a@b\r\nBcc: c@d",), ("<>",), ("",)]
)
async def test_what_is_no_address_is_refused_before_anything_is_sent(
    box: Box, to: tuple[str, ...]
) -> None:
    with pytest.raises(MailRefusedError):
        await mailer(box.port).send(to, "s", "t")
    assert not box.letters


async def test_a_server_that_is_not_there_may_come_back() -> None:
    with pytest.raises(MailError, match=r"127\.0\.0\.1:1:") as caught:
        await mailer(1).send(TO, "s", "t")
    assert not isinstance(caught.value, MailRefusedError)


async def test_a_server_without_starttls_gets_no_letter_in_the_clear(box: Box) -> None:
    with pytest.raises(MailError):
        await mailer(box.port, "starttls").send(TO, "s", "t")
    assert not box.letters


async def test_without_a_mail_server_the_operator_is_told_what_to_do() -> None:
    with pytest.raises(MailRefusedError, match=r"add a \[mail\] section"):
        await NoMailer().send(TO, "s", "t")


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_a_server_may_want_tls_and_a_password(tls: str, tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "ca")
    certificate = authority.issue("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain_file, certificate.key_file)
    box = Box()

    def connected() -> SMTP:
        return SMTP(
            box,
            hostname="mail.example",
            authenticator=knows,
            auth_required=tls == "starttls",
            auth_require_tls=tls == "starttls",
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
        )

    server = await asyncio.get_running_loop().create_server(
        connected, "127.0.0.1", 0, ssl=context if tls == "tls" else None
    )
    port = server.sockets[0].getsockname()[1]
    road = MailRoad("127.0.0.1", port, "calls", "hunter2", tls, SENDER, ca_file=authority.ca_file)
    await Mailer(road).send(TO, "s", "t")
    assert len(box.letters) == 1
    with pytest.raises(MailRefusedError, match="535"):
        await Mailer(replace(road, password="wrong")).send(TO, "s", "t")
    with pytest.raises(MailError, match=r"(?i)certificate"):
        await Mailer(replace(road, ca_file="")).send(TO, "s", "t")
    await Mailer(replace(road, ca_file="", verify_tls=False)).send(TO, "s", "t")
    assert len(box.letters) == 2
    server.close()
    await server.wait_closed()


def test_a_ca_file_that_cannot_be_read_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mail\.ca_file"):
        Mailer(MailRoad("127.0.0.1", ca_file=str(tmp_path / "none.pem")))
