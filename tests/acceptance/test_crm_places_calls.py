"""A CRM's click-to-call, as the dossier describes its requests and what it reads of callbacks.

its numbers, verbatim (AF-20) ─▶ connect.json?details=true (CC-13) ─▶ callbacks, by leg (CB-6)
"""

from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

import httpx
import pytest

from agentstream.server.callee import Manners
from agentstream.testing.calls_api import ACCOUNT_SID, CALLER_ID, calls_api
from agentstream.testing.customer import Asked, Reply, customer
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST

pytestmark = pytest.mark.acceptance
AGENT, CUSTOMER = "09876500001", "09876500002"
LEGS = ("Legs[0][Status]", "Legs[1][Status]")


def form_of(asked: Asked) -> dict[str, str]:
    """Read a multipart form with the standard library's parser of mails."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + asked.body).iter_parts()
    return {
        str(part.get_param("name", header="content-disposition")): part.get_content().strip()
        for part in parts
    }


def order(caller_id: str, callback: str) -> dict[str, str]:
    return {
        "From": AGENT,
        "To": CUSTOMER,
        "CallerId": caller_id,
        "Record": "true",
        "StatusCallback": callback,
        "StatusCallbackEvents[0]": "terminal",  # CC-11
        "StatusCallbackEvents[1]": "answered",
    }


async def test_it_checks_its_number_dials_and_follows_each_leg_af_20_cc_13_cb_6_cb_7_cb_13(
    tmp_path: Path,
) -> None:
    async with (
        customer(handler=Reply(200)) as crm,
        scripted_phone() as (phone, address),
        calls_api(tmp_path, address) as api,
    ):
        key = api.key
        # CC-3: it writes the credentials into the address.
        base = f"http://{key.key}:{key.token}@{HOST}:{api.port}/v1/Accounts/{ACCOUNT_SID}"
        async with httpx.AsyncClient() as client:
            listed = (await client.get(f"{base}/IncomingPhoneNumbers.json")).json()
            numbers = [
                one["IncomingPhoneNumber"]["PhoneNumber"] for one in listed["IncomingPhoneNumbers"]
            ]
            assert CALLER_ID in numbers
            wanted = order(CALLER_ID, crm.url("/handler?key=s3cr3t"))
            answer = await client.post(f"{base}/Calls/connect.json?details=true", data=wanted)
        assert answer.status_code == 200, answer.text
        call: dict[str, Any] = answer.json()["Call"]
        first, _ = await phone.called(), await phone.called()
        await crm.until_asked("/handler", 2)
        await first.hang_up()
        await crm.until_asked("/handler", 3)
    assert (call["Status"], call["To"], call["From"]) == ("in-progress", CUSTOMER, AGENT)
    assert call["Details"]["Legs"] == []  # CC-53
    assert [asked.query for asked in crm.requests] == [{"key": "s3cr3t"}] * 3
    ringing, talking, over = (form_of(asked) for asked in crm.requests)
    assert {form["CallSid"] for form in (ringing, talking, over)} == {call["Sid"]}
    events = [form["EventType"] for form in (ringing, talking, over)]
    assert events == ["answered", "answered", "terminal"]
    assert [ringing[leg] for leg in LEGS] == ["in-progress", ""]  # it shows: ringing
    assert [talking[leg] for leg in LEGS] == ["in-progress", "in-progress"]
    assert [over[leg] for leg in LEGS] == ["completed", "completed"]
    assert (ringing["Status"], over["Status"]) == ("in-progress", "completed")
    assert over["Legs[0][OnCallDuration]"].isdecimal()
    assert over["RecordingUrl"].startswith("http")


async def test_it_is_told_of_an_agent_who_is_busy_cb_5_cb_8(tmp_path: Path) -> None:
    async with (
        customer(handler=Reply(200)) as crm,
        scripted_phone(Manners(status=486)) as (_, address),
        calls_api(tmp_path, address) as api,
    ):
        wanted = order(CALLER_ID, crm.url("/handler"))
        answer = await api.client.post("Calls/connect.json?details=true", data=wanted)
        await crm.until_asked("/handler")
    [over] = (form_of(asked) for asked in crm.requests)
    assert over["CallSid"] == answer.json()["Call"]["Sid"]
    assert (over["EventType"], over["Status"]) == ("terminal", "busy")
    assert [over[leg] for leg in LEGS] == ["busy", ""]
