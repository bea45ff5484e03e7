"""What every section of the configuration is made of."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A table of the file: unknown names are mistakes, and nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def split(value: object) -> object:
    """Let a list be written with commas."""
    if not isinstance(value, str):
        return value
    return [part for part in (piece.strip() for piece in value.split(",")) if part]


def number(value: object) -> object:
    """Let a number come as text, as the environment gives it."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def numbers(value: object) -> object:
    """Let a list of numbers be written with commas."""
    parts = split(value)
    return [number(part) for part in parts] if isinstance(parts, list) else parts


Texts = Annotated[tuple[str, ...], BeforeValidator(split)]
Port = Annotated[int, Field(ge=1, le=65_535)]
