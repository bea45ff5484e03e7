"""What a node keeps of steered legs beyond one process, and what it does about old events."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, LegSid
from agentstream.flows.document import parse
from agentstream.flows.legs.verbs import Act, StopSay
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.http_client import HttpClient
from agentstream.server.config import Config
from agentstream.server.config_legs import LegsConfig
from agentstream.server.legs import SteeredLegs
from agentstream.store.directory import Directory
from agentstream.store.sql_store import open_store
from agentstream.testing.customer import Reply, customer
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.node import running_node
from agentstream.testing.placed import placed_setup
from agentstream.testing.records import a_leg, a_leg_event
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration


async def test_what_a_crash_left_untold_is_told_again_while_it_is_young(tmp_path: Path) -> None:
    now = SystemClock().wall()
    async with customer(legs=Reply(204)) as shop:
        url = shop.url("/legs")
        store = await open_store(tmp_path)
        await store.legs.write(
            [
                a_leg_event(1, at=now - timedelta(hours=1), endpoint=url),
                a_leg_event(2, at=now, endpoint=url),
                a_leg_event(3, at=now, endpoint=url, state="delivered"),
            ]
        )
        await store.close()
        async with running_node(tmp_path, "ws://127.0.0.1:9/bot") as node:
            asked = await shop.until_asked("/legs")
            legs = node.house.parts.legs
            await until(lambda: legs.counts()["delivered"] == 1)
            told = await legs.events(LegSid("leg00001"))
    assert asked.headers["x-exotel-event-sid"] == "ev2"
    assert len(shop.asked("/legs")) == 1
    assert [row.state for row in told] == ["waiting", "delivered", "delivered"]


async def test_a_leg_that_a_crash_took_has_its_last_word_after_what_was_left_ev_4(
    tmp_path: Path,
) -> None:
    now = SystemClock().wall()
    async with customer(legs=Reply(204)) as shop:
        url = shop.url("/legs")
        store = await open_store(tmp_path)
        call = CallSid("lost")
        setup = placed_setup(None, two_numbers=False, call_sid=call)
        await store.placed.begin(replace(setup, started_at=now))
        leg = a_leg("leg00001", call_sid=call, event_endpoint=url, created_at=now, updated_at=now)
        left = a_leg_event(1, name="leg_ringing", at=now, endpoint=url)
        await store.legs.write([leg, left])
        await store.close()
        async with running_node(tmp_path, "ws://127.0.0.1:9/bot") as node:
            await shop.until_asked("/legs", 2)
            legs = node.house.parts.legs
            await until(lambda: legs.counts()["delivered"] == 2)
            await legs.writer.flush()  # rows are written behind the telling
            row = await legs.find(leg.sid)
    told = [json.loads(asked.body) for asked in shop.asked("/legs")]
    assert "event_name" not in told[0]  # the one that was left, whose body a test wrote
    assert (told[1]["event_name"], told[1]["sequence"]) == ("leg_terminated", 2)
    assert row is not None
    assert (row.state, row.terminal_status) == ("terminal", "failed")


async def test_nothing_is_steered_before_there_is_a_switchboard() -> None:
    store, clock = MemoryStore(), SystemClock()
    web = HttpClient(Egress(EgressPolicy("open"), Resolver(), clock))
    legs = SteeredLegs(Config(), store.legs, web, Directory(store, parse), clock)
    with pytest.raises(CommandError, match="cannot be steered here"):
        await legs.act(Act("a1", LegSid("leg1"), (StopSay(),)))
    assert await legs.find(LegSid("leg1")) is None


def test_as_shipped_events_are_told_as_the_documents_say_ev_32_ev_36() -> None:
    wanted = Config().legs
    rules, style = wanted.rules(), wanted.settings()
    assert (rules.timeout_ms, rules.patience.attempts) == (1_000, 3)
    assert (rules.patience.retry_ms, rules.keeps_order) == ((200, 500), True)
    assert rules.user_agent == "AgentStream"  # EV-35
    assert (style.flat_response, style.allow_plain_http) == (True, False)
    assert (style.state_words, style.history_timestamp) == ("as_documented", "object")
    assert (wanted.keep_days, wanted.requests_per_minute) == (7, 0)
    control = wanted.control()
    assert (control.auto_answer_ms, control.manual_answer_ms) == (1_500, 30_000)
    assert (control.greeting_overlap, control.tells_keys) == ("yield", False)  # LG-123, EV-7


def test_bridges_are_as_the_documents_say_as_shipped_and_can_be_set_br_5a_br_7a() -> None:
    settings, limits = Config().bridges.settings(), Config().bridges.limits()
    assert (settings.stop_hangs_up_legs, settings.terminal_event) == (False, "bridge_terminal")
    assert settings.wait_ms == 3_600_000
    assert (limits.bridges, limits.bridges_per_account) == (1_000, 200)
    wanted = {"stop_hangs_up_legs": "true", "terminal_event": "both", "require_colocation": "1"}
    config = Config.model_validate({"bridges": wanted})
    settings = config.bridges.settings()
    assert (settings.stop_hangs_up_legs, settings.terminal_event) == (True, "both")


def test_they_can_be_set_as_the_environment_writes_them() -> None:
    wanted = LegsConfig.model_validate({"retry_ms": "100, 300", "ordering": "none"})
    assert wanted.rules().patience.retry_ms == (100, 300)
    assert not wanted.rules().keeps_order


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"retry_ms": []}, "at least 1 item"),
        ({"attempts": 11}, "less than or equal to 10"),
        ({"state_words": "up"}, "'as_documented', 'connected' or 'in-progress'"),
        ({"user_agent": "a\nb"}, "String should match pattern"),
        ({"time_limit_seconds": 0}, "greater than or equal to 1"),
    ],
)
def test_a_mistake_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        LegsConfig.model_validate(values)
