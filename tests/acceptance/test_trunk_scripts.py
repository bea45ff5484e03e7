"""The published scripts' calls, as curl makes them, against a whole server (TR-1 to TR-71)."""

import shutil
from pathlib import Path

import pytest

from agentstream.sip.digest import from_stored, ha1
from agentstream.store.sql_store import open_store
from agentstream.testing.calls_api import calls_api
from agentstream.testing.curl import BODY, DID, Curl
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]
LOGIN = {"user_name": "voice-bot", "password": "p4ss-word", "friendly_name": "bot"}
PLACE = {"destination": f"{HOST}:5070;transport=tcp"}
ALIAS = {"settings": [{"name": "trunk_external_alias", "value": "+918040000002"}]}
PARTS = ("phone-numbers", "whitelisted-ips", "credentials", "destination-uris", "settings")


async def set_up(curl: Curl) -> tuple[str, dict[str, str]]:
    """Make a trunk with all that belongs to it; returns its path, and the ids of what it has."""
    trunk = await curl.data("POST", "/trunks", BODY)
    one = f"/trunks/{trunk['trunk_sid']}"
    number = await curl.data("POST", f"{one}/phone-numbers", {"phone_number": DID})
    network = await curl.data("POST", f"{one}/whitelisted-ips", {"ip": "8.8.4.4", "mask": 32})
    user = await curl.data("POST", f"{one}/credentials", LOGIN)
    status, placed = await curl("POST", f"{one}/destination-uris", {"destinations": [PLACE]})
    assert (status, placed["metadata"]["success"]) == (200, 1)
    assert (await curl("POST", f"{one}/settings", ALIAS))[0] == 200
    place = placed["response"][0]["data"]
    return one, {
        "phone-numbers": number["id"],
        "whitelisted-ips": network["id"],
        "credentials": user["id"],
        "destination-uris": place["id"],
    }


async def look_around(curl: Curl, one: str) -> None:
    """List everything, and ask for what cannot be had."""
    mapped = await curl.data("GET", f"/trunk-maps?exophone=%2B{DID[1:]}")
    assert one.endswith(mapped["trunk_sid"])
    for what in PARTS:
        status, answer = await curl("GET", f"{one}/{what}?page_size=10&offset=0")
        assert (status, answer["metadata"]["total"]) == (200, 1), what
    status, duplicate = await curl("POST", "/trunks", BODY)
    assert (status, duplicate["response"]["code"]) == (200, 409)
    nowhere = {"destination": "no.such.host.invalid:5061;transport=tls"}
    other = {"destination": f"{HOST}:5071;transport=tcp"}
    status, _ = await curl("POST", f"{one}/destination-uris", {"destinations": [other, nowhere]})
    assert status == 207


async def test_the_published_scripts_run_from_create_to_delete(tmp_path: Path) -> None:
    async with scripted_phone() as (_, address), calls_api(tmp_path / "node", address) as api:
        curl = Curl(api)
        one, ids = await set_up(curl)
        await look_around(curl, one)

        renamed = await curl.data("PUT", one, {"trunk_name": "voice_bot_2"})
        assert renamed["trunk_name"] == "voice_bot_2"
        flow = {"phone_number": DID, "mode": "flow"}
        path = f"{one}/phone-numbers/{ids['phone-numbers']}"
        assert (await curl.data("PUT", path, flow))["mode"] == "flow"
        path = f"{one}/destination-uris/{ids['destination-uris']}"
        assert (await curl.data("PUT", path, {"priority": 1, "weight": 5}))["weight"] == 5

        store = await open_store(tmp_path / "node", country_code="91")
        [parts] = await store.trunks.all()
        secret = ha1(LOGIN["user_name"], BODY["domain_name"], LOGIN["password"])
        assert from_stored(parts.credentials[0].ha1, "MD5") == secret

        for what, id_ in ids.items():
            assert (await curl.data("DELETE", f"{one}/{what}?id={id_}"))["id"] == id_
        await curl.data("DELETE", f"{one}/settings?name=trunk_external_alias")
        await curl.data("DELETE", f"/trunks?trunk_sid={parts.trunk.sid}")
        status, none = await curl("GET", "/trunks")
        assert (status, none["response"], none["metadata"]["total"]) == (200, [], 0)
        assert await store.trunks.all() == []
        await store.close()
