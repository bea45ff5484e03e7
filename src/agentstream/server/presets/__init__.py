"""Presets: what a trunk to a known platform needs, as data that an operator may edit (PN-63).

Each preset is a TOML file beside this one: where calls go, how the trunk is set, what the
platform's own form wants to be told, and when all that was last looked up. A file of that name in
DATA_DIR/presets takes its place: addresses of others change between our releases.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from agentstream.base.errors import ConfigError, PeerError
from agentstream.server.config_section import Section
from agentstream.sip.uri import parse_uri
from agentstream.store import trunk_options

SHIPPED: Final = Path(__file__).parent
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_BLANK: Final = re.compile(r"\{([a-z_]+)\}")
_ANSWER: Final = re.compile(r"[A-Za-z0-9._:@/?=&%+-]{1,256}", re.ASCII)
_URL: Final = re.compile(r"(?:wss?|https?)://[\x21-\x7e]{1,2000}", re.ASCII)  # may name variables
Transport = Literal["udp", "tcp", "tls"]
# What `paste` may name beside the preset's own questions: facts of this server and of the trunk.
FACTS: Final = frozenset(
    {"our_host", "our_address", "our_port", "our_transport", "number", "user", "password"}
    | {"domain_name", "account_sid", "trunk_sid"}
)


def _blanks(text: str) -> frozenset[str]:
    return frozenset(_BLANK.findall(text))


class Question(Section):
    """Something that only the customer knows."""

    question: str
    example: str
    default: str = ""
    optional: bool = False


class Goal(Section):
    """A destination of the trunk."""

    uri: str
    priority: int = Field(default=0, ge=0, le=65_535)
    weight: int = Field(default=1, ge=0, le=65_535)


class Region(Section):
    """The same in another part of the world."""

    about: str
    destinations: tuple[Goal, ...]
    allow: tuple[str, ...] = ()


def _settings(values: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in values.items():
        why = trunk_options.check(name, value)
        if why:
            raise ValueError(why)
    return values


class TrunkShape(Section):
    """How the trunk is made."""

    auth: Literal["digest", "acl", "none"]  # none: calls only go to it
    settings: Annotated[Mapping[str, str], AfterValidator(_settings)] = Field(default_factory=dict)
    allow: tuple[str, ...] = ()  # networks, where the platform has published some
    auth_mode: Literal["all", "any"] = "all"
    number_mode: Literal["pstn", "flow"] = "pstn"


class Bot(Section):
    """A bot that is reached by WebSocket."""

    url: str


class Program(Section):
    """A customer's program that is asked where each call goes: the Connect applet's dynamic URL."""

    url: str


class Paste(Section):
    """One field of the platform's own form, and what to write there."""

    where: str
    value: str
    over: Literal["", "tls", "clear"] = ""  # only where we are reached so


class Preset(Section):
    """Everything that is known of one platform."""

    name: str
    title: str
    checked_on: date
    about: str
    kind: Literal["sip", "websocket"] = "sip"
    ask: Mapping[str, Question] = Field(default_factory=dict)
    destinations: tuple[Goal, ...] = ()
    regions: Mapping[str, Region] = Field(default_factory=dict)
    trunk: TrunkShape = TrunkShape(auth="none")
    speaks: tuple[Transport, ...] = ("tls", "tcp", "udp")  # to us, what it does best first
    bot: Bot | None = None
    program: Program | None = None
    paste: tuple[Paste, ...] = ()
    notes: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _knows_what_it_names(self) -> Self:
        asked = frozenset(self.ask)
        texts = [goal.uri for goal in self.destinations]
        texts += [goal.uri for region in self.regions.values() for goal in region.destinations]
        texts += [one.url for one in (self.bot, self.program) if one] + [*self.trunk.allow]
        for text in texts:
            if unknown := _blanks(text) - asked:
                raise ValueError(f"{text!r} names {', '.join(sorted(unknown))}, which nobody asks")
        for one in self.paste:
            if unknown := _blanks(one.value) - asked - FACTS:
                raise ValueError(f"{one.where!r} names {', '.join(sorted(unknown))}")
        takes_bot = self.kind == "websocket" or self.trunk.number_mode == "flow"
        if self.kind == "websocket" and self.bot is None:
            raise ValueError("a websocket preset has a [bot]")
        if self.bot is not None and not takes_bot:
            raise ValueError("a [bot] is for the kind websocket and for numbers in flow mode")
        return self

    def to_paste(
        self, facts: Mapping[str, str], answers: Mapping[str, str]
    ) -> list[tuple[str, str]]:
        """Return the fields of the platform's form with their values; a fact not known is "?"."""
        known = {**dict.fromkeys(FACTS, "?"), **facts, **answers}
        over = "tls" if known["our_transport"] == "tls" else "clear"
        return [
            (one.where, _filled(one.value, known)) for one in self.paste if one.over in ("", over)
        ]


@dataclass(frozen=True, slots=True)
class FilledPreset:
    """A preset with the customer's answers in it."""

    preset: Preset
    answers: Mapping[str, str]
    destinations: tuple[Goal, ...]
    settings: Mapping[str, str]
    allow: tuple[str, ...]
    bot_url: str  # "": no bot of ours is in this
    program_url: str  # that is asked where a call goes; "": the destinations say it

    def to_paste(self, facts: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the fields of the platform's form with their values; a fact not known is "?"."""
        return self.preset.to_paste(facts, self.answers)


def names(folder: Path | None = None) -> list[str]:
    """Return every preset's name: those that are shipped, and those in an operator's folder."""
    places = [SHIPPED, *([folder] if folder is not None and folder.is_dir() else [])]
    return sorted({path.stem for place in places for path in place.glob("*.toml")})


def load(name: str, folder: Path | None = None) -> Preset:
    """Read a preset; raises ConfigError for one that does not exist or cannot be read."""
    if _NAME.fullmatch(name):
        for place in (folder, SHIPPED):
            if place is not None and (path := place / f"{name}.toml").is_file():
                return _read(path)
    raise ConfigError(f"there is no preset {name[:64]!r}; there are: {', '.join(names(folder))}")


def fill(preset: Preset, answers: Mapping[str, str], region: str = "") -> FilledPreset:
    """Put the customer's answers in; raises ConfigError naming what is missing or wrong."""
    if region and region not in preset.regions:
        known = ", ".join(preset.regions) or "none"
        raise ConfigError(f"{preset.name} has no region {region[:64]!r}; there are: {known}")
    if unknown := sorted(answers.keys() - preset.ask.keys()):
        known = ", ".join(preset.ask) or "nothing"
        raise ConfigError(f"{preset.name} does not ask for {unknown[0][:64]!r}; it asks: {known}")
    given = {name: answers.get(name) or asked.default for name, asked in preset.ask.items()}
    for name, asked in preset.ask.items():
        _check_answer(preset, name, asked, given[name])
    chosen = preset.regions.get(region)
    goals = chosen.destinations if chosen else preset.destinations
    return FilledPreset(
        preset,
        given,
        tuple(_goal(goal, given) for goal in goals),
        _all_settings(preset),
        tuple(
            _network(_filled(one, given)) for one in (chosen and chosen.allow) or preset.trunk.allow
        ),
        _filled(preset.bot.url, given) if preset.bot else "",
        _filled(preset.program.url, given) if preset.program else "",
    )


def missing(preset: Preset, answers: Mapping[str, str]) -> list[str]:
    """Return which questions have no answer yet, and need one."""
    return [
        name
        for name, asked in preset.ask.items()
        if not (answers.get(name) or asked.default or asked.optional)
    ]


def _check_answer(preset: Preset, name: str, asked: Question, answer: str) -> None:
    if not answer and asked.optional:
        return
    if not answer:
        raise ConfigError(
            f"{preset.name} needs {name}: {asked.question}. Give it as --answer {name}="
            f"{asked.example}"
        )
    places = [one.url for one in (preset.bot, preset.program) if one]
    if any(name in _blanks(place) for place in places):
        if not _URL.fullmatch(answer):
            raise ConfigError(
                f"{name} is an address such as {asked.example}, up to 2000 characters"
            )
    elif not _ANSWER.fullmatch(answer):
        raise ConfigError(f"{name} is 1 to 256 letters, digits and . _ : @ / ? = & % + -")


def _all_settings(preset: Preset) -> Mapping[str, str]:
    mode = {} if preset.trunk.auth_mode == "all" else {"as_auth_mode": preset.trunk.auth_mode}
    return {**preset.trunk.settings, **mode, "as_preset": preset.name}


def _goal(goal: Goal, given: Mapping[str, str]) -> Goal:
    uri = _filled(goal.uri, given)
    try:
        parse_uri(uri)
    except PeerError as error:
        raise ConfigError(f"the destination {uri!r} is no SIP address: {error}") from None
    return Goal(uri=uri, priority=goal.priority, weight=goal.weight)


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ConfigError(f"{text!r} is no address or network, such as 192.0.2.0/24") from None


def _filled(text: str, given: Mapping[str, str]) -> str:
    return _BLANK.sub(lambda blank: given.get(blank[1], blank[0]), text)


@cache
def _shipped(path: Path) -> Preset:
    return _parsed(path)


def _read(path: Path) -> Preset:
    return _shipped(path) if path.parent == SHIPPED else _parsed(path)


def _parsed(path: Path) -> Preset:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return Preset.model_validate({"name": path.stem, **data})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"preset {path}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"preset {path}: {place}: {first['msg']}") from error
