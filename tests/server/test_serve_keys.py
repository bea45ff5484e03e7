"""A server that was restarted does not place a call again whose order comes again (OC-6)."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from agentstream.testing.calls_api import ACCOUNT_SID, CALLER_ID, calls_api
from agentstream.testing.customer import Reply, customer
from agentstream.testing.node import scripted_phone
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
ORDER = {"From": "09876500001", "To": "09876500002", "CallerId": CALLER_ID}
LEG = {"contact_uri": "09876500001", "exophone": CALLER_ID}
KEY = {"Idempotency-Key": "order-5531"}
LEGS = f"/v2/accounts/{ACCOUNT_SID}/legs"
BRIDGES = f"/v2/accounts/{ACCOUNT_SID}/bridges"


async def order_all(client: httpx.AsyncClient, hook: str) -> list[dict[str, Any]]:
    """Place a call, a leg and a bridge, all with one key."""
    at = client.base_url
    asked = (
        client.post("Calls/connect.json", data=ORDER, headers=KEY),
        client.post(at.copy_with(path=LEGS), json={**LEG, "leg_event_endpoint": hook}, headers=KEY),
        client.post(at.copy_with(path=BRIDGES), json={}, headers=KEY),
    )
    answers = [await one for one in asked]
    assert [answer.status_code for answer in answers] == [200, 202, 201]
    call, leg, bridge = (answer.json() for answer in answers)
    return [call["Call"], leg["response"]["data"], bridge["response"]["data"]]


async def test_keys_of_calls_legs_and_bridges_outlive_a_restart_oc_6_lg_42(tmp_path: Path) -> None:
    plain = {"allow_plain_http": True}
    async with scripted_phone() as (phone, address), customer(legs=Reply(204)) as shop:
        async with calls_api(tmp_path, address, legs=plain) as api:
            first = await order_all(api.client, shop.url("/legs"))
            await until(lambda: len(phone.invited) == 3)
        async with calls_api(tmp_path, address, legs=plain, key=api.key) as api:
            again = await order_all(api.client, shop.url("/legs"))
            other = {**ORDER, "TimeOut": "9"}
            refused = await api.client.post("Calls/connect", data=other, headers=KEY)
            metrics = await api.client.get(api.client.base_url.copy_with(path="/metrics"))
    assert again == first
    assert len(phone.invited) == 3
    assert refused.status_code == 422
    assert 'agentstream_api_keyed_requests_total{result="repeated"} 3.0' in metrics.text
