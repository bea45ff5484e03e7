"""SwitchCase: one script for each way through it (AP-5, AP-33)."""

import pytest
from pydantic import ValidationError

from agentstream.calls.answering import Answerer
from agentstream.calls.causes import Cause, Party
from agentstream.flows.answer import Answer
from agentstream.flows.applet import Leave
from agentstream.flows.applets.switch_case import SwitchCaseSettings
from agentstream.testing.applets import new_context, press, visit

SETTINGS = SwitchCaseSettings(cases={"gold": "a", "silver plan": "b"}, default="c")
STRICT = SwitchCaseSettings(cases={"gold": "a"}, default="c", on_failure="d")


def choose(settings: SwitchCaseSettings, answer: Answer | None) -> Leave:
    context = new_context()
    context.answer = answer
    script, _ = visit(settings, context)
    left = script.take(Leave)
    script.feed(*press("1"))
    script.wait(100_000)
    assert script.machine.wake(0) == []
    script.expect_nothing()
    return left


def said(body: str, status: int = 200) -> Answer:
    return Answer(status, "text/plain", body)


@pytest.mark.parametrize("case", ["gold", "silver plan"])
def test_the_answer_before_names_the_case_ap_33(case: str) -> None:
    assert SETTINGS.exits() == {"case:gold": "a", "case:silver plan": "b", "default": "c"}
    assert choose(SETTINGS, said(f'{{"select": "{case}"}}')) == Leave(f"case:{case}")


def test_the_line_of_a_case_is_known() -> None:
    assert SETTINGS.exit_path("case:gold") == ("cases", "gold")
    assert SETTINGS.exit_path("default") == ("default",)


@pytest.mark.parametrize("case", ["Gold", "gold ", "", "bronze"])
def test_a_case_is_compared_exactly_ap_33(case: str) -> None:
    left = choose(SETTINGS, said(f'{{"select": "{case}"}}'))
    assert left == Leave("default", reason=f"'{case}' is none of the cases")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no Passthru before was answered"),
        (said("", 302), "it was answered with status 302, not 200"),
        (said("gold"), "the answer is not JSON"),
        (said("<select>gold</select>"), "the answer is XML or HTML"),
        (said('{"choose": "gold"}'), "the answer has no text 'select'"),
        (said('{"select": 5}'), "the answer has no text 'select'"),
    ],
)
def test_an_answer_without_a_case_takes_the_default_and_says_why(
    answer: Answer | None, why: str
) -> None:
    left = choose(SETTINGS, answer)
    assert left.exit == "default"
    assert left.reason.startswith(f"the choice failed: {why}")
    left = choose(STRICT, answer)
    assert (left.exit, left.cause, left.party) == ("on_failure", Cause.FLOW_ERROR, Party.SYSTEM)


def test_a_default_is_needed_ap_33() -> None:
    with pytest.raises(ValidationError, match="default"):
        SwitchCaseSettings.model_validate({"cases": {"a": "b"}})
    with pytest.raises(ValidationError, match="at least 1"):
        SwitchCaseSettings.model_validate({"cases": {}, "default": "a"})
    assert SETTINGS.leaves_at_once()


@pytest.mark.parametrize(
    ("answerer", "word"),
    [("human", "Human"), ("machine", "Machine"), ("unknown", "NotSure"), (None, "NA")],
)
def test_who_answered_may_choose_the_way_oc_5(answerer: Answerer | None, word: str) -> None:
    settings = SwitchCaseSettings(by="answered_by", cases={word: "a", "Robot": "b"}, default="c")
    context = new_context()
    context.answerer = answerer
    script, _ = visit(settings, context)
    script.expect(Leave(f"case:{word}"))
