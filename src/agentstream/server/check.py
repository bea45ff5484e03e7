"""`agentstream check`: is everything there that a call needs? Each answer is one line."""

import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentstream.base.errors import ConfigError
from agentstream.base.ids import RandomTokens
from agentstream.server.certificate import check_certificate, why_no_authority
from agentstream.server.config import Config
from agentstream.sip.flow import hop_of
from agentstream.sip.uri import parse_uri
from agentstream.store.files import SECRET_FILE
from agentstream.store.key_hash import load_secret

Verdict = Literal["ok", "warning", "error"]
_SPARE_FILES = 256  # for the database, logs, prompts and HTTP
_FREE_BYTES = 1_073_741_824


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `text` says what to do when it is not ok."""

    name: str
    verdict: Verdict
    text: str


Check = Callable[[Config], Iterator[Finding]]


def check_all(config: Config) -> list[Finding]:
    """Run every check that needs no running server; none of them changes anything that lasts."""
    findings = [Finding("configuration", "ok", "every setting is valid")]
    for check in (
        native,
        listeners,
        rtp_ports,
        open_files,
        socket_buffers,
        certificate,
        ways_out,
        registrations,
        data_folder,
        recordings,
        speech,
    ):
        findings += check(config)
    return findings


def native(_config: Config) -> Iterator[Finding]:
    """Find the audio path, of this release."""
    try:
        from agentstream import __version__, _media
    except ImportError as error:
        yield Finding("audio path", "error", f"the native module cannot be loaded: {error}")
        return
    theirs = _media.__version__
    if theirs != __version__:
        yield Finding("audio path", "error", f"version {theirs} beside AgentStream {__version__}")
        return
    yield Finding("audio path", "ok", f"version {theirs}: PCMU, PCMA, G722, telephone-event")


def listeners(config: Config) -> Iterator[Finding]:
    """Bind the SIP and HTTP addresses."""
    for each in config.sip.listeners:
        kind = socket.SOCK_DGRAM if each.transport == "udp" else socket.SOCK_STREAM
        yield _bindable(f"SIP {each}", each.host, each.port, kind)
    http = config.http
    yield _bindable(f"HTTP {http.host}:{http.port}", http.host, http.port, socket.SOCK_STREAM)


def rtp_ports(config: Config) -> Iterator[Finding]:
    """Bind the whole RTP range, and see whether the system deals out the same ports."""
    rtp = config.rtp
    taken = [
        port
        for port in range(rtp.port_low, rtp.port_high + 1)
        if _why_not(rtp.host, port, socket.SOCK_DGRAM)
    ]
    name = f"RTP {rtp.port_low}-{rtp.port_high}"
    if taken:
        some = ", ".join(map(str, taken[:5])) + (" ..." if len(taken) > 5 else "")
        yield Finding(name, "error", f"{len(taken)} ports are in use: {some}{_ALREADY_UP}")
    else:
        yield Finding(name, "ok", f"free, room for {rtp.pairs} legs")
    low, high = _ephemeral_ports()
    if low <= rtp.port_high and rtp.port_low <= high:
        yield Finding(
            name,
            "warning",
            f"the system deals out {low}-{high} to any program: choose another range, or set "
            "net.ipv4.ip_local_reserved_ports",
        )


def open_files(config: Config) -> Iterator[Finding]:
    """Count the files, sockets above all, that a process may have open."""
    needed = files_needed(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if hard != unlimited and hard < needed:
        text = f"{needed} are needed and {hard} allowed: raise LimitNOFILE or ulimit -Hn"
        yield Finding("open files", "error", text)
    elif soft != unlimited and soft < needed:
        text = f"{needed} are needed; the limit of {soft} will be raised at start (up to {hard})"
        yield Finding("open files", "ok", text)
    else:
        yield Finding("open files", "ok", f"{needed} are needed, {soft} allowed")


def files_needed(config: Config) -> int:
    """Return how many files, sockets above all, this configuration may need at once."""
    ports = config.rtp.port_high - config.rtp.port_low + 1
    return ports + config.limits.calls + config.sip.max_connections + _SPARE_FILES


def raise_file_limit(config: Config) -> bool:
    """Raise the soft limit to what is needed; False when the hard limit does not allow it."""
    needed = files_needed(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return True
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed >= needed


def socket_buffers(config: Config) -> Iterator[Finding]:
    """See whether a burst of SIP fits into the kernel's buffer."""
    wanted = config.sip.socket_buffer_bytes
    try:
        allowed = int(Path("/proc/sys/net/core/rmem_max").read_text("ascii"))
    except (OSError, ValueError):
        return
    if allowed < wanted:
        text = f"{allowed} of {wanted} bytes: sysctl -w net.core.rmem_max={wanted}"
        yield Finding("socket buffers", "warning", text)
    else:
        yield Finding("socket buffers", "ok", f"{wanted} bytes are allowed")


def certificate(config: Config) -> Iterator[Finding]:
    """Try every TLS certificate: ours, and those that trunks have of their own."""
    if config.sip.tls_certificate is not None and config.sip.tls_key is not None:
        yield _certified("TLS certificate", config.sip.tls_certificate, config.sip.tls_key)
    for one in config.sip.certificates:
        yield _certified(f"TLS certificate {one.chain.name}", one.chain, one.key)
    for name, trunk in config.trunks.items():
        if trunk.tls_certificate is not None and trunk.tls_key is not None:
            yield _certified(f"trunk {name}: TLS", trunk.tls_certificate, trunk.tls_key)
        if not trunk.tls_verify:
            text = "tls_verify is off: whoever answers is believed"
            yield Finding(f"trunk {name}: TLS", "warning", text)
    if not config.sip.tls_verify:
        yield Finding("TLS", "warning", "sip.tls_verify is off: whoever answers is believed")
    authorities = [config.sip.tls_ca_file, config.sip.tls_client_ca_file]
    authorities += [trunk.tls_ca_file for trunk in config.trunks.values()]
    for file in filter(None, authorities):
        why = why_no_authority(file)
        yield Finding(f"TLS authorities {file.name}", "error" if why else "ok", why or str(file))


def _certified(name: str, chain: Path, key: Path) -> Finding:
    verdict, text = check_certificate(chain, key)
    return Finding(name, verdict, text)


def ways_out(config: Config) -> Iterator[Finding]:
    """Show the trunks, and whether a listener can reach each; and the mail server."""
    spoken = {listener.transport for listener in config.sip.listeners}
    for name, trunk in config.trunks.items():
        uri = parse_uri(trunk.proxy or trunk.target)
        transport = hop_of(uri).transport or "udp"
        shown = f"trunk {name}" + (" (default)" if name == config.dial.trunk.lower() else "")
        where = f"{uri.host}{f':{uri.port}' if uri.port else ''} over {transport}"
        if transport in spoken:
            yield Finding(shown, "ok", where)
        else:
            yield Finding(shown, "error", f"{where}, but no listener of [sip] speaks {transport}")
    if config.trunks and not config.dial.trunk:
        yield Finding("dialling", "warning", "[dial] trunk names no default trunk for numbers")
    if config.trunks and 2 * config.limits.calls > config.rtp.pairs:
        pairs, calls = config.rtp.pairs, config.limits.calls
        text = f"{pairs} legs have ports: of {calls} calls not all can dial"
        yield Finding("dialling", "warning", text)
    if config.mail.host:
        yield Finding(
            "mail", "ok", f"{config.mail.host}:{config.mail.port}, from {config.mail.sender}"
        )


def registrations(config: Config) -> Iterator[Finding]:
    """Show whom the trunks register with, and whether a listener can reach each."""
    spoken = {listener.transport for listener in config.sip.listeners}
    for name, trunk in config.trunks.items():
        if not trunk.registers:
            continue
        uri = parse_uri(trunk.proxy) if trunk.proxy else trunk.registrar_uri
        transport = uri.transport or ("tls" if uri.scheme == "sips" else "udp")
        shown = f"registration {name}"
        where = f"{trunk.registrar_uri.host} over {transport}, calls for {trunk.called_user}"
        if transport not in spoken:
            yield Finding(shown, "error", f"{where}, but no listener of [sip] speaks {transport}")
        elif not trunk.password:
            yield Finding(shown, "warning", f"{where}, but without a password")
        else:
            yield Finding(shown, "ok", where)


def data_folder(config: Config) -> Iterator[Finding]:
    """See whether the folder can be written, the secret is secret, and the database answers."""
    folder = config.data_dir
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield Finding("data folder", "error", f"{existing.absolute()} cannot be written")
        return
    free = shutil.disk_usage(existing).free
    where = f"{folder.absolute()}, {free // 1_048_576} MB free"
    yield Finding("data folder", "ok" if free >= _FREE_BYTES else "warning", where)
    if (folder / SECRET_FILE).exists():
        try:
            load_secret(folder / SECRET_FILE, RandomTokens())
        except ConfigError as error:
            yield Finding("secret file", "error", str(error))
    yield from _database(config)


def recordings(config: Config) -> Iterator[Finding]:
    """See whether recordings can be encrypted and stored as they should be."""
    from agentstream.server.recordings import check_recordings  # slow to import: not for --help

    verdict, text = check_recordings(config)
    yield Finding("recordings", verdict, text)


def speech(config: Config) -> Iterator[Finding]:
    """Speak a word."""
    if config.speech.engine == "none":
        yield Finding("speech", "warning", "no engine: flows can play files but speak no text")
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "agentstream.store.espeak", "en", f"{folder}/x.wav"]
        try:
            done = subprocess.run(  # noqa: S603  (our own module)
                command, input=b"ready", capture_output=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Finding("speech", "error", f"espeak-ng does not answer: {error}")
            return
    if done.returncode:
        yield Finding("speech", "error", done.stderr.decode("utf-8", "replace").strip()[-200:])
    else:
        yield Finding("speech", "ok", "espeak-ng speaks")


_ALREADY_UP = " (is AgentStream up already?)"


def _bindable(name: str, host: str, port: int, kind: socket.SocketKind) -> Finding:
    why_not = _why_not(host, port, kind)
    if not why_not:
        return Finding(name, "ok", "can be bound")
    return Finding(name, "error", why_not + (_ALREADY_UP if "in use" in why_not else ""))


def _why_not(host: str, port: int, kind: socket.SocketKind) -> str:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            if kind == socket.SOCK_STREAM:
                probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _ephemeral_ports() -> tuple[int, int]:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii")
        low, high = map(int, text.split())
    except (OSError, ValueError):
        return 0, 0
    return low, high


def _database(config: Config) -> Iterator[Finding]:
    file = config.database_file
    if file is None or not file.exists():
        return
    try:
        database = sqlite3.connect(f"file:{file.absolute()}?mode=ro", uri=True, timeout=2)
        try:
            (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            database.close()
    except (sqlite3.Error, TypeError) as error:
        yield Finding("database", "error", f"{file}: {error}")
    else:
        yield Finding("database", "ok", f"{file}, revision {version}")
