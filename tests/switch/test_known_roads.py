"""Roads as the house knows them: asked and registered by a fake engine, shown to people."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from agentstream.base.ids import AccountSid, CountedTokens, TrunkSid
from agentstream.sip.commands import Probe, Refresh, Register, Unregister
from agentstream.sip.reports import Probed, Registered, RegistrationFailed, Unregistered
from agentstream.sip.signaling import ProbePlan, RegistrationPlan
from agentstream.store.trunk_book import TrunkBook, book_of
from agentstream.store.trunks import AccountTrunk, TrunkDestination, TrunkParts, TrunkSetting
from agentstream.store.values import Account
from agentstream.switch.known_roads import (
    CarrierSettings,
    KnownRoads,
)
from agentstream.switch.road_states import destination_key
from agentstream.switch.road_watch import WatchedRoad
from agentstream.testing.fake_signaling import FakeSignaling
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.waiting import until

WALL = datetime(2027, 1, 12, tzinfo=UTC)
ACCOUNT = Account(AccountSid("acme7"), "Acme", WALL)
PLAN = RegistrationPlan("sip:carrier.example", "sip:acct@carrier.example", "acct")
CARRIER = WatchedRoad("carrier", ProbePlan("sip:carrier.example"), 50)


class House:
    """One fake engine and what knows its roads."""

    def __init__(self, settings: CarrierSettings, book: TrunkBook | None = None) -> None:
        self.book = book or TrunkBook()
        self.clock = ManualClock()
        self.signaling = FakeSignaling()
        self.roads = KnownRoads(
            self.signaling, self.clock, CountedTokens(), settings, lambda: self.book
        )
        self.roads.listen()
        self.roads.start()

    async def asked(self) -> Probe:
        """Let time pass until a road is asked."""
        self.clock.advance(5_000)
        self.roads._driver._wake()
        await until(lambda: self.signaling.outside)
        command = self.signaling.outside.popleft()
        assert isinstance(command, Probe)
        return command


def trunk(*uris: str, interval_s: int = 60, transport: str = "", active: bool = True) -> TrunkParts:
    sid = TrunkSid("trmum1")
    row = AccountTrunk(
        sid=sid,
        account_sid=ACCOUNT.sid,
        name="bots",
        nso_code="ANY-ANY",
        domain_name="acme7.example",
        is_active=active,
        created_at=WALL,
        updated_at=WALL,
    )
    settings = {"as_options_interval": str(interval_s), "as_transport": transport}
    return TrunkParts(
        row,
        destinations=tuple(
            TrunkDestination(id=n, trunk_sid=sid, uri=uri, created_at=WALL, updated_at=WALL)
            for n, uri in enumerate(uris)
        ),
        settings=tuple(
            TrunkSetting(trunk_sid=sid, name=name, value=value, created_at=WALL, updated_at=WALL)
            for name, value in settings.items()
        ),
    )


async def test_a_carrier_that_is_silent_is_shown_down_and_logged_once() -> None:
    """SIP-51."""
    house = House(CarrierSettings((CARRIER,)))
    with capture_logs() as logs:
        for _ in range(5):
            probe = await house.asked()
            house.signaling.tell(Probed(probe.ref, 0, "no answer", 4_000))
        assert not house.roads.is_up("carrier")
        (state,) = house.roads.states()
        assert (state.key, state.is_up, state.status, state.failures) == (
            "carrier",
            False,
            0,
            5,
        )
        probe = await house.asked()
        house.signaling.tell(Probed(probe.ref, 200, "OK", 12))
    assert [entry["event"] for entry in logs] == ["road_down", "road_up"]
    (state,) = house.roads.states()
    assert (state.is_up, state.status, state.round_trip_ms) == (True, 200, 12)
    assert house.roads.counts()["went_down"] == 1
    house.roads.close()


async def test_a_calls_own_failure_rests_a_road_and_people_see_it() -> None:
    house = House(CarrierSettings((CARRIER,)))
    house.roads.note("carrier", "silent")
    assert not house.roads.is_up("carrier")
    assert house.roads.states()[0].rests_ms == 10_000
    house.roads.note("carrier", "reached")
    assert house.roads.is_up("carrier")
    house.roads.close()


async def test_destinations_of_accounts_are_asked_as_their_trunk_says_and_followed() -> None:
    """SIP-51, `as_options_interval`."""
    house = House(CarrierSettings())
    assert house.roads.states() == ()
    uris = "sip:bot.example:5070", "sip:other.example;transport=udp"
    house.book = book_of([trunk(*uris, transport="tcp")], {ACCOUNT.sid: ACCOUNT})
    house.roads.follow()
    assert [state.key for state in house.roads.states()] == [
        destination_key(TrunkSid("trmum1"), n) for n in (0, 1)
    ]
    targets = {(await house.asked()).plan.target for _ in uris}
    assert targets == {"sip:bot.example:5070;transport=tcp", uris[1]}
    house.book = TrunkBook()
    house.roads.follow()
    assert house.roads.states() == ()
    house.roads.close()


@pytest.mark.parametrize("changes", [{"interval_s": 0}, {"active": False}])
async def test_trunks_that_do_not_want_it_are_not_asked(changes: dict[str, int]) -> None:
    book = book_of([trunk("sip:bot.example", **changes)], {ACCOUNT.sid: ACCOUNT})  # type: ignore[arg-type]
    house = House(CarrierSettings(), book)
    assert house.roads.states() == ()
    house.roads.close()


async def test_a_registration_is_shown_and_said_once() -> None:
    house = House(CarrierSettings(registrations={"carrier": PLAN}))
    (register,) = house.signaling.outside
    assert isinstance(register, Register)
    assert house.roads.registrations()[0].is_registered is False
    route = ("<sip:edge.example;lr>",)
    with capture_logs() as logs:
        for _ in range(3):
            house.signaling.tell(
                Registered(register.ref, 600, 400_000, "sip:acct@192.0.2.10:5060", route)
            )
        for _ in range(2):
            house.signaling.tell(RegistrationFailed(register.ref, 503, "Busy", 5_000, 60_000))
    assert [entry["event"] for entry in logs] == ["registered", "registration_failed"]
    assert "hunter2" not in repr(logs)
    (state,) = house.roads.registrations()
    now = house.clock.wall()
    assert (state.is_registered, state.status, state.text) == (True, 503, "Busy")
    assert state.valid_until == now + timedelta(seconds=60)
    assert state.service_route == house.roads.routes("carrier") == route
    assert house.roads.routes("other") == ()
    house.clock.advance(60_000)
    assert house.roads.routes("carrier") == ()  # RFC 3608: as long as the registration holds
    assert house.roads.registrations()[0].is_registered is False
    house.roads.leave()
    assert house.signaling.outside[-1] == Unregister(register.ref)
    house.signaling.tell(Unregistered(register.ref))
    assert house.roads.registrations()[0].contact == ""
    house.roads.close()


async def test_a_carrier_that_comes_back_is_registered_with_again_at_once() -> None:
    """It may have forgotten us, and else would not be asked for an hour."""
    house = House(CarrierSettings((CARRIER,), {"carrier": PLAN}))
    register = house.signaling.outside.popleft()
    for status in (0, 0, 0, 200):
        probe = await house.asked()
        house.signaling.tell(Probed(probe.ref, status, "", 1))
    assert house.signaling.outside.popleft() == Refresh(register.ref)
    house.roads.close()


async def test_following_is_a_task_that_ends_when_it_is_cancelled() -> None:
    house = House(CarrierSettings())
    task = asyncio.create_task(house.roads.run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    house.roads.close()
