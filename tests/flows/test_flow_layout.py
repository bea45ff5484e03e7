"""Boxes never overlap, and every wire leads from a box to a box and through none."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agentstream.flows.layout import COLUMN_GAP, Box, Layout, Wire, arrange

WIDTH = 200.0
STEP = WIDTH + COLUMN_GAP


def plan(exits: list[list[int]]) -> tuple[list[Box], list[Wire]]:
    """Return boxes 0, 1, 2 ..., each with exits to boxes of these numbers."""
    boxes = [Box(str(number), 60 + 20 * len(to), 30) for number, to in enumerate(exits)]
    wires = [
        Wire(str(number), 70 + 20 * place, str(target), "bad" if place % 2 else "")
        for number, to in enumerate(exits)
        for place, target in enumerate(to)
    ]
    return boxes, wires


@st.composite
def flows(draw: st.DrawFn) -> list[list[int]]:
    count = draw(st.integers(1, 14))
    return draw(
        st.lists(st.lists(st.integers(0, count - 1), max_size=5), min_size=count, max_size=count)
    )


def column_of(x: float) -> int:
    return round(x // STEP)


def overlaps(boxes: list[Box], layout: Layout) -> list[tuple[str, str]]:
    columns: dict[float, list[tuple[float, float, str]]] = {}
    for box in boxes:
        x, y = layout.places[box.name]
        columns.setdefault(x, []).append((y, y + box.height, box.name))
    return [
        (above[2], below[2])
        for rows in columns.values()
        for above, below in pairwise(sorted(rows))
        if above[1] > below[0]
    ]


@given(flows())
def test_no_two_boxes_overlap_and_all_lie_within_the_picture(exits: list[list[int]]) -> None:
    boxes, wires = plan(exits)
    layout = arrange(boxes, wires, WIDTH)
    assert set(layout.places) == {box.name for box in boxes}
    assert {x % STEP for x, _ in layout.places.values()} == {0}
    assert overlaps(boxes, layout) == []
    for box in boxes:
        x, y = layout.places[box.name]
        assert 0 <= x <= layout.width - WIDTH
        assert 0 <= y <= layout.height - box.height + 0.2


@given(flows())
def test_every_wire_leads_from_its_exit_to_its_box(exits: list[list[int]]) -> None:
    boxes, wires = plan(exits)
    layout = arrange(boxes, wires, WIDTH)
    assert [route.wire for route in layout.routes] == wires
    for route in layout.routes:
        left, top = layout.places[route.wire.source]
        assert route.points[0] == (left + WIDTH, top + route.wire.leaves)
        left, top = layout.places[route.wire.target]
        assert route.points[-1] == (left, top + 30)
        # A wire that does not lead back only ever goes right.
        xs = [x for x, _ in route.points]
        assert route.leads_back or xs == sorted(xs)


@given(flows())
def test_no_wire_runs_through_a_box(exits: list[list[int]]) -> None:
    boxes, wires = plan(exits)
    layout = arrange(boxes, wires, WIDTH)
    for route in layout.routes:
        lanes = list(zip(route.points[1:-1:2], route.points[2:-1:2], strict=True))
        for (x1, y1), (x2, y2) in lanes:
            assert y1 == y2
            assert abs(x1 - x2) == WIDTH
            for box in boxes:
                x, y = layout.places[box.name]
                assert x != min(x1, x2) or not y <= y1 <= y + box.height
        for place in range(0, len(route.points) - 1, 2):  # between columns: no box is there
            turns = route.leads_back and place in (0, len(route.points) - 2)
            gap = abs(route.points[place][0] - route.points[place + 1][0])
            assert gap == (0 if turns else COLUMN_GAP)


def test_a_straight_flow_is_drawn_straight() -> None:
    boxes, wires = plan([[1], [2], [3], []])
    layout = arrange(boxes, wires, WIDTH)
    assert [layout.places[str(number)][0] for number in range(4)] == [0, STEP, 2 * STEP, 3 * STEP]
    for route in layout.routes:
        assert abs(route.points[0][1] - route.points[-1][1]) < 1


def test_wires_cross_no_more_than_they_must() -> None:
    boxes, wires = plan([[1, 2, 3], [6], [5], [4], [], [], []])
    layout = arrange(boxes, wires, WIDTH)
    tops = [layout.places[name][1] for name in ("6", "5", "4")]
    assert tops == sorted(tops)


def test_a_loop_leads_back_below_and_a_box_may_lead_to_itself() -> None:
    boxes, wires = plan([[1], [0, 1]])
    layout = arrange(boxes, wires, WIDTH)
    assert [route.leads_back for route in layout.routes] == [False, True, True]
    assert max(y for _, y in layout.routes[1].points) > layout.places["1"][1] + boxes[1].height


def test_five_hundred_applets_are_laid_out_in_a_moment() -> None:
    exits = [[min(number + 1, 499), 499, number // 2] for number in range(499)]
    boxes, wires = plan([*exits, []])
    assert overlaps(boxes, arrange(boxes, wires, WIDTH)) == []
