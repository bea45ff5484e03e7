"""Every code of the trunks API with its text, and its 207, as curl meets them (TR-13, TR-20 on)."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from agentstream.testing.calls_api import calls_api
from agentstream.testing.curl import BODY, DID, Curl
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]
Case = tuple[str, dict[str, Any], str]  # path, body, description
Told = tuple[int, int, str, str]  # HTTP's status, the code, its message and description


def told(status: int, answer: Any) -> Told:
    """Return what an error says; the envelope is whole (TR-10)."""
    assert set(answer) == {"request_id", "method", "http_code", "response"}
    assert answer["http_code"] == status
    response = answer["response"]
    assert (response["status"], response["data"]) == ("failure", None)
    error = response["error_data"]
    return status, error["code"], error["message"], error["description"]


async def test_every_code_comes_with_its_text(tmp_path: Path) -> None:
    """TR-20 to TR-28: clients match these sentences, blanks and all."""
    async with (
        scripted_phone() as (_, address),
        calls_api(tmp_path / "node", address, api={"calls_per_minute": 0}) as api,
    ):
        curl, nobody = Curl(api), Curl(api, "nobody:wrong")
        sid = (await curl.data("POST", "/trunks", BODY))["trunk_sid"]
        one = f"/trunks/{sid}"
        listed = {"ip": "8.8.4.4"}
        await curl.data("POST", f"{one}/phone-numbers", {"phone_number": DID})
        await curl.data("POST", f"{one}/whitelisted-ips", listed)

        async def wrong(method: str, path: str, body: Any = None, **how: str) -> Told:
            return told(*await curl(method, path, body, **how))

        missing = "Mandatory Parameter missing"
        assert await wrong("GET", "/trunks/trdev1none") == (404, 1000, "Not Found", "Not Found")
        mandatory: tuple[Case, ...] = (
            ("/trunks", {**BODY, "trunk_name": ""}, "TrunkName is mandatory"),
            (f"{one}/whitelisted-ips", {"mask": 32}, "Ip is mandatory"),
            (f"{one}/phone-numbers", {}, "PhoneNumber is mandatory"),
        )
        for path, body, sentence in mandatory:
            assert await wrong("POST", path, body) == (400, 1001, missing, sentence)
        invalid: tuple[Case, ...] = (
            (f"{one}/whitelisted-ips", {"ip": "8.8.8"}, "Invalid ip"),
            (
                f"{one}/whitelisted-ips",
                {"ip": "8.8.8.8", "mask": 8},
                "mask should be in-between 16 and 32",
            ),
            (f"{one}/phone-numbers", {"phone_number": "12"}, "Invalid PhoneNumber"),
        )
        for path, body, sentence in invalid:
            assert await wrong("POST", path, body) == (400, 1002, "Invalid parameter", sentence)
        broken = await wrong("POST", "/trunks", text='{"trunk_name": ')
        assert broken[:3] == (400, 1007, "Invalid request body,failed parsing ")
        assert broken[3].startswith("Expecting value")
        twice: tuple[Case, ...] = (
            ("/trunks", BODY, "Unable to create trunk with name voice_bot"),
            (
                f"{one}/phone-numbers",
                {"phone_number": DID},
                f"Unable to create DidTrunkMapping with TrunkSid {sid}",
            ),
            (f"{one}/whitelisted-ips", listed, "Unable to Whitelist-ip with ip 8.8.4.4"),
        )
        for path, body, sentence in twice:
            status, answer = await curl("POST", path, body)
            assert answer["response"]["code"] == 409  # TR-25: inside a 200
            assert told(status, answer) == (200, 1008, "Duplicate resource", sentence)
        failed = "Authorization failed"
        assert told(*await nobody("GET", "/trunks")) == (401, 1010, failed, failed)
        form = await wrong("POST", "/trunks", text="trunk_name=x", kind="text/plain")
        assert form[:3] == (415, 1011, "Unsupported content type")


async def test_a_trunk_that_is_nobodys_may_be_a_403_and_requests_of_a_minute_have_a_limit(
    tmp_path: Path,
) -> None:
    """TR-3, TR-23, TR-28."""
    settings: dict[str, Any] = {
        "api": {"unknown_trunk_status": 403},
        "trunk": {"requests_per_minute": 1},
    }
    async with (
        scripted_phone() as (_, address),
        calls_api(tmp_path / "node", address, **settings) as api,
    ):
        failed = "Authorization failed"
        answer = await Curl(api)("GET", "/trunks/trdev1none")
        assert told(*answer) == (403, 1003, failed, failed)
        answer = await Curl(api)("GET", "/trunks")
        assert told(*answer)[:3] == (429, 1030, "Too many requests")


async def test_a_good_destination_and_a_bad_one_are_a_207(tmp_path: Path) -> None:
    """TR-13, TR-63: each item carries a code of its own, and the good one is kept."""
    async with (
        scripted_phone() as (_, address),
        calls_api(tmp_path / "node", address) as api,
    ):
        curl = Curl(api)
        one = f"/trunks/{(await curl.data('POST', '/trunks', BODY))['trunk_sid']}"
        good = {"destination": f"{HOST}:5070;transport=tcp"}
        bad = {"destination": "no.such.host.invalid:5061;transport=tls"}
        status, answer = await curl(
            "POST", f"{one}/destination-uris", {"destinations": [good, bad]}
        )
        assert (status, answer["http_code"]) == (207, 207)
        assert answer["metadata"] == {"total": 2, "success": 1, "failed": 1}
        taken, refused = answer["response"]
        assert (taken["code"], taken["status"], taken["error_data"]) == (200, "success", None)
        assert taken["data"]["destination"] == f"sip:{good['destination']}"
        assert (refused["code"], refused["status"]) == (400, "failure")
        assert refused["error_data"] == {
            "code": 1002,
            "message": "Invalid parameter",
            "description": "Destination is not a valid Ip or Fqdn",
        }
        _, kept = await curl("GET", f"{one}/destination-uris")
        assert [row["data"]["destination"] for row in kept["response"]] == [
            f"sip:{good['destination']}"
        ]
