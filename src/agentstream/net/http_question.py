"""What may be asked of a server, as a shape that values of other rooms have."""

from typing import Protocol


class Question(Protocol):
    """What is asked of a server. `query` is added to the URL's own (AP-1)."""

    @property
    def url(self) -> str:
        """An http(s) URL; credentials in it become an Authorization header."""

    @property
    def method(self) -> str:
        """GET, POST or HEAD."""

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """More names and values."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Over the ones that we send by ourselves; not those that belong to the connection."""

    @property
    def body(self) -> str:
        """Sent as UTF-8."""

    @property
    def content_type(self) -> str:
        """Of the body."""

    @property
    def timeout_ms(self) -> int:
        """For all of it."""

    @property
    def max_bytes(self) -> int:
        """Of the answer's body."""

    @property
    def redirects(self) -> int:
        """How many are followed; with 0 one is an answer like any other."""
