"""Captures: whose packets are kept, within which bounds, and for how long."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agentstream.base.errors import BusyError
from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.events import CallEnded, CallStarted, Event, LegDialled
from agentstream.net.pcap import Packet, pcap_file
from agentstream.switch.captures import CaptureLimits, Captures, CaptureWish, read_captures
from agentstream.switch.feed import Fact
from agentstream.testing.calls import make_setup
from agentstream.testing.fake_media import FakeLeg, FakeMedia

CALL, LEG = CallSid("c1"), LegSid("a")
AT = datetime(2027, 1, 1, tzinfo=UTC)


class Desk:
    """Captures over legs that only note what they are told."""

    def __init__(self, folder: Path, wish: CaptureWish, max_files: int = 10) -> None:
        self.legs = {name: FakeLeg(FakeMedia(), name, 4000) for name in ("a", "b")}
        limits = CaptureLimits(max_bytes=1_000, max_ms=2_000, max_files=max_files)
        self.captures = Captures(folder, wish, limits, self.legs.get, lambda: "192.0.2.1")

    def tell(self, event: Event) -> None:
        self.captures.hear(Fact(CALL, AccountSid("one"), 0, AT, event))

    def captured(self) -> list[str]:
        return [name for name, leg in self.legs.items() if leg.captures]


def test_a_call_of_a_number_is_captured_with_every_leg_that_it_dials(tmp_path: Path) -> None:
    setup = make_setup()
    desk = Desk(tmp_path, CaptureWish(numbers=frozenset([setup.to_number])))
    desk.tell(CallStarted(CALL, LEG, setup))
    desk.tell(LegDialled(CALL, LegSid("b"), "+1", ""))
    assert desk.captured() == ["a", "b"]
    [plan] = desk.legs["a"].captures
    assert plan.path == str(tmp_path / "c1" / "a.pcap")
    assert (plan.local_address, plan.max_bytes, plan.max_ms) == ("192.0.2.1", 1_000, 2_000)


def test_other_calls_are_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path, CaptureWish(numbers=frozenset(["+999"]), trunks=frozenset(["t"])))
    desk.tell(CallStarted(CALL, LEG, make_setup()))
    desk.tell(LegDialled(CALL, LegSid("b"), "+1", ""))
    assert desk.captured() == []


def test_a_full_folder_takes_no_capture_and_no_call_fails_for_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "x.pcap").touch()
    desk = Desk(tmp_path, CaptureWish(all=True), max_files=1)
    desk.tell(CallStarted(CALL, LEG, make_setup()))
    assert desk.captured() == []
    assert desk.captures.counts["captures_refused"] == 1
    with pytest.raises(BusyError, match="max_files"):
        desk.captures.begin(CALL, [LEG])


def test_a_sid_that_is_no_file_name_captures_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, CaptureWish())
    assert desk.captures.begin(CallSid("../x"), [LEG]) == 0
    assert read_captures(tmp_path, CallSid("../..")) == []


def test_what_was_captured_is_read_even_if_it_breaks_off(tmp_path: Path) -> None:
    (tmp_path / "c1").mkdir()
    packets = [Packet(5, b"E" * 30), Packet(1_000_007, b"E" * 40)]
    (tmp_path / "c1" / "a.pcap").write_bytes(pcap_file(packets))
    (tmp_path / "c1" / "b.pcap").write_bytes(pcap_file(packets)[:-1])
    (tmp_path / "c1" / "c.pcap").write_bytes(b"junk")
    assert read_captures(tmp_path, CALL) == [*packets, packets[0]]


async def test_old_captures_are_forgotten_and_live_ones_are_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path, CaptureWish(all=True))
    desk.tell(CallStarted(CALL, LEG, make_setup()))
    for name in ("c1", "old"):
        (tmp_path / name).mkdir(exist_ok=True)
        os.utime(tmp_path / name, (1, 1))
    assert await desk.captures.forget(AT) == 1
    assert os.listdir(tmp_path) == ["c1"]
    desk.tell(CallEnded(CALL, None))  # type: ignore[arg-type]  # its record is not looked at
    assert await desk.captures.forget(AT) == 1
