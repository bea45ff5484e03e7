"""Shape B: an ExoML document, root `<Flow>`, as a list of verbs (EX-1 to EX-4).

The parser knows no document type, no entities of its own and no processing instructions, so that a
document can neither reach for a file or an address nor grow when it is read (EX-3).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn
from xml.parsers import expat

from agentstream.flows.legs.fields import TORN, BadActionError, Given, is_torn, plain
from agentstream.flows.legs.reading import NAMES, read_verb
from agentstream.flows.legs.verbs import Verb

ROOT: Final = "Flow"
BYTES_LIMIT: Final = 65_536
VERBS_LIMIT: Final = 32
DEPTH_LIMIT: Final = 3  # the root, a verb, a prompt inside it
ATTRIBUTES_LIMIT: Final = 32


def read_exoml(document: str, absent_loop: Literal["once", "endless"] = "once") -> tuple[Verb, ...]:
    """Return the verbs of a document; raises BadActionError that names line and element."""
    return tuple(read_verb(given, absent_loop) for given in read_document(document))


def read_document(document: str) -> list[Given]:
    """Return the elements of a document, not yet understood; raises BadActionError."""
    if is_torn(document):
        raise BadActionError(f"exoml {TORN}")
    if len(document.encode()) > BYTES_LIMIT:
        raise BadActionError(f"exoml is longer than {BYTES_LIMIT} bytes")
    return [verb.given() for verb in _Reader().read(document)]


@dataclass
class _Element:
    name: str
    line: int
    fields: dict[str, str]
    texts: list[str] = field(default_factory=list)
    inside: list["_Element"] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"exoml: line {self.line}: <{self.name[:40]}>"

    def given(self) -> Given:
        text = "".join(self.texts).strip()
        inside = [one.given() for one in self.inside]
        return Given(self.name, self.place, "exoml", self.fields, text, inside)


class _Reader:
    def __init__(self) -> None:
        self._open: list[_Element] = []
        self._root: _Element | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refusal("a document type (DOCTYPE)")
        self._parser.EntityDeclHandler = self._refusal("an entity declaration")
        self._parser.ProcessingInstructionHandler = self._refusal("a processing instruction")

    def read(self, document: str) -> list[_Element]:
        try:
            self._parser.Parse(document.encode(), True)
        except expat.ExpatError as error:
            why = expat.ErrorString(error.code)
            raise BadActionError(f"exoml: line {error.lineno}: this is not XML: {why}") from None
        assert self._root is not None, "a document without a root is no XML"
        if not self._root.inside:
            raise BadActionError(f"{self._root.place} holds no verb")
        return self._root.inside

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        fields = {plain(key): value for key, value in attributes.items()}
        element = _Element(name, self._parser.CurrentLineNumber, fields)
        if len(attributes) > ATTRIBUTES_LIMIT:
            raise BadActionError(f"{element.place} has more than {ATTRIBUTES_LIMIT} attributes")
        if not self._open:
            self._begin_root(element)
        else:
            self._begin_inside(self._open[-1], element)
        self._open.append(element)

    def _begin_root(self, element: _Element) -> None:
        if element.name != ROOT:
            raise BadActionError(f"{element.place} cannot be the root; it is <{ROOT}>")
        self._root = element

    def _begin_inside(self, outer: _Element, element: _Element) -> None:
        if element.name not in NAMES:
            raise BadActionError(
                f"{element.place} is no verb; there are {', '.join(sorted(NAMES))}"
            )
        if len(self._open) >= DEPTH_LIMIT:
            raise BadActionError(f"{element.place} stands too deep")
        if len(outer.inside) >= VERBS_LIMIT:
            raise BadActionError(f"{element.place} is one more than {VERBS_LIMIT} verbs")
        outer.inside.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        inner = self._open[-1]
        if len(self._open) == 1 and text.strip():
            raise BadActionError(f"{inner.place} holds text; only verbs can stand there")
        inner.texts.append(text)

    def _refusal(self, what: str) -> Callable[..., NoReturn]:
        def refuse(*_: object) -> NoReturn:
            line = self._parser.CurrentLineNumber
            raise BadActionError(f"exoml: line {line}: {what} cannot be used here")

        return refuse
