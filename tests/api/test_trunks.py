"""Trunks of an account: make, read, change, forget, and the envelopes around it (TR-1 to TR-42)."""

import re
from typing import Any

import pytest

from agentstream.api.rate_limit import RateLimits
from agentstream.store.values import NewKey

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")  # TR-5
NOT_FOUND = {"code": 1000, "message": "Not Found", "description": "Not Found"}


def error(answer: Any) -> tuple[int, int, str, str]:
    """Return status on the wire, the interface's code, its message and description."""
    whole = answer.json()
    assert whole["http_code"] == answer.status_code
    assert re.fullmatch(r"[0-9a-f]{32}", whole["request_id"])
    response = whole["response"]
    assert (response["status"], response["data"]) == ("failure", None)
    told = response["error_data"]
    return answer.status_code, told["code"], told["message"], told["description"]


async def test_a_trunk_is_made_and_told_in_the_envelope_tr_10_tr_30_tr_39(trunks: Any) -> None:
    answer = await trunks.create("second_1")
    whole = answer.json()
    data = whole["response"]["data"]
    assert answer.status_code == 200
    assert whole["response"] == {
        "code": 200,
        "error_data": None,
        "status": "success",
        "data": data,
    }
    assert (whole["method"], whole["http_code"]) == ("POST", 200)
    sid = data["trunk_sid"]
    assert re.fullmatch(r"tr[a-z]{3}1[0-9a-f]{22}", sid)  # TR-4
    assert ISO.fullmatch(data["date_created"])
    assert ISO.fullmatch(data["date_updated"])
    home = f"/v2/accounts/GreenLeaf1/trunks/{sid}"
    assert data == {
        "trunk_sid": sid,
        "trunk_name": "second_1",
        "status": "active",
        "domain_name": "greenleaf1.pstn.exotel.com",
        "auth_type": "IP-WHITELIST",
        "auth_effective": "none",
        "registration_enabled": "disabled",
        "edge_preference": "auto",
        "nso_code": "ANY-ANY",
        "secure_trunking": "disabled",
        "date_created": data["date_created"],
        "date_updated": data["date_updated"],
        "phone_numbers": f"{home}/phone-numbers",
        "whitelisted_ips": f"{home}/whitelisted-ips",
        "destination_uris": f"{home}/destination-uris",
        "credentials": f"{home}/credentials",
    }
    assert (await trunks.ask("GET", sid)).json()["response"]["data"] == data  # TR-32, SC-20
    assert (await trunks.ask("GET", sid.upper())).json()["response"]["data"] == data


@pytest.mark.parametrize("field", ["trunk_name", "nso_code", "domain_name"])
async def test_what_is_missing_is_1001_with_its_name_tr_21_tr_35(trunks: Any, field: str) -> None:
    shown = {"trunk_name": "TrunkName", "nso_code": "NsoCode", "domain_name": "DomainName"}[field]
    wanted = (400, 1001, "Mandatory Parameter missing", f"{shown} is mandatory")
    assert error(await trunks.create(**{"name": "x", field: None})) == wanted
    assert error(await trunks.create(**{"name": "x", field: ""})) == wanted


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"trunk_name": "a" * 17}, "Maximum allowed length for TrunkName is 16"),
        ({"trunk_name": "my-trunk"}, "Allowed characters for TrunkName is alphanumeric and _"),
        ({"nso_code": "AIRTEL"}, "Nso code is invalid"),
        ({"nso_code": "AIRTEL-DEL"}, "Nso code is invalid"),
        (
            {"domain_name": "greenleaf1.example.com"},
            "Domain name should end with .pstn.exotel.com",
        ),
        ({"domain_name": "pstn.exotel.com"}, "Domain name should end with .pstn.exotel.com"),
        ({"domain_name": "a b.pstn.exotel.com"}, "Domain name is invalid"),
        ({"trunk_name": {"a": 1}}, "Invalid trunk_name"),
    ],
)
async def test_what_is_wrong_is_1002_with_the_sentence_that_clients_know_tr_22_tr_36_to_tr_38(
    trunks: Any, fields: dict[str, Any], text: str
) -> None:
    answer = await trunks.create("x", **fields)
    assert error(answer) == (400, 1002, "Invalid parameter", text)


async def test_an_older_code_of_any_carrier_is_kept_as_the_new_one_sc_3(trunks: Any) -> None:
    answer = await trunks.create("older", nso_code="ANY ANY")
    assert answer.json()["response"]["data"]["nso_code"] == "ANY-ANY"


@pytest.mark.parametrize("trunk_config", [{"trunk": {"nso_codes": "JIO-MUM,AIRTEL-DEL"}}])
async def test_an_operators_own_codes_name_groups_of_carriers_tr_37(trunks: Any) -> None:
    answer = await trunks.create("own", nso_code="JIO-MUM")
    assert answer.json()["response"]["data"]["nso_code"] == "JIO-MUM"


@pytest.mark.parametrize("trunk_config", [{"trunk": {"domain_suffixes": ""}}])
async def test_an_operator_may_take_any_domain_tr_38(trunks: Any) -> None:
    answer = await trunks.create("own", domain_name="PBX.Example.net")
    assert answer.json()["response"]["data"]["domain_name"] == "pbx.example.net"


async def test_a_name_that_is_taken_is_a_409_inside_a_200_tr_25_sc_1(trunks: Any) -> None:
    answer = await trunks.create()
    text = "Unable to create trunk with name bot_one"
    assert error(answer) == (200, 1008, "Duplicate resource", text)
    assert answer.json()["response"]["code"] == 409
    assert trunks.site.changes[-1].about == "nothing: duplicate"
    other = (await trunks.create("other")).json()["response"]["data"]["trunk_sid"]
    again = await trunks.ask("PUT", other, json={"trunk_name": "bot_one"})
    assert error(again) == (200, 1008, "Duplicate resource", text)


@pytest.mark.parametrize("trunk_config", [{"api": {"duplicate_http_status": 409}}])
async def test_a_duplicate_may_be_a_409_on_the_wire_by_setting_tr_29(trunks: Any) -> None:
    assert error(await trunks.create())[:2] == (409, 1008)


async def test_trunks_are_listed_newest_first_a_page_at_a_time_tr_7_tr_11_tr_31(
    trunks: Any,
) -> None:
    for number in range(4):
        trunks.site.clock.advance(1_000)
        await trunks.create(f"t{number}")
    answer = (await trunks.ask("GET", "?page_size=2&offset=2")).json()
    assert [one["data"]["trunk_name"] for one in answer["response"]] == ["t1", "t0"]
    assert {one["code"] for one in answer["response"]} == {200}
    base = "/v2/accounts/GreenLeaf1/trunks?offset="
    assert answer["metadata"] == {  # TR-12: always all six
        "page_size": 2,
        "page": 1,
        "total": 5,
        "first_page_uri": f"{base}0&page_size=2",
        "prev_page_uri": f"{base}0&page_size=2",
        "next_page_uri": f"{base}4&page_size=2",
    }
    last = (await trunks.site.ask("GET", answer["metadata"]["next_page_uri"])).json()
    assert [one["data"]["trunk_name"] for one in last["response"]] == ["bot_one"]
    assert last["metadata"]["next_page_uri"] is None
    whole = (await trunks.ask("GET", "")).json()["metadata"]
    assert (whole["page_size"], whole["prev_page_uri"], whole["next_page_uri"]) == (50, None, None)
    capped = (await trunks.ask("GET", "?page_size=5000")).json()["metadata"]
    assert capped["page_size"] == 200
    one = (await trunks.ask("GET", f"?trunk_sid={trunks.sid.upper()}")).json()
    assert [each["data"]["trunk_sid"] for each in one["response"]] == [trunks.sid]
    none = (await trunks.ask("GET", "?trunk_sid=trdev1")).json()
    assert (none["response"], none["metadata"]["total"]) == ([], 0)


@pytest.mark.parametrize("query", ["page_size=0", "page_size=x", "offset=-1", "offset=1e9"])
async def test_a_page_that_is_none_is_refused(trunks: Any, query: str) -> None:
    status, code, _, text = error(await trunks.ask("GET", f"?{query}"))
    assert (status, code) == (400, 1002)
    assert text.startswith(query.split("=", maxsplit=1)[0])


async def test_a_trunk_is_changed_field_by_field_tr_33_tr_40_tr_42(trunks: Any) -> None:
    trunks.site.clock.advance(60_000)
    body = {"trunk_name": "new_name", "auth_type": "IP-WHITELIST", "secure_trunking": "enabled"}
    data = (await trunks.of("PUT", json=body)).json()["response"]["data"]
    assert (data["trunk_name"], data["secure_trunking"]) == ("new_name", "enabled")
    assert data["date_updated"] > data["date_created"]
    again = await trunks.of("PUT", json={"nso_code": "ANY-ANY", "status": "inactive"})
    data = again.json()["response"]["data"]
    assert (data["trunk_name"], data["status"]) == ("new_name", "inactive")
    for wrong, text in (
        ({"secure_trunking": "yes"}, "Secure trunking should be enabled or disabled"),
        ({"status": "gone"}, "Status should be active or inactive"),
        ({"auth_type": "<b>"}, "Auth type is invalid"),
        ({"domain_name": "b.pstn.exotel.com"}, "Domain name cannot be changed"),
    ):
        assert error(await trunks.of("PUT", json=wrong))[3] == text
    assert error(await trunks.of("PUT", json={}))[1] == 1001


async def test_what_is_asked_of_callers_is_told_as_the_rows_say_tr_40_sc_12(trunks: Any) -> None:
    async def told() -> str:
        effective: str = (await trunks.of("GET")).json()["response"]["data"]["auth_effective"]
        return effective

    await trunks.of("POST", "whitelisted-ips", json={"ip": "203.0.113.9"})
    assert await told() == "acl"
    await trunks.of("POST", "credentials", json={"user_name": "a", "password": "b"})
    assert await told() == "all of acl and credentials"
    settings = {"settings": [{"name": "as_auth_mode", "value": "any"}]}
    await trunks.of("POST", "settings", json=settings)
    assert await told() == "any of acl and credentials"


@pytest.mark.parametrize("way", ["query", "path"])
async def test_a_deleted_trunk_is_told_and_all_of_it_is_gone_tr_14_tr_34_tr_41_sc_15_sc_21(
    trunks: Any, way: str
) -> None:
    await trunks.of("POST", "credentials", json={"user_name": "a", "password": "b"})
    await trunks.of("POST", "phone-numbers", json={"phone_number": "+918000000042"})
    before = (await trunks.of("GET")).json()["response"]["data"]
    path = trunks.sid if way == "path" else f"?trunk_sid={trunks.sid}"
    gone = await trunks.ask("DELETE", path)
    assert gone.json()["response"]["data"] == before
    assert error(await trunks.of("GET"))[:2] == (404, 1000)
    assert error(await trunks.of("GET", "credentials"))[:2] == (404, 1000)
    assert await trunks.site.store.trunks.all() == []
    again = (await trunks.create()).json()["response"]["data"]["trunk_sid"]
    taken = await trunks.ask(
        "POST", f"{again}/phone-numbers", json={"phone_number": "+918000000042"}
    )
    assert taken.json()["response"]["status"] == "success"


async def test_a_delete_names_its_trunk_tr_34(trunks: Any) -> None:
    wanted = (400, 1001, "Mandatory Parameter missing", "TrunkSid is mandatory")
    assert error(await trunks.ask("DELETE", "")) == wanted


async def test_a_strangers_trunk_is_as_unknown_as_one_that_is_none_tr_20_sc_2(
    trunks: Any,
) -> None:
    other = await trunks.site.store.accounts.create("Other", sid="other1")
    key = await trunks.site.store.accounts.create_key(other.sid)
    for path in (trunks.sid, "trdev1none", "%20", "%00", f"{trunks.sid}/settings"):
        answer = await trunks.site.ask(
            "GET", f"/v2/accounts/other1/trunks/{path}", auth=(key.key, key.token)
        )
        assert error(answer) == (404, 1000, "Not Found", "Not Found")
    query = f"/v2/accounts/other1/trunks?trunk_sid={trunks.sid}"
    answer = await trunks.site.ask("DELETE", query, auth=(key.key, key.token))
    assert error(answer)[:2] == (404, 1000)
    assert len(await trunks.site.store.trunks.all()) == 1


@pytest.mark.parametrize("trunk_config", [{"api": {"unknown_trunk_status": 403}}])
async def test_an_unknown_trunk_may_be_a_403_by_setting_tr_23_sc_2(trunks: Any) -> None:
    answer = await trunks.ask("GET", "trdev1none")
    assert error(answer) == (403, 1003, "Authorization failed", "Authorization failed")


async def test_a_body_that_is_none_is_1007_with_the_parsers_words_tr_24(trunks: Any) -> None:
    headers = {"Content-Type": "application/json"}
    status, code, message, text = error(
        await trunks.ask("POST", "", content=b'{"trunk_name": ', headers=headers)
    )
    assert (status, code) == (400, 1007)
    assert message == "Invalid request body,failed parsing "
    assert text.startswith("Expecting value")
    for wrong in (b"[]", b"", b'{"trunk_name":"\\ud800"}', b"\xff"):
        answer = await trunks.ask("POST", "", content=wrong, headers=headers)
        assert error(answer)[:3] == (400, 1007, message)


async def test_only_json_is_read_tr_2_tr_27(trunks: Any) -> None:
    answer = await trunks.ask("POST", "", data={"trunk_name": "x"})
    assert error(answer)[:3] == (415, 1011, "Unsupported content type")
    large = await trunks.create("x" * 140_000)
    assert error(large)[:2] == (413, 1002)


async def test_a_wrong_key_is_1010_tr_26(trunks: Any) -> None:
    wanted = (401, 1010, "Authorization failed", "Authorization failed")
    assert error(await trunks.ask("GET", "", auth=("x", "y"))) == wanted
    answer = await trunks.site.client.get("/v2/accounts/GreenLeaf1/trunks")
    assert error(answer) == wanted
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    nobody = await trunks.site.ask("GET", "/v2/accounts/nobody/trunks")
    assert error(nobody) == (404, 1000, "Not Found", "Not Found")


async def test_a_key_that_may_only_read_changes_no_trunk(trunks: Any) -> None:
    account = await trunks.site.store.accounts.find("greenleaf1")
    key: NewKey = await trunks.site.store.accounts.create_key(account.sid, role="read-only")
    auth = (key.key, key.token)
    assert (await trunks.of("GET", auth=auth)).status_code == 200
    for method, path in (("PUT", trunks.sid), ("DELETE", trunks.sid), ("POST", "")):
        assert error(await trunks.ask(method, path, auth=auth, json={}))[:2] == (403, 1003)


async def test_every_change_is_written_down(trunks: Any) -> None:
    await trunks.of("DELETE")
    first, last = trunks.site.changes
    assert (first.what, first.about) == (
        "POST /v2/accounts/GreenLeaf1/trunks",
        f"trunk {trunks.sid}",
    )
    assert last.what == f"DELETE /v2/accounts/GreenLeaf1/trunks/{trunks.sid}"
    assert {change.outcome for change in (first, last)} == {"200"}


@pytest.mark.parametrize("limits", [RateLimits(trunks=2)])
async def test_requests_of_a_minute_can_be_limited_tr_3(trunks: Any) -> None:
    assert (await trunks.ask("GET", "")).status_code == 200
    answer = await trunks.ask("GET", "")
    assert error(answer)[:3] == (429, 1030, "Too many requests")
    assert int(answer.headers["Retry-After"]) > 0


async def test_no_more_than_the_limit_are_kept(
    trunks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentstream.testing.memory_trunks.TRUNKS_LIMIT", 1)
    assert error(await trunks.create("second"))[1:] == (
        1020,
        "Unprocessable entity",
        "there may be 1 at most",
    )


async def test_a_method_that_is_none_has_the_envelope_too(trunks: Any) -> None:
    answer = await trunks.of("PATCH")
    assert answer.status_code == answer.json()["http_code"] == 405
