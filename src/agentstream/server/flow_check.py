"""Looks at a flow document as `flows check` shows it: every finding with its place and its line."""

import re
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from agentstream.base.errors import ConfigError
from agentstream.flows.advice import advise
from agentstream.flows.applets.voicebot import VoicebotSettings, plain
from agentstream.flows.document import DocumentError, FlowDocument, Problem, at, parse, place
from agentstream.flows.source import Path, Source, SourceError, Span, read
from agentstream.server.flow_targets import NOWHERE, Surroundings, misses
from agentstream.stream.profile import WireProfile

_LINE_ENDS: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # those that YAML counts
_USERINFO: Final = re.compile(r"(?<=://)[^/?#\s\"']*(?=@)")
_SHOWN: Final = 88  # columns of the offending line; a document may be one line of JSON
_BEFORE: Final = 30  # of them before what is wrong, when the line must be cut


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. Lines and columns count from 1, line 0 is unknown."""

    severity: Literal["error", "warning"]
    code: str
    text: str
    line: int
    column: int
    width: int
    applet: str
    field: str


@dataclass(frozen=True, slots=True)
class Report:
    """A document and what was found in it; `document` None when it cannot be used."""

    document: FlowDocument | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings keep the document from being used."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are only worth a look."""
        return len(self.findings) - self.errors

    def as_json(self, file: str) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "file": file,
            "ok": self.errors == 0,
            "flow": self.document.name if self.document else None,
            "applets": len(self.document.applets) if self.document else None,
            "errors": self.errors,
            "warnings": self.warnings,
            "findings": [asdict(finding) for finding in self.findings],
        }


def check(text: str, around: Surroundings = NOWHERE) -> Report:
    """Look at the text of a document; never raises for what stands in it."""
    try:
        source = read(text)
        document = parse(text)
    except SourceError as error:
        return Report(None, (_unreadable(error),))
    except DocumentError as error:
        return Report(None, tuple(_sorted([_error(each, source) for each in error.problems])))
    wrong = [_error(each, source) for each in stream_problems(document)]
    advice = [
        _finding(
            "warning",
            each.code,
            f"{place(each.applet, document.applets)}: {each.text}",
            source.span((*at(each.applet), *filter(None, [each.field]))),
            (*at(each.applet), *filter(None, [each.field])),
        )
        for each in advise(document)
    ]
    missed = [
        _finding(
            "warning",
            each.code,
            f"{place(each.applet, document.applets)}: {each.text}",
            source.span((*at(each.applet), *each.path)),
            (*at(each.applet), *each.path),
        )
        for each in misses(document, around)
    ]
    return Report(None if wrong else document, tuple(_sorted([*wrong, *advice, *missed])))


def stream_problems(document: FlowDocument) -> list[Problem]:
    """Return the stream settings that the bot's wire does not have; flows do not know the wire."""
    found = []
    for name, applet in document.applets.items():
        if not isinstance(applet, VoicebotSettings):
            continue
        texts = {key: plain(value) for key, value in applet.settings.items()}
        try:
            WireProfile().overridden(applet.profile, texts)
        except ConfigError as error:
            text = f"{place(name, document.applets)}: settings: {error}"
            found.append(Problem(text, path=(*at(name), "settings")))
    return found


def show(report: Report, file: str, text: str, output: Console) -> None:
    """Print every finding with its line and a caret below it, and the sum."""
    lines = _LINE_ENDS.split(text)
    for finding in report.findings:
        colour = "red" if finding.severity == "error" else "yellow"
        where = f"{file}:{finding.line}:{finding.column}" if finding.line else file
        head = Text(f"{where}: ", style="bold")
        head.append(finding.severity, style=f"bold {colour}")
        head.append(f": {finding.text}")
        output.print(head, soft_wrap=True)
        if 0 < finding.line <= len(lines):
            for row in _quoted(lines[finding.line - 1], finding, colour):
                output.print(row, soft_wrap=True)
    output.print(_sum(report, file), soft_wrap=True)


def _quoted(line: str, finding: Finding, colour: str) -> tuple[Text, Text]:
    """Return the offending line without its secrets, and the caret below it."""
    line = _USERINFO.sub(lambda found: "*" * len(found[0]), line.replace("\t", " "))
    start = min(finding.column - 1, len(line))
    first = 0 if len(line) <= _SHOWN else max(0, start - _BEFORE)
    shown = line[first : first + _SHOWN]
    start -= first
    end = min(start + finding.width, len(shown))
    gutter = f"{finding.line:>6} │ "
    quoted = Text(gutter, style="dim")
    quoted.append(shown[:start]).append(shown[start:end], style=colour).append(shown[end:])
    carets = "^" * max(1, cell_len(shown[start:end]))
    below = Text(" " * 6 + " │ " + " " * cell_len(shown[:start]), style="dim")
    below.append(carets, style=f"bold {colour}")
    return quoted, below


def _sum(report: Report, file: str) -> Text:
    if report.errors:
        return Text(f"{file}: {_counted(report)}", style="bold red")
    assert report.document is not None  # without errors there is one
    what = f"flow {report.document.name}, {len(report.document.applets)} applets"
    if report.warnings:
        return Text(f"{file}: {what}: can be used, {_counted(report)}", style="bold yellow")
    return Text(f"{file}: {what}: nothing wrong", style="bold green")


def _counted(report: Report) -> str:
    counts = ((report.errors, "error"), (report.warnings, "warning"))
    return ", ".join(f"{count} {word}{'s' * (count > 1)}" for count, word in counts if count)


def _unreadable(error: SourceError) -> Finding:
    return _finding("error", "syntax", error.text, Span(error.line), ())


def _error(problem: Problem, source: Source) -> Finding:
    return _finding("error", "invalid", problem.text, source.span(problem.path), problem.path)


def _finding(
    severity: Literal["error", "warning"], code: str, text: str, span: Span, path: Path
) -> Finding:
    in_applet = len(path) > 1 and path[0] == "applets"
    field = ".".join(str(part) for part in (path[2:] if in_applet else path))
    applet = str(path[1]) if in_applet else ""
    return Finding(severity, code, text, span.line, span.column, span.width, applet, field)


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda each: (each.line, each.column))
