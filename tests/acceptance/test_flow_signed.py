"""Whatever a flow asks servers can be signed, and is not unless that is wanted (AP-6, OP-4)."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.file_calls import file_calls

pytestmark = pytest.mark.acceptance

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "verify-requests.md"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
FLOW = """
name: asks
start: ask
applets:
  ask: {type: passthru, url: "%(shop)s/plan?key=7", next: choose}
  choose: {type: switch_case, cases: {gold: greet}, default: greet}
  greet: {type: greeting, url: "%(shop)s/greet", next: collect, on_failure: collect}
  collect: {type: gather, url: "%(shop)s/gather", on_nothing: form, on_failure: form}
  form: {type: passthru, url: "%(shop)s/form", style: post_form, next: whom}
  whom: {type: connect, url: "%(shop)s/whom", next: tell, on_nobody_dialled: tell}
  tell: {type: passthru, url: "%(shop)s/async", mode: async, next: message}
  message: {type: voicemail, text: "Hi", webhook_url: "%(shop)s/voicemail", max_seconds: 1,
            next: docs}
  docs: {type: exoml, url: "%(shop)s/exoml", next: talk}
  talk: {type: voicebot, url: "%(shop)s/resolve", next: bye}
  bye: {type: hangup}
"""
PATHS = {
    *("/plan", "/greet", "/gather", "/form", "/whom", "/async", "/voicemail", "/resolve", "/exoml"),
}
Verify = Callable[[str, dict[str, str], bytes], bool]


def is_ours() -> Verify:
    """Return what the documentation tells people to verify with."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102  (our own page)
    return cast("Verify", names["is_ours"])


def content(asked: Asked) -> bytes:
    return asked.body if asked.method == "POST" else f"{asked.path}?{asked.raw_query}".encode()


async def asked_in_a_call(folder: Path, shop: Customer, **requests: str) -> list[Asked]:
    async with file_calls(folder, requests=requests) as house:
        await house.dial(FLOW % {"shop": shop.url("")}).record()
        await shop.until_asked("/voicemail")
        await shop.until_asked("/async")
    assert {asked.path for asked in shop.requests} == PATHS
    return shop.requests


def shop_of_answers() -> dict[str, Reply]:
    return {
        "plan": Reply(200, '{"select": "gold"}'),
        "gather": Reply(
            200, '{"gather_prompt": {"text": "Key"}, "input_timeout": 1}', "application/json"
        ),
        "form": Reply(200),
        "async": Reply(200),
        "voicemail": Reply(200),
    }


async def test_every_request_of_a_flow_is_signed_as_the_documentation_verifies_it(
    tmp_path: Path,
) -> None:
    verify = is_ours()
    async with customer(**shop_of_answers()) as shop:
        requests = await asked_in_a_call(tmp_path, shop, signing_secret=SECRET)
    for asked in requests:
        assert verify(SECRET, asked.headers, content(asked)), asked.path
        assert not verify(SECRET, asked.headers, content(asked) + b"x"), asked.path
    ids = [asked.headers["webhook-id"] for asked in requests]
    assert len(ids) == len(set(ids))
    late = requests[0].headers | {"webhook-timestamp": "1"}
    assert not verify(SECRET, late, content(requests[0]))


async def test_nothing_is_signed_as_shipped_bx_7(tmp_path: Path) -> None:
    async with customer(**shop_of_answers()) as shop:
        for asked in await asked_in_a_call(tmp_path, shop):
            assert not any(name.startswith("webhook-") for name in asked.headers)
