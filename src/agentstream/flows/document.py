"""Flow documents: YAML or JSON in, values out, and every mistake named with its place.

version: 1
name: support
start: welcome
applets:
  welcome: {type: greeting, text: "Welcome", next: talk}
  talk: {type: voicebot, url: "wss://bot.example.net/ws?sample-rate=8000", next: bye}
  bye: {type: hangup}
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentstream.base.errors import CommandError
from agentstream.base.values import dataclass
from agentstream.calls.commands import RecordingSpec
from agentstream.flows.applet import Settings
from agentstream.flows.applets import KINDS
from agentstream.flows.graph import spinning, unknown_targets, unreached
from agentstream.flows.mistakes import sentence
from agentstream.flows.source import Path, Plain, Source, SourceError, read

FORMAT_VERSION: Final = 1
APPLETS_LIMIT: Final = 500
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a document. `line` counts from 1; 0 is unknown."""

    text: str
    line: int = 0
    path: Path = field(default=(), compare=False)  # of what is wrong, as ("applets", "a", "url")

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class DocumentError(CommandError):
    """The document cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Head(BaseModel):
    """A flow document: what a call does, as applets and the exits between them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = Field(default=1, description="The version of this format.")
    name: str = Field(min_length=1, max_length=64, description="The flow's name, for people.")
    description: str = Field(default="", max_length=2000, description="What it is for.")
    start: str = Field(description="The applet where every call begins.")
    timeout_seconds: int = Field(
        default=3600,
        ge=1,
        le=14_400,
        description="How long a call may be in this flow; then it is hung up (AS-49).",
    )
    on_applet_failure: Literal["continue", "hangup"] = Field(
        default="continue",
        description=(
            "What an applet that fails without an exit for it does: `continue` with `next`, or"
            " hang up (AP-7)."
        ),
    )
    record: bool = Field(
        default=False,
        description="Record every call that begins here, from its answer to its end (AF-6).",
    )
    recording_channels: Literal["mono", "stereo"] = Field(
        default="mono",
        description="One mixed channel, or the caller left and what the caller hears right.",
    )
    applets: Annotated[dict[str, dict[str, Any]], Field(min_length=1, max_length=APPLETS_LIMIT)] = (
        Field(description="The applets by name: letters, digits, - and _, at most 64.")
    )


@dataclass(frozen=True, slots=True)
class FlowDocument:
    """A flow that can be run; every exit leads to an applet that is there, or nowhere."""

    name: str
    start: str
    timeout_ms: int
    applets: Mapping[str, Settings]
    warnings: tuple[Problem, ...] = ()
    on_applet_failure: Literal["continue", "hangup"] = "continue"
    recording: RecordingSpec | None = None  # of the whole of a call that begins here (AF-6)


def parse(text: str, kinds: Iterable[type[Settings]] = KINDS) -> FlowDocument:
    """Return the flow; raises DocumentError with all the problems that can be seen at once."""
    try:
        source = read(text)
    except SourceError as error:
        raise DocumentError([Problem(error.text, error.line)]) from error
    reader = _Reader(source, {kind.kind: kind for kind in kinds})
    document = reader.document()
    if reader.problems or document is None:
        raise DocumentError(reader.problems)
    return document


class _Reader:
    """Reads one document and collects what is wrong with it."""

    def __init__(self, source: Source, kinds: Mapping[str, type[Settings]]) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._kinds = kinds

    def document(self) -> FlowDocument | None:
        """Return the flow; None, and problems, when it cannot be one."""
        value = self._source.value
        if not isinstance(value, dict):
            self._note("a flow document is a mapping with 'name', 'start' and 'applets'", ())
            return None
        head = self._head(value)
        written = value.get("applets")
        applets = self._applets(written) if isinstance(written, dict) else {}
        if head is None or self.problems:
            return None
        self._check_exits(head, applets)
        warnings = [
            Problem(
                f"{place(name, applets)}: no exit leads here", self._source.line(at(name)), at(name)
            )
            for name in unreached(applets, head.start)
        ]
        return FlowDocument(
            head.name,
            head.start,
            head.timeout_seconds * 1000,
            applets,
            tuple(warnings),
            head.on_applet_failure,
            RecordingSpec(head.recording_channels) if head.record else None,
        )

    def _head(self, value: dict[str, Plain]) -> Head | None:
        version = value.get("version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            self._note(
                f"version {version!r} of the format is not known here, only {FORMAT_VERSION}",
                ("version",),
            )
            return None
        try:
            return Head.model_validate(value)
        except ValidationError as error:
            for one in error.errors():
                self._note(sentence(one, Head), tuple(one["loc"]))
            return None

    def _applets(self, written: Mapping[str, Plain]) -> dict[str, Settings]:
        applets: dict[str, Settings] = {}
        for name, fields in written.items():
            settings = self._applet(name, fields) if isinstance(fields, dict) else None
            if settings is not None:
                applets[name] = settings
        return applets

    def _applet(self, name: str, fields: dict[str, Plain]) -> Settings | None:
        if not _NAME.fullmatch(name):
            self._note(f"applet '{name}': a name is letters, digits, - and _", at(name))
            return None
        if "type" not in fields:
            self._note(f"applet '{name}': field 'type' is missing", at(name))
            return None
        kind = self._kinds.get(str(fields["type"]))
        if kind is None:
            known = ", ".join(sorted(self._kinds))
            text = f"applet '{name}': type '{fields['type']}' is unknown; there are {known}"
            self._note(text, (*at(name), "type"))
            return None
        try:
            return kind.model_validate({key: fields[key] for key in fields if key != "type"})
        except ValidationError as error:
            for one in error.errors():
                text = f"applet '{name}' ({kind.kind}): {sentence(one, kind)}"
                self._note(text, (*at(name), *one["loc"]))
            return None

    def _check_exits(self, head: Head, applets: Mapping[str, Settings]) -> None:
        there = ", ".join(applets)
        if head.start not in applets:
            self._note(f"'start' names applet '{head.start}'; there are {there}", ("start",))
        for name, exit_name, target in unknown_targets(applets):
            where = place(name, applets)
            text = f"{where}: exit '{exit_name}' leads to '{target}'; there are {there}"
            self._note(text, (*at(name), *applets[name].exit_path(exit_name)))
        for loop in spinning(applets):
            way = " → ".join([*loop, loop[0]])
            self._note(f"{place(loop[0], applets)}: the loop {way} never waits", at(loop[0]))

    def _note(self, text: str, path: Path) -> None:
        self.problems.append(Problem(text, self._source.line(path), path))


def at(name: str) -> Path:
    """Return where an applet stands in the document."""
    return ("applets", name)


def place(name: str, applets: Mapping[str, Settings]) -> str:
    """Return how a problem names an applet."""
    return f"applet '{name}' ({applets[name].kind})"
