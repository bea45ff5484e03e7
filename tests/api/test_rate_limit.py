"""How often an account may ask, what it is told of it, and who is counted (ER-7, ER-8)."""

from typing import Any

import pytest

from agentstream.api import rate_limit
from agentstream.api.rate_limit import Allowance, RateLimiter, RateLimits
from agentstream.base.ids import AccountSid

MINE = AccountSid("GreenLeaf1")
FEW = pytest.mark.parametrize("limits", [RateLimits(1, 2, 1)])


@FEW
async def test_every_answer_tells_what_is_left_and_429_when_to_come_again_er_7(site: Any) -> None:
    now_s = int(site.clock.wall().timestamp())
    site.clock.advance(500)
    first = await site.ask("GET", "Balance.json")
    assert first.headers["x-ratelimit-limit"] == "2"
    assert first.headers["x-ratelimit-remaining"] == "1"
    assert first.headers["x-ratelimit-reset"] == str(now_s + 60)
    unknown = await site.ask("GET", "Calls/none")
    assert (unknown.status_code, unknown.headers["x-ratelimit-remaining"]) == (404, "0")
    site.clock.advance(20_000)
    refused = await site.ask("GET", "Balance.json")
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "40"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    error = refused.json()["RestException"]
    assert error["Code"] == "RATE_LIMIT_EXCEEDED"  # ER-2
    assert error["Message"] == "This account may make 2 such requests in a minute"
    xml = await site.ask("GET", "Balance.xml")
    assert "<Code>RATE_LIMIT_EXCEEDED</Code>" in xml.text
    site.clock.advance(40_000)
    assert (await site.ask("GET", "Balance.json")).status_code == 200


@FEW
async def test_kinds_are_counted_apart_and_keys_together(site: Any) -> None:
    assert (await site.ask("GET", "IncomingPhoneNumbers.json")).status_code == 200
    assert (await site.ask("GET", "IncomingPhoneNumbers.json")).status_code == 429
    assert (await site.ask("GET", "Balance.json")).status_code == 200
    assert (await site.ask("POST", "Calls/connect")).status_code == 400
    other = await site.store.accounts.create_key(MINE)
    again = await site.ask("POST", "Calls/connect", auth=(other.key, other.token))
    assert again.status_code == 429


@FEW
async def test_the_operator_and_other_accounts_are_not_counted_for_this_one(site: Any) -> None:
    for _ in range(3):
        answer = await site.ask("GET", "Balance.json", auth=("operator", "op-token"))
        assert (answer.status_code, "x-ratelimit-limit" in answer.headers) == (200, False)
    assert (await site.ask("GET", "Balance.json")).headers["x-ratelimit-remaining"] == "1"
    wrong = await site.ask("GET", "Balance.json", auth=(site.key.key, "wrong"))
    assert (wrong.status_code, "x-ratelimit-limit" in wrong.headers) == (401, False)
    assert wrong.headers["www-authenticate"].startswith("Basic ")  # ER-5


async def test_the_shipped_limits_are_those_of_the_hosted_service_kx_15(site: Any) -> None:
    limits = {
        ("GET", "Balance"): "300",
        ("POST", "Calls/connect"): "200",
        ("GET", "IncomingPhoneNumbers"): "50",
    }
    for (method, path), limit in limits.items():
        assert (await site.ask(method, path)).headers["x-ratelimit-limit"] == limit


def test_no_limit_counts_nothing_and_old_windows_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RateLimiter(RateLimits(0, 0, 0)).count(MINE, "reads", 0) is None
    monkeypatch.setattr(rate_limit, "WINDOWS_LIMIT", 1)
    limiter = RateLimiter(RateLimits())
    limiter.count(MINE, "reads", 0)
    limiter.count(AccountSid("other"), "reads", 10)
    assert limiter.count(MINE, "reads", 20) == Allowance(300, 299, 60_000)
