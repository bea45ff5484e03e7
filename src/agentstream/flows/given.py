"""The fields of one verb as they were given, in JSON or as attributes, under any of their names."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from agentstream.base.errors import AgentStreamError
from agentstream.base.values import dataclass

MISSING: Final = 1001  # LG-11
INVALID: Final = 1002

TORN: Final = "holds half of a character (a surrogate)"

Shape = Literal["json", "exoml"]
Scalar = str | int | float | bool | None


class BadActionError(AgentStreamError):
    """An action that cannot be read (HTTP 400); `code` is the application's (LG-11)."""

    def __init__(self, text: str, code: int = INVALID) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Given:
    """One verb before it is understood; `place` is how an error names it.

    The names in `fields` are `plain`; `text` is the content of an element, trimmed (EX-4).
    """

    verb: str  # in the words of EX-10 to EX-27
    place: str
    shape: Shape
    fields: Mapping[str, Scalar]
    text: str = ""
    inside: Sequence["Given"] = ()

    def wrong(self, name: str, why: str, code: int = INVALID) -> BadActionError:
        """Return the error that names a field."""
        return BadActionError(f"{self.place}: {name} {why}", code)

    def text_of(self, *names: str, limit: int, default: str = "") -> str:
        """Return a text; the first name that was given counts (LG-85)."""
        value = self._found(names)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.wrong(names[0], "must be a text")
        return self._limited(names[0], str(value), limit)

    def content(self, *names: str, limit: int) -> str:
        """Return a text that must be there: a field, or what stands inside the element."""
        value = self.text_of(*names, limit=limit) or self._limited(names[0], self.text, limit)
        if not value:
            raise self.wrong(names[0], "is missing", MISSING)
        return value

    def needed(self, *names: str, limit: int) -> str:
        """Return a field that must be there."""
        value = self.text_of(*names, limit=limit)
        if not value:
            raise self.wrong(names[0], "is missing", MISSING)
        return value

    def number(self, *names: str, low: int, high: int, default: int) -> int:
        """Return a whole number within its range."""
        value = self._found(names)
        if value is None or value == "":
            return default
        number = _whole(value)
        if number is None or not low <= number <= high:
            raise self.wrong(names[0], f"must be a whole number from {low} to {high}")
        return number

    def flag(self, *names: str) -> bool:
        """Return a yes or no; absent is no."""
        value = self._found(names)
        if value is None or value == "":
            return False
        word = str(value).lower()
        if word not in ("true", "false", "1", "0"):
            raise self.wrong(names[0], "must be true or false")
        return word in ("true", "1")

    def choice(self, *names: str, of: Sequence[str], default: str | None = None) -> str:
        """Return one of some words, compared without case; without a default it must be there."""
        value = self.text_of(*names, limit=64)
        if not value and default is None:
            raise self.wrong(names[0], f"is missing; it is {' or '.join(of)}", MISSING)
        word = value.lower() or default or ""
        if word not in of:
            raise self.wrong(names[0], f"must be {' or '.join(of)}")
        return word

    def _found(self, names: Sequence[str]) -> Scalar:
        for name in names:
            value = self.fields.get(plain(name))
            if value is not None:
                return value
        return None

    def _limited(self, name: str, text: str, limit: int) -> str:
        if len(text) > limit:
            raise self.wrong(name, f"is longer than {limit} characters")
        if is_torn(text):
            raise self.wrong(name, TORN)
        return text.strip()


def is_torn(text: str) -> bool:
    """Tell whether a text has half of a character: JSON can write that, nobody can read it."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def plain(name: str) -> str:
    """Return a name without case and underscores: `streamUrl`, `stream_url` and `StreamURL`."""
    return name.replace("_", "").replace("-", "").lower()


def _whole(value: Scalar) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 9:
        return None
    return int(text)
