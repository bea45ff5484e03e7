"""Targets that failed lately stand last, for a bounded time and in a bounded number."""

from agentstream.sip.flow import Flow, Hop
from agentstream.sip.quarantine import (
    QUARANTINE_LIMIT_MS,
    QUARANTINE_MS,
    TARGETS_LIMIT,
    Quarantine,
)

ONE, TWO, THREE = (Hop("udp", f"192.0.2.{n}", 5060) for n in (1, 2, 3))


def test_who_failed_stands_last_for_a_while_and_the_others_keep_their_order() -> None:
    """RFC 3263 section 4.3."""
    quarantine = Quarantine()
    quarantine.failed(ONE, 0)
    assert quarantine.in_order((ONE, TWO, THREE), 1) == [TWO, THREE, ONE]
    assert quarantine.in_order((ONE, TWO, THREE), QUARANTINE_MS) == [ONE, TWO, THREE]


def test_when_all_have_failed_nothing_is_known() -> None:
    quarantine = Quarantine()
    for hop in (TWO, ONE):
        quarantine.failed(hop, 0)
    assert quarantine.in_order((ONE, TWO), 1) == [ONE, TWO]


def test_an_answer_lets_a_target_out_at_once() -> None:
    quarantine = Quarantine()
    quarantine.failed(ONE, 0)
    quarantine.answered(Flow("udp", "", 0, ONE.host, ONE.port))
    assert quarantine.in_order((ONE, TWO), 1) == [ONE, TWO]


def test_a_wish_to_be_left_alone_longer_is_heard_within_reason() -> None:
    quarantine = Quarantine()
    quarantine.failed(ONE, 0, 10 * QUARANTINE_LIMIT_MS)
    assert quarantine.in_order((ONE, TWO), QUARANTINE_LIMIT_MS - 1) == [TWO, ONE]
    assert quarantine.in_order((ONE, TWO), QUARANTINE_LIMIT_MS) == [ONE, TWO]


def test_it_forgets_the_oldest_beyond_its_bound() -> None:
    quarantine = Quarantine()
    for port in range(1, TARGETS_LIMIT + 2):
        quarantine.failed(Hop("udp", "192.0.2.1", port), 0)
    assert len(quarantine) == TARGETS_LIMIT
    first = Hop("udp", "192.0.2.1", 1)
    assert quarantine.in_order((first, TWO), 1) == [first, TWO]
