"""Callbacks that wait or are dead, over HTTP."""

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from agentstream.base.ids import AccountSid
from agentstream.store.outbox import Claim, Outcome
from agentstream.testing.records import a_webhook

MINE = AccountSid("GreenLeaf1")
URL = "/v1/Accounts/GreenLeaf1/Callbacks"
NOW = datetime(2027, 1, 12, 11, tzinfo=UTC)


@pytest.fixture
async def filled(site: Any) -> Any:
    """Give a site with one dead callback, one that waits, and one of another account."""
    secret = "https://me:hidden@shop.example/s?key=hidden"
    await site.store.calls.write([a_webhook("c1-1", account_sid=MINE, url=secret)])
    [claimed] = await site.store.outbox.claim(Claim(NOW, NOW, 1, 1))
    await site.store.outbox.settle([Outcome(claimed, NOW, 410, "it answered 410")])
    others = a_webhook("c2-1", "c2", account_sid=AccountSid("other"))
    await site.store.calls.write([a_webhook("c1-end", account_sid=MINE), others])
    return site


async def get(site: Any, path: str = "") -> Any:
    return await site.client.get(URL + path, auth=site.auth)


async def sids(site: Any, query: str = "") -> list[str]:
    return [found["Sid"] for found in (await get(site, query)).json()["Callbacks"]]


async def test_an_account_sees_its_own_newest_first(filled: Any) -> None:
    assert await sids(filled) == ["c1-end", "c1-1"]
    assert await sids(filled, "?State=dead") == ["c1-1"]
    assert await sids(filled, "?CallSid=c9") == []
    assert await sids(filled, "?PageSize=1") == ["c1-end"]
    assert (await get(filled, "?State=lost")).status_code == 400
    assert (await filled.client.get(URL)).status_code == 401


async def test_one_is_told_with_its_body_and_without_secrets(filled: Any) -> None:
    answer = await get(filled, "/c1-1.json")
    told = answer.json()["Callback"]
    assert (told["State"], told["LastStatus"], told["Attempts"]) == ("dead", 410, 1)
    assert (told["Body"], told["NextAttempt"]) == ('{"CallSid":"c1"}', None)
    assert told["Url"] == "https://***@shop.example/s?key=***"
    assert "hidden" not in answer.text
    assert (await get(filled, "/c2-1")).status_code == 404
    assert (await get(filled, "/c9-1")).status_code == 404


async def test_a_dead_one_is_sent_again_when_its_account_wants_it(filled: Any) -> None:
    answer = await filled.client.post(f"{URL}/C1-1", auth=filled.auth)
    told = answer.json()["Callback"]
    assert (told["State"], told["Attempts"]) == ("waiting", 0)
    assert await sids(filled, "?State=dead") == []
    assert (await filled.client.post(f"{URL}/c2-1", auth=filled.auth)).status_code == 404


def xml_of(answer: Any) -> ET.Element:
    return ET.fromstring(answer.text)  # noqa: S314  (our own answer)


async def test_they_are_told_in_xml_to_whoever_asks_for_it_cc_6_cc_7(filled: Any) -> None:
    listed = await filled.client.get(f"{URL}.xml", auth=filled.auth)
    assert listed.headers["content-type"] == "application/xml"
    told = xml_of(listed).findall("Callbacks/Callback")
    assert [callback.findtext("Sid") for callback in told] == ["c1-end", "c1-1"]
    assert told[1].findtext("LastStatus") == "410"
    one = await filled.client.get(f"{URL}/c1-1", auth=filled.auth, headers={"Accept": "text/xml"})
    assert xml_of(one).findtext("Callback/Body") == '{"CallSid":"c1"}'
    again = await filled.client.post(f"{URL}/c1-1.xml", auth=filled.auth)
    assert xml_of(again).findtext("Callback/State") == "waiting"
    missing = await filled.client.get(f"{URL}/c9-1.xml", auth=filled.auth)
    assert xml_of(missing).findtext("RestException/Status") == "404"
