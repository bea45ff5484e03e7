"""A TLS certificate: can it be read, does it fit its key, for whom, from whom, and for how long."""

import ssl
import time
from pathlib import Path
from typing import Literal

from agentstream.base.errors import ConfigError
from agentstream.net.tls import read_chain
from agentstream.net.tls_names import identities

_DAY_S = 86_400
_SOON_DAYS = 14
_NAMES_SHOWN = 8


def check_certificate(
    certificate: Path, key: Path
) -> tuple[Literal["ok", "warning", "error"], str]:
    """Return a verdict and one sentence, by a handshake between two ends in memory."""
    for file in (certificate, key):
        try:
            file.read_bytes()
        except OSError as error:
            return "error", f"{file}: {error.strerror}"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        what = "does not fit its key" if "MISMATCH" in str(error) else "or its key cannot be read"
        return "error", f"{certificate} {what}"
    # What is trusted here is the certificate itself: its issuer is for the far end to judge.
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        client.load_verify_locations(certificate)
        found = _shown_certificate(server, client)
    except ssl.SSLCertVerificationError as error:
        return "error", f"{certificate}: {error.verify_message}"
    except ssl.SSLError as error:
        return "error", f"{certificate}: {error.reason or error}"
    ends = str(found["notAfter"])
    days = int((ssl.cert_time_to_seconds(ends) - time.time()) // _DAY_S)
    verdict: Literal["ok", "warning"] = "warning" if days < _SOON_DAYS else "ok"
    names = ", ".join(identities(found)[:_NAMES_SHOWN]) or "nobody (it has no subjectAltName)"
    return verdict, f"for {names}; {_chain(certificate)}; valid for {days} more days, until {ends}"


def why_no_authority(file: Path) -> str:
    """Return why nobody can be believed by this file; "" when it serves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(file)
    except OSError as error:  # ssl.SSLError too
        return f"{file}: {error.strerror or 'no certificates in PEM form'}"
    return ""


def _chain(file: Path) -> str:
    """Say who issued whom, as far as the file tells."""
    try:
        chain = read_chain(str(file))
    except ConfigError:
        return "a chain that cannot be read"
    return f"{len(chain)} in the chain, issued by {chain[-1].issuer.rfc4514_string() or 'nobody'}"


def _shown_certificate(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, object]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):  # TLS 1.3 needs two turns
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(ours.getpeercert() or {})
