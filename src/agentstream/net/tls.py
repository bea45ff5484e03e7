"""TLS: contexts for both directions, several names on one listener, resumption, renewal.

A renewal makes every context anew and then puts them in the place of the old ones; connections
that are up keep theirs.
"""

import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Literal, TypeVar

from cryptography import x509

from agentstream.base.errors import ConfigError
from agentstream.base.values import dataclass
from agentstream.net.tls_names import is_wildcard_of

SESSIONS = 1_024  # of peers that we may resume with; beyond, the one unused longest is forgotten
Minimum = Literal["1.2", "1.3"]
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain and its key (PEM files).

    `names`: for which SNI names it is shown, "*.x" allowed; none: those that stand in it.
    """

    chain_file: str
    key_file: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """Mutual TLS: clients must (or may) show a certificate of one of these authorities."""

    ca_file: str
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class TlsProfile:
    """How we call one carrier; what is empty is the node's own."""

    certificate: Certificate | None = None  # shown when the carrier asks for one
    ca_file: str = ""  # whom we believe there, instead of all others
    verify: bool = True


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What TLS needs. Without `certificates` there can be no TLS listener."""

    certificates: tuple[Certificate, ...] = ()  # the first is shown to whoever names none of ours
    ca_file: str = ""  # whom we believe beside nobody; "": the system's authorities
    client_check: ClientCheck | None = None
    verify: bool = True  # False accepts any peer: for tests
    minimum: Minimum = "1.2"
    profiles: Mapping[str, TlsProfile] = field(default_factory=dict)  # by their `Hop.tls_profile`


class Tls:
    """The contexts of one node as they are now. Raises ConfigError for files that do not serve."""

    def __init__(self, files: TlsFiles) -> None:
        if not files.certificates:
            raise ConfigError("a TLS listener needs a certificate")
        self.files = files
        self._stamps = self._read_stamps()
        self._contexts = _Contexts(files)

    @property
    def server(self) -> ssl.SSLContext:
        """What a listener shows; names are told apart inside it."""
        return self._contexts.server

    def client(self, profile: str = "") -> "ClientContext":
        """Return what to call out with. A profile that does not exist is the node's own."""
        clients = self._contexts.clients
        return clients.get(profile) or clients[""]

    def stamps(self) -> tuple[tuple[int, int], ...]:
        """Return what changes when a file does. Raises ConfigError when one cannot be read."""
        return self._read_stamps()

    def reload(self, *, force: bool = False) -> bool:
        """Read all files again if one has changed; tell whether that was so.

        Raises ConfigError, and changes nothing, when a file does not serve. May run in a thread.
        """
        stamps = self._read_stamps()
        if stamps == self._stamps and not force:
            return False
        contexts = _Contexts(self.files)
        self._contexts, self._stamps = contexts, stamps
        return True

    def expiries(self) -> dict[str, int]:
        """Return when each of our certificates ends, in Unix seconds, by its file."""
        return dict(self._contexts.expiries)

    def _read_stamps(self) -> tuple[tuple[int, int], ...]:
        try:
            stats = [Path(name).stat() for name in _files_of(self.files)]
        except OSError as error:
            raise ConfigError(f"cannot read certificate: {error}") from error
        return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


class _Contexts:
    """Every context, made from the files as they are at this moment."""

    def __init__(self, files: TlsFiles) -> None:
        self.expiries: dict[str, int] = {}
        entries = [(self._names(one), _server_context(one, files)) for one in files.certificates]
        self.server = entries[0][1]
        self.server.sni_callback = _chooser(entries)
        own = TlsProfile(files.certificates[0], files.ca_file, files.verify)
        self.clients = {"": _profile_context(own, files.minimum)}
        for name, profile in files.profiles.items():
            shown = profile.certificate or own.certificate
            filled = TlsProfile(shown, profile.ca_file or files.ca_file, profile.verify)
            self.clients[name] = _profile_context(filled, files.minimum)
            if profile.certificate is not None:
                self._names(profile.certificate)

    def _names(self, one: Certificate) -> tuple[str, ...]:
        shown = read_chain(one.chain_file)[0]
        self.expiries[one.chain_file] = int(shown.not_valid_after_utc.timestamp())
        return one.names or dns_names(shown)


class ClientContext(ssl.SSLContext):
    """A context for outbound TLS that takes up the session of the last connection to a name.

    The peer's name is checked by whoever connects (`tls_names.names_host`), since OpenSSL does not
    know the SIP URIs of RFC 5922. A session is only taken up in the context that it was made in,
    so a renewal of the authorities ends them all.
    """

    sessions: OrderedDict[str, ssl.SSLSession]
    checks_names: bool

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection, with a session if there is one."""
        session = session or self.sessions.get(str(server_hostname))
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def keep_session(self, connection: ssl.SSLObject) -> None:
        """Remember the session of a connection that was good, if its server gave one."""
        session, name = connection.session, str(connection.server_hostname)
        if session is None or not session.has_ticket:
            return
        self.sessions[name] = session
        self.sessions.move_to_end(name)
        if len(self.sessions) > SESSIONS:
            self.sessions.popitem(last=False)


def _server_context(one: Certificate, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[files.minimum]

    def load() -> None:
        context.load_cert_chain(one.chain_file, one.key_file)
        if files.client_check is not None:
            context.load_verify_locations(files.client_check.ca_file)
            must = files.client_check.is_required
            context.verify_mode = ssl.CERT_REQUIRED if must else ssl.CERT_OPTIONAL

    _tried(load, f"cannot use certificate {one.chain_file}")
    return context


def _chooser(
    entries: list[tuple[tuple[str, ...], ssl.SSLContext]],
) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
    exact = {name.lower(): context for names, context in reversed(entries) for name in names}

    def choose(connection: ssl.SSLObject, name: str | None, _default: ssl.SSLContext) -> None:
        wanted = (name or "").lower()
        found = exact.get(wanted) or next(
            (context for pattern, context in exact.items() if is_wildcard_of(pattern, wanted)), None
        )
        if found is not None:
            connection.context = found

    return choose


def _profile_context(profile: TlsProfile, minimum: Minimum) -> ClientContext:
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sessions = OrderedDict()
    context.checks_names = profile.verify
    context.minimum_version = _VERSIONS[minimum]
    context.check_hostname = False  # whoever connects does it: see `ClientContext`
    context.verify_mode = ssl.CERT_REQUIRED if profile.verify else ssl.CERT_NONE

    def load() -> None:
        if profile.ca_file:
            context.load_verify_locations(profile.ca_file)
        elif profile.verify:
            context.load_default_certs()
        if profile.certificate is not None:
            context.load_cert_chain(profile.certificate.chain_file, profile.certificate.key_file)

    _tried(load, "cannot set up outbound TLS")
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


def read_chain(file: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM file, ours first. Raises ConfigError."""
    return _tried(
        lambda: x509.load_pem_x509_certificates(Path(file).read_bytes()),
        f"cannot use certificate {file}",
    )


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _tried(make: Callable[[], _Made], what: str) -> _Made:
    try:
        return make()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigError(f"{what}: {error}") from error


def _files_of(files: TlsFiles) -> Iterator[str]:
    certificates = [*files.certificates]
    yield from filter(None, (files.ca_file, files.client_check and files.client_check.ca_file))
    for profile in files.profiles.values():
        certificates += [profile.certificate] if profile.certificate else []
        if profile.ca_file:
            yield profile.ca_file
    for one in certificates:
        yield from (one.chain_file, one.key_file)
