"""Bodies over HTTP: what cannot be read is refused with a sentence, and bounds hold (CC-9)."""

from typing import Any

import pytest
from fastapi import Request

from agentstream.api.errors import ApiError
from agentstream.api.forms import body_of

URL = "Calls/connect"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("content", "kind", "status", "why"),
    [
        (b"a=" + b"x" * 70_000, FORM, 413, "larger than 65536 bytes"),
        (b"a=1&" * 101, FORM, 400, "more than 100 fields"),
        (b"From=" + b"x" * 5_000, FORM, 400, "From is longer than 4096 characters"),
        (b"From=%00", FORM, 400, "From contains a NUL character"),
        (b"\xff", FORM, 400, "it is not UTF-8"),
        (b"{", "application/json", 400, "not a JSON object"),
        (b'{"CustomField": "\\ud800"}', "application/json", 400, "not a JSON object"),
        (b'{"\\ud800": "x"}', "application/json", 400, "not a JSON object"),
        (b"[]", "application/json; charset=utf-8", 400, "not a JSON object"),
        (b"[" * 60_000, "application/json", 400, "not a JSON object"),
        (b'{"From": [[[[["x"]]]]]}', "application/json", 400, "From is nested too deeply"),
        (b"--x\r\n\r\n", "multipart/form-data", 400, "The form cannot be read"),
        (b"junk", "multipart/form-data; boundary=x", 400, "The form cannot be read"),
        (b"", FORM, 400, "From is missing"),
        (b"", "application/json", 400, "From is missing"),
    ],
)
async def test_a_body_that_cannot_be_taken_says_why(
    site: Any, content: bytes, kind: str, status: int, why: str
) -> None:
    answer = await site.ask("POST", URL, content=content, headers={"content-type": kind})
    assert (answer.status_code, why in answer.text) == (status, True), answer.text


async def test_a_client_that_goes_before_its_body_is_whole_is_no_fault_of_ours() -> None:
    messages = iter(
        [
            {"type": "http.request", "body": b"From=", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(messages)

    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(ApiError, match="closed before the body was whole") as caught:
        await body_of(Request(scope, receive))
    assert caught.value.status == 400


async def test_a_form_takes_no_files_and_so_many_fields(site: Any) -> None:
    file = await site.ask("POST", URL, files={"From": ("a.txt", b"09876500001")})
    assert (file.status_code, "Too many files" in file.text) == (400, True)
    many = await site.ask("POST", URL, files=[("a", (None, "1"))] * 101)
    assert (many.status_code, "Too many fields" in many.text) == (400, True)


async def test_json_may_have_numbers_and_flags(site: Any) -> None:
    body = {
        "from": "09876500001",
        "TO": "09876500002",
        "CallerId": "08040000002",
        "TimeLimit": 60,
        "Record": True,
        "CustomField": None,
    }
    assert (await site.ask("POST", URL, json=body)).status_code == 200
    [order] = site.exchange.orders
    assert (order.call_ms, order.follow.applets["connect"].record) == (60_000, True)
