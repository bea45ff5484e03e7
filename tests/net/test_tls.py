"""Certificates: the right one for each name, renewed without a restart."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Protocol

import pytest

from agentstream.base.errors import ConfigError
from agentstream.net.tls import Certificate, ClientCheck, TlsServer, client_context

pytestmark = pytest.mark.integration


class Authority(Protocol):
    """What the fixture of that name gives."""

    @property
    def ca_file(self) -> str: ...

    def issue(self, *names: str, file_name: str = "") -> Certificate: ...


async def names_shown(server: TlsServer, ask_for: str, trust: ssl.SSLContext) -> list[str]:
    """Connect, ask for a name, and return the names of the certificate that is shown."""
    listening = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=server.context
    )
    async with listening, asyncio.timeout(5):
        port = listening.sockets[0].getsockname()[1]
        _reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trust, server_hostname=ask_for
        )
        shown = writer.get_extra_info("peercert")
        writer.close()
        await writer.wait_closed()
    return [name for _kind, name in shown["subjectAltName"]]


async def test_each_name_gets_its_certificate_and_strangers_the_first(
    authority: Authority,
) -> None:
    server = TlsServer(
        [
            authority.issue("first.example"),
            authority.issue("second.example"),
            authority.issue("*.wild.example"),
        ]
    )
    trust = client_context(authority.ca_file)
    trust.check_hostname = False
    for ask_for, shown in (
        ("SECOND.example", "second.example"),
        ("pbx.wild.example", "*.wild.example"),
        ("a.b.wild.example", "first.example"),
        ("other.example", "first.example"),
    ):
        assert await names_shown(server, ask_for, trust) == [shown]


async def test_a_renewed_certificate_is_shown_without_a_restart(authority: Authority) -> None:
    one = authority.issue("old.example", file_name="live")
    server = TlsServer([one])
    trust = client_context(authority.ca_file, verify=False)
    trust.verify_mode = ssl.CERT_REQUIRED
    assert not server.reload()
    authority.issue("new.example", file_name="live")
    touch(one)
    assert server.reload()
    assert await names_shown(server, "new.example", trust) == ["new.example"]


def test_a_broken_renewal_changes_nothing(authority: Authority) -> None:
    one = authority.issue("a.example")
    server = TlsServer([one])
    Path(one.key_file).write_text("half a key")
    with pytest.raises(ConfigError, match="cannot use certificate"):
        server.reload()
    Path(one.key_file).unlink()
    with pytest.raises(ConfigError, match="cannot read certificate"):
        server.reload()


def test_what_cannot_work_is_refused_at_the_start(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a certificate"):
        TlsServer([])
    one = authority.issue("a.example")
    nothing = str(tmp_path / "nothing.pem")
    with pytest.raises(ConfigError):
        TlsServer([one], ClientCheck(nothing))
    with pytest.raises(ConfigError):
        client_context(nothing)
    with pytest.raises(ConfigError):
        client_context(authority.ca_file, Certificate(nothing, nothing))


def test_old_tls_is_off_and_client_certificates_are_asked_for(authority: Authority) -> None:
    one = authority.issue("a.example")
    asked = TlsServer([one], ClientCheck(authority.ca_file, is_required=False)).context
    assert asked.verify_mode == ssl.CERT_OPTIONAL
    assert TlsServer([one]).context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context().minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context().check_hostname


def touch(one: Certificate) -> None:
    """Move the modification times on, however coarse the file system's clock is."""
    for name in (one.chain_file, one.key_file):
        stat = os.stat(name)
        os.utime(name, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
