"""Address lists and rates, in virtual time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import ConfigError
from agentstream.net.admission import Admission, AdmissionLimits

SLOW = AdmissionLimits(rate_per_s=2, burst=3, listed_rate_per_s=10, listed_burst=20)


def test_without_lists_everyone_may_come_in() -> None:
    admission = Admission()
    assert admission.admits("192.0.2.1", 0)
    assert admission.admits("2001:db8::1", 0)
    assert admission.counters.admitted == 2


def test_an_allow_list_shuts_out_all_others_and_deny_wins() -> None:
    admission = Admission(allow=["192.0.2.0/24", "2001:db8::/32"], deny=["192.0.2.66"])
    verdicts = [admission.admits(host, 0) for host in ("192.0.2.1", "2001:db8::1", "192.0.2.66")]
    assert verdicts == [True, True, False]
    assert not admission.admits("198.51.100.1", 0)
    assert not admission.admits("2001:db9::1", 0)
    assert (admission.counters.denied, admission.counters.unlisted) == (1, 2)
    assert admission.is_listed("192.0.2.9")
    assert not admission.is_listed("198.51.100.1")


def test_an_allow_list_can_be_a_privilege_only() -> None:
    admission = Admission(allow=["192.0.2.1"], limits=SLOW, only_listed=False)
    admitted = [
        sum(admission.admits(host, 0) for _ in range(50)) for host in ("192.0.2.1", "192.0.2.2")
    ]
    assert admitted == [20, 3]


def test_a_burst_passes_then_the_rate_holds_then_silence_earns_it_back() -> None:
    admission = Admission(limits=SLOW)
    assert [admission.admits("192.0.2.1", 0) for _ in range(4)] == [True, True, True, False]
    assert not admission.admits("192.0.2.1", 499)
    assert admission.admits("192.0.2.1", 500)
    assert not admission.admits("192.0.2.1", 500)
    assert sum(admission.admits("192.0.2.1", 60_000) for _ in range(10)) == 3
    assert admission.counters.too_fast == 10
    assert admission.admits("192.0.2.2", 0)


def test_one_ipv6_subscriber_is_one_source() -> None:
    admission = Admission(limits=SLOW)
    admitted = sum(admission.admits(f"2001:db8::{number:x}", 0) for number in range(1, 10))
    assert admitted == 3
    assert admission.admits("2001:db8:0:1::1", 0)
    assert admission.admits("fe80::1%lo", 0)


def test_listed_sources_have_no_rate_unless_one_is_set() -> None:
    admission = Admission(allow=["192.0.2.1"])
    assert all(admission.admits("192.0.2.1", 0) for _ in range(10_000))


def test_the_table_of_sources_is_bounded_and_forgets_who_is_quiet() -> None:
    admission = Admission(limits=AdmissionLimits(rate_per_s=1, burst=1, sources=2))
    assert admission.admits("192.0.2.1", 0)
    assert admission.admits("192.0.2.2", 0)
    assert not admission.admits("192.0.2.1", 0)
    assert admission.admits("192.0.2.3", 0)  # the second is forgotten, the first is not
    assert not admission.admits("192.0.2.1", 0)
    assert admission.admits("192.0.2.2", 0)
    assert admission.counters.forgotten == 2


@pytest.mark.parametrize("text", ["", "carrier.example", "192.0.2.0/33"])
def test_what_is_no_network_is_the_operators_error(text: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        Admission(allow=[text])


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=200).map(sorted))
def test_never_more_than_the_burst_and_the_rate_allow(times_ms: list[int]) -> None:
    admission = Admission(limits=SLOW)
    admitted = [time_ms for time_ms in times_ms if admission.admits("192.0.2.1", time_ms)]
    for index, start_ms in enumerate(admitted):
        for count, end_ms in enumerate(admitted[index:], start=1):
            assert count <= 3 + (end_ms - start_ms) * 2 / 1000
