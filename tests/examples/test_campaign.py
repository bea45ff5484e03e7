"""The campaign's bookkeeping: what differs is found, and said in a sentence."""

import runpy
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.progress import Progress

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "campaign.py"))


def ledger_of(*sids: str) -> Any:
    ledger = EXAMPLE["Ledger"]([EXAMPLE["Callee"](f"0987650{n:04}") for n in range(len(sids))])
    for callee, sid in zip(ledger.callees, sids, strict=True):
        callee.sid = sid
    return ledger


def tell(ledger: Any, index: int, event: str, status: str = "", webhook_id: str = "") -> None:
    said = {"CustomField": ledger.custom_field(index), "EventType": event, "Status": status}
    ledger.take(webhook_id or f"{index}-{event}", said)


def test_sums_agree_when_each_call_is_told_once() -> None:
    ledger = ledger_of("a", "b")
    tell(ledger, 0, "ringing")
    tell(ledger, 0, "answered", "in-progress")
    tell(ledger, 0, "terminal", "completed")
    tell(ledger, 1, "terminal", "busy")
    assert ledger.differences({"a": "completed", "b": "busy"}) == []
    assert ledger.outcomes == {"answered": 1, "busy": 1}


def test_a_callback_that_comes_twice_is_a_duplicate_and_changes_no_sum() -> None:
    ledger = ledger_of("a")
    for _ in range(3):
        tell(ledger, 0, "terminal", "no-answer")
    assert (ledger.duplicates, ledger.told["terminal"]) == (2, 1)
    assert ledger.differences({"a": "no-answer"}) == []


def test_a_callback_that_is_missing_is_a_difference() -> None:
    ledger = ledger_of("a", "b")
    tell(ledger, 0, "terminal", "completed")
    found = ledger.differences({"a": "completed", "b": "busy"})
    assert "2 calls were placed, 1 were told as over" in found
    assert "0 were told as answered, 1 as completed" in found
    assert "b: told as nothing, read back as busy" in found
    assert ledger.outcomes["not told"] == 1


@pytest.mark.parametrize("read_back", [{}, {"a": "failed"}])
def test_what_the_api_says_otherwise_is_a_difference(read_back: dict[str, str]) -> None:
    ledger = ledger_of("a")
    tell(ledger, 0, "terminal", "busy")
    [found] = ledger.differences(read_back)
    assert found.startswith("a: told as busy, read back as ")


def test_the_same_event_under_two_ids_is_a_difference() -> None:
    ledger = ledger_of("a")
    tell(ledger, 0, "terminal", "busy", "one")
    tell(ledger, 0, "terminal", "busy", "two")
    assert any("told twice under two ids" in line for line in ledger.differences({"a": "busy"}))


def test_callbacks_of_others_are_counted_and_belong_to_nobody() -> None:
    ledger = ledger_of("a")
    for field in ("", "other-0", f"{ledger.name}-1", f"{ledger.name}-x"):
        ledger.take(f"id {field}", {"CustomField": field, "EventType": "terminal"})
    assert ledger.strange == 4
    assert ledger.told.total() == 0
    assert any("4 callbacks belong to no call" in line for line in ledger.differences({}))


def test_a_number_that_was_not_placed_has_its_own_row() -> None:
    ledger = ledger_of("")
    ledger.callees[0].refusal = "CallerId is no number of this account"
    assert ledger.outcomes == {"not placed": 1}
    assert ledger.differences({}) == []


def test_numbers_are_read_from_their_column_or_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("name,Number\nann,0987650 0001\n,\nbob, 09876500002\n")
    assert EXAMPLE["read_numbers"](file) == ["0987650 0001", "09876500002"]
    file.write_text("09876500001\n\n09876500002,bob\n")
    assert EXAMPLE["read_numbers"](file) == ["09876500001", "09876500002"]
    file.write_text("number\n")
    with pytest.raises(SystemExit, match="2"):
        EXAMPLE["read_numbers"](file)
    assert "0 numbers, it may be 1 to 100000" in capsys.readouterr().err


async def test_an_order_whose_answer_was_lost_is_repeated_under_the_same_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["n.csv", "--account", "one", "--caller-id", "0804", "--flow", "f", "--rate", "1000"]
    options, ledger = EXAMPLE["arguments"](words), ledger_of("")
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"Calls": [{"Sid": "a", "Status": "busy"}]})
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadTimeout("lost")
        if len(keys) == 2:
            return httpx.Response(429, headers={"Retry-After": "0"})
        tell(ledger, 0, "terminal", "busy")  # before the sid is known
        return httpx.Response(200, json={"Call": {"Sid": "a"}})

    monkeypatch.setitem(EXAMPLE["Campaign"]._place.__globals__, "PATIENCE_S", 0)
    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://house/") as client:
        read_back = await EXAMPLE["Campaign"](options, ledger, client).run(Progress(disable=True))
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert ledger.differences(read_back) == []
