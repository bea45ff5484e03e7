"""Which answers by HTTP are taken, final, or worth another attempt (EV-31, EV-33)."""

from datetime import UTC, datetime

import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_http import HttpEvents
from agentstream.hooks.event_transport import EventPost, Outcome
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.http_client import HttpClient
from agentstream.testing.customer import Reply, customer

AT = datetime(2027, 1, 12, 10, 4, 6, tzinfo=UTC)


async def outcome_of(reply: Reply, timeout_ms: int = 1_000) -> Outcome:
    clock, resolver = SystemClock(), Resolver()
    web = HttpClient(Egress(EgressPolicy("open"), resolver, clock))
    events = HttpEvents(web, lambda _: (), clock, timeout_ms=timeout_ms)
    try:
        async with customer(legs=reply) as shop:
            post = EventPost(
                endpoint=shop.url("/legs"),
                account_sid=AccountSid("greenleaf1"),
                event_sid="ev1",
                body="{}",
                number=2,
                at=AT,
            )
            return await events.send(post)
    finally:
        await events.stop()
        await web.close()
        resolver.close()


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 302])
async def test_any_other_4xx_and_a_redirect_are_final_ev_33_ev_36(status: int) -> None:
    outcome = await outcome_of(Reply(status, headers=(("Location", "/elsewhere"),)))
    assert (outcome.error, outcome.is_final) == (f"it answered {status}", True)


@pytest.mark.parametrize("status", [200, 204, 207])
async def test_any_2xx_acknowledges_ev_31(status: int) -> None:
    assert (await outcome_of(Reply(status, "ignored" if status == 200 else ""))).error == ""


@pytest.mark.parametrize("status", [408, 429, 500, 503, 504])
async def test_timeouts_and_the_overloaded_are_tried_again_ev_33(status: int) -> None:
    outcome = await outcome_of(Reply(status))
    assert (outcome.error, outcome.is_final) == (f"it answered {status}", False)


async def test_an_answer_that_is_too_late_is_none_ev_32() -> None:
    outcome = await outcome_of(Reply(204, delay_ms=300), timeout_ms=50)
    assert outcome.error.endswith("no answer in 50 ms")
    assert not outcome.is_final
