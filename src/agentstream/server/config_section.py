"""What every section of the configuration is made of."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from agentstream.base.errors import ConfigError
from agentstream.net.egress import check_entry


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


def host_entries(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Check the entries of an allow or deny list."""
    for entry in entries:
        try:
            check_entry(entry)
        except ConfigError as error:
            raise ValueError(str(error)) from error
    return entries


Texts = Annotated[tuple[str, ...], BeforeValidator(split)]
HostEntries = Annotated[Texts, AfterValidator(host_entries)]  # names, "*.name", addresses, networks
Port = Annotated[int, Field(ge=1, le=65_535)]
