"""TLS: contexts for both directions, several names on one listener, renewal."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from agentstream.base.errors import ConfigError
from agentstream.base.values import dataclass


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its key (PEM files); `names`: its SNI names, "*.x" allowed."""

    chain_file: str
    key_file: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tls:
    """What a TLS transport needs: one context to be called with, one to call out with."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """Mutual TLS: clients must (or may) show a certificate of one of these authorities."""

    ca_file: str
    is_required: bool = True


class TlsServer:
    """The server side: `context` goes to the listener; the first certificate is the default."""

    def __init__(
        self, certificates: Sequence[Certificate], client_check: ClientCheck | None = None
    ) -> None:
        if not certificates:
            raise ConfigError("a TLS listener needs a certificate")
        self._client_check = client_check
        self._entries = [(one, self._context(one)) for one in certificates]
        self._stamps = self._read_stamps()
        self.context = self._entries[0][1]
        self.context.sni_callback = self._choose

    def reload(self) -> bool:
        """Load again the files that changed; tell whether any did. Live connections keep theirs.

        Raises ConfigError, and changes nothing, when a file cannot be used.
        """
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return False
        for one, _ in self._entries:
            self._context(one)  # a rehearsal: a context half loaded would be worse than an old one
        for one, context in self._entries:
            context.load_cert_chain(one.chain_file, one.key_file)
        self._stamps = stamps
        return True

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _default: ssl.SSLContext
    ) -> None:
        for one, context in self._entries:
            if name is not None and any(_is_named(name.lower(), known) for known in one.names):
                connection.context = context
                return

    def _context(self, one: Certificate) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(one.chain_file, one.key_file)
            if self._client_check is not None:
                context.load_verify_locations(self._client_check.ca_file)
                must = self._client_check.is_required
                context.verify_mode = ssl.CERT_REQUIRED if must else ssl.CERT_OPTIONAL
        except OSError as error:  # ssl.SSLError too
            raise ConfigError(f"cannot use certificate {one.chain_file}: {error}") from error
        return context

    def _read_stamps(self) -> list[tuple[int, int]]:
        files = [name for one, _ in self._entries for name in (one.chain_file, one.key_file)]
        try:
            return [(stat.st_mtime_ns, stat.st_size) for stat in (Path(f).stat() for f in files)]
        except OSError as error:
            raise ConfigError(f"cannot read certificate: {error}") from error


def client_context(
    ca_file: str = "", certificate: Certificate | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """Return a context for outbound TLS: the peer's name is checked (RFC 5922 §4).

    `ca_file` "" takes the system's authorities; `certificate` is shown when the peer asks for one.
    `verify=False` accepts anyone and is for test peers only.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if certificate is not None:
            context.load_cert_chain(certificate.chain_file, certificate.key_file)
    except OSError as error:
        raise ConfigError(f"cannot set up outbound TLS: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def web_context(verify: bool, ca_file: str | None) -> ssl.SSLContext:
    """Return a context for servers of the web: the system's authorities, and those of `ca_file`.

    `verify` false accepts anyone (AS-38). Raises ConfigError.
    """
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise ConfigError(f"CA file {ca_file}: {error.strerror or error}") from error
    return context


def _is_named(name: str, pattern: str) -> bool:
    """Match a name against "a.b" or "*.b" (one label)."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:].lower()
    return name == pattern.lower()
