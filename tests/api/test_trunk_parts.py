"""Numbers, networks, users and settings of a trunk (TR-45 to TR-62, TR-70 to TR-72)."""

from typing import Any

import pytest

from agentstream.sip.digest import from_stored, ha1
from agentstream.store.trunk_options import options_of

NUMBER = "+918000000042"


def told(answer: Any) -> dict[str, Any]:
    """Return the data of a success."""
    whole = answer.json()
    assert (answer.status_code, whole["response"]["status"]) == (200, "success"), whole
    data: dict[str, Any] = whole["response"]["data"]
    return data


def refused(answer: Any) -> tuple[int, int, str]:
    """Return status, the interface's code and the description."""
    data = answer.json()["response"]["error_data"]
    return answer.status_code, data["code"], data["description"]


async def listed(trunks: Any, what: str) -> list[dict[str, Any]]:
    return [one["data"] for one in (await trunks.of("GET", what)).json()["response"]]


async def test_a_number_is_mapped_told_and_taken_off_tr_45_tr_46_tr_48_tr_51_tr_52(
    trunks: Any,
) -> None:
    data = told(await trunks.of("POST", "phone-numbers", json={"phone_number": NUMBER}))
    assert data == {
        "id": "1",
        "phone_number": NUMBER,
        "trunk_sid": trunks.sid,
        "mode": None,
        "date_created": data["date_created"],
        "date_updated": data["date_created"],
    }
    flow = {"phone_number": "+918000000043", "mode": "flow"}
    second = told(await trunks.of("POST", "phone-numbers", json=flow))
    assert second["mode"] == "flow"
    assert await listed(trunks, "phone-numbers") == [second, data]
    assert await listed(trunks, "phone_numbers") == [second, data]  # TR-6, SC-14
    assert told(await trunks.of("DELETE", "phone-numbers?id=1")) == data
    assert told(await trunks.of("DELETE", "phone_numbers/2")) == second
    assert refused(await trunks.of("DELETE", "phone-numbers/2")) == (404, 1000, "Not Found")
    assert refused(await trunks.of("DELETE", "phone-numbers")) == (400, 1001, "Id is mandatory")


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (None, (400, 1001, "PhoneNumber is mandatory")),
        ("", (404, 1000, "Not Found")),
        ("+9180000000421234", (404, 1000, "Not Found")),
        ("918000000042", (400, 1002, "Invalid PhoneNumber")),
        ("08000000042", (400, 1002, "Invalid PhoneNumber")),
        ("+91800O000042", (400, 1002, "Invalid PhoneNumber")),
    ],
)
async def test_a_number_is_e164_with_its_plus_tr_50(
    trunks: Any, number: str | None, wanted: tuple[int, int, str]
) -> None:
    answer = await trunks.of("POST", "phone-numbers", json={"phone_number": number})
    assert refused(answer) == wanted


async def test_the_mode_of_a_map_changes_and_its_number_does_not_tr_47(trunks: Any) -> None:
    await trunks.of("POST", "phone-numbers", json={"phone_number": NUMBER})
    trunks.site.clock.advance(5_000)
    body = {"phone_number": NUMBER, "mode": "flow"}
    data = told(await trunks.of("PUT", "phone-numbers/1", json=body))
    assert data["mode"] == "flow"
    assert data["date_updated"] > data["date_created"]
    other = {"phone_number": "+918000000043", "mode": "pstn"}
    answer = await trunks.of("PUT", "phone-numbers/1", json=other)
    assert refused(answer) == (400, 1002, "Invalid PhoneNumber")
    wrong = await trunks.of("PUT", "phone-numbers/1", json={"mode": "bot"})
    assert refused(wrong)[:2] == (400, 1002)
    null = await trunks.of("PUT", "phone-numbers/1", json={"mode": None})
    assert told(null)["mode"] is None
    assert refused(await trunks.of("PUT", "phone-numbers/9", json=body))[1] == 1000


async def test_a_number_has_one_trunk_in_an_account_tr_25_tr_53(trunks: Any) -> None:
    await trunks.of("POST", "phone-numbers", json={"phone_number": NUMBER})
    other = told(await trunks.create("other"))["trunk_sid"]
    answer = await trunks.ask("POST", f"{other}/phone-numbers", json={"phone_number": NUMBER})
    text = f"Unable to create DidTrunkMapping with TrunkSid {other}"
    assert refused(answer) == (200, 1008, text)
    await trunks.of("DELETE", "phone-numbers?id=1")
    moved = await trunks.ask("POST", f"{other}/phone-numbers", json={"phone_number": NUMBER})
    assert told(moved)["trunk_sid"] == other


async def test_a_number_that_rings_for_somebody_else_is_not_to_be_shown(trunks: Any) -> None:
    store = trunks.site.store
    other = await store.accounts.create("Other", sid="other1")
    await store.numbers.attach(NUMBER, other.sid, "https://h.test/")
    answer = await trunks.of("POST", "phone-numbers", json={"phone_number": NUMBER})
    assert refused(answer) == (400, 1002, "Invalid PhoneNumber")


@pytest.mark.parametrize("trunk_config", [{"trunk": {"own_numbers_only": True}}])
async def test_only_an_accounts_own_numbers_are_mapped_by_setting(trunks: Any) -> None:
    answer = await trunks.of("POST", "phone-numbers", json={"phone_number": NUMBER})
    assert refused(answer) == (400, 1002, "Invalid PhoneNumber")
    own = await trunks.of("POST", "phone-numbers", json={"phone_number": "+918040000002"})
    assert told(own)["phone_number"] == "+918040000002"


@pytest.mark.parametrize("plus", ["%2B", "+"])
async def test_a_map_is_found_by_its_number_tr_49_tr_50_tr_54(trunks: Any, plus: str) -> None:
    body = {"phone_number": NUMBER, "mode": "flow"}
    await trunks.of("POST", "phone-numbers", json=body)
    query = f"exophone={plus}918000000042&trunk_sid={trunks.sid}"
    for path in ("/trunk-maps", "/trunk_maps"):
        whole = (await trunks.ask("GET", f"{path}?{query}")).json()
        wanted = {
            "exophone": NUMBER,
            "trunk_sid": trunks.sid,
            "phone_number_id": "1",
            "mode": "flow",
        }
        assert whole["response"]["data"] == wanted
        assert {name: whole[name] for name in wanted} == wanted
    alone = await trunks.ask("GET", f"/trunk-maps?exophone={plus}918000000042")
    assert told(alone)["trunk_sid"] == trunks.sid
    other = await trunks.ask("GET", f"/trunk-maps?exophone={plus}918000000042&trunk_sid=x")
    assert refused(other)[1] == 1000
    none = await trunks.ask("GET", f"/trunk-maps?exophone={plus}918000000099")
    assert refused(none) == (404, 1000, "Not Found")
    missing = await trunks.ask("GET", f"/trunk-maps?trunk_sid={trunks.sid}")
    assert refused(missing) == (400, 1001, "Exophone is mandatory")


async def test_a_mapped_number_is_given_a_flow_by_the_api_fl_7_tr_82(trunks: Any) -> None:
    url = f"/v2_beta/Accounts/GreenLeaf1/IncomingPhoneNumbers/{NUMBER[1:]}"
    voice = {"VoiceUrl": "http://x/GreenLeaf1/exoml/start_voice/support"}
    assert (await trunks.site.ask("PUT", url, data=voice)).status_code == 404
    await trunks.of("POST", "phone-numbers", json={"phone_number": NUMBER, "mode": "flow"})
    bound = (await trunks.site.ask("PUT", url, data=voice)).json()
    assert (bound["phone_number"], bound["voice_url"] is not None) == (NUMBER, True)
    [number] = [n for n in await trunks.site.store.numbers.list() if n.number == NUMBER]
    assert number.flow_sid is not None


async def test_the_numbers_of_an_account_come_whole_or_a_page_at_a_time_tr_55(site: Any) -> None:
    account = await site.store.accounts.find("GreenLeaf1")
    for last in range(3, 6):
        await site.store.numbers.attach(f"+91804000000{last}", account.sid, "https://h.test/")
    url = "/v2_beta/Accounts/GreenLeaf1/IncomingPhoneNumbers"
    whole = (await site.ask("GET", url)).json()
    assert (whole["page"], whole["page_size"], len(whole["incoming_phone_numbers"])) == (0, 4, 4)
    part = (await site.ask("GET", f"{url}?page=1&page_size=3")).json()
    assert (part["page"], part["page_size"]) == (1, 3)
    assert part["incoming_phone_numbers"] == whole["incoming_phone_numbers"][3:]


async def test_a_network_is_listed_changed_and_taken_off_tr_56_tr_57_tr_58(trunks: Any) -> None:
    data = told(await trunks.of("POST", "whitelisted-ips", json={"ip": "203.0.113.9"}))
    assert data == {
        "id": "1",
        "ip": "203.0.113.9",
        "mask": 32,
        "friendly_name": None,
        "trunk_sid": trunks.sid,
        "date_created": data["date_created"],
        "date_updated": data["date_created"],
    }
    body = {"ip": "198.51.100.0", "mask": "24", "friendly_name": "lab"}
    changed = told(await trunks.of("PUT", "whitelisted-ips/1", json=body))
    assert (changed["ip"], changed["mask"], changed["friendly_name"]) == ("198.51.100.0", 24, "lab")
    again = told(await trunks.of("PUT", "whitelisted_ips/1", json={"mask": 16}))
    assert (again["ip"], again["mask"]) == ("198.51.100.0", 16)
    assert await listed(trunks, "whitelisted-ips") == [again]
    assert told(await trunks.of("DELETE", "whitelisted-ips?id=1")) == again
    assert await listed(trunks, "whitelisted_ips") == []


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, (400, 1001, "Ip is mandatory")),
        ({"ip": "300.1.1.1"}, (400, 1002, "Invalid ip")),
        ({"ip": "sip.acme.test"}, (400, 1002, "Invalid ip")),
        ({"ip": "fe80::1%eth0"}, (400, 1002, "Invalid ip")),
        ({"ip": "203.0.113.9", "mask": 15}, (400, 1002, "mask should be in-between 16 and 32")),
        ({"ip": "203.0.113.9", "mask": 33}, (400, 1002, "mask should be in-between 16 and 32")),
        ({"ip": "203.0.113.9", "mask": "x"}, (400, 1002, "mask should be in-between 16 and 32")),
        ({"ip": "2001:db8::1", "mask": 32}, (400, 1002, "mask should be in-between 48 and 128")),
    ],
)
async def test_a_network_that_is_none_is_refused_tr_21_tr_58_tr_59_sc_4(
    trunks: Any, body: dict[str, Any], wanted: tuple[int, int, str]
) -> None:
    assert refused(await trunks.of("POST", "whitelisted-ips", json=body)) == wanted


async def test_a_network_is_listed_once_tr_25(trunks: Any) -> None:
    await trunks.of("POST", "whitelisted-ips", json={"ip": "203.0.113.9"})
    answer = await trunks.of("POST", "whitelisted-ips", json={"ip": "203.0.113.9"})
    assert refused(answer) == (200, 1008, "Unable to Whitelist-ip with ip 203.0.113.9")
    v6 = told(await trunks.of("POST", "whitelisted-ips", json={"ip": "2001:DB8::1"}))  # TR-59
    assert (v6["ip"], v6["mask"]) == ("2001:db8::1", 128)
    path = f"whitelisted-ips/{v6['id']}"
    moved = told(await trunks.of("PUT", path, json={"ip": "203.0.113.10"}))
    assert (moved["ip"], moved["mask"]) == ("203.0.113.10", 32)


async def test_a_password_is_kept_as_ha1_and_never_told_tr_60_tr_61_tr_62(trunks: Any) -> None:
    body = {"user_name": "bot-1", "password": "s3cret!-", "friendly_name": "vapi"}
    answer = await trunks.of("POST", "credentials", json=body)
    data = told(answer)
    assert data == {
        "id": "1",
        "user_name": "bot-1",
        "friendly_name": "vapi",
        "trunk_sid": trunks.sid,
        "date_created": data["date_created"],
        "date_updated": data["date_created"],
    }
    assert "s3cret" not in answer.text + (await trunks.of("GET", "credentials")).text

    async def kept(algorithm: str = "MD5") -> str | None:
        [parts] = await trunks.site.store.trunks.all()
        return from_stored(parts.credentials[0].ha1, algorithm)

    realm = "greenleaf1.pstn.exotel.com"
    assert await kept() == ha1("bot-1", realm, "s3cret!-")
    assert await kept("SHA-256") == ha1("bot-1", realm, "s3cret!-", "SHA-256")
    await trunks.of("PUT", "credentials/1", json={"friendly_name": "new"})
    assert await kept() == ha1("bot-1", realm, "s3cret!-")
    await trunks.of("PUT", "credentials/1", json={"password": "other"})
    assert await kept() == ha1("bot-1", realm, "other")
    renamed = {"user_name": "bot-2", "password": "other"}
    assert told(await trunks.of("PUT", "credentials/1", json=renamed))["user_name"] == "bot-2"
    assert await kept() == ha1("bot-2", realm, "other")
    alone = await trunks.of("PUT", "credentials/1", json={"user_name": "bot-3"})
    assert refused(alone) == (400, 1001, "Password is mandatory")
    metadata = (await trunks.of("GET", "credentials")).json()["metadata"]
    assert (metadata["total"], metadata["page"]) == (1, 0)  # TR-12
    assert told(await trunks.of("DELETE", "credentials?id=1"))["friendly_name"] == "new"
    assert await listed(trunks, "credentials") == []


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"password": "b"}, (400, 1001, "UserName is mandatory")),
        ({"user_name": "a"}, (400, 1001, "Password is mandatory")),
        (
            {"user_name": "a", "password": "b", "friendly_name": "f" * 33},
            (400, 1002, "Maximum allowed length for FriendlyName is 32"),
        ),
        (
            {"user_name": "a" * 65, "password": "b"},
            (400, 1002, "Maximum allowed length for UserName is 64"),
        ),
        (
            {"user_name": "ä", "password": "b"},
            (400, 1002, "Allowed characters for UserName is printable ASCII"),
        ),
    ],
)
async def test_a_credential_that_is_none_is_refused_tr_21_tr_62(
    trunks: Any, body: dict[str, Any], wanted: tuple[int, int, str]
) -> None:
    assert refused(await trunks.of("POST", "credentials", json=body)) == wanted


async def test_a_user_is_there_once_tr_25(trunks: Any) -> None:
    body = {"user_name": "a", "password": "b"}
    await trunks.of("POST", "credentials", json=body)
    text = "Unable to create credential with user_name a"
    assert refused(await trunks.of("POST", "credentials", json=body)) == (200, 1008, text)


@pytest.mark.parametrize("trunk_config", [{"trunk": {"credential_charset": "strict"}}])
async def test_a_hyphen_is_refused_by_setting_tr_62_sc_5(trunks: Any) -> None:
    text = "Allowed characters for {} is alphanumeric and _"
    for field, shown in (("user_name", "UserName"), ("password", "Password")):
        body = {"user_name": "a", "password": "b", field: "a-b"}
        answer = await trunks.of("POST", "credentials", json=body)
        assert refused(answer) == (400, 1002, text.format(shown))
    body = {"user_name": "a_1", "password": "B_2"}
    assert told(await trunks.of("POST", "credentials", json=body))["user_name"] == "a_1"


async def test_settings_are_written_read_and_forgotten_tr_13_tr_70_tr_71_tr_72(trunks: Any) -> None:
    alias = {"name": "trunk_external_alias", "value": "+918040000002"}
    cps = {"name": "as_cps", "value": 5}
    answer = (await trunks.of("POST", "settings", json={"settings": [alias, cps]})).json()
    assert (answer["http_code"], answer["metadata"]) == (
        200,
        {"total": 2, "success": 2, "failed": 0},
    )
    first = answer["response"][0]["data"]
    assert {**alias, "trunk_sid": trunks.sid}.items() <= first.items()
    again = {"settings": [{"name": "as_cps", "value": "9"}]}
    await trunks.of("POST", "settings", json=again)
    [parts] = await trunks.site.store.trunks.all()
    options = options_of(parts.settings)
    assert (options.external_alias, options.cps) == ("+918040000002", 9)
    assert len(await listed(trunks, "settings")) == 2
    assert told(await trunks.of("DELETE", "settings?name=as_cps"))["value"] == "9"
    assert told(await trunks.of("DELETE", "settings/trunk_external_alias"))["value"][0] == "+"
    assert refused(await trunks.of("DELETE", "settings?name=as_cps"))[1] == 1000
    assert refused(await trunks.of("DELETE", "settings"))[2] == "Name is mandatory"


async def test_the_password_of_destinations_is_written_and_never_told_pn_2(trunks: Any) -> None:
    name = "as_destination_password"
    body = {"settings": [{"name": name, "value": "secret-0815"}]}
    answer = await trunks.of("POST", "settings", json=body)
    assert answer.json()["response"][0]["data"]["value"] == "***"
    assert [one["value"] for one in await listed(trunks, "settings")] == ["***"]
    back = {"settings": [{"name": name, "value": "***"}]}  # what a form that was read would write
    assert (await trunks.of("POST", "settings", json=back)).json()["metadata"]["failed"] == 1
    [parts] = await trunks.site.store.trunks.all()
    assert options_of(parts.settings).destination_password == "secret-0815"
    assert "0815" not in repr(parts)
    assert told(await trunks.of("DELETE", f"settings?name={name}"))["value"] == "***"


async def test_an_alias_is_a_number_of_the_account_tr_71(trunks: Any) -> None:
    """One that rings for it, or that a trunk of it has."""

    async def write(value: str) -> Any:
        items = [{"name": "trunk_external_alias", "value": value}]
        return await trunks.of("POST", "settings", json={"settings": items})

    refusal = (await write("+918000000099")).json()["response"][0]["error_data"]
    text = "trunk_external_alias is not a number of this account"
    assert (refusal["code"], refusal["description"]) == (1002, text)
    assert told(await trunks.of("POST", "phone-numbers", json={"phone_number": "+918000000099"}))
    assert (await write("+918000000099")).json()["response"][0]["code"] == 200
    assert (await write("+918040000002")).json()["response"][0]["code"] == 200


async def test_a_setting_that_means_nothing_is_refused_by_itself_tr_13(trunks: Any) -> None:
    items = [
        {"name": "as_srtp", "value": "required"},
        {"name": "as_srtp", "value": "maybe"},
        {"name": "colour", "value": "red"},
        {"value": "red"},
        "red",
        {"name": "as_preset", "value": "a\u0000b"},
    ]
    answer = await trunks.of("POST", "settings", json={"settings": items})
    whole = answer.json()
    assert answer.status_code == whole["http_code"] == 207
    assert whole["metadata"] == {"total": 6, "success": 1, "failed": 5}
    codes = [one["error_data"] and one["error_data"]["code"] for one in whole["response"]]
    assert codes == [None, 1002, 1002, 1001, 1002, 1002]
    nothing: list[dict[str, Any]] = [{}, {"settings": []}]
    for wrong in nothing:
        answer = await trunks.of("POST", "settings", json=wrong)
        assert refused(answer) == (400, 1001, "Settings is mandatory")
    many = {"settings": [items[0]] * 65}
    assert refused(await trunks.of("POST", "settings", json=many))[:2] == (400, 1002)
    assert refused(await trunks.of("POST", "settings", json={"settings": "x"}))[1] == 1002
