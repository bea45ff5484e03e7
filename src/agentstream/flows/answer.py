"""What a customer's server answered; and what is wrong with it, in words that help (US-14)."""

import json
from collections.abc import Mapping
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, ValidationError

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.calls.events import RequestFinished
from agentstream.flows.mistakes import sentence

ModelT = TypeVar("ModelT", bound=BaseModel)

EXCERPT_CHARS: Final = 80
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer over HTTP."""

    status: int
    content_type: str  # its media type in small letters, without parameters
    text: str

    @classmethod
    def of(cls, finished: RequestFinished) -> Self:
        """Return what a request came to; raises PeerError when nobody answered."""
        if finished.status == 0:
            raise PeerError(finished.error or "there was no answer")
        media_type = finished.content_type.partition(";")[0].strip().lower()
        text = finished.body.decode("utf-8-sig", errors="replace")
        return cls(finished.status, media_type, text)

    def body(self) -> str:
        """Return the text of a good answer; raises PeerError for any status but 200."""
        if self.status != OK:
            raise PeerError(f"it was answered with status {self.status}, not {OK}")
        return self.text

    def mapping(self, wanted: str) -> dict[str, Any]:
        """Return a JSON object; raises PeerError that says what is there instead of `wanted`."""
        text = self.body().strip()
        if text.startswith("<"):
            raise PeerError(instead("XML or HTML", wanted, text))
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PeerError(instead("not JSON", wanted, text)) from error
        if not isinstance(value, dict):
            raise PeerError(instead("no JSON object", wanted, text))
        return value


def fitted(model: type[ModelT], value: Mapping[str, Any]) -> ModelT:
    """Return a JSON object as the values that it should be; raises PeerError naming the field.

    What is null counts as left out.
    """
    try:
        return model.model_validate({name: one for name, one in value.items() if one is not None})
    except ValidationError as error:
        raise PeerError(f"the answer: {sentence(error.errors()[0], model)}") from error


def instead(what: str, wanted: str, text: str) -> str:
    """Return what is wrong with an answer: what it is, what it should be, how it begins."""
    return f"the answer is {what}, wanted is {wanted}; it begins: {excerpt(text)}"


def excerpt(text: str) -> str:
    """Return the beginning of a body, on one line, for a person."""
    line = "".join(char if char.isprintable() else " " for char in text[: EXCERPT_CHARS + 1])
    line = " ".join(line.split())
    if not line:
        return "(empty)"
    return f"{line[:EXCERPT_CHARS]} ..." if len(text) > EXCERPT_CHARS else line
