"""Condition: each test of a value, both ways (AP-59)."""

import pytest
from pydantic import ValidationError

from agentstream.flows.applet import Leave
from agentstream.flows.applets.condition import ConditionSettings
from agentstream.testing.applets import new_context, press, visit


def is_true(custom_field: str, **fields: object) -> bool:
    settings = ConditionSettings.model_validate({"value": "{CustomField}", **fields})
    script, _ = visit(settings, new_context(custom_field))
    left = script.take(Leave)
    script.feed(*press("1"))
    script.expect_nothing()
    assert script.machine.wake(5) == []
    return {"on_true": True, "on_false": False}[left.exit]


@pytest.mark.parametrize(
    ("test", "yes", "no"),
    [
        ({"equals": "gold"}, "gold", "Gold"),
        ({"equals": ""}, "", "x"),
        ({"equals": "{From}"}, "+919876500001", "+911"),
        ({"equals": "GOLD", "ignore_case": True}, "Gold", "silver"),
        ({"one_of": ["a", "b"]}, "b", "c"),
        ({"one_of": ["A"], "ignore_case": True}, "a", "b"),
        ({"starts_with": "+91"}, "+919876", "+1"),
        ({"contains": "old"}, "gold", "silver"),
        ({"at_least": 18}, "18", "17.9"),
        ({"at_least": 18.5}, "19", "many"),
        ({"at_most": 3}, "-1", "4"),
        ({"at_most": 3}, "3", ""),
        ({"is_empty": True}, "", "x"),
        ({"is_empty": False}, "x", ""),
    ],
)
def test_a_value_is_looked_at(test: dict[str, object], yes: str, no: str) -> None:
    assert is_true(yes, **test)
    assert not is_true(no, **test)


def test_each_way_has_its_exit_and_takes_no_time() -> None:
    settings = ConditionSettings(value="{From}", equals="x", on_true="a", on_false="b")
    assert settings.exits() == {"on_true": "a", "on_false": "b"}
    assert settings.leaves_at_once()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "give one of equals, one_of, starts_with, contains, at_least, at_most, is_empty"),
        ({"equals": "a", "contains": "b"}, "give one of"),
        ({"equals": "{Foo}"}, "is no variable"),
        ({"one_of": []}, "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ConditionSettings.model_validate({"value": "{From}", **fields})
