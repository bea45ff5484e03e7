"""Numbers are rewritten as a carrier wants them, without regular expressions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.switch.number_rules import PART, NumberRule, rewrite

NUMBERS = st.from_regex(r"\+?[0-9]{2,15}", fullmatch=True)
PARTS = st.from_regex(PART, fullmatch=True)
RULES = st.lists(st.builds(NumberRule, PARTS, PARTS, PARTS), max_size=5).map(tuple)


@pytest.mark.parametrize(
    ("number", "rules", "wanted"),
    [
        ("+918040000002", (NumberRule("+91", "+91", "0"),), "08040000002"),
        (
            "+14155550100",
            (NumberRule("+91", "+91", "0"), NumberRule("", "+", "00")),
            "0014155550100",
        ),
        ("+14155550100", (NumberRule("+91", "+91", "0"),), "+14155550100"),
        ("1001", (NumberRule("", "+", "9"),), "91001"),
        ("+14155550100", (NumberRule("+1", "", "77#"), NumberRule("+1", "+1")), "77#+14155550100"),
    ],
)
def test_the_first_rule_that_is_meant_for_a_number_rewrites_it(
    number: str, rules: tuple[NumberRule, ...], wanted: str
) -> None:
    assert rewrite(number, rules) == wanted


@given(NUMBERS, RULES)
def test_at_most_one_rule_is_applied_and_the_end_of_a_number_stays(
    number: str, rules: tuple[NumberRule, ...]
) -> None:
    made = rewrite(number, rules)
    rule = next((one for one in rules if number.startswith(one.begins)), NumberRule())
    assert made == rule.add + number.removeprefix(rule.strip)
    assert len(made) <= len(number) + 16


@given(NUMBERS, PARTS.filter(bool))
def test_what_one_rule_adds_another_takes_away(number: str, part: str) -> None:
    assert rewrite(rewrite(number, (NumberRule(add=part),)), (NumberRule(strip=part),)) == number


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        (NumberRule("+91"), "strip or add"),
        (NumberRule("91.*", "1"), "begins"),
        (NumberRule("", "1" * 17), "strip"),
        (NumberRule("", "", "a"), "add"),
    ],
)
def test_a_rule_that_means_nothing_is_named(rule: NumberRule, word: str) -> None:
    assert word in rule.mistake()
    assert NumberRule("+91", "+", "").mistake() == ""
