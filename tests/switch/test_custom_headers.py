"""The X- headers of an INVITE to an account's trunk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import AccountSid, CallSid, LegSid, TrunkSid
from agentstream.base.values import replace
from agentstream.server.presets import load
from agentstream.store.trunk_options import TrunkOptions, options_of
from agentstream.switch.custom_headers import HeaderFacts, check_custom, headers_for
from agentstream.switch.roads import NoRoadError

FACTS = HeaderFacts(
    CallSid("c0ffee"),
    LegSid("leg1"),
    TrunkSid("trdev1"),
    AccountSid("acme7"),
    "+912240000017",
    "+918000000042",
    (("X-Ticket", "42"),),
)


def test_the_ids_are_always_there_sip_12() -> None:
    assert headers_for(FACTS, TrunkOptions(), ()) == [
        ("X-Exotel-CallSid", "c0ffee"),
        ("X-Exotel-LegSid", "leg1"),
        ("X-Exotel-TrunkSid", "trdev1"),
        ("X-Exotel-AccountSid", "acme7"),
        ("LegSid", "leg1"),
    ]


def test_a_trunks_map_is_filled_from_the_call_sip_15() -> None:
    options = TrunkOptions(
        header_map=(
            ("X-From", "{caller} to {called}"),
            ("X-Ids", "{call_sid}/{leg_sid}/{trunk_sid}/{account_sid}"),
            ("X-T", "{custom.Ticket}"),
            ("X-None", "{custom.Nothing}{unknown}"),
        )
    )
    made = dict(headers_for(FACTS, options, ()))
    assert made["X-From"] == "+912240000017 to +918000000042"
    assert made["X-Ids"] == "c0ffee/leg1/trdev1/acme7"
    assert made["X-T"] == "42"
    assert "X-None" not in made


def test_the_preset_of_a_partner_makes_the_headers_that_it_reads_pn_21() -> None:
    preset = load("elevenlabs")
    options = options_of(preset.trunk.settings.items())
    made = dict(headers_for(FACTS, options, ()))
    assert (made["X-CALL-ID"], made["X-CALLER-ID"]) == ("c0ffee", "+912240000017")


def test_a_header_of_the_call_wins_over_the_map() -> None:
    options = TrunkOptions(header_map=(("x-ticket", "none"),))
    made = headers_for(FACTS, options, (("X-Ticket", "42"),))
    assert ("X-Ticket", "42") in made
    assert len({name.lower() for name, _ in made}) == len(made)


@given(st.text(max_size=600))
def test_no_value_breaks_the_message(value: str) -> None:
    facts = replace(FACTS, custom=(("X-A", value),))
    options = TrunkOptions(header_map=(("X-B", "{custom.A}"),))
    for _, made in headers_for(facts, options, ()):
        assert made.isprintable()
        assert len(made) <= 512


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ((("X-A", "1"), ("X-B", "2"), ("X-C", "3"), ("X-D", "4")), "at most 3"),
        ((("X-A", "é" * 99),), "at most 200"),
        ((("Subject", "1"),), "does not begin with X-"),
        ((("X-Exotel-CallSid", "1"),), "reserved"),
        ((("x-veeno-a", "1"),), "reserved"),
    ],
)
def test_what_a_connect_may_not_add_is_refused_sip_13(
    headers: tuple[tuple[str, str], ...], word: str
) -> None:
    with pytest.raises(NoRoadError, match=word):
        check_custom(headers)
    check_custom((("X-A", "1"), ("X-B", "2"), ("X-C", "é" * 90)))
