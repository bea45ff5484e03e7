"""Whom a certificate names: SIP domains and addresses (RFC 5922 §7), by what `ssl` tells of it."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

Shown = Mapping[str, object]  # what `SSLObject.getpeercert()` returns


def identities(shown: Shown, *, or_common_name: bool = False) -> tuple[str, ...]:
    """Return the SIP domains and the addresses in a certificate, in lower case.

    RFC 5922 §7.1: a URI "sip:host" without a user names its host, and the DNS names count only
    where there is no such URI. The common name is looked at only when asked for, and only where
    the certificate has no subjectAltName at all.
    """
    alternatives = list(_alternatives(shown))
    if not alternatives and or_common_name:
        return tuple(name.lower() for name in _common_names(shown))
    uris = [host for kind, value in alternatives if kind == "URI" and (host := _domain(value))]
    names = uris or [value.lower() for kind, value in alternatives if kind == "DNS"]
    addresses = [_plain(value) for kind, value in alternatives if kind == "IP Address"]
    return tuple(dict.fromkeys(names + addresses))


def names_host(names: Iterable[str], host: str) -> bool:
    """Tell whether a name or a numeric address is one of these names.

    "*.x" stands for one label, as the web has it (RFC 9525 §6.3); RFC 5922 §7.2 would refuse it,
    but carriers have such certificates.
    """
    wanted = _plain(host.strip("[]"))
    is_name = not _is_numeric(wanted)
    return any(
        name == wanted or (is_name and is_wildcard_of(name, wanted)) for name in map(_plain, names)
    )


def is_wildcard_of(pattern: str, name: str) -> bool:
    """Tell whether "*.a.b" is the pattern and the name has one label before "a.b"."""
    label, _, rest = name.lower().partition(".")
    return bool(label) and "." in rest and pattern.lower() == f"*.{rest}"


def _alternatives(shown: Shown) -> Iterable[tuple[str, str]]:
    found = shown.get("subjectAltName", ())
    for entry in found if isinstance(found, tuple) else ():
        kind, value = entry[0], entry[1]  # a directory name has a tuple there
        if isinstance(value, str):
            yield kind, value


def _common_names(shown: Shown) -> Iterable[str]:
    found = shown.get("subject", ())
    for part in found if isinstance(found, tuple) else ():
        for kind, value in part:
            if kind == "commonName":
                yield value


def _domain(uri: str) -> str:
    """Return the host of "sip:host"; "" for every other URI."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "sip" or "@" in rest:
        return ""
    return rest.partition(";")[0].partition("?")[0].lower()


def _plain(host: str) -> str:
    """Return a name in lower case without its last dot, an address in its one short form."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().removesuffix(".")


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
