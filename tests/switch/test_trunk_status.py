"""How trunks are doing, put together from what the house keeps of them."""

from datetime import UTC, datetime

import pytest

from agentstream.base.ids import AccountSid, CallSid, CountedTokens
from agentstream.sip.reports import Probed, Registered
from agentstream.sip.signaling import ProbePlan, RegistrationPlan
from agentstream.store.trunk_book import TrunkBook, book_of
from agentstream.store.values import Account
from agentstream.switch.known_roads import CarrierSettings, KnownRoads
from agentstream.switch.rejections import Rejection, Rejections
from agentstream.switch.road_limits import RoadLimit, RoadLimits
from agentstream.switch.road_states import destination_key
from agentstream.switch.road_watch import WatchedRoad
from agentstream.switch.roads import Trunk
from agentstream.switch.trunk_load import TrunkLoad
from agentstream.switch.trunk_status import TrunkStatus, TrunkWatch
from agentstream.testing.fake_signaling import FakeSignaling
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.trunk_rows import ACCOUNT, trunk_parts
from agentstream.testing.trunks import TRUNK_SID
from agentstream.testing.waiting import until

OWNER = Account(ACCOUNT, "Green Leaf", datetime(2027, 1, 12, tzinfo=UTC))
PARTS = trunk_parts(
    "sip:192.0.2.1", "sip:192.0.2.2", as_options_interval="60", as_max_calls="3", as_cps="2"
)
CARRIER = Trunk("carrier", "sip:carrier.example", limit=RoadLimit(calls=10, per_second=5))


class House:
    """Everything that is looked at."""

    def __init__(self) -> None:
        self.clock, self.signaling = ManualClock(), FakeSignaling()
        self.load, self.limits = TrunkLoad(lambda: self.clock.wall().date()), RoadLimits()
        self.rejections = Rejections()
        self.book: TrunkBook = book_of([PARTS], {ACCOUNT: OWNER})
        settings = CarrierSettings(
            (WatchedRoad("carrier", ProbePlan("sip:carrier.example"), 60_000),),
            {"carrier": RegistrationPlan("sip:carrier.example", "sip:a@carrier.example", "a")},
        )
        self.roads = KnownRoads(
            self.signaling, self.clock, CountedTokens(), settings, lambda: self.book
        )
        self.roads.listen()
        self.roads.start()
        self.watch = TrunkWatch(
            lambda: self.book,
            self.roads,
            self.load,
            self.limits,
            self.rejections,
            lambda _: (),
            (CARRIER,),
            self.clock,
            daily_minutes=600,
        )

    def trunk(self) -> TrunkStatus:
        (told,) = self.watch.trunks(ACCOUNT)
        assert told == self.watch.trunk(OWNER, PARTS)
        return told


@pytest.fixture
async def house() -> House:
    return House()


async def test_destinations_are_unasked_until_they_are_asked(house: House) -> None:
    told = house.trunk()
    assert [(number, road.health) for number, road in told.destinations] == [
        (301, "unasked"),
        (302, "unasked"),
    ]


async def test_an_answer_to_options_is_told_with_its_round_trip(house: House) -> None:
    house.clock.advance(5_000)
    house.roads._driver._wake()
    await until(lambda: len(house.signaling.outside) >= 3)
    key = destination_key(TRUNK_SID, 301)
    ref = next(ref for ref, asked in house.roads._asked.items() if asked == key)
    house.roads._told(Probed(ref, 200, "OK", 12))
    _, first = house.trunk().destinations[0]
    assert (first.health, first.status, first.round_trip_ms) == ("up", 200, 12)


async def test_a_destination_that_a_call_found_silent_rests(house: House) -> None:
    house.roads.note(destination_key(TRUNK_SID, 302), "silent")
    _, second = house.trunk().destinations[1]
    assert second.health == "resting"
    assert 0 < second.rests_ms <= 10_000


async def test_calls_and_minutes_stand_beside_their_limits(house: House) -> None:
    house.load.take(CallSid("c1"), TRUNK_SID, house.clock.now_ms())
    house.limits.take(TRUNK_SID, RoadLimit(), house.clock.now_ms(), house.clock.wall())
    house.clock.advance(90_000)
    told = house.trunk()
    assert (told.calls_in, told.calls_out, told.max_calls, told.cps) == (1, 1, 3, 2)
    assert (told.minutes_today, told.daily_minutes) == (1.5, 600)


async def test_a_carrier_is_told_with_its_registration(house: House) -> None:
    (ref,) = house.roads._trunks
    house.roads._told(Registered(ref, 300, 250_000, "sip:us@192.0.2.9"))
    (told,) = house.watch.carriers()
    assert told.registration is not None
    assert told.registration.is_registered
    assert (told.name, told.max_calls, told.cps) == ("carrier", 10, 5)


async def test_rejections_of_others_are_the_operators_alone(house: House) -> None:
    def one(account: str, trunk: str) -> Rejection:
        return Rejection(
            at=house.clock.wall(),
            account_sid=account,
            trunk_sid=trunk,
            source="udp:192.0.2.7:5060",
            method="INVITE",
            status=403,
            reason="acl-miss",
        )

    for account, trunk in ((ACCOUNT, TRUNK_SID), ("other", "trother"), ("", "")):
        house.rejections.note(one(account, trunk))
    assert [each.trunk_sid for each in house.watch.rejections(ACCOUNT)] == [TRUNK_SID]
    assert house.watch.rejections(ACCOUNT, "trother") == []
    assert len(house.watch.rejections(None)) == 3
    assert len(house.watch.rejections(None, "trother")) == 1
    assert house.watch.rejections(AccountSid("nobody")) == []
    assert house.trunk().rejected == 1
