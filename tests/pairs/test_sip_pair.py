"""Endpoints that call each other over a bad wire, in virtual time: calls end once on each side.

The wire delays, loses, repeats and reorders; the products hang up, ring, answer, refuse and change
media whenever chance says so. Afterwards nothing is left in any endpoint.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentstream.base.ids import CountedTokens
from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    CallCommand,
    HangUp,
    Place,
    RefuseMedia,
    Reject,
    Ring,
    SendInfo,
    UpdateMedia,
)
from agentstream.sip.endpoint import Endpoint
from agentstream.sip.flow import Flow
from agentstream.sip.reports import (
    Accepted,
    Confirmed,
    Ended,
    Invited,
    MediaOffered,
    Report,
    SipCallRef,
)
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial
from agentstream.sip.traffic import EndpointOutput, Received, Resolve, Send
from agentstream.testing.scripted_sip import ANSWER, OFFER

CALLER, CALLEE, FORK = "192.0.2.1", "192.0.2.2", "192.0.2.3"


@dataclass(frozen=True)
class Weather:
    """How bad the wire is; shares are of 100."""

    loss: int = 0
    repeat: int = 0
    delay_ms: int = 20
    jitter_ms: int = 0
    lose: Callable[[bytes, int], bool] = lambda data, nth: False


@dataclass
class Site:
    """One endpoint with its product: what it was told about each call."""

    host: str
    endpoint: Endpoint
    reports: dict[SipCallRef, list[Report]] = field(default_factory=dict)


class World:
    """Endpoints, a wire and a clock."""

    def __init__(self, seed: int, weather: Weather, sip: SipSettings | None = None) -> None:
        self.random = Random(seed)
        self.weather = weather
        self.now_ms = 0
        self.sites: dict[str, Site] = {}
        self.is_forking = False
        self.on_report: Callable[[Site, Report], None] = lambda site, report: None
        self._order = count()
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._sent = 0
        for number, host in enumerate((CALLER, CALLEE, FORK)):
            tokens = CountedTokens()
            tokens._count = number * 1_000_000 + 1
            endpoint = Endpoint(sip or SipSettings(), tokens, at(host))
            self.sites[host] = Site(host, endpoint)

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._later, (self.now_ms + delay_ms, next(self._order), act))

    def do(self, host: str, command: CallCommand) -> None:
        site = self.sites[host]
        if isinstance(command, Place):
            site.reports[command.ref] = []
        self._take(site, site.endpoint.receive(command, self.now_ms))

    def run(self, limit_ms: int = 2_000_000) -> None:
        """Let everything happen until nobody wants anything more."""
        while True:
            wakes = [
                (at_ms, host)
                for host, site in self.sites.items()
                if (at_ms := site.endpoint.wake_at_ms) is not None
            ]
            next_wake = min(wakes, default=None)
            if self._later and (next_wake is None or self._later[0][0] <= next_wake[0]):
                self.now_ms, _, act = heapq.heappop(self._later)
                act()
            elif next_wake is not None:
                self.now_ms = max(self.now_ms, next_wake[0])
                site = self.sites[next_wake[1]]
                self._take(site, site.endpoint.wake(self.now_ms))
            else:
                return
            assert self.now_ms < limit_ms, "the night does not end"

    def check(self) -> None:
        """Each call ended exactly once, with nothing after it; nothing is left anywhere."""
        for site in self.sites.values():
            for ref, reports in site.reports.items():
                ends = [report for report in reports if isinstance(report, Ended)]
                assert len(ends) == 1, (site.host, ref, reports)
                assert reports[-1] is ends[0], (site.host, ref, reports)
            load = site.endpoint.load
            left = (load.calls, load.transactions, load.alarms, load.waiting_for_dns)
            assert left == (0, 0, 0, 0), (site.host, load)
            assert not site.endpoint.counters["bugs"]

    def _take(self, site: Site, outputs: list[EndpointOutput]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self._send(site.host, output)
            else:
                assert not isinstance(output, Resolve)
                site.reports.setdefault(output.ref, []).append(output)
                self.on_report(site, output)

    def _send(self, host: str, send: Send) -> None:
        to = send.to.remote_host if isinstance(send.to, Flow) else send.to.host
        targets = [to]
        if self.is_forking and to == CALLEE and is_forked(send.data):
            targets.append(FORK)
        for target in targets:
            self._sent += 1
            if self.random.randrange(100) < self.weather.loss:
                continue
            if self.weather.lose(send.data, self._sent):
                continue
            copies = 2 if self.random.randrange(100) < self.weather.repeat else 1
            for _ in range(copies):
                delay_ms = self.weather.delay_ms
                if self.weather.jitter_ms:
                    delay_ms += self.random.randrange(self.weather.jitter_ms)
                self.after(delay_ms, self._delivery(send.data, host, target))

    def _delivery(self, data: bytes, host: str, to: str) -> Callable[[], None]:
        def deliver() -> None:
            site = self.sites[to]
            flow = Flow("udp", to, 5060, host, 5060)
            self._take(site, site.endpoint.receive(Received(data, flow), self.now_ms))

        return deliver


def at(host: str) -> Callable[[str, str], tuple[str, int]]:
    """Return how an endpoint at this host is found."""
    return lambda transport, peer: (host, 5060)


def is_forked(data: bytes) -> bool:
    """Whatever a forking proxy would send to every branch: INVITE without a To tag, and CANCEL."""
    head = data.split(b"\r\n\r\n")[0]
    to_line = next(line for line in head.split(b"\r\n") if line.startswith(b"To:"))
    return data.startswith((b"INVITE", b"CANCEL")) and b"tag=" not in to_line


class Products:
    """Callers and callees that do what chance says, and hang up in the end, whatever happens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = world.random
        world.on_report = self.told

    def call(self, number: int) -> None:
        ref = SipCallRef(f"call-{number}")
        timeout_ms = self.random.choice((1_000, 10_000, 60_000))
        offer = None if self.random.randrange(5) == 0 else OFFER
        dial = Dial(
            f"sip:bob@{CALLEE}", "sip:ann@caller.example", offer, answer_timeout_ms=timeout_ms
        )
        self.world.do(CALLER, Place(ref, dial))
        if self.random.randrange(3) == 0:
            self.later(CALLER, self.random.randrange(4_000), HangUp(ref))
        self.later(CALLER, 90_000 + self.random.randrange(60_000), HangUp(ref))

    def later(self, host: str, delay_ms: int, command: CallCommand) -> None:
        self.world.after(delay_ms, lambda: self.world.do(host, command))

    def told(self, site: Site, report: Report) -> None:
        chance = self.random.randrange
        ref = report.ref
        match report:
            case Invited():
                self.invited(site.host, ref)
            case Accepted():
                self.later(site.host, chance(200), AnswerMedia(ref, ANSWER))
                self.talking(site.host, ref)
            case Confirmed():
                self.talking(site.host, ref)
            case MediaOffered():
                if chance(6) == 0:
                    self.later(site.host, chance(300), RefuseMedia(ref))
                elif chance(10):
                    self.later(site.host, chance(300), AnswerMedia(ref, ANSWER))
            case _:
                pass

    def invited(self, host: str, ref: SipCallRef) -> None:
        chance = self.random.randrange
        if chance(2):
            self.later(host, chance(500), Ring(ref, 180))
        if chance(8) == 0:
            self.later(host, chance(3_000), Reject(ref, 486))
        elif chance(12):
            self.later(host, chance(3_000), Answer(ref, ANSWER))
        self.later(host, 100_000 + chance(80_000), HangUp(ref))
        if chance(6) == 0:
            self.later(host, chance(6_000), HangUp(ref))

    def talking(self, host: str, ref: SipCallRef) -> None:
        chance = self.random.randrange
        for _ in range(chance(3)):
            self.later(host, chance(5_000), UpdateMedia(ref, OFFER))
        if chance(3) == 0:
            self.later(host, chance(5_000), SendInfo(ref, "application/dtmf", "5"))
        if chance(3) == 0:
            self.later(host, chance(10_000), HangUp(ref))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@example(seed=319, loss=5, repeat=0, jitter_ms=700, is_forking=True, session_s=0)
@given(
    seed=st.integers(0, 2**32),
    loss=st.sampled_from((0, 5, 20, 50)),
    repeat=st.sampled_from((0, 10)),
    jitter_ms=st.sampled_from((0, 50, 700)),
    is_forking=st.booleans(),
    session_s=st.sampled_from((0, 90)),
)
def test_every_call_ends_once_on_both_sides_and_leaves_nothing(
    seed: int, loss: int, repeat: int, jitter_ms: int, is_forking: bool, session_s: int
) -> None:
    weather = Weather(loss, repeat, 20, jitter_ms)
    world = World(seed, weather, SipSettings(session_expires_s=session_s))
    world.is_forking = is_forking
    products = Products(world)
    for number in range(3):
        world.after(number * world.random.randrange(500), partial(products.call, number))
    world.run()
    world.check()


def first(method: bytes, times: int = 1) -> Callable[[bytes, int], bool]:
    """Lose the first messages that begin so."""
    left = [times]

    def lose(data: bytes, nth: int) -> bool:
        del nth
        if data.startswith(method) and left[0]:
            left[0] -= 1
            return True
        return False

    return lose


def scripted(weather: Weather, *, is_forking: bool = False) -> tuple[World, SipCallRef, list[str]]:
    """A call that rings, is answered after 100 ms and whose caller hangs up after 20 s."""
    world = World(1, weather)
    world.is_forking = is_forking
    ref = SipCallRef("call")
    told: list[str] = []

    def on_report(site: Site, report: Report) -> None:
        told.append(f"{'caller' if site.host == CALLER else 'callee'} {type(report).__name__}")
        if isinstance(report, Invited):
            world.do(site.host, Ring(report.ref))
            world.after(100, lambda: world.do(site.host, Answer(report.ref, ANSWER)))

    world.on_report = on_report
    world.do(CALLER, Place(ref, Dial(f"sip:bob@{CALLEE}", "sip:ann@caller.example", OFFER)))
    world.after(20_000, lambda: world.do(CALLER, HangUp(ref)))
    return world, ref, told


@pytest.mark.parametrize(
    "lost", [b"INVITE", b"SIP/2.0 200", b"ACK", b"BYE", b"SIP/2.0 180", b"SIP/2.0 100"]
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_call_survives_the_loss_of_any_of_its_messages(lost: bytes, times: int) -> None:
    world, _, told = scripted(Weather(lose=first(lost, times)))
    world.run()
    world.check()
    assert "caller Accepted" in told
    assert "callee Confirmed" in told
    assert told[-1] == "callee Ended"


def test_without_any_ack_the_callee_ends_the_call() -> None:
    world, ref, _ = scripted(Weather(lose=lambda data, nth: data.startswith(b"ACK")))
    world.after(0, lambda: None)
    world.run()
    world.check()
    ended = world.sites[CALLER].reports[ref][-1]
    assert isinstance(ended, Ended)


def test_a_cancel_that_crosses_the_answer_leaves_nothing() -> None:
    for cancel_at_ms in range(100, 180, 2):
        world, ref, _ = scripted(Weather(delay_ms=20))
        world.after(cancel_at_ms, partial(world.do, CALLER, HangUp(ref)))
        world.run()
        world.check()


def test_offers_that_cross_are_both_made_in_the_end() -> None:
    world, ref, told = scripted(Weather(delay_ms=50))
    before = world.on_report

    def on_report(site: Site, report: Report) -> None:
        before(site, report)
        if isinstance(report, Confirmed):
            callee_ref = report.ref
            world.after(500, lambda: world.do(CALLER, UpdateMedia(ref, OFFER)))
            world.after(510, lambda: world.do(CALLEE, UpdateMedia(callee_ref, OFFER)))
        elif isinstance(report, MediaOffered):
            world.do(site.host, AnswerMedia(report.ref, ANSWER))

    world.on_report = on_report
    world.run()
    world.check()
    assert told.count("caller MediaAnswered") == 1
    assert told.count("callee MediaAnswered") == 1
    assert told.count("caller MediaOffered") == 1
    assert told.count("callee MediaOffered") == 1


def test_when_two_forks_answer_one_call_is_kept_and_the_other_ended() -> None:
    world, ref, told = scripted(Weather(), is_forking=True)
    world.run()
    world.check()
    assert told.count("caller Accepted") == 1
    assert told.count("callee Confirmed") == 2
    assert [type(r) for r in world.sites[CALLER].reports[ref]].count(Ended) == 1
