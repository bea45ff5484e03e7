"""What a key may do and how often, and what is written down of it."""

from typing import Any

from agentstream.base.ids import AccountSid, CallSid
from agentstream.store.values import NewKey

MINE = AccountSid("GreenLeaf1")
NUMBERS = {"From": "09876500001", "To": "09876500002", "CallerId": "08040000002"}
CALL = CallSid("c1")


async def reader(site: Any, per_minute: int | None = None) -> tuple[str, str]:
    key: NewKey = await site.store.accounts.create_key(MINE, "wall", "read-only", per_minute)
    return key.key, key.token


async def test_a_read_only_key_reads_everything(site: Any) -> None:
    auth = await reader(site)
    for path in ("Calls", "Balance.json", "IncomingPhoneNumbers", "ActiveStreams", "Calls.xml"):
        assert (await site.ask("GET", path, auth=auth)).status_code == 200, path
    active = "/v3/accounts/GreenLeaf1/calls/active"
    assert (await site.ask("GET", active, auth=auth)).status_code == 200
    assert site.changes == []


async def test_a_read_only_key_changes_nothing_by_any_route_of_the_document(site: Any) -> None:
    site.calls.owners[CALL] = MINE
    auth = await reader(site)
    document = (await site.client.get("/openapi.json")).json()
    known = {"account_sid": MINE, "call_sid": CALL, "exophone_sid": "918040000002", "sid": "r1"}
    known |= {"leg_sid": await site.begin_leg(), "action": "stop_say", "bridge_sid": "b1"}
    parts = ("number_id", "entry_id", "credential_id", "destination_id", "name", "trunk_sid")
    known |= dict.fromkeys(parts, "1")
    routes = [
        (method.upper(), path.format(**known))
        for path, operations in document["paths"].items()
        for method in operations
        if method != "get"
    ]
    assert len(routes) >= 9
    for method, path in routes:
        answer = await site.ask(method, path, auth=auth, data=NUMBERS)
        assert answer.status_code == 403, (method, path)
        assert "This key may only read; changes need a key with the role admin" in answer.text
    assert (site.exchange.orders, site.exchange.redirected, site.calls.asked) == ([], [], [])
    assert site.legs.acts == []
    assert [number.number for number in await site.store.numbers.list()] == ["+918040000002"]
    assert {change.outcome for change in site.changes} == {"403"}


async def test_a_key_with_a_rate_is_stopped_while_its_account_goes_on(site: Any) -> None:
    auth = await reader(site, 2)
    first = await site.ask("GET", "Balance.json", auth=auth)
    # The tighter of the two rates is told.
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == (
        "2",
        "1",
    )
    assert (await site.ask("GET", "IncomingPhoneNumbers.json", auth=auth)).status_code == 200
    refused = await site.ask("GET", "Balance.json", auth=auth)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    error = refused.json()["RestException"]
    assert error["Message"] == "This key may make 2 requests in a minute"
    assert error["Code"] == "RATE_LIMIT_EXCEEDED"
    assert (await site.ask("GET", "Balance.json")).headers["x-ratelimit-remaining"] == "298"
    site.clock.advance(60_000)
    assert (await site.ask("GET", "Balance.json", auth=auth)).status_code == 200


async def test_changes_are_written_down_with_who_when_and_what_came_of_them(site: Any) -> None:
    placed = await site.ask("POST", "Calls/connect.json", data={**NUMBERS, "CustomField": "s3cr3t"})
    sid = placed.json()["Call"]["Sid"]
    site.clock.advance(1_000)
    await site.ask("DELETE", "Calls/none")
    first, second = site.changes
    assert first.what == "POST /v1/Accounts/GreenLeaf1/Calls/connect.json"
    assert (first.who, first.account_sid) == (f"key {site.key.key}", MINE)
    assert (first.outcome, first.about) == ("200", f"call {sid}")
    assert (second.outcome, second.about) == ("404", "")
    assert (second.at - first.at).total_seconds() == 1
    assert first.sid != second.sid
    assert "s3cr3t" not in repr(site.changes)
    assert site.key.token not in repr(site.changes)


async def test_a_flow_that_a_number_is_given_is_named(site: Any) -> None:
    path = "/v2_beta/Accounts/GreenLeaf1/IncomingPhoneNumbers/918040000002"
    url = "http://my.example/GreenLeaf1/exoml/start_voice/support"
    answer = await site.ask("PUT", path, data={"VoiceUrl": url})
    assert answer.status_code == 200, answer.text
    [flow] = await site.store.flows.list()
    assert [change.about for change in site.changes] == [f"flow {flow.sid}"]


async def test_what_was_refused_for_the_role_is_written_down_too(site: Any) -> None:
    auth = await reader(site)
    await site.ask("POST", "Calls/connect", auth=auth, data=NUMBERS)
    [change] = site.changes
    assert (change.who, change.outcome) == (f"key {auth[0]}", "403")


async def test_the_operator_is_named_with_the_account_that_was_meant(site: Any) -> None:
    await site.ask("POST", "Calls/connect", auth=("operator", "op-token"), data=NUMBERS)
    [change] = site.changes
    assert (change.who, change.account_sid, change.outcome) == ("operator", MINE, "200")


async def test_strangers_and_readers_leave_nothing(site: Any) -> None:
    await site.ask("POST", "Calls/connect", auth=("nobody", "x"), data=NUMBERS)
    await site.ask("GET", "Calls")
    assert site.changes == []


async def test_a_change_that_broke_off_is_written_down_as_one(site: Any) -> None:
    site.exchange.error = RuntimeError("a bug")
    answer = await site.ask("POST", "Calls/connect", data=NUMBERS)
    assert answer.status_code == 500
    [change] = site.changes
    assert (change.outcome, change.about) == ("broke off", "")
