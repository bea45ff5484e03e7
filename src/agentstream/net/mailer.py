"""Letters out, through the operator's own mail server.

Whether a server that said no may be asked again is in the error: a MailRefusedError is final.
"""

import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import aiosmtplib

from agentstream.base.errors import ConfigError, PeerError
from agentstream.base.values import dataclass

TIMEOUT_S = 20.0
_SHOWN = 200  # characters of what the server says


class MailError(PeerError):
    """The letter was not taken; it may be the next time."""


class MailRefusedError(MailError):
    """The letter will not be taken, however often it is sent."""


@dataclass(frozen=True, slots=True)
class MailRoad:
    """How to reach the mail server."""

    host: str
    port: int = 587
    user: str = ""
    password: str = ""
    tls: str = "starttls"  # "starttls", "tls" from the first byte, or "none"
    sender: str = ""  # "Green Leaf <calls@example.org>"
    verify_tls: bool = True
    ca_file: str = ""  # PEM; in addition to those that the system trusts

    def __repr__(self) -> str:
        return f"MailRoad({self.host}:{self.port})"


class Mailer:
    """Sends each letter over a connection of its own; raises ConfigError for a bad CA file."""

    def __init__(self, road: MailRoad) -> None:
        self._road = road
        self._tls = _tls_context(road)

    async def send(self, to: Sequence[str], subject: str, text: str) -> None:
        """Hand a letter over; raises MailError, or MailRefusedError when that is final."""
        letter = _letter(self._road.sender, to, subject, text)
        road = self._road
        try:
            await aiosmtplib.send(
                letter,
                hostname=road.host,
                port=road.port,
                username=road.user or None,
                password=road.password or None,
                use_tls=road.tls == "tls",
                start_tls=road.tls == "starttls",
                tls_context=self._tls,
                timeout=TIMEOUT_S,
            )
        except aiosmtplib.SMTPException as error:
            kind = MailRefusedError if _is_final(error) else MailError
            raise kind(f"{road.host}:{road.port}: {_say(error)}") from error
        except (OSError, ValueError) as error:
            raise MailError(f"{road.host}:{road.port}: {error}") from error


class NoMailer:
    """Stands where no mail server is configured."""

    async def send(self, to: Sequence[str], subject: str, text: str) -> None:
        """Refuse; the text says what the operator must do."""
        del to, subject, text
        raise MailRefusedError("no mail server is configured: add a [mail] section with host, from")


def _letter(sender: str, to: Sequence[str], subject: str, text: str) -> EmailMessage:
    letter = EmailMessage()
    try:
        letter["From"] = sender
        letter["To"] = ", ".join(to)
        letter["Subject"] = " ".join(subject.split())
        letter["Date"] = formatdate()
        letter["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("<> ") or None)
        letter.set_content(text)
        addresses = letter["To"].addresses
    except (ValueError, IndexError) as error:
        raise MailRefusedError(f"this letter cannot be written: {error}") from error
    if len(addresses) != len(to) or not all(one.username and one.domain for one in addresses):
        raise MailRefusedError(f"not all of these are mail addresses: {', '.join(to)[:_SHOWN]}")
    return letter


def _is_final(error: aiosmtplib.SMTPException) -> bool:
    """RFC 5321 section 4.2.1: 5yz is a permanent no; of several recipients every one must be."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(refused.code >= 500 for refused in error.recipients)
    return isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 500


def _say(error: aiosmtplib.SMTPException) -> str:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return "; ".join(
            f"{refused.recipient}: {refused.code} {refused.message}" for refused in error.recipients
        )[:_SHOWN]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}"[:_SHOWN]
    return str(error)[:_SHOWN] or type(error).__name__


def _tls_context(road: MailRoad) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not road.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if road.ca_file:
        try:
            context.load_verify_locations(road.ca_file)
        except OSError as error:
            raise ConfigError(f"mail.ca_file: {road.ca_file}: {error.strerror or error}") from error
    return context
