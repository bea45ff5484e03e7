"""Events of legs leave at once, over a web that answers as the test says (EV-30 to EV-39)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentstream.base.clock import SystemClock
from agentstream.base.errors import PeerError
from agentstream.calls.commands import HttpRequest
from agentstream.hooks import leg_delivery
from agentstream.hooks.event_http import HttpEvents
from agentstream.hooks.event_transport import EventPost, Outcome, Transports
from agentstream.hooks.leg_delivery import DeliveryRules, LegDelivery
from agentstream.hooks.leg_queue import Patience
from agentstream.store.legs import LegEventRow
from agentstream.testing.records import a_leg_event
from agentstream.testing.waiting import until


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer without anything in it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Receivers:
    """Customers' servers: they answer with the next status of theirs, 0 not at all, else 204."""

    statuses: list[int] = field(default_factory=list)
    asked: list[HttpRequest] = field(default_factory=list)
    allowed: list[tuple[str, ...]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def send(
        self, question: HttpRequest, *, allow: tuple[str, ...], message_id: str
    ) -> Answer:
        self.asked.append(question)
        self.allowed.append(allow)
        self.names.append(message_id)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        status = self.statuses.pop(0) if self.statuses else 204
        if status < 0:
            raise RuntimeError("a bug")
        if not status:
            raise PeerError("https://u:secret@hooks.example.test/: no answer in 1000 ms")
        return Answer(status)

    async def get(self, url: str, **_: Any) -> Answer:
        raise AssertionError(url)

    async def pin(self, url: str, *, allow: tuple[str, ...]) -> Any:
        raise AssertionError(url)


@dataclass
class Sockets:
    """Receivers at ws:// endpoints, which do not open yet."""

    waiting: list[EventPost] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, post: EventPost) -> Outcome:
        self.waiting.append(post)
        await self.opened.wait()
        return Outcome()

    async def stop(self) -> None:
        pass


@dataclass
class Scene:
    """A delivery, its receivers, and what was settled."""

    web: Receivers = field(default_factory=Receivers)
    settled: list[LegEventRow] = field(default_factory=list)
    fallback: str = ""
    sockets: Sockets = field(default_factory=Sockets)

    def delivery(self, **rules: Any) -> LegDelivery:
        wanted = DeliveryRules(patience=Patience(retry_ms=(1, 2)), **rules)
        clock = SystemClock()
        http = HttpEvents(
            self.web,
            lambda sid: (f"{sid}.example.test",),
            clock,
            timeout_ms=wanted.timeout_ms,
            user_agent=wanted.user_agent,
        )
        return LegDelivery(
            Transports(http, http, self.sockets),
            self.settled.append,
            clock,
            wanted,
            lambda: 0.0,
            fallback_of=lambda _: self.fallback,
        )


async def test_a_503_is_sent_three_times_a_400_once_and_a_204_once_ev_33_ev_34() -> None:
    scene = Scene(Receivers([503, 503, 503, 400, 204]))
    delivery = scene.delivery(user_agent="Acme/1")
    for number in (1, 2, 3):
        delivery.tell(a_leg_event(number))
    await until(lambda: len(scene.settled) == 3)
    sent = [dict(request.headers) for request in scene.web.asked]
    assert [headers["X-Exotel-Request-Id"] for headers in sent] == [
        "ev1-1",
        "ev1-2",
        "ev1-3",
        "ev2-1",
        "ev3-1",
    ]
    assert [headers["X-Exotel-Event-Sid"] for headers in sent] == ["ev1"] * 3 + ["ev2", "ev3"]
    assert {headers["User-Agent"] for headers in sent} == {"Acme/1"}  # EV-35
    first = scene.web.asked[0]
    assert (first.method, first.content_type) == ("POST", "application/json")
    assert (first.timeout_ms, first.redirects) == (1_000, 0)  # EV-32, EV-36
    assert first.body == '{"event_data":{"data":{}}}'  # LD-7
    assert scene.web.allowed[0] == ("greenleaf1.example.test",)
    assert scene.web.names == ["ev1"] * 3 + ["ev2", "ev3"]  # a repetition has the first's name
    assert [(row.sid, row.state, row.attempts) for row in scene.settled] == [
        ("ev1", "dropped", 3),
        ("ev2", "dropped", 1),
        ("ev3", "delivered", 1),
    ]
    assert [row.error for row in scene.settled] == ["it answered 503", "it answered 400", ""]
    counts = delivery.counts
    assert (counts.delivered, counts.dropped, counts.failed_attempts) == (1, 2, 4)
    assert delivery.waiting == 0


async def test_no_answer_is_tried_again_and_its_reason_holds_no_secret_ev_33() -> None:
    scene = Scene(Receivers([0, 0, 0]))
    scene.delivery().tell(a_leg_event(1))
    await until(lambda: scene.settled)
    [row] = scene.settled
    assert (row.state, row.attempts) == ("dropped", 3)
    assert row.error == "https://***@hooks.example.test/: no answer in 1000 ms"


async def test_an_event_is_on_its_way_before_the_loop_has_turned_twice() -> None:
    scene = Scene()
    scene.delivery().tell(a_leg_event(1))
    await asyncio.sleep(0)
    assert len(scene.web.asked) == 1


async def test_legs_do_not_wait_for_each_other_and_each_keeps_its_order_ev_39() -> None:
    scene = Scene()
    scene.web.gate.clear()
    delivery = scene.delivery()
    for leg in ("a", "b"):
        for number in (1, 2):
            delivery.tell(a_leg_event(number, sid=f"{leg}{number}", leg_sid=leg))
    await until(lambda: scene.web.running == 2)
    assert scene.web.names == ["a1", "b1"]
    scene.web.gate.set()
    await until(lambda: len(scene.settled) == 4)
    assert [row.sid for row in scene.settled if row.leg_sid == "a"] == ["a1", "a2"]


async def test_order_can_be_given_up_for_speed_ev_39() -> None:
    scene = Scene()
    scene.web.gate.clear()
    delivery = scene.delivery(keeps_order=False)
    for number in (1, 2):
        delivery.tell(a_leg_event(number))
    await until(lambda: scene.web.running == 2)
    scene.web.gate.set()
    await until(lambda: len(scene.settled) == 2)


async def test_a_dead_host_leaves_room_for_the_others() -> None:
    scene = Scene()
    scene.web.gate.clear()
    delivery = scene.delivery(per_host=2)
    for number in range(5):
        delivery.tell(a_leg_event(1, sid=f"d{number}", leg_sid=f"d{number}"))
    delivery.tell(a_leg_event(1, sid="x", leg_sid="x", endpoint="https://alive.example.test/"))
    await until(lambda: scene.web.running == 3)
    assert scene.web.names == ["d0", "d1", "x"]
    scene.web.gate.set()
    await until(lambda: len(scene.settled) == 6)
    assert (scene.web.most, delivery.waiting) == (3, 0)


async def test_what_waits_has_a_bound_and_the_newest_gives_way(monkeypatch: Any) -> None:
    monkeypatch.setattr(leg_delivery, "WAITING_LIMIT", 2)
    scene = Scene()
    scene.web.gate.clear()
    delivery = scene.delivery()
    for number in (1, 2, 3):
        delivery.tell(a_leg_event(number, leg_sid=f"leg{number}"))
    [row] = scene.settled
    assert (row.sid, row.state, row.error) == ("ev3", "dropped", "2 events wait already")
    scene.web.gate.set()
    await until(lambda: len(scene.settled) == 3)


async def test_a_stop_waits_for_what_is_under_way_and_leaves_the_rest_to_their_rows() -> None:
    scene = Scene()
    delivery = scene.delivery()
    delivery.tell(a_leg_event(1))
    await delivery.stop(1_000)
    assert [row.state for row in scene.settled] == ["delivered"]
    scene.web.gate.clear()
    delivery.tell(a_leg_event(2))
    await delivery.stop(1)
    assert (scene.web.running, len(scene.settled)) == (0, 1)


async def test_a_receiver_that_is_nearly_too_slow_is_counted() -> None:
    scene = Scene()
    scene.web.gate.clear()
    delivery = scene.delivery(timeout_ms=1)
    delivery.tell(a_leg_event(1))
    await until(lambda: scene.web.running)
    began_ms = SystemClock().now_ms()
    await until(lambda: SystemClock().now_ms() > began_ms + 2)
    scene.web.gate.set()
    await until(lambda: scene.settled)
    assert delivery.counts.slow == 1


async def test_what_an_endpoint_does_not_take_goes_to_the_fallback_ld_10() -> None:
    scene = Scene(
        Receivers([400, 204, 503, 503, 503, 400]), fallback="https://second.example.test/"
    )
    delivery = scene.delivery()
    delivery.tell(a_leg_event(1))
    await until(lambda: len(scene.settled) == 1)
    delivery.tell(a_leg_event(2))
    await until(lambda: len(scene.settled) == 2)
    first, second = "https://hooks.example.test/legs", "https://second.example.test/"
    assert [asked.url for asked in scene.web.asked] == [first, second, *[first] * 3, second]
    numbers = [dict(asked.headers)["X-Exotel-Request-Id"] for asked in scene.web.asked]
    assert numbers == ["ev1-1", "ev1-1", "ev2-1", "ev2-2", "ev2-3", "ev2-1"]
    taken, dropped = scene.settled
    assert (taken.state, taken.attempts, taken.endpoint) == ("delivered", 2, first)
    assert taken.error == "it answered 400; the fallback took it"
    assert (dropped.state, dropped.attempts) == ("dropped", 4)
    assert dropped.error == "it answered 503; the fallback: it answered 400"
    counts = delivery.counts
    assert (counts.fell_back, counts.delivered, counts.dropped, delivery.waiting) == (2, 1, 1, 0)


async def test_a_slow_fallback_holds_up_nothing_of_its_leg_ld_10() -> None:
    scene = Scene(Receivers([400]), fallback="wss://second.example.test/")
    delivery = scene.delivery()
    delivery.tell(a_leg_event(1))
    delivery.tell(a_leg_event(2))
    await until(lambda: scene.settled)
    assert [row.sid for row in scene.settled] == ["ev2"]
    scene.sockets.opened.set()
    await until(lambda: len(scene.settled) == 2)


async def test_sockets_that_do_not_open_take_no_room_from_others_ld_8() -> None:
    scene = Scene()
    delivery = scene.delivery(at_once=1, per_host=1)
    for number in range(3):
        row = a_leg_event(
            1, sid=f"w{number}", leg_sid=f"w{number}", endpoint="wss://w.example.test"
        )
        delivery.tell(row)
    delivery.tell(a_leg_event(1))
    await until(lambda: scene.settled)
    assert (len(scene.sockets.waiting), delivery.waiting) == (3, 3)
    await delivery.stop(1)


async def test_so_many_events_of_an_account_wait_for_its_sockets_ld_8(monkeypatch: Any) -> None:
    monkeypatch.setattr(leg_delivery, "SOCKET_LIMIT", 1)
    scene = Scene()
    delivery = scene.delivery()
    for number, account in enumerate(("one", "one", "two")):
        delivery.tell(
            a_leg_event(
                number, account_sid=account, leg_sid=f"l{number}", endpoint="ws://w.example.test"
            )
        )
    [row] = scene.settled
    assert (row.sid, row.state) == ("ev1", "dropped")
    assert row.error == "1 events of this account wait for its sockets already"
    scene.sockets.opened.set()
    await until(lambda: delivery.waiting == 0)
    delivery.tell(a_leg_event(3, account_sid="one", endpoint="ws://w.example.test"))
    await until(lambda: len(scene.settled) == 4)
    assert [row.state for row in scene.settled[1:]] == ["delivered"] * 3


async def test_an_endpoint_of_no_known_scheme_is_dropped_at_once_ld_1() -> None:
    scene = Scene()
    scene.delivery().tell(a_leg_event(1, endpoint="ftp://hooks.example.test/"))
    await until(lambda: scene.settled)
    assert (scene.settled[0].state, scene.settled[0].attempts) == ("dropped", 1)


async def test_a_fault_of_ours_does_not_keep_the_next_event_waiting() -> None:
    scene = Scene(Receivers([-1, -1, -1]))
    delivery = scene.delivery()
    delivery.tell(a_leg_event(1))
    delivery.tell(a_leg_event(2))
    await until(lambda: len(scene.settled) == 2)
    assert [row.error for row in scene.settled] == ["a fault in the server", ""]


async def test_a_fallback_that_is_full_is_none_ld_8_ld_10(monkeypatch: Any) -> None:
    monkeypatch.setattr(leg_delivery, "SOCKET_LIMIT", 1)
    scene = Scene(Receivers([400, 400]), fallback="wss://second.example.test/")
    delivery = scene.delivery()
    for leg in ("a", "b"):
        delivery.tell(a_leg_event(1, sid=leg, leg_sid=leg))
    await until(lambda: scene.settled)
    [row] = scene.settled
    assert (row.state, row.error) == ("dropped", "it answered 400")
    scene.sockets.opened.set()
    await until(lambda: delivery.waiting == 0)
    assert scene.settled[1].state == "delivered"


async def test_endpoints_that_are_no_addresses_take_no_room_for_ever() -> None:
    scene = Scene()
    delivery = scene.delivery(at_once=1, per_host=1)
    for number in range(3):
        delivery.tell(a_leg_event(1, sid=f"e{number}", leg_sid=f"l{number}", endpoint="ftp:"))
    await until(lambda: len(scene.settled) == 3)
