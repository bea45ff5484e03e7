"""What a request says in its body or query, however it is written (CC-9 to CC-13).

Names are compared without regard to case; a list comes as `Name[]=a&Name[]=b`, `Name[0]=a`,
`Name=a,b`, the name several times, or a list of JSON.
"""

import json
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from agentstream.api.errors import ApiError

BODY_LIMIT: Final = 65_536  # bytes
FIELDS_LIMIT: Final = 100
VALUE_CHARS: Final = 4_096
DEPTH_LIMIT: Final = 3  # of JSON
_INDEX: Final = re.compile(r"\[\d*\]$")
_YES: Final = {"true", "1"}
_NO: Final = {"false", "0", ""}
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Form:
    """Names in small letters, without what makes them a list, and their texts."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return any(text.strip() for text in self.values.get(name.lower(), ()))

    def text(self, name: str, limit: int = VALUE_CHARS) -> str:
        """Return one text, "" when it is not there; ApiError when it is too long."""
        found = set(self.values.get(name.lower(), ()))
        if len(found) > 1:
            refuse(name, "is given several times, with different values")
        text = next(iter(found), "").strip()
        if len(text) > limit:
            refuse(name, f"has {len(text)} characters, at most {limit} are taken")
        return text

    def required(self, name: str, limit: int = VALUE_CHARS) -> str:
        """Return one text that must be there (CC-30)."""
        text = self.text(name, limit)
        if not text:
            refuse(name, "is missing")
        return text

    def texts(self, name: str, limit: int) -> tuple[str, ...]:
        """Return a list of at most `limit` texts (CC-11)."""
        found = self.values.get(name.lower(), ())
        pieces = [piece.strip() for text in found for piece in text.split(",")]
        named = tuple(dict.fromkeys(piece for piece in pieces if piece))
        if len(named) > limit:
            refuse(name, f"names {len(named)}, at most {limit} are taken")
        return named

    def flag(self, name: str) -> bool:
        """Return true or false (CC-12)."""
        text = self.text(name).lower()
        if text not in _YES | _NO:
            refuse(name, "is true or false")
        return text in _YES

    def whole(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number within its range; None when it is not there."""
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and low <= int(text[:20]) <= high):
            refuse(name, f"is a whole number from {low} to {high}")
        return int(text)

    def word(self, name: str, words: Mapping[str, str], default: str) -> str:
        """Return what one of some words stands for, written in any case."""
        text = self.text(name).lower()
        if not text:
            return default
        if text not in words:
            refuse(name, f"is one of {', '.join(words)}")
        return words[text]


def refuse(name: str, why: str) -> NoReturn:
    """Refuse the request with a sentence that names the parameter (CC-30)."""
    raise ApiError(400, f"{name} {why}")


def form_of(pairs: Pairs) -> Form:
    """Return what these names and texts say; ApiError when there are too many, or too long."""
    values: dict[str, list[str]] = {}
    for count, (name, text) in enumerate(pairs, 1):
        if count > FIELDS_LIMIT:
            raise ApiError(400, f"There are more than {FIELDS_LIMIT} fields")
        if len(text) > VALUE_CHARS:
            raise ApiError(400, f"{name[:64]} is longer than {VALUE_CHARS} characters")
        if "\0" in text:  # what no database and no SIP message can hold
            raise ApiError(400, f"{name[:64]} contains a NUL character")
        values.setdefault(_INDEX.sub("", name.strip()).lower(), []).append(text)
    return Form({name: tuple(texts) for name, texts in values.items()})


def query_of(request: Request) -> Form:
    """Return what the query says; a semicolon is a character like others there (CD-9)."""
    return form_of(request.query_params.multi_items())


async def body_of(request: Request) -> Form:
    """Return what the body says: a form in either encoding, or a JSON object (CC-9)."""
    body, kind = await bytes_of(request, BODY_LIMIT), content_type_of(request)
    if kind == "multipart/form-data":
        return form_of(await _parts(request, body))
    if kind == "application/json":
        return form_of(_json_pairs(body))
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
    except UnicodeDecodeError:
        raise ApiError(400, "The body is no form: it is not UTF-8") from None
    except ValueError:
        raise ApiError(400, f"There are more than {FIELDS_LIMIT} fields") from None
    return form_of(pairs)


async def bytes_of(request: Request, limit: int) -> bytes:
    """Return the body; ApiError 413 when it is larger than so many bytes."""
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise ApiError(413, f"The body is larger than {limit} bytes")
    except ClientDisconnect:  # nobody reads this answer, but it is no fault of ours
        raise ApiError(400, "The connection closed before the body was whole") from None
    return bytes(body)


def content_type_of(request: Request) -> str:
    """Return what the body is, in small letters and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _parts(request: Request, body: bytes) -> Pairs:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        request.headers,
        whole(),
        max_files=0,
        max_fields=FIELDS_LIMIT,
        max_part_size=BODY_LIMIT,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ApiError(400, f"The form cannot be read: {error.message}") from None
    return [(name, text) for name, text in form.multi_items() if isinstance(text, str)]


def _json_pairs(body: bytes) -> Pairs:
    try:
        value = json.loads(body or b"{}")
        json.dumps(value, ensure_ascii=False).encode()  # half a character (a surrogate) is no text
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ApiError(400, "The body is not a JSON object")
    return _object_pairs(value)


def form_of_json(value: Mapping[str, object]) -> Form:
    """Return what a JSON object says, as a form."""
    return form_of(_object_pairs(value))


def _object_pairs(value: Mapping[str, object]) -> Pairs:
    return [pair for name, inner in value.items() for pair in _pairs_of(name, inner)]


def _pairs_of(name: str, value: object, depth: int = 1) -> Pairs:
    """Return the texts of a value; what is nested in it has names with dots (V3-2)."""
    if value is None:
        return []
    if isinstance(value, bool):
        return [(name, str(value).lower())]
    if isinstance(value, str | int | float):
        return [(name, str(value))]
    if depth > DEPTH_LIMIT:
        refuse(name[:64], "is nested too deeply")
    if isinstance(value, list):
        return [pair for item in value for pair in _pairs_of(name, item, depth + 1)]
    assert isinstance(value, dict)
    inner = ((f"{name}.{key}", item) for key, item in value.items())
    return [pair for key, item in inner for pair in _pairs_of(key, item, depth + 1)]
