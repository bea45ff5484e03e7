"""Sources that are not heard for a while, in virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.net.admission import Admission, AdmissionLimits
from agentstream.net.bans import BanLimits, Bans

SHORT = BanLimits(strikes=3, window_ms=1_000, ban_ms=5_000)


def test_so_many_strikes_within_the_window_ban_for_a_while() -> None:
    """SIP-35."""
    bans = Bans(SHORT)
    assert [bans.strike("a", at_ms) for at_ms in (0, 400, 900)] == [False, False, True]
    assert bans.is_banned("a", 901)
    assert not bans.is_banned("b", 901)
    assert bans.is_banned("a", 5_899)
    assert not bans.is_banned("a", 5_900)
    assert len(bans) == 0
    assert bans.given == 1


def test_strikes_far_apart_ban_nobody() -> None:
    bans = Bans(SHORT)
    assert not any(bans.strike("a", at_ms) for at_ms in range(0, 20_000, 700))


def test_without_a_number_of_strikes_nobody_is_banned() -> None:
    bans = Bans(BanLimits(strikes=0))
    assert not any(bans.strike("a", 0) for _ in range(1_000))


def test_bans_and_suspects_are_bounded_and_the_oldest_give_way() -> None:
    bans = Bans(BanLimits(strikes=2, banned=2, suspects=2))
    for source in "abc":
        bans.strike(source, 0)
        bans.strike(source, 0)
    assert [bans.is_banned(source, 1) for source in "abc"] == [False, True, True]
    for source in "def":
        bans.strike(source, 0)
    assert not bans.strike("d", 0)  # its first strike was forgotten
    assert bans.strike("f", 0)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 500)), max_size=200))
def test_whoever_is_banned_had_his_strikes(steps: list[tuple[str, int]]) -> None:
    bans, now_ms, struck = Bans(SHORT), 0, dict.fromkeys("abcd", 0)
    for source, wait_ms in steps:
        now_ms += wait_ms
        struck[source] += 1
        if bans.strike(source, now_ms):
            assert struck[source] >= SHORT.strikes
            assert bans.is_banned(source, now_ms)


def test_a_banned_source_is_not_read_and_an_ipv6_one_is_its_subscriber() -> None:
    admission = Admission(limits=AdmissionLimits(bans=SHORT))
    for host in ("192.0.2.1", "2001:db8::1"):
        assert [admission.strike(host, 0) for _ in range(3)] == [False, False, True]
    assert not admission.admits("192.0.2.1", 1)
    assert not admission.admits("2001:db8::2", 1)
    assert admission.admits("192.0.2.2", 1)
    assert admission.admits("192.0.2.1", 5_000)
    assert admission.counters.banned == 2


def test_a_stranger_may_send_so_many_invites_and_still_other_messages() -> None:
    admission = Admission(limits=AdmissionLimits(invites_per_s=2, invite_burst=3))
    let_in = [admission.admits("192.0.2.1", 0, is_invite=True) for _ in range(5)]
    assert let_in == [True, True, True, False, False]
    assert admission.admits("192.0.2.1", 0)
    assert admission.counters.too_many_invites == 2
    assert admission.admits("192.0.2.1", 500, is_invite=True)


@pytest.mark.parametrize(("rate", "burst", "invites"), [(200, 400, 200), (8, 3, 2), (0, 400, 999)])
def test_unless_it_is_set_invites_have_a_share_of_the_rate(
    rate: int, burst: int, invites: int
) -> None:
    admission = Admission(limits=AdmissionLimits(rate_per_s=rate, burst=burst))
    let_in = [admission.admits("192.0.2.1", 0, is_invite=True) for _ in range(999)]
    assert sum(let_in) == invites


def test_a_fast_stranger_that_a_trunk_has_listed_meanwhile_is_no_stranger() -> None:
    listed: set[str] = set()
    asked: list[str] = []

    def knows(host: str) -> bool:
        asked.append(host)
        return host in listed

    limits = AdmissionLimits(rate_per_s=1, burst=2, invites_per_s=1, invite_burst=2)
    admission = Admission(limits=limits, knows=knows)
    let_in = [admission.admits("192.0.2.1", 0, is_invite=True) for _ in range(1_000)]
    assert sum(let_in) == 2
    assert asked == ["192.0.2.1"]  # a flood does not cost a look-up each time
    listed.add("192.0.2.1")
    assert all(admission.admits("192.0.2.1", 1_000, is_invite=True) for _ in range(1_000))
    assert len(asked) == 2
