"""Where the configuration comes from: the file, then the environment, and what is wrong where."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from agentstream.base.errors import ConfigError
from agentstream.server.config import FILES, Config
from agentstream.stream.profile import WireProfile

PREFIX = "AGENTSTREAM_"
FILE_VARIABLE = "AGENTSTREAM_CONFIG"

Values = dict[str, Any]
Place = tuple[str, ...]


def load_config(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file (given, named by AGENTSTREAM_CONFIG, or found here), the environment over it.

    Raises ConfigError, one line for each mistake.
    """
    environ = os.environ if environ is None else environ
    file = _file(path, environ)
    values = {} if file is None else _read(file)
    origins: dict[Place, str] = {}
    for name, place, value in _variables(environ):
        origins[place] = name
        _put(values, place, value, name)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        where = str(file) if file else "configuration"
        raise ConfigError("\n".join(_lines(error, origins, where))) from error


def _file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = path or (Path(environ[FILE_VARIABLE]) if environ.get(FILE_VARIABLE) else None)
    if named is not None:
        return named
    return next((Path(name) for name in FILES if Path(name).is_file()), None)


def _read(file: Path) -> Values:
    try:
        text = file.read_text("utf-8")
        is_yaml = file.suffix in {".yaml", ".yml"}
        values = yaml.safe_load(text) if is_yaml else tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: names and values are expected")
    return values


def _variables(environ: Mapping[str, str]) -> Iterable[tuple[str, Place, str | int | bool]]:
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or name == FILE_VARIABLE:
            continue
        place = tuple(name.removeprefix(PREFIX).lower().split("__"))
        # Container platforms put variables of their own under our name (AGENTSTREAM_PORT=tcp://...).
        if place[0] in Config.model_fields and _is_section(place[0]) == (len(place) > 1):
            yield name, place, _setting(place[1], value) if place[0] == "stream" else value


def _setting(name: str, value: str) -> str | int | bool:
    # A bot's settings are strict about their kinds; a variable is always a text.
    kind = type(getattr(WireProfile(), name, ""))
    if kind is bool and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return int(value) if kind is int and value.isdecimal() else value


def _is_section(name: str) -> bool:
    kind = Config.model_fields[name].annotation
    return name in {"stream", "trunks"} or (isinstance(kind, type) and issubclass(kind, BaseModel))


def _put(values: Values, place: Place, value: str | int | bool, name: str) -> None:
    for part in place[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{name}: {part} is no section in the file")
        values = inner
    values[place[-1]] = value


def _lines(error: ValidationError, origins: Mapping[Place, str], where: str) -> Iterable[str]:
    for mistake in error.errors(include_url=False):
        place = tuple(str(part) for part in mistake["loc"])
        origin = next((n for p, n in origins.items() if place[: len(p)] == p), where)
        text = mistake["msg"].removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            text = "there is no such setting" + _nearest(place)
        elif mistake["type"] != "value_error" and _is_plain(mistake["input"]):
            text = f"{text[:1].lower()}{text[1:]}, not {mistake['input']!r}"
        yield f"{origin}: {_dotted(mistake['loc'])}{text}"


def _dotted(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return f"{text}: " if text else ""


def _nearest(place: Place) -> str:
    known: Iterable[str] = Config.model_fields
    if len(place) > 1 and _is_section(place[0]):
        kind = Config.model_fields[place[0]].annotation
        known = getattr(kind, "model_fields", {})
    near = difflib.get_close_matches(place[-1], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)
