from typing import Any
from xml.etree import ElementTree

import pytest
from structlog.testing import capture_logs

from agentstream.base.errors import BusyError, CommandError, PeerError
from agentstream.store.protocols import StoreError

BASE = "/v1/Accounts/GreenLeaf1"


async def test_it_is_alive_and_ready_until_it_drains(site: Any) -> None:
    assert (await site.client.get("/health")).json()["status"] == "ok"
    assert (await site.client.get("/ready")).json() == {"status": "ready"}
    site.why_not_ready = "draining"
    answer = await site.client.get("/READY/")
    assert (answer.status_code, answer.json()["reason"]) == (503, "draining")
    assert (await site.client.head("/ready")).status_code == 503
    assert (await site.client.get("/health")).status_code == 200


async def test_metrics_are_prometheus_text(site: Any) -> None:
    answer = await site.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"agentstream_calls_active" in answer.content


async def test_active_streams_have_three_forms(site: Any) -> None:
    site.streams["GreenLeaf1"] = 3
    xml = await site.client.get(f"{BASE}/ActiveStreams", auth=site.auth)
    assert xml.headers["content-type"] == "application/xml"
    assert xml.text == (  # AC-1
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<TwilioResponse><Stream><ActiveStreamCount>3</ActiveStreamCount>"
        "<ThrottleLimit>100</ThrottleLimit></Stream></TwilioResponse>"
    )
    json = await site.client.get(f"{BASE}/ActiveStreams.json", auth=site.auth)
    assert json.json() == {"Stream": {"ActiveStreamCount": 3, "ThrottleLimit": 100}}  # AC-3
    lower = await site.client.get("/v1/accounts/greenleaf1/activestreams", auth=site.auth)
    assert lower.json() == {  # AC-2
        "status": "success",
        "active_streams": 3,
        "max_allowed_streams": 100,
        "account_sid": "GreenLeaf1",
    }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/V1/ACCOUNTS/GREENLEAF1/ACTIVESTREAMS", "xml"),
        ("/v1/accounts/GreenLeaf1/ActiveStreams", "xml"),
        ("/v1/accounts/GreenLeaf1/activeStreams.XML", "xml"),
        ("/v1/Accounts/greenleaf1/activestreams", "json"),
        ("/v1/Accounts/greenleaf1/activestreams/", "json"),
        ("/v1/Accounts/greenleaf1/activestreams.json", "json"),
        ("/v1/Accounts/greenleaf1/activestreams.xml", "xml"),
    ],
)
async def test_paths_may_be_written_in_any_case(site: Any, path: str, kind: str) -> None:
    answer = await site.client.get(path, auth=site.auth)  # CC-5, AC-3
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(f"application/{kind}")


async def test_who_does_not_say_who_they_are_is_asked(site: Any) -> None:
    answer = await site.client.get(f"{BASE}/ActiveStreams.json")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")  # ER-5
    assert answer.json() == {  # ER-1
        "RestException": {
            "Status": 401,
            "Message": "Authenticate with an API key and its token (HTTP Basic)",
        }
    }


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !", "Bearer x", "Basic " + "A" * 600, "Basic bm9jb2xvbg==", "Basic /w=="],
)
async def test_a_header_that_cannot_be_read_opens_nothing(site: Any, header: str) -> None:
    answer = await site.client.get(f"{BASE}/ActiveStreams", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_errors_come_in_the_form_that_was_asked_for(site: Any) -> None:
    wrong = (site.key.key, "wrong")
    xml = await site.client.get(f"{BASE}/ActiveStreams", auth=wrong)
    root = ElementTree.fromstring(xml.text)  # noqa: S314  (our own answer)
    assert (root.findtext("RestException/Status"), xml.status_code) == ("401", 401)
    json = await site.client.get(f"{BASE.lower()}/activestreams", auth=wrong)
    assert json.json()["RestException"]["Status"] == 401
    accept = {"Accept": "application/xml"}  # CC-7
    unknown = await site.client.get("/v1/nothing", headers=accept)
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/xml")
    assert (await site.client.get("/v1/nothing")).json()["RestException"]["Status"] == 404
    assert (await site.client.post("/health")).json()["RestException"]["Status"] == 405


async def test_an_unknown_account_is_404_and_anothers_is_401(site: Any) -> None:
    await site.store.accounts.create("Other", sid="other")
    unknown = await site.client.get("/v1/Accounts/<none>/ActiveStreams", auth=site.auth)
    assert unknown.status_code == 404  # CC-4
    assert "There is no account &lt;none&gt;" in unknown.text
    other = await site.client.get("/v1/Accounts/other/ActiveStreams", auth=site.auth)
    assert other.status_code == 401


async def test_the_account_sid_may_stand_for_the_key(site: Any) -> None:
    auth = ("greenleaf1", site.key.token)  # CC-3
    assert (await site.client.get(f"{BASE}/ActiveStreams", auth=auth)).status_code == 200


async def test_the_operator_may_ask_for_every_account(site: Any) -> None:
    auth = ("operator", "op-token")
    assert (await site.client.get(f"{BASE}/ActiveStreams", auth=auth)).status_code == 200
    nobody = await site.client.get("/v1/Accounts/nobody/ActiveStreams", auth=auth)
    assert nobody.status_code == 404
    wrong = await site.client.get(f"{BASE}/ActiveStreams", auth=("operator", "x"))
    assert wrong.status_code == 401


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BusyError("full"), 429),
        (CommandError("no"), 409),
        (PeerError("odd"), 400),
        (StoreError("database is locked"), 503),
    ],
)
async def test_errors_of_ours_have_their_status(
    site: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    async def verify(_user: str, _token: str) -> None:
        raise error

    monkeypatch.setattr(site.store.accounts, "verify", verify)
    answer = await site.client.get(f"{BASE}/ActiveStreams.json", auth=site.auth)
    assert (answer.status_code, answer.json()["RestException"]["Message"]) == (status, str(error))


async def test_a_fault_of_ours_says_nothing_of_the_inside(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verify(_user: str, _token: str) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(site.store.accounts, "verify", verify)
    with capture_logs() as logs:
        answer = await site.client.get(f"{BASE}/ActiveStreams.json", auth=site.auth)
    assert answer.json() == {"RestException": {"Status": 500, "Message": "Internal error"}}
    assert [log["event"] for log in logs] == ["request_failed"]
