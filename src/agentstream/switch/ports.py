"""What the switch asks of the rooms below it, as shapes that a double can have."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import AudioKind, HttpRequest
from agentstream.calls.storage import CustomerStorage


class WebAnswer(Protocol):
    """An HTTP answer, whatever its status."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""

    @property
    def body(self) -> bytes:
        """The body, within the limit that was asked for."""


class PinnedHost(Protocol):
    """A host whose addresses were looked up and allowed."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """As "192.0.2.1:443" or "[2001:db8::1]:443"."""

    @property
    def elapsed_ms(self) -> int:
        """How long the look-up took."""

    @property
    def local_address(self) -> str | None:
        """The address of this machine to come from (AS-36); None: any."""


class Web(Protocol):
    """The one door for every URL that a user gives us."""

    async def get(
        self,
        url: str,
        *,
        query: tuple[tuple[str, str], ...],
        timeout_ms: int,
        max_bytes: int,
        allow: tuple[str, ...],
    ) -> WebAnswer:
        """GET, the query added to the URL's own; raises an AgentStreamError with a reason."""

    async def send(
        self, question: HttpRequest, *, allow: tuple[str, ...], message_id: str
    ) -> WebAnswer:
        """Ask once, within the question's time and size; raises an AgentStreamError.

        The request may be signed (OP-4), with `message_id` as its name.
        """

    async def pin(self, url: str, *, allow: tuple[str, ...]) -> PinnedHost:
        """Look up the host and apply the egress policy; raises an AgentStreamError."""


class Postman(Protocol):
    """The way out for letters."""

    async def send(self, to: Sequence[str], subject: str, text: str) -> None:
        """Hand a letter over; raises a MailError, final or not."""


class Speech(Protocol):
    """Text to speech."""

    async def render(self, text: str, language: str, voice: str) -> Path:
        """Return a sound file; raises an AgentStreamError with a reason."""


class Shelf(Protocol):
    """Where recordings are kept."""

    def path_for(self, recording_sid: RecordingSid) -> Path:
        """Return the WAV file to write."""

    def url_for(self, recording_sid: RecordingSid, kind: AudioKind = "mp3") -> str:
        """Return the link to a recording, whether it is ready yet or not."""

    def promise(
        self, recording_sid: RecordingSid, kind: AudioKind, storage: CustomerStorage
    ) -> None:
        """Take note that a recording is to be sent when it is whole."""
