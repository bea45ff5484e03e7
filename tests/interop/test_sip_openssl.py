"""`openssl s_client` at our listener: versions, names, client certificates, resumption."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import Certificate, ClientCheck, TlsFiles
from agentstream.testing.answering import Answering
from agentstream.testing.certificates import Authority
from agentstream.testing.ports import HOST

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]


@asynccontextmanager
async def listening(tls: TlsFiles) -> AsyncIterator[SipEngine]:
    engine = SipEngine(SipConfig((Listener("tls", HOST, 0),), tls=tls))
    Answering(engine)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop(100)


async def s_client(engine: SipEngine, *options: str, said: bytes = b"Q\n") -> tuple[int, str]:
    """Connect, say something, and return the exit code and everything that was printed."""
    _, host, port = engine.addresses[0]
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"{host}:{port}", *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(10):
            out, _ = await process.communicate(said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(errors="replace")


@pytest.mark.parametrize(
    ("minimum", "option", "works"),
    [
        ("1.2", "-tls1_1", False),
        ("1.2", "-tls1_2", True),
        ("1.2", "-tls1_3", True),
        ("1.3", "-tls1_2", False),
        ("1.3", "-tls1_3", True),
    ],
)
async def test_old_versions_are_refused_sip_3(
    minimum: str, option: str, works: bool, tmp_path: Path
) -> None:
    authority = Authority.found(tmp_path / "authority")
    tls = TlsFiles((authority.issue("a.example"),), minimum="1.3" if minimum == "1.3" else "1.2")
    async with listening(tls) as engine:
        old = ("-cipher", "DEFAULT@SECLEVEL=0") if option == "-tls1_1" else ()
        code, out = await s_client(engine, option, *old)
        assert (code == 0) is works, out


async def test_the_name_that_is_asked_for_chooses_the_certificate(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "authority")
    certificates = (authority.issue("a.example"), authority.issue("b.example"))
    checked = ("-CAfile", authority.ca_file, "-verify_return_error", "-verify_hostname")
    async with listening(TlsFiles(certificates)) as engine:
        for name in ("a.example", "b.example"):
            code, out = await s_client(engine, "-servername", name, *checked, name)
            assert (code, "Verification: OK" in out) == (0, True), out
        code, out = await s_client(engine, "-servername", "c.example", *checked, "c.example")
        assert code != 0
        assert "hostname mismatch" in out


async def test_a_client_certificate_is_asked_for_and_a_strangers_refused_sip_36(
    tmp_path: Path,
) -> None:
    authority = Authority.found(tmp_path / "authority")
    stranger = Authority.found(tmp_path / "stranger")
    tls = TlsFiles((authority.issue("a.example"),), client_check=ClientCheck(authority.ca_file))

    def shown(one: Certificate) -> tuple[str, ...]:
        return "-tls1_2", "-cert", one.chain_file, "-key", one.key_file

    async with listening(tls) as engine:
        code, out = await s_client(engine, *shown(authority.issue("pbx.example")))
        assert code == 0, out
        assert "Client Certificate Types" in out, "it was asked for"
        for options in (("-tls1_2",), shown(stranger.issue("pbx.example"))):
            code, out = await s_client(engine, *options)
            assert code != 0, out


async def test_a_session_is_resumed(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "authority")
    check = ClientCheck(authority.ca_file)
    tls = TlsFiles((authority.issue("a.example"),), client_check=check)
    own = authority.issue("pbx.example")
    shown = ("-tls1_2", "-cert", own.chain_file, "-key", own.key_file)
    session = str(tmp_path / "session")
    async with listening(tls) as engine:
        _, out = await s_client(engine, *shown, "-sess_out", session)
        assert "\nNew, TLSv1.2" in out
        _, out = await s_client(engine, *shown, "-sess_in", session)
        assert "\nReused, TLSv1.2" in out
