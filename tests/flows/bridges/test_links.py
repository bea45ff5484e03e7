"""Who hears whom in a bridge."""

from typing import Final

from agentstream.base.ids import LegSid
from agentstream.flows.bridges.links import Hears, Link, Monitor, Pair, links_of

A, B, C, S = (LegSid(name) for name in "ABCS")
NOBODY: Final = LegSid("")


def ears(links: frozenset[Link]) -> set[tuple[str, str]]:
    """Return who hears whom, as (ear, voice)."""
    found: set[tuple[str, str]] = set()
    for link in links:
        found.add((link.leg_sid, link.other_sid))
        if isinstance(link, Pair):
            found.add((link.other_sid, link.leg_sid))
    return found


def test_one_alone_hears_nobody() -> None:
    assert links_of({}, {}) == frozenset()
    assert links_of({A: False}, {}) == frozenset()


def test_two_are_a_pair_that_needs_no_mixer() -> None:
    assert links_of({A: False, B: False}, {}) == {Pair(A, B, relays_keys=True)}
    assert links_of({A: True, B: True}, {}) == {Pair(A, B, relays_keys=False)}


def test_three_hear_each_other() -> None:
    links = links_of(dict.fromkeys((A, B, C), False), {})
    assert ears(links) == {(A, B), (A, C), (B, A), (B, C), (C, A), (C, B)}
    assert all(isinstance(link, Hears) and link.relays_keys for link in links)


def test_keys_of_a_leg_that_absorbs_them_stay_with_it_br_1() -> None:
    links = links_of({A: False, B: True}, {})
    assert links == {Hears(A, B, relays_keys=False), Hears(B, A, relays_keys=True)}


def test_who_listens_is_heard_by_nobody_ex_27() -> None:
    links = links_of({A: False, B: False}, {S: Monitor("listen", NOBODY)})
    assert ears(links) == {(A, B), (B, A), (S, A), (S, B)}
    assert Hears(S, A, relays_keys=False) in links


def test_who_whispers_is_heard_by_one_ex_27() -> None:
    links = links_of({A: False, B: False}, {S: Monitor("whisper", B)})
    assert ears(links) == {(A, B), (B, A), (S, A), (S, B), (B, S)}


def test_who_barges_in_is_heard_by_all_ex_27() -> None:
    links = links_of({A: False, B: False}, {S: Monitor("barge", NOBODY)})
    assert ears(links) == {(A, B), (B, A), (S, A), (S, B), (A, S), (B, S)}


def test_monitors_do_not_hear_each_other() -> None:
    monitors = {S: Monitor("barge", NOBODY), C: Monitor("listen", NOBODY)}
    assert not {(S, C), (C, S)} & ears(links_of({A: False, B: False}, monitors))
