"""Which texts name somebody who can be dialled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.flows.dial_plan import (
    TARGETS_LIMIT,
    Target,
    caller_id_of,
    is_dialable,
    targets_of,
)

TO = "+918040000002"


@pytest.mark.parametrize(
    "text",
    [
        "+919000000001",
        "09876 500-001",
        "(080) 4000.0002",
        "100",
        "*67#",
        "sip:anna@pbx.example:5070",
        "sips:a@[2001:db8::1];transport=tls",
        "SIP:trunk-1",
        "sip:+91900@h",
    ],
)
def test_numbers_and_sip_addresses_can_be_dialled(text: str) -> None:
    assert is_dialable(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "+",
        "anna",
        "tel:+91900",
        "sip:",
        "sip:a b@h",
        "sip:a@h?Route=x",
        "sip:a@h\r\nTo: x",
        "sip:<a@h>",
        "9" * 33,
        "sip:" + "a" * 251,
        "٣٤٥",
    ],
)
def test_what_is_neither_cannot(text: str) -> None:
    assert not is_dialable(text)


def test_a_trunk_is_given_the_called_number_ap_40() -> None:
    targets, problem = targets_of(["sip:trmum1a2b, sip:anna@pbx.example"], TO)
    assert targets == (Target("sip:trmum1a2b", TO), Target("sip:anna@pbx.example"))
    assert problem == ""


def test_an_answer_names_a_bounded_number_of_parties() -> None:
    many = ",".join(["+919000000001"] * TARGETS_LIMIT)
    assert len(targets_of([many], TO)[0]) == TARGETS_LIMIT
    assert targets_of([many, "100"], TO) == ((), "there are 51 numbers, at most 50 are taken")


def test_a_caller_id_is_a_number_or_a_word() -> None:
    assert caller_id_of("+91 (80) 4000-0002") == "+918040000002"
    assert caller_id_of("anonymous") == "anonymous"
    assert caller_id_of('"x" <sip:a@b>') == ""


@given(st.lists(st.text(max_size=60), max_size=5))
def test_whoever_is_named_can_be_dialled(texts: list[str]) -> None:
    targets, problem = targets_of(texts, TO)
    assert targets or problem
    assert all(is_dialable(target.destination) for target in targets)
