"""The text of a flow document, YAML or JSON, as plain values that remember their lines.

JSON is read as the YAML that it is, so both have lines. Of YAML only the plain part is taken: one
document, no anchors, aliases or tags; `yes`, `on` and dates stay the text that they look like.
"""

import re
from dataclasses import field
from typing import Any, Final

import yaml

from agentstream.base.errors import CommandError
from agentstream.base.values import dataclass

SOURCE_LIMIT_CHARS: Final = 262_144
DEPTH_LIMIT: Final = 16
NODE_LIMIT: Final = 20_000

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
Path = tuple[str | int, ...]


class SourceError(CommandError):
    """The text is not a document that can be read; `line` counts from 1, 0 is unknown."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {text}" if line else text)
        self.text = text
        self.line = line


@dataclass(frozen=True, slots=True)
class Span:
    """Where a name or a value stands; lines and columns count from 1, line 0 is unknown."""

    line: int = 0
    column: int = 1
    width: int = 1  # characters, never beyond the line


@dataclass(frozen=True, slots=True)
class Source:
    """A document's values, and the place of each by its path."""

    value: Plain
    spans: dict[Path, Span] = field(default_factory=dict)

    def span(self, path: Path) -> Span:
        """Return the place of the value at `path`, or of the nearest around it."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.spans.get(path, Span())

    def line(self, path: Path) -> int:
        """Return the line of the value at `path`, or of the nearest around it; 0 if unknown."""
        return self.span(path).line


class _PlainLoader(yaml.SafeLoader):
    """Knows true, false, null and decimal numbers; everything else is text (YAML 1.2, JSON)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own


_INT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][-+]?[0-9]{1,2})?")
_WORDS: Final[dict[str, Plain]] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    "": None,
}


def read(text: str) -> Source:
    """Return the document's values; raises SourceError and nothing else."""
    if len(text) > SOURCE_LIMIT_CHARS:
        raise SourceError(f"the document is longer than {SOURCE_LIMIT_CHARS} characters")
    if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        # JSON may be indented with tabs, YAML may not. A raw tab cannot stand inside a JSON text.
        text = text.replace("\t", " ")
    try:
        _check_shape(text)
        node = yaml.compose(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise _explained(error) from error
    if node is None:
        raise SourceError("the document is empty")
    spans: dict[Path, Span] = {}
    return Source(_plain(node, (), spans), spans)


def _check_shape(text: str) -> None:
    """Refuse what would cost more than it says: depth, aliases, sheer number (in one pass)."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_PlainLoader)):
        line = line_of(event.start_mark)
        if count >= NODE_LIMIT:
            raise SourceError(f"the document has more than {NODE_LIMIT} parts", line)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SourceError("anchors and aliases (& and *) are not taken here", line)
        if getattr(event, "tag", None):
            raise SourceError("tags (!) are not taken here", line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise SourceError(f"the document is nested deeper than {DEPTH_LIMIT}", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _plain(node: yaml.Node, path: Path, spans: dict[Path, Span]) -> Plain:
    spans[path] = _span(node, node)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, spans)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), spans) for index, item in enumerate(node.value)]
    text = str(node.value)
    return text if getattr(node, "style", None) else _scalar(text)


def _mapping(node: yaml.MappingNode, path: Path, spans: dict[Path, Span]) -> dict[str, Plain]:
    values: dict[str, Plain] = {}
    for key, item in node.value:
        line = line_of(key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise SourceError("a name must be a plain text", line)
        name = str(key.value)
        if name in values:
            raise SourceError(f"'{name}' stands here twice", line)
        values[name] = _plain(item, (*path, name), spans)
        spans[*path, name] = _span(key, item)
    return values


def _span(first: yaml.Node, last: yaml.Node) -> Span:
    """Return the place from a name to the end of its value, if that is one word on its line."""
    start, end = first.start_mark, first.end_mark
    if isinstance(last, yaml.ScalarNode) and last.end_mark.line == start.line:
        end = last.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Span(line_of(start), start.column + 1, max(1, width))


def _scalar(text: str) -> Plain:
    """Return what an unquoted scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _explained(error: yaml.YAMLError) -> SourceError:
    text = getattr(error, "problem", None) or str(error)
    return SourceError(
        f"this is neither YAML nor JSON: {text}", line_of(getattr(error, "problem_mark", None))
    )


def line_of(mark: Any) -> int:  # noqa: ANN401 - PyYAML has two kinds of marks
    """Return the line of a mark, from 1; 0 when there is none."""
    return mark.line + 1 if mark else 0
