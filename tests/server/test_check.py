import json
import resource
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.server import check
from agentstream.server.certificate import check_certificate
from agentstream.server.cli import app
from agentstream.server.cli_common import run
from agentstream.server.config import Config
from agentstream.store.sql_store import open_store
from agentstream.testing.certificates import Authority

pytestmark = pytest.mark.integration


def config(tmp_path: Path, **sections: Any) -> Config:
    low = 31_000
    plain: dict[str, Any] = {
        "data_dir": tmp_path / "data",
        "sip": {"listeners": ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]},
        "rtp": {"host": "127.0.0.1", "port_low": low, "port_high": low + 9},
        "http": {"port": 0},
        "limits": {"calls": 5},
    }
    return Config.model_validate(plain | sections)


def verdicts(findings: Any) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in findings}


def test_a_sound_house_has_no_errors(tmp_path: Path) -> None:
    findings = check.check_all(config(tmp_path))
    assert "error" not in verdicts(findings).values(), findings
    assert not (tmp_path / "data").exists()  # looking changes nothing
    names = set(verdicts(findings))
    assert {"configuration", "audio path", "open files", "data folder", "speech"} <= names


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        where = f"udp://127.0.0.1:{port}"
        [sip, _http] = check.listeners(config(tmp_path, sip={"listeners": [where]}))
        low = port - port % 2
        rtp = {"host": "127.0.0.1", "port_low": low, "port_high": low + 9}
        first = next(check.rtp_ports(config(tmp_path, rtp=rtp)))
    assert (sip.name, sip.verdict) == (f"SIP {where}", "error")
    assert "is AgentStream up already?" in sip.text
    assert first.verdict == "error"
    assert str(port) in first.text


def test_an_rtp_range_that_the_system_deals_out_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_ephemeral_ports", lambda: (30_000, 40_000))
    assert "warning" in [finding.verdict for finding in check.rtp_ports(config(tmp_path))]


def test_trunks_and_the_mail_server_are_shown(tmp_path: Path) -> None:
    trunks = {
        "carrier": {"target": "sip:sbc.carrier.example:5080;transport=tcp", "password": "secret"},
        "safe": {"target": "sips:safe.example"},
        "behind": {"target": "sip:far.example", "proxy": "sip:edge.example:5090"},
    }
    mail = {"host": "smtp.example", "from": "calls@example.org"}
    found = list(
        check.ways_out(config(tmp_path, trunks=trunks, dial={"trunk": "Carrier"}, mail=mail))
    )
    assert [(finding.name, finding.verdict) for finding in found] == [
        ("trunk carrier (default)", "ok"),
        ("trunk safe", "error"),
        ("trunk behind", "ok"),
        ("dialling", "warning"),
        ("mail", "ok"),
    ]
    assert "no listener of [sip] speaks tls" in found[1].text
    assert found[2].text == "edge.example:5090 over udp"
    assert "secret" not in str(found)
    warned = [one.text for one in check.ways_out(config(tmp_path, trunks=trunks))][3:]
    assert warned == [
        "[dial] trunk names no default trunk for numbers",
        "5 legs have ports: of 5 calls not all can dial",
    ]
    assert list(check.ways_out(config(tmp_path))) == []


@pytest.mark.parametrize(
    ("limits", "verdict"), [((10, 10), "error"), ((10, 10**6), "ok"), ((10**6, 10**6), "ok")]
)
def test_open_files_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], verdict: str
) -> None:
    told: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _what, both: told.append(both))
    [finding] = check.open_files(config(tmp_path))
    assert finding.verdict == verdict
    assert check.raise_file_limit(config(tmp_path)) == (verdict == "ok")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    [finding] = check.data_folder(config(tmp_path))
    assert (finding.name, finding.verdict) == ("data folder", "error")


def test_a_secret_that_others_can_read_and_a_broken_database_are_errors(tmp_path: Path) -> None:
    async def make() -> None:
        await (await open_store(tmp_path / "data")).close()

    run(make())
    assert verdicts(check.data_folder(config(tmp_path)))["database"] == "ok"
    (tmp_path / "data" / "secret.key").chmod(0o644)
    (tmp_path / "data" / "agentstream.db").write_bytes(b"not a database, but long enough" * 100)
    found = verdicts(check.data_folder(config(tmp_path)))
    assert (found["secret file"], found["database"]) == ("error", "error")


def test_a_database_without_our_tables_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    sqlite3.connect(tmp_path / "data" / "agentstream.db").close()
    assert verdicts(check.data_folder(config(tmp_path)))["database"] == "error"


def test_speech_that_does_not_work_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [none] = check.speech(config(tmp_path, speech={"engine": "none"}))
    assert none.verdict == "warning"

    def broken(*_args: Any, **_more: Any) -> Any:
        return subprocess.CompletedProcess([], 3, b"", b"espeak-ng is not installed: x")

    monkeypatch.setattr(subprocess, "run", broken)
    [finding] = check.speech(config(tmp_path))
    assert (finding.verdict, finding.text) == ("error", "espeak-ng is not installed: x")

    def stuck(*_args: Any, **_more: Any) -> Any:
        raise subprocess.TimeoutExpired("x", 20)

    monkeypatch.setattr(subprocess, "run", stuck)
    [finding] = check.speech(config(tmp_path))
    assert finding.verdict == "error"


Certify = Callable[[int], tuple[Path, Path]]


@pytest.fixture
def certify(tmp_path: Path) -> Certify:
    """Make a certificate that ends after some days, and its key."""

    def made(days: int) -> tuple[Path, Path]:
        from datetime import UTC, datetime, timedelta

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voice.example.net")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=100))
            .not_valid_after(now + timedelta(days=days, hours=1))
            .sign(key, hashes.SHA256())
        )
        files = tmp_path / f"{days}.pem", tmp_path / f"{days}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    return made


@pytest.mark.parametrize(
    ("days", "verdict", "says"),
    [(90, "ok", "valid for 90 more days"), (3, "warning", "3 more"), (-2, "error", "has expired")],
)
def test_a_certificate_is_judged_by_its_end(
    certify: Certify, tmp_path: Path, days: int, verdict: str, says: str
) -> None:
    certificate, key = certify(days)
    assert check_certificate(certificate, key)[0] == verdict
    assert says in check_certificate(certificate, key)[1]
    sip = {"listeners": ["tls://127.0.0.1:0"], "tls_certificate": certificate, "tls_key": key}
    [finding] = check.certificate(config(tmp_path, sip=sip))
    assert (finding.name, finding.verdict) == ("TLS certificate", verdict)


def test_every_certificate_is_shown_with_its_names_and_issuer(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "authority")
    first, second = authority.issue("a.example", "*.b.example"), authority.issue("c.example")
    given = config(
        tmp_path,
        sip={
            "tls_certificate": first.chain_file,
            "tls_key": first.key_file,
            "certificates": [{"chain": second.chain_file, "key": second.key_file}],
            "tls_ca_file": first.key_file,
        },
        trunks={
            "x": {
                "target": "sip:x.example;transport=tls",
                "tls_certificate": second.chain_file,
                "tls_key": first.key_file,
                "tls_verify": False,
            }
        },
    )
    found = [(one.name, one.verdict, one.text) for one in check.certificate(given)]
    assert [one[:2] for one in found] == [
        ("TLS certificate", "ok"),
        ("TLS certificate c.crt", "ok"),
        ("trunk x: TLS", "error"),
        ("trunk x: TLS", "warning"),
        ("TLS authorities a.key", "error"),
    ]
    assert found[0][2].startswith("for a.example, *.b.example; 1 in the chain, issued by")
    assert "CN=authority" in found[0][2]


def test_a_certificate_that_is_none_or_not_ours_is_an_error(
    certify: Certify, tmp_path: Path
) -> None:
    certificate, key = certify(30)
    _, other_key = certify(60)
    assert "does not fit its key" in check_certificate(certificate, other_key)[1]
    assert "No such file" in check_certificate(tmp_path / "none.pem", key)[1]
    (tmp_path / "bad.pem").write_text("bad")
    assert check_certificate(tmp_path / "bad.pem", key)[0] == "error"


def test_the_command_prints_lines_or_json_and_its_code_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finding = check.Finding("RTP", "error", "3 ports are in use: [20000, 20001]")
    monkeypatch.setattr(check, "check_all", lambda _config: [finding])
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert result.stdout == "error   RTP: 3 ports are in use: [20000, 20001]\n"
    plain = json.loads(CliRunner().invoke(app, ["check", "--json"]).stdout)
    assert plain == [{"name": "RTP", "verdict": "error", "text": finding.text}]


def test_a_bot_that_cannot_be_reached_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check, "check_all", lambda _config: [])
    result = CliRunner().invoke(app, ["check", "--bot", "ws://u:hunter2@127.0.0.1:1/ws"])
    assert result.exit_code == 1
    assert result.stdout.startswith("error   bot: ws://")
    assert "hunter2" not in result.output
