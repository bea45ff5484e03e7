"""Certificates: the right one for each name, renewed without a restart."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest

from agentstream.base.errors import ConfigError
from agentstream.net.tls import Certificate, ClientCheck, Tls, TlsFiles, TlsProfile
from agentstream.net.tls_names import identities
from agentstream.testing.certificates import Authority

pytestmark = pytest.mark.integration


async def names_shown(tls: Tls, ask_for: str, trust: Authority) -> tuple[str, ...]:
    """Connect, ask for a name, and return the names of the certificate that is shown."""
    context = ssl.create_default_context(cafile=trust.ca_file)
    context.check_hostname = False
    listening = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=tls.server
    )
    async with listening, asyncio.timeout(5):
        port = listening.sockets[0].getsockname()[1]
        _reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=ask_for
        )
        shown = writer.get_extra_info("peercert")
        writer.close()
        await writer.wait_closed()
    return identities(shown)


async def test_each_name_gets_its_certificate_and_strangers_the_first(
    authority: Authority,
) -> None:
    named = authority.issue("third.example")
    tls = Tls(
        TlsFiles(
            (
                authority.issue("first.example"),
                authority.issue("second.example"),
                authority.issue("*.wild.example"),
                Certificate(named.chain_file, named.key_file),  # its names stand in it
            )
        )
    )
    for ask_for, shown in (
        ("SECOND.example", "second.example"),
        ("pbx.wild.example", "*.wild.example"),
        ("a.b.wild.example", "first.example"),
        ("third.example", "third.example"),
        ("other.example", "first.example"),
    ):
        assert await names_shown(tls, ask_for, authority) == (shown,)


async def test_a_renewed_certificate_is_shown_without_a_restart(authority: Authority) -> None:
    one = authority.issue("old.example", file_name="live")
    tls = Tls(TlsFiles((one,)))
    assert not tls.reload()
    authority.issue("new.example", file_name="live")
    touch(one.chain_file, one.key_file)
    assert tls.reload()
    assert await names_shown(tls, "new.example", authority) == ("new.example",)


async def test_a_broken_renewal_changes_nothing(authority: Authority) -> None:
    one = authority.issue("a.example")
    tls = Tls(TlsFiles((one,)))
    before = tls.server
    spoil(one.key_file)
    with pytest.raises(ConfigError, match="cannot use certificate"):
        tls.reload()
    remove(one.key_file)
    with pytest.raises(ConfigError, match="cannot read certificate"):
        tls.reload()
    assert tls.server is before
    assert await names_shown(tls, "a.example", authority) == ("a.example",)


def test_what_cannot_work_is_refused_at_the_start(authority: Authority, tmp_path: Path) -> None:
    one = authority.issue("a.example")
    nothing = str(tmp_path / "nothing.pem")
    for files, why in (
        (TlsFiles(), "needs a certificate"),
        (TlsFiles((one,), client_check=ClientCheck(nothing)), "nothing.pem"),
        (TlsFiles((one,), ca_file=nothing), "nothing.pem"),
        (TlsFiles((Certificate(nothing, nothing),)), "nothing.pem"),
        (TlsFiles((Certificate(one.chain_file, one.chain_file),)), "cannot use certificate"),
        (TlsFiles((one,), profiles={"x": TlsProfile(ca_file=nothing)}), "nothing.pem"),
        (TlsFiles((one,), profiles={"x": TlsProfile(ca_file=one.key_file)}), "outbound TLS"),
    ):
        with pytest.raises(ConfigError, match=why):
            Tls(files)


def test_old_tls_is_off_and_client_certificates_are_asked_for_as_set(authority: Authority) -> None:
    """SIP-3, SIP-36."""
    one = authority.issue("a.example")
    maybe = Tls(TlsFiles((one,), client_check=ClientCheck(authority.ca_file, is_required=False)))
    assert maybe.server.verify_mode == ssl.CERT_OPTIONAL
    must = Tls(TlsFiles((one,), client_check=ClientCheck(authority.ca_file)))
    assert must.server.verify_mode == ssl.CERT_REQUIRED
    plain, new = Tls(TlsFiles((one,))), Tls(TlsFiles((one,), minimum="1.3"))
    assert plain.server.verify_mode == ssl.CERT_NONE
    for tls, oldest in ((plain, ssl.TLSVersion.TLSv1_2), (new, ssl.TLSVersion.TLSv1_3)):
        assert tls.server.minimum_version == tls.client().minimum_version == oldest


def test_a_profile_has_its_own_authorities_and_a_stranger_the_node_s(authority: Authority) -> None:
    profile = TlsProfile(verify=False)
    tls = Tls(TlsFiles((authority.issue("a.example"),), profiles={"carrier": profile}))
    assert tls.client("carrier").verify_mode == ssl.CERT_NONE
    assert tls.client("other") is tls.client()
    assert tls.client().checks_names


def touch(*names: str) -> None:
    """Move the modification times on, however coarse the file system's clock is."""
    for name in names:
        stat = os.stat(name)
        os.utime(name, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def spoil(name: str) -> None:
    """Leave something in a file that nobody can use."""
    Path(name).write_text("half a key")


def remove(name: str) -> None:
    """Delete a file."""
    Path(name).unlink()
