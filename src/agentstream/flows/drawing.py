"""Draws a flow as SVG: a box for each applet with its kind, name, one telling setting and exits.

Exits are rows of the box, so that their names never lie on wires. Failures are dashed, what no call
comes to is grey. Colours follow the viewer's light or dark mode; texts are escaped and cut.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from agentstream.base.values import dataclass
from agentstream.flows.applet import NEXT, Settings
from agentstream.flows.document import FlowDocument
from agentstream.flows.graph import exits_of, unreached
from agentstream.flows.layout import Box, Layout, Point, Route, Wire, arrange

BOX_WIDTH: Final = 232.0
_MARGIN: Final = 36.0
_TITLE: Final = 44.0
_START: Final = 58.0  # room for the mark where calls come in
_HEAD: Final = 60.0  # kind, name, setting
_ROW: Final = 20.0  # one exit
_FOOT: Final = 8.0
_ENTRY: Final = 30.0  # where wires come in, below the top: beside the name
_PAD: Final = 16.0
_HEADLINES: Final = (
    "url", "primary_url", "text", "audio", "prompt", "gather_prompt", "numbers", "number",
    "destination", "trunk", "to", "flow", "cases", "keys", "value", "days", "hours", "action",
    "cause", "name",
)  # fmt: skip
_FAILURE: Final = re.compile(
    r"(^|_)(fail\w*|error\w*|timeout|invalid|nothing|nobody|no|not|missed|busy|unanswered)(_|$)"
)
_HOST: Final = re.compile(r"[\w.{}\[\]:-]*[\w}\]](:\d+)?")
_COLOURS: Final[Mapping[str, str]] = {
    "voicebot": "#b5379c",
    "stream": "#b5379c",
    "greeting": "#2f6fde",
    "gather": "#0f8a8a",
    "ivr": "#0f8a8a",
    "menu": "#0f8a8a",
    "ivrmenu": "#0f8a8a",
    "passthru": "#b7791f",
    "exoml": "#b7791f",
    "switchcase": "#b7791f",
    "condition": "#b7791f",
    "businesshours": "#b7791f",
    "connect": "#2f9e44",
    "transfer": "#2f9e44",
    "voicemail": "#7048c8",
    "hangup": "#c0392b",
}
# Colour: light (also for viewers that know no style sheets), dark.
_INKS: Final[Mapping[str, tuple[str, str]]] = {
    "paper": ("#ffffff", "#12161c"),
    "box": ("#ffffff", "#1b212a"),
    "ink": ("#1c2430", "#e8edf3"),
    "soft": ("#5b6675", "#a3afbd"),
    "line": ("#b9c2cd", "#3d4856"),
    "wire": ("#66738a", "#8c9bb0"),
    "bad": ("#c2410c", "#fb923c"),
}
_FONTS: Final = 'system-ui,"Segoe UI","Helvetica Neue",Arial,"DejaVu Sans",sans-serif'


@dataclass(frozen=True, slots=True)
class _Exit:
    name: str
    target: str | None

    @property
    def is_failure(self) -> bool:
        return _FAILURE.search(self.name) is not None


def draw(document: FlowDocument) -> str:
    """Return the whole picture as SVG text."""
    applets = document.applets
    exits = {name: list(_shown_exits(settings)) for name, settings in applets.items()}
    first = [document.start, *(name for name in applets if name != document.start)]
    boxes = [Box(name, _HEAD + _ROW * len(exits[name]) + _FOOT, _ENTRY) for name in first]
    layout = arrange(boxes, _wires(exits), BOX_WIDTH)
    idle = frozenset(unreached(applets, document.start))
    width = layout.width + 2 * _MARGIN + _START
    height = layout.height + 2 * _MARGIN + _TITLE
    title = _clean(document.name)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" role="img" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title>",
        f"<style>{_style()}</style>",
        _marker("arrow", "wire"),
        _marker("alarm", "bad"),
        f'<rect width="{width:g}" height="{height:g}" rx="10" {_fill("paper")}/>',
        _text(_MARGIN, _MARGIN + 4, document.name, 17, "ink", "600", width - 2 * _MARGIN),
        f'<g transform="translate({_MARGIN + _START:g} {_MARGIN + _TITLE:g})">',
        *_start_mark(layout, document.start),
        *_drawn_wires(layout.routes, idle),
    ]
    for name, settings in applets.items():
        parts += _box(name, settings, exits[name], layout.places[name], name in idle)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def headline(settings: Settings) -> str:
    """Return the one setting that people look for; an address without path and credentials."""
    return _first_said(settings)


def host_of(url: str) -> str:
    """Return a URL's host and port; "…" for what does not look like one, as it may be a secret."""
    rest = url.partition("://")[2]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return host if _HOST.fullmatch(host) and _has_plain_port(host) else "…"


def _has_plain_port(host: str) -> bool:
    """Whether what follows the host is a port: not the beginning of a password."""
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    return not colon or port.isdecimal() or "{" in port


def _said(field: str, value: Any) -> str:  # noqa: ANN401  (whatever a setting holds)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and value:
        if "://" in value:
            return host_of(value)
        return f"“{value}”" if field in {"text", "prompt"} else value
    if isinstance(value, bool | int | float):
        return f"{field} {value}" if value else ""
    if isinstance(value, Mapping):
        return ", ".join(str(key) for key in value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(filter(None, (_said(field, each) for each in value)))
    if hasattr(type(value), "model_fields"):
        return _first_said(value)
    return ""


def _first_said(values: object) -> str:
    return next(filter(None, (_said(name, getattr(values, name, None)) for name in _HEADLINES)), "")


def _shown_exits(settings: Settings) -> Iterator[_Exit]:
    """Yield the exits that lead somewhere, and `next` even when it ends the call."""
    for name, target in exits_of(settings).items():
        if target is not None or name == NEXT:
            yield _Exit(name, target)


def _wires(exits: Mapping[str, list[_Exit]]) -> list[Wire]:
    return [
        Wire(name, _row(place), each.target, "bad" if each.is_failure else "")
        for name, found in exits.items()
        for place, each in enumerate(found)
        if each.target is not None and each.target in exits
    ]


def _row(place: int) -> float:
    return _HEAD + _ROW * place + _ROW / 2


# Wires


def _start_mark(layout: Layout, start: str) -> Iterator[str]:
    x, y = layout.places[start]
    y += _ENTRY
    yield f'<circle cx="{x - _START + 8:g}" cy="{y:g}" r="7" {_fill("wire")}/>'
    yield _line(f"M{x - _START + 15:g} {y:g}H{x:g}", is_bad=False, arrives=True)


def _drawn_wires(routes: Sequence[Route], idle: frozenset[str]) -> Iterator[str]:
    """Yield every piece of wire once: lanes are shared."""
    drawn: set[tuple[str, str]] = set()
    for route in routes:
        is_bad = route.wire.group == "bad"
        pieces = list(_pieces(route))
        for place, piece in enumerate(pieces):
            key = (piece, route.wire.group)
            if key in drawn:
                continue
            drawn.add(key)
            shape = _line(piece, is_bad, place == len(pieces) - 1)
            yield f'<g opacity=".4">{shape}</g>' if route.wire.source in idle else shape


def _pieces(route: Route) -> Iterator[str]:
    """Yield a route as paths: curves between columns, straight lines through lanes."""
    points = route.points
    for place in range(len(points) - 1):
        (x1, y1), (x2, y2) = points[place], points[place + 1]
        if place % 2:
            yield f"M{x1:g} {y1:g}H{x2:g}"
        elif route.leads_back:
            yield _turn(points[place], points[place + 1], place == 0, place == len(points) - 2)
        else:
            bend = max(26.0, (x2 - x1) / 2)
            yield f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"


def _turn(start: Point, end: Point, is_first: bool, is_last: bool) -> str:
    """Return a curve of a wire that leads back: it leaves rightwards and arrives rightwards."""
    (x1, y1), (x2, y2) = start, end
    away = 40.0 if is_first or is_last else max(26.0, (x1 - x2) / 2)
    out = x1 + away if is_first else x1 - away
    into = x2 - away if is_last else x2 + away
    return f"M{x1:g} {y1:g}C{out:g} {y1:g} {into:g} {y2:g} {x2:g} {y2:g}"


def _line(path: str, is_bad: bool, arrives: bool) -> str:
    colour = "bad" if is_bad else "wire"
    dashes = ' stroke-dasharray="6 4"' if is_bad else ""
    marker = f' marker-end="url(#{"alarm" if is_bad else "arrow"})"' if arrives else ""
    return f'<path d="{path}" fill="none" {_stroke(colour, 1.6)}{dashes}{marker}/>'


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9.5" refY="5" markerWidth="9"'
        ' markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 .8L10 5L0 9.2z" {_fill(colour)}/></marker>'
    )


# Boxes


def _box(
    name: str, settings: Settings, exits: Sequence[_Exit], corner: Point, is_idle: bool
) -> Iterator[str]:
    x, y = corner
    height = _HEAD + _ROW * len(exits) + _FOOT
    colour = _COLOURS.get(settings.kind.replace("_", ""), "#5b6675")
    room = BOX_WIDTH - 2 * _PAD
    said = headline(settings)
    tip = "\n".join(filter(None, (f"{name} ({settings.kind})", said)))
    yield f'<g transform="translate({x:g} {y:g})" opacity="{0.45 if is_idle else 1:g}">'
    yield f"<title>{escape(_clean(tip))}</title>"
    yield f'<rect width="{BOX_WIDTH:g}" height="{height:g}" rx="7" {_fill("box")}/>'
    outline = f'width="{BOX_WIDTH:g}" height="{height:g}" rx="7" fill="none"'
    yield f"<rect {outline} {_stroke('line', 1.2)}/>"
    yield f'<path d="M0 7a7 7 0 0 1 7 -7v{height:g}a7 7 0 0 1 -7 -7z" fill="{colour}"/>'
    kind = settings.kind.upper() + (" · NEVER REACHED" if is_idle else "")
    yield _text(_PAD, 18, kind, 9.5, colour, "700", room)
    yield _text(_PAD, 35, name, 14, "ink", "600", room)
    yield _text(_PAD, 52, said, 11.5, "soft", "400", room)
    if exits:
        yield f'<path d="M{_PAD:g} {_HEAD:g}H{BOX_WIDTH:g}" {_stroke("line", 1)}/>'
    for place, each in enumerate(exits):
        yield from _exit_row(each, _row(place), room)
    yield "</g>"


def _exit_row(each: _Exit, y: float, room: float) -> Iterator[str]:
    if each.target is None:
        yield _text(
            BOX_WIDTH - 12, y + 4, f"{each.name}: the call ends", 11, "soft", "400", room, "end"
        )
        return
    colour = "bad" if each.is_failure else "wire"
    yield _text(
        BOX_WIDTH - 12,
        y + 4,
        each.name,
        11,
        "bad" if each.is_failure else "ink",
        "400",
        room,
        "end",
    )
    yield f'<circle cx="{BOX_WIDTH:g}" cy="{y:g}" r="3.5" {_fill(colour)}/>'


def _text(  # noqa: PLR0913, PLR0917  (what a text in a picture has)
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str,
    weight: str,
    room: float,
    anchor: str = "start",
) -> str:
    shown = _cut(_clean(text), size * (1.06 if weight >= "600" else 1.0), room)
    if not shown:
        return ""
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    style = f'font-size="{size:g}" font-weight="{weight}" {_fill(colour)}{place}'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(shown)}</text>'


def _cut(text: str, size: float, room: float) -> str:
    """Return as much of a text as fits, by the widths of a wide sans-serif font."""
    if sum(map(_width, text)) * size <= room:
        return text
    used, shown = _width("…") * size, ""
    for character in text:
        used += _width(character) * size
        if used > room:
            break
        shown += character
    return shown.rstrip() + "…"


def _width(character: str) -> float:
    """Return about how wide a character is, in parts of the font's size, rather too wide."""
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in "ilj.,:;'|!I ()[]tfr":
        return 0.38
    return 0.95 if character in "mwMW@%—…" else 0.7 if character.isupper() else 0.61


def _clean(text: str) -> str:
    """Return one line without what XML does not allow."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _style() -> str:
    dark = "".join(
        f".{name}{{fill:{night}}}.{name}-line{{stroke:{night}}}"
        for name, (_, night) in _INKS.items()
    )
    return f"text{{font-family:{_FONTS}}}@media (prefers-color-scheme:dark){{{dark}}}"


def _fill(colour: str) -> str:
    if colour not in _INKS:
        return f'fill="{colour}"'
    return f'class="{colour}" fill="{_INKS[colour][0]}"'


def _stroke(colour: str, width: float) -> str:
    return f'class="{colour}-line" stroke="{_INKS[colour][0]}" stroke-width="{width:g}"'
