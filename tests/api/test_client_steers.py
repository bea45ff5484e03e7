"""The client's legs and bridges, against the HTTP interface itself."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from agentstream.client import (
    ActOnBridge,
    ActOnLeg,
    AsyncClient,
    ChangeBridge,
    ChangeLeg,
    CreateBridge,
    CreateLeg,
    EndBridge,
    EndLeg,
    ReadBridge,
    ReadBridgeEvents,
    ReadLeg,
    ReadLegEvents,
    RefusedError,
    RunOnBridge,
    RunOnLeg,
)
from agentstream.flows.legs.verbs import Hangup, StartSay, StopSay
from agentstream.testing.waiting import until

NOW = datetime(2027, 1, 12, 10, 4, 5, tzinfo=UTC)
HOOK = "https://u:pw@hooks.example.test/legs"
SAY = "<Flow><StartSay>One moment.</StartSay><StopSay/></Flow>"


@pytest.fixture
async def client(site: Any) -> AsyncIterator[AsyncClient]:
    transport, (key, token) = httpx.ASGITransport(site.app), site.auth
    async with AsyncClient("http://house", "GreenLeaf1", key, token, transport) as opened:
        yield opened


async def test_a_leg_is_created_once_for_its_key_lg_20_lg_42(
    site: Any, client: AsyncClient
) -> None:
    wanted = CreateLeg(
        contact_uri="09876500001",
        exophone="08040000002",
        event_endpoint=HOOK,
        custom_param="order-5531",
        timeout_s=9,
        amd="sync",
        idempotency_key="k1",
    )
    first, again = await client.ask(wanted), await client.ask(wanted)
    assert first == again
    [order] = site.exchange.orders
    assert (order.leg_sid, order.ring_ms, order.amd) == (first.sid, 9_000, "sync")
    assert (first.state, first.created_at, first.is_over) == ("created", NOW, False)
    assert (first.custom_param, first.event_endpoint) == (
        "order-5531",
        "https://***@hooks.example.test/legs",
    )


async def test_a_leg_is_read_changed_steered_and_ended_lg_50_lg_61_lg_62_lg_91(
    site: Any, client: AsyncClient
) -> None:
    sid = await site.begin_leg()
    site.clock.advance(2_000)
    site.tells(sid, "leg_answered")
    site.clock.advance(1_500)
    leg = await client.ask(ReadLeg(sid, ("hold_status", "play_status")))
    assert (leg.state, leg.talk_ms, leg.call_sid) == ("connected", 1_500, f"call-{sid}")
    assert leg.runs == {"hold_status": "not_on_hold", "play_status": "idle"}
    changed = await client.ask(ChangeLeg(sid=sid, custom_param="", limit_s=60))
    assert (changed.custom_param, changed.limit_s) == ("", 60)
    acted = await client.ask(ActOnLeg(sid, "start_say", {"text": "One moment."}, "hello"))
    assert (acted.subject, acted.custom_param) == (sid, "hello")
    assert site.legs.acts[-1].action_sid == acted.action_sid
    await client.ask(RunOnLeg(sid, SAY))
    assert [type(verb) for verb in site.legs.acts[-1].verbs] == [StartSay, StopSay]
    ending = await client.ask(EndLeg(sid))
    assert (ending.sid, site.legs.acts[-1].verbs) == (sid, (Hangup(),))


async def test_what_was_told_of_a_leg_is_read_in_its_order_lg_71(
    site: Any, client: AsyncClient
) -> None:
    sid = await site.begin_leg()
    site.tells(sid, "leg_answered")
    site.tells(sid, "digits_received", data=(("digits", "42"),))
    events = await client.ask(ReadLegEvents(sid))
    assert [event.name for event in events] == ["leg_connecting", "leg_answered", "digits_received"]
    assert [event.sequence for event in events] == [1, 2, 3]
    assert (events[0].at, events[0].is_delivered, events[0].error) == (NOW, False, "")
    [answered] = await client.ask(ReadLegEvents(sid, "leg_answered"))
    assert answered == events[1]


async def test_a_bridge_is_made_read_changed_and_ended_br_1_br_4_br_5(
    site: Any, client: AsyncClient
) -> None:
    legs = [await site.begin_leg(name) for name in ("leg00001", "leg00002")]
    for sid in legs:
        site.tells(sid, "leg_answered")
    made = await client.ask(CreateBridge(leg_sids=tuple(legs), event_endpoint=HOOK))
    assert (made.leg_sids, made.state, made.max_participants) == (tuple(legs), "created", 12)
    await until(lambda: site.bridges.find(made.sid).active_legs == tuple(legs))
    bridge = await client.ask(ReadBridge(made.sid))
    assert (bridge.state, bridge.active_legs, bridge.started_at) == ("active", tuple(legs), NOW)
    changed = await client.ask(ChangeBridge(sid=made.sid, absorbs_keys=True, max_participants=3))
    assert (changed.absorbs_keys, changed.max_participants) == (True, 3)
    said = await client.ask(ActOnBridge(made.sid, "start_say", {"text": "Hello"}))
    ran = await client.ask(RunOnBridge(made.sid, SAY, "all"))
    assert (said.subject, ran.custom_param) == (made.sid, "all")
    assert await client.ask(EndBridge(made.sid)) == made.sid
    await until(lambda: not site.bridges.live)
    ended = await client.ask(ReadBridge(made.sid))
    assert (ended.is_over, ended.active_legs) == (True, ())
    events = await client.ask(ReadBridgeEvents(made.sid))
    assert [event.name for event in events][-1] == "bridge_terminal"


async def test_a_refusal_has_the_servers_sentence(client: AsyncClient) -> None:
    with pytest.raises(RefusedError, match="There is no leg nobody") as caught:
        await client.ask(ReadLeg("nobody"))
    assert caught.value.status == 404
    with pytest.raises(RefusedError, match="1 leg"):
        await client.ask(CreateBridge(leg_sids=("l1",)))
