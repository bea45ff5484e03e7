"""Certificates for TLS tests, made afresh; nothing is kept. Needs `cryptography`."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agentstream.net.tls import Certificate

MONTH = datetime.timedelta(days=30)


@dataclass
class Authority:
    """A certificate authority in a temporary folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def found(cls, folder: Path) -> Self:
        """Make an authority named like its folder, which is made too."""
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
        built = _builder(folder.name, subject, key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        certificate = built.sign(key, hashes.SHA256())
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (folder / "ca.pem").write_bytes(pem)
        return cls(folder, key, certificate)

    @property
    def ca_file(self) -> str:
        """The authority's own certificate, as a PEM file."""
        return str(self.folder / "ca.pem")

    def issue(self, *names: str, file_name: str = "") -> Certificate:
        """Make a certificate for DNS names, addresses, and URIs ("sip:host")."""
        key = ec.generate_private_key(ec.SECP256R1())
        stem = self.folder / (file_name or names[0].replace("*", "any"))
        general: list[x509.GeneralName] = []
        for name in names:
            if name.startswith("sip:"):
                general.append(x509.UniformResourceIdentifier(name))
                continue
            try:
                general.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                general.append(x509.DNSName(name))
        built = _builder(names[0], self.certificate.subject, key)
        built = built.add_extension(x509.SubjectAlternativeName(general), critical=False)
        signed = built.sign(self.key, hashes.SHA256())
        chain, secret = stem.with_suffix(".crt"), stem.with_suffix(".key")
        chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(_pem(key))
        return Certificate(str(chain), str(secret), names)


def serving(certificate: Certificate) -> ssl.SSLContext:
    """Return what a server needs to show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain_file, certificate.key_file)
    return context


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return x509.CertificateBuilder(
        issuer,
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        key.public_key(),
        x509.random_serial_number(),
        now - MONTH,
        now + MONTH,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
