"""Places boxes in columns, left to right, and finds ways between them that cross no box.

    boxes, wires ─▶ turn loops round ─▶ columns by longest path ─▶ lanes ─▶ order ─▶ heights

A wire that passes a column runs through it in a lane of its own; wires to one box share lanes. A
wire that leads back leaves its box to the right like all others, turns, and runs back in lanes.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Final

from agentstream.base.values import dataclass

LANE_HEIGHT: Final = 10.0
ROW_GAP: Final = 26.0  # between two boxes of a column
LANE_GAP: Final = 9.0
COLUMN_GAP: Final = 84.0
_SWEEPS: Final = 12
_SETTLINGS: Final = 16

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """What is to be placed. Wires enter at the left, `entry` below its top."""

    name: str
    height: float
    entry: float


@dataclass(frozen=True, slots=True)
class Wire:
    """A way from a box's right side, `leaves` below its top, to another box, or to itself.

    Wires to one box share lanes if their `group` is the same.
    """

    source: str
    leaves: float
    target: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one wire: where it leaves, enters and leaves each lane, and arrives."""

    wire: Wire
    points: tuple[Point, ...]
    leads_back: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Top left corners of boxes, by name; routes in the order of the wires."""

    places: Mapping[str, Point]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(slots=True)
class _Slot:
    """A place in a column: a box's, or a lane's (`box` None)."""

    column: int
    height: float
    box: Box | None = None
    y: float = 0.0
    # Neighbours: the other slot, and the heights of the wire's two ends below the slots' tops.
    left: list[tuple["_Slot", float, float]] = field(default_factory=list)
    right: list[tuple["_Slot", float, float]] = field(default_factory=list)
    beside: list[tuple["_Slot", float, float]] = field(default_factory=list)


def arrange(boxes: Sequence[Box], wires: Sequence[Wire], width: float) -> Layout:
    """Return where everything goes; all boxes have this width. The first box is the start."""
    plan = _Plan(boxes, wires)
    plan.put_in_order()
    plan.settle()
    step = width + COLUMN_GAP
    routes = tuple(plan.route(wire, width, step) for wire in wires)
    places = {
        box.name: (plan.slots[box.name].column * step, plan.slots[box.name].y) for box in boxes
    }
    columns = len(plan.columns)
    return Layout(places, routes, columns * step - COLUMN_GAP, plan.height)


class _Plan:
    def __init__(self, boxes: Sequence[Box], wires: Sequence[Wire]) -> None:
        visited, self._back = _walk(boxes, wires)
        column_of = _columns(visited, [wire for wire in wires if wire not in self._back])
        by_name = {box.name: box for box in boxes}
        self.columns: list[list[_Slot]] = [[] for _ in range(max(column_of.values()) + 1)]
        self.slots: dict[str, _Slot] = {}
        self._lanes: dict[tuple[str, str, bool, int], _Slot] = {}
        for name in visited:
            slot = _Slot(column_of[name], by_name[name].height, by_name[name])
            self.slots[name] = slot
            self.columns[slot.column].append(slot)
        for wire in wires:
            self._lay(wire)

    # Lanes

    def _lay(self, wire: Wire) -> None:
        source, target = self.slots[wire.source], self.slots[wire.target]
        assert target.box is not None
        way = self.way(wire)
        if wire in self._back:
            if not way[0].beside:
                way[0].beside.append((source, LANE_HEIGHT / 2, wire.leaves))
            if not way[-1].beside or way[-1].beside[-1][0] is not target:
                way[-1].beside.append((target, LANE_HEIGHT / 2, target.box.entry))
            for after, before in pairwise(way):
                _join(before, LANE_HEIGHT / 2, after, LANE_HEIGHT / 2)
            return
        ends = [wire.leaves, *(LANE_HEIGHT / 2 for _ in way), target.box.entry]
        chain = [source, *way, target]
        for place in range(len(chain) - 1):
            _join(chain[place], ends[place], chain[place + 1], ends[place + 1])

    def way(self, wire: Wire) -> list[_Slot]:
        """Return the lanes of a wire, in its own direction; made when they are not there yet."""
        first, last = self.slots[wire.source].column, self.slots[wire.target].column
        is_back = wire in self._back
        columns = range(first, last - 1, -1) if is_back else range(first + 1, last)
        return [self._lane(wire, is_back, column) for column in columns]

    def _lane(self, wire: Wire, is_back: bool, column: int) -> _Slot:
        key = (wire.target, wire.group, is_back, column)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Slot(column, LANE_HEIGHT)
            slots = self.columns[column]
            near = self.slots[wire.source] if is_back else None
            slots.insert(slots.index(near) + 1 if near in slots else len(slots), lane)
        return lane

    # Order

    def put_in_order(self) -> None:
        """Order every column so that few wires cross: barycentres, sweep by sweep, best kept."""
        best, fewest = [list(slots) for slots in self.columns], self._crossings()
        for sweep in range(_SWEEPS):
            if fewest == 0:
                break
            rightwards = sweep % 2 == 0
            for column in range(len(self.columns))[:: 1 if rightwards else -1]:
                self._sort(column, rightwards)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(slots) for slots in self.columns], crossings
        self.columns = best

    def _sort(self, column: int, rightwards: bool) -> None:
        slots = self.columns[column]
        near = column - 1 if rightwards else column + 1
        if not 0 <= near < len(self.columns):
            return
        places = _places(self.columns[near])
        keys: dict[int, float] = {}
        for place, slot in enumerate(slots):
            joints = slot.left if rightwards else slot.right
            found = [places[id(other)] + end / (other.height + 1) for other, _, end in joints]
            keys[id(slot)] = sum(found) / len(found) if found else float(place)
        for slot in slots:
            host = slot.beside[0][0] if slot.beside else None
            if host in slots and not (slot.left if rightwards else slot.right):
                keys[id(slot)] = (
                    keys[id(host)] + 0.001
                )  # a lane that only turns stays where it does
        slots.sort(key=lambda slot: keys[id(slot)])

    def _crossings(self) -> int:
        return sum(_crossings_between(left, right) for left, right in pairwise(self.columns))

    # Heights

    def settle(self) -> None:
        """Move slots up and down until wires are as level as the others allow."""
        for slots in self.columns:
            y = 0.0
            for slot, gap in zip(slots, _gaps(slots), strict=True):
                slot.y = y + gap
                y = slot.y + slot.height
        for _ in range(_SETTLINGS):
            for slots in (*self.columns, *reversed(self.columns)):
                _spread(slots, [_wish(slot) for slot in slots])
        top = min(slots[0].y for slots in self.columns)
        for slots in self.columns:
            for slot in slots:
                slot.y = round(slot.y - top, 1)

    @property
    def height(self) -> float:
        """From the highest slot to the lowest one's end."""
        return max(slots[-1].y + slots[-1].height for slots in self.columns)

    # Routes

    def route(self, wire: Wire, width: float, step: float) -> Route:
        """Return a wire's way through the finished plan."""
        source, target = self.slots[wire.source], self.slots[wire.target]
        assert target.box is not None
        is_back = wire in self._back
        points: list[Point] = [(source.column * step + width, source.y + wire.leaves)]
        for lane in self.way(wire):
            y, left = lane.y + LANE_HEIGHT / 2, lane.column * step
            points += [(left + width, y), (left, y)] if is_back else [(left, y), (left + width, y)]
        points.append((target.column * step, target.y + target.box.entry))
        return Route(wire, tuple(points), is_back)


def _walk(boxes: Sequence[Box], wires: Sequence[Wire]) -> tuple[list[str], set[Wire]]:
    """Visit in depth from the start; return the order, and the wires that lead back on the path."""
    onward: dict[str, list[Wire]] = {box.name: [] for box in boxes}
    for wire in wires:
        onward[wire.source].append(wire)
    order: list[str] = []
    back: set[Wire] = set()
    on_path: set[str] = set()
    seen: set[str] = set()
    for box in boxes:
        if box.name in seen:
            continue
        stack = [(box.name, iter(onward[box.name]))]
        seen.add(box.name)
        on_path.add(box.name)
        order.append(box.name)
        while stack:
            name, rest = stack[-1]
            found = next(rest, None)
            if found is None:
                on_path.discard(name)
                stack.pop()
            elif found.target in on_path:
                back.add(found)
            elif found.target not in seen:
                seen.add(found.target)
                on_path.add(found.target)
                order.append(found.target)
                stack.append((found.target, iter(onward[found.target])))
    return order, back


def _columns(names: Iterable[str], wires: Sequence[Wire]) -> dict[str, int]:
    """Return each box's column: one after the last of those that lead to it."""
    column_of = dict.fromkeys(names, 0)
    onward: dict[str, list[str]] = {name: [] for name in column_of}
    waits_for = dict.fromkeys(column_of, 0)
    for wire in wires:
        onward[wire.source].append(wire.target)
        waits_for[wire.target] += 1
    ready = [name for name, count in waits_for.items() if count == 0]
    while ready:
        name = ready.pop()
        for target in onward[name]:
            column_of[target] = max(column_of[target], column_of[name] + 1)
            waits_for[target] -= 1
            if waits_for[target] == 0:
                ready.append(target)
    return column_of


def _join(left: _Slot, left_end: float, right: _Slot, right_end: float) -> None:
    if not any(other is right and end == left_end for other, end, _ in left.right):
        left.right.append((right, left_end, right_end))
        right.left.append((left, right_end, left_end))


def _places(slots: Sequence[_Slot]) -> dict[int, int]:
    return {id(slot): place for place, slot in enumerate(slots)}


def _crossings_between(left: Sequence[_Slot], right: Sequence[_Slot]) -> int:
    """Count pairs of wires that swap sides: those that come before, and end after."""
    places = _places(right)
    wires = sorted(
        ((place, end), (places[id(other)], other_end))
        for place, slot in enumerate(left)
        for other, end, other_end in slot.right
    )
    crossings = 0
    ended: list[tuple[int, float]] = []
    for _, arrives in wires:
        crossings += len(ended) - bisect_right(ended, arrives)
        insort(ended, arrives)
    return crossings


def _wish(slot: _Slot) -> float:
    """Return the top at which the slot's wires would be level, lanes counting more."""
    total = weight = 0.0
    for other, end, other_end in (*slot.left, *slot.right, *slot.beside):
        is_lane = slot.box is None and other.box is None
        pull = 3.0 if is_lane else 1.0
        total += pull * (other.y + other_end - end)
        weight += pull
    return total / weight if weight else slot.y


def _gaps(slots: Sequence[_Slot]) -> list[float]:
    """Return the least space above each slot."""
    gaps = [0.0]
    for above, below in pairwise(slots):
        has_box = above.box is not None and below.box is not None
        is_lanes = above.box is None and below.box is None
        gaps.append(ROW_GAP if has_box else LANE_GAP if is_lanes else (ROW_GAP + LANE_GAP) / 2)
    return gaps


def _spread(slots: Sequence[_Slot], wishes: Sequence[float]) -> None:
    """Give every slot the top next to its wish that keeps order and gaps.

    Without the space that is needed anyway this is a regression to a rising line: neighbours
    that would overlap form a block, which goes to the mean of its wishes.
    """
    needed: list[float] = []
    bottom = 0.0
    for slot, gap in zip(slots, _gaps(slots), strict=True):
        needed.append(bottom + gap)
        bottom += gap + slot.height
    blocks: list[tuple[float, int]] = []  # sum of wishes, count
    for wish, offset in zip(wishes, needed, strict=True):
        block = (wish - offset, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] >= block[0] / block[1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1])
        blocks.append(block)
    place = 0
    for total, count in blocks:
        for _ in range(count):
            slots[place].y = total / count + needed[place]
            place += 1
