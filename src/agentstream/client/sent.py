"""A request as it is sent, and what every ask has in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

T_co = TypeVar("T_co", covariant=True)
Form = Mapping[str, str | list[str]]
Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request; `path` begins below the server's address. Its body is a form, or JSON."""

    method: str
    path: str
    query: Form
    body: Form | None = None
    idempotency_key: str = ""
    json: Document | None = None


class Ask(Protocol[T_co]):
    """A request and what its answer is."""

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""

    def read(self, answer: Mapping[str, Any]) -> T_co:
        """Return what was answered."""


def part(name: str) -> str:
    """Return a name that people chose, as one part of a path."""
    return quote(name, safe="")
