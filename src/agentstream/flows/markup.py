"""ExoML documents of either kind as elements: safely read, bounded, each with its line (EX-3).

The parser knows no document type, no entities of its own and no processing instructions, so that a
document can neither reach for a file or an address nor grow when it is read.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Final, NoReturn
from xml.parsers import expat

from agentstream.base.values import dataclass
from agentstream.flows.given import TORN, BadActionError, Given, is_torn, plain

BYTES_LIMIT: Final = 65_536
VERBS_LIMIT: Final = 32  # in one element
ATTRIBUTES_LIMIT: Final = 32


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a document of one kind may hold, and how errors name it."""

    what: str  # "exoml"
    root: str
    within: Callable[[str], frozenset[str]]  # what may stand inside an element of this name
    depth: int  # of elements in each other, the root counts


@dataclass
class Element:
    """One element; the names in `fields` are `plain`, and `content` is texts and elements."""

    name: str
    line: int
    fields: dict[str, str]
    what: str
    content: list["str | Element"] = field(default_factory=list)

    @property
    def place(self) -> str:
        """How an error names it."""
        return f"{self.what}: line {self.line}: <{self.name[:40]}>"

    @property
    def inside(self) -> list["Element"]:
        """The elements directly inside."""
        return [one for one in self.content if isinstance(one, Element)]

    def given(self) -> Given:
        """Return it as a verb before it is understood."""
        text = "".join(one for one in self.content if isinstance(one, str)).strip()
        inside = [one.given() for one in self.inside]
        return Given(self.name, self.place, "exoml", self.fields, text, inside)


def read_markup(document: str, grammar: Grammar) -> Element:
    """Return the root; raises BadActionError that names line and element."""
    if is_torn(document):
        raise BadActionError(f"{grammar.what} {TORN}")
    if len(document.encode()) > BYTES_LIMIT:
        raise BadActionError(f"{grammar.what} is longer than {BYTES_LIMIT} bytes")
    return _Reader(grammar).read(document)


class _Reader:
    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._open: list[Element] = []
        self._root: Element | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refusal("a document type (DOCTYPE)")
        self._parser.EntityDeclHandler = self._refusal("an entity declaration")
        self._parser.ProcessingInstructionHandler = self._refusal("a processing instruction")

    def read(self, document: str) -> Element:
        try:
            self._parser.Parse(document.encode(), True)
        except expat.ExpatError as error:
            why = expat.ErrorString(error.code)
            place = f"{self._grammar.what}: line {error.lineno}"
            raise BadActionError(f"{place}: this is not XML: {why}") from None
        assert self._root is not None, "a document without a root is no XML"
        return self._root

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        fields = {plain(key): value for key, value in attributes.items()}
        line = self._parser.CurrentLineNumber
        element = Element(name, line, fields, self._grammar.what)
        if len(attributes) > ATTRIBUTES_LIMIT:
            raise BadActionError(f"{element.place} has more than {ATTRIBUTES_LIMIT} attributes")
        if not self._open:
            self._begin_root(element)
        else:
            self._begin_inside(self._open[-1], element)
        self._open.append(element)

    def _begin_root(self, element: Element) -> None:
        root = self._grammar.root
        if element.name != root:
            raise BadActionError(f"{element.place} cannot be the root; it is <{root}>")
        self._root = element

    def _begin_inside(self, outer: Element, element: Element) -> None:
        grammar = self._grammar
        known = grammar.within(outer.name)
        if element.name not in known:
            names = ", ".join(sorted(known)) or "none"
            if known == grammar.within(grammar.root):
                raise BadActionError(f"{element.place} is no verb; there are {names}")
            why = f"cannot stand inside <{outer.name}>; what can: {names}"
            raise BadActionError(f"{element.place} {why}")
        if len(self._open) >= grammar.depth:
            raise BadActionError(f"{element.place} stands too deep")
        if len(outer.inside) >= VERBS_LIMIT:
            raise BadActionError(f"{element.place} is one more than {VERBS_LIMIT} verbs")
        outer.content.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        inner = self._open[-1]
        if len(self._open) == 1 and text.strip():
            raise BadActionError(f"{inner.place} holds text; only verbs can stand there")
        inner.content.append(text)

    def _refusal(self, what: str) -> Callable[..., NoReturn]:
        def refuse(*_: object) -> NoReturn:
            line = self._parser.CurrentLineNumber
            raise BadActionError(f"{self._grammar.what}: line {line}: {what} cannot be used here")

        return refuse
