"""Keys by INFO: when, in which order, and how many may wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agentstream.base.ids import LegSid
from agentstream.calls.effects import PressDigits
from agentstream.store.trunk_options import DtmfMode
from agentstream.switch.leg_keys import (
    WAITING_LIMIT,
    InfoKeys,
    PressKey,
    goes_by_info,
    relay_body,
)
from agentstream.switch.translate import read_dtmf_info

ANN, BOB = LegSid("ann"), LegSid("bob")


@pytest.mark.parametrize(
    ("mode", "has_events", "allows_info", "by_info"),
    [
        ("rfc4733", False, True, False),
        ("auto", True, True, False),
        ("auto", False, True, True),
        ("auto", False, False, False),
        ("info", True, False, True),
    ],
)
def test_the_mode_decides_and_then_what_was_agreed_tr_72(
    mode: DtmfMode, has_events: bool, allows_info: bool, by_info: bool
) -> None:
    assert goes_by_info(mode, has_events=has_events, allows_info=allows_info) is by_info


def test_keys_wait_for_the_one_before_and_its_gap() -> None:
    keys = InfoKeys()
    assert keys.press(PressDigits(ANN, "12", 100, 60), 0) == [PressKey(ANN, "1", 100)]
    assert keys.press(PressDigits(ANN, "3", 80, 60), 10) == []
    assert keys.press(PressDigits(BOB, "9", 80, 60), 10) == [PressKey(BOB, "9", 80)]
    assert keys.wake_at_ms == 160
    assert keys.wake(159) == []
    assert keys.wake(160) == [PressKey(ANN, "2", 100)]
    assert keys.wake(320) == [PressKey(ANN, "3", 80)]
    assert keys.wake_at_ms is None
    assert keys.press(PressDigits(ANN, "4", 80, 60), 330) == []  # the gap behind 3 still stands
    assert keys.wake(460) == [PressKey(ANN, "4", 80)]


def test_no_more_wait_than_may_and_a_leg_that_is_over_is_forgotten() -> None:
    keys = InfoKeys()
    for _ in range(10):
        keys.press(PressDigits(ANN, "1" * 64, 100, 60), 0)
    assert keys.dropped == 640 - WAITING_LIMIT - 1
    keys.forget(ANN)
    assert keys.wake_at_ms is None
    assert keys.wake(10_000) == []


@given(some.sampled_from("0123456789*#ABCD"), some.integers(40, 5_000))
def test_what_we_send_is_what_we_read(digit: str, tone_ms: int) -> None:
    body = relay_body(digit, tone_ms)
    assert read_dtmf_info("application/dtmf-relay", body) == (digit, tone_ms)
