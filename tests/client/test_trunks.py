"""The client asks about trunks what the API's own document describes (TR-30 to TR-72)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from agentstream.client import (
    DESTINATIONS,
    NETWORKS,
    NUMBERS,
    SETTINGS,
    USERS,
    AddDestinations,
    AddUser,
    AllowNetwork,
    Ask,
    ChangeNumberMode,
    ChangePassword,
    ChangeTrunk,
    Client,
    CreateTrunk,
    DeleteTrunk,
    Destination,
    DropFromTrunk,
    FindNumber,
    Item,
    ListOnTrunk,
    ListTrunks,
    MapNumber,
    ReadTrunk,
    RefusedError,
    ReplaceDestinations,
    SetOnTrunk,
)

PLACES = (Destination("sip.bot.example:5061;transport=tls", 1, 5), Destination("b.example"))
ASKS: list[Ask[Any]] = [
    CreateTrunk("bot", "acct1.pstn.exotel.com"),
    ReadTrunk("tr1"),
    ListTrunks(50, 10),
    ChangeTrunk(sid="tr1", name="new", is_secure=True, is_active=False),
    ChangeTrunk(sid="tr1", nso_code="ANY-ANY", is_secure=False, is_active=True),
    DeleteTrunk("tr1"),
    MapNumber("tr1", "+918000000042", "flow"),
    ChangeNumberMode("tr1", "7", "+918000000042", "pstn"),
    FindNumber("+918000000042"),
    AllowNetwork(trunk_sid="tr1", ip="203.0.113.0", mask=24, label="lab"),
    AllowNetwork(trunk_sid="tr1", ip="203.0.113.9"),
    AddUser(trunk_sid="tr1", user="bot", password="s3cret", label="vapi"),
    ChangePassword(trunk_sid="tr1", id="3", password="other"),
    AddDestinations("tr1", PLACES),
    ReplaceDestinations("tr1", PLACES),
    SetOnTrunk("tr1", {"as_srtp": "required"}),
    *(ListOnTrunk("tr1", kind) for kind in (NUMBERS, NETWORKS, USERS, DESTINATIONS, SETTINGS)),
    *(DropFromTrunk("tr1", kind, "7") for kind in (NUMBERS, NETWORKS, USERS, DESTINATIONS)),
    DropFromTrunk("tr1", SETTINGS, "as_srtp"),
]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_every_ask_is_in_the_document(
    operation: Callable[[str, str], dict[str, Any]], ask: Ask[Any]
) -> None:
    sent = ask.request("acct1")
    told = operation(sent.method, sent.path)
    names = {each["name"] for each in told.get("parameters", []) if each["in"] == "query"}
    assert set(sent.query) <= names
    body = told.get("requestBody")
    if body is not None:
        Draft202012Validator(body["content"]["application/json"]["schema"]).validate(sent.json)
    else:
        assert sent.json is None


def answering(status: int, body: Any) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body))


def good(data: dict[str, Any]) -> dict[str, Any]:
    return {"code": 200, "status": "success", "error_data": None, "data": data}


def bad(code: int, text: str) -> dict[str, Any]:
    error = {"code": code, "message": "no", "description": text}
    return {"code": 409, "status": "failure", "error_data": error, "data": None}


def test_a_duplicate_in_a_200_is_a_refusal_tr_25() -> None:
    text = "Unable to create trunk with name bot"
    with (
        Client(
            "http://house", "acct1", "k", "t", answering(200, {"response": bad(1008, text)})
        ) as c,
        pytest.raises(RefusedError, match=text) as refused,
    ):
        c.ask(ASKS[0])
    assert refused.value.status == 409


def test_what_became_of_each_destination_is_told_tr_13() -> None:
    place = {
        "id": "3",
        "destination": "sip:sip.bot.example:5061;transport=tls",
        "priority": 1,
        "weight": 5,
        "trunk_sid": "tr1",
    }
    body = {"response": [good(place), bad(1002, "Destination not whitelisted")]}
    with Client("http://house", "acct1", "k", "t", answering(207, body)) as client:
        first, second = client.ask(AddDestinations("tr1", PLACES))
    assert first.value is not None
    assert (first.value.id, first.value.weight) == ("3", 5)
    assert second == Item(None, "Destination not whitelisted")


def test_a_password_shows_nowhere() -> None:
    shown = repr(AddUser(trunk_sid="tr1", user="bot", password="s3cret"))
    assert "s3cret" not in shown + repr(ChangePassword(trunk_sid="tr1", id="3", password="s3cret"))


def test_names_that_people_chose_stay_within_their_part_of_the_path() -> None:
    path = DropFromTrunk("../x", NUMBERS, "7").request("a/b").path
    assert path == "/v2/accounts/a%2Fb/trunks/..%2Fx/phone-numbers"
