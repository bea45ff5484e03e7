"""Places for calls: of the house, of one account, and how fast they are given to placed ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.causes import Cause
from agentstream.switch.room import Room
from agentstream.switch.routing import NoRoadError

ANN, BOB = AccountSid("ann"), AccountSid("bob")


def test_the_house_is_full_for_everybody_and_an_account_for_itself() -> None:
    room = Room(3, calls_per_account=2)
    room.take(CallSid("c1"), ANN, slots=2)
    assert room.why_not(ANN) == (
        Cause.BUSY,
        "2 calls of this account are live, and no more may be.",
    )
    assert room.why_not(BOB) is None
    room.take(CallSid("c2"), BOB)
    assert room.why_not(BOB) == (Cause.OVERLOADED, "3 calls are live, and no more may be.")
    room.leave(CallSid("c1"))
    assert room.why_not(ANN, 2) is None


def test_a_call_of_two_numbers_takes_two_places_cc_64() -> None:
    room = Room(10, calls_per_account=2)
    room.take(CallSid("c1"), ANN)
    with pytest.raises(NoRoadError) as caught:
        room.check(ANN, 2, now_ms=0)
    assert caught.value.cause is Cause.OVERLOADED  # an order is told 429, however it is full
    room.check(ANN, 1, now_ms=0)


def test_an_account_places_so_many_calls_in_a_second_and_another_its_own() -> None:
    room = Room(1_000, placed_per_second=10)
    for _ in range(10):
        room.check(ANN, 1, now_ms=5_000)
    with pytest.raises(NoRoadError, match="10 calls in a second"):
        room.check(ANN, 1, now_ms=5_000)
    room.check(BOB, 1, now_ms=5_000)
    with pytest.raises(NoRoadError):
        room.check(ANN, 1, now_ms=5_099)
    room.check(ANN, 1, now_ms=5_100)


def test_without_a_rate_nobody_waits() -> None:
    room = Room(1_000)
    for _ in range(500):
        room.check(ANN, 1, now_ms=0)


@given(st.lists(st.tuples(st.sampled_from([ANN, BOB]), st.integers(1, 2), st.booleans())))
def test_whatever_comes_and_goes_the_places_add_up(
    steps: list[tuple[AccountSid, int, bool]],
) -> None:
    room = Room(6, calls_per_account=4)
    live: dict[CallSid, tuple[AccountSid, int]] = {}
    for number, (account, slots, leaves) in enumerate(steps):
        if leaves and live:
            room.leave(call_sid := next(iter(live)))
            del live[call_sid]
        used = {one: sum(n for owner, n in live.values() if owner == one) for one in (ANN, BOB)}
        fits = sum(used.values()) + slots <= 6 and used[account] + slots <= 4
        assert (room.why_not(account, slots) is None) == fits
        if fits:
            call_sid = CallSid(f"c{number}")
            live[call_sid] = account, slots
            room.take(call_sid, account, slots)
