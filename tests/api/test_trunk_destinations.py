"""Where calls to a trunk go: each is taken or refused by itself (TR-13, TR-63 to TR-67)."""

from typing import Any

import pytest

NO_HOST = "Destination is not a valid Ip or Fqdn"
NOT_LISTED = "Destination not whitelisted"
STRICT = {"compat": {"mode": "strict"}}


def results(answer: Any) -> list[str]:
    """Return what each item became: its destination, or why it was refused."""
    whole = answer.json()
    assert answer.status_code == whole["http_code"], whole
    told = [
        one["data"]["destination"] if one["data"] else one["error_data"]["description"]
        for one in whole["response"]
    ]
    failed = sum(one["status"] == "failure" for one in whole["response"])
    assert whole["metadata"] == {
        "total": len(told),
        "success": len(told) - failed,
        "failed": failed,
    }
    assert whole["http_code"] == (207 if failed else 200)
    return told


async def add(trunks: Any, *destinations: str, method: str = "POST") -> list[str]:
    body = {"destinations": [{"destination": one} for one in destinations]}
    return results(await trunks.of(method, "destination-uris", json=body))


async def kept(trunks: Any) -> list[str]:
    answer = (await trunks.of("GET", "destination-uris")).json()
    return [one["data"]["destination"] for one in reversed(answer["response"])]


@pytest.mark.parametrize("trunk_config", [{"trunk": {"require_acl_for_ip_destination": True}}])
async def test_one_good_and_one_bad_destination_are_a_207_tr_13_tr_63_tr_67(trunks: Any) -> None:
    body = {
        "destinations": [
            {"destination": "sip.bot.acme.test:5061;transport=tls"},
            {"destination": "198.51.100.9:5060;transport=tcp"},
        ]
    }
    answer = await trunks.of("POST", "destination-uris", json=body)
    assert answer.status_code == 207
    good, bad = answer.json()["response"]
    assert good["data"] == {  # TR-64
        "id": "1",
        "destination": "sip:sip.bot.acme.test:5061;transport=tls",
        "type": "public",
        "priority": 0,
        "weight": 1,
        "trunk_sid": trunks.sid,
        "date_created": good["data"]["date_created"],
        "date_updated": good["data"]["date_created"],
    }
    assert bad == {
        "code": 400,
        "error_data": {"code": 1002, "message": "Invalid parameter", "description": NOT_LISTED},
        "status": "failure",
        "data": None,
    }
    await trunks.of("POST", "whitelisted-ips", json={"ip": "198.51.100.0", "mask": 24})
    assert await add(trunks, "198.51.100.9:5060;transport=tcp") == [
        "sip:198.51.100.9:5060;transport=tcp"
    ]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("sip.acme.test:5061;transport=tls", "sip:sip.acme.test:5061;transport=tls"),
        ("sip:SIP.acme.test:5070;transport=TCP", "sip:sip.acme.test:5070;transport=tcp"),
        ("sips:sip.acme.test", "sip:sip.acme.test:5061;transport=tls"),
        ("agent_7@sip.acme.test;transport=tls", "sip:agent_7@sip.acme.test:5061;transport=tls"),
        ("sip.acme.test;transport=udp", "sip:sip.acme.test:5060;transport=udp"),
        ("sip.acme.test;transport=tcp", "sip:sip.acme.test:5060;transport=tcp"),
        ("sip.acme.test", "sip:sip.acme.test"),
        ("sip.acme.test:5080", "sip:sip.acme.test:5080"),
        ("10.1.2.3:5060;transport=udp", "sip:10.1.2.3:5060;transport=udp"),
        ("sip.acme.test;transport=wss", "sip:sip.acme.test:443;transport=wss"),
        ("[2001:db8::7]:5061;transport=tls", "sip:[2001:db8::7]:5061;transport=tls"),
    ],
)
async def test_a_destination_is_written_in_many_ways_and_kept_in_one_tr_63_tr_66_sc_6(
    trunks: Any, written: str, stored: str
) -> None:
    assert await add(trunks, written) == [stored]
    assert await kept(trunks) == [stored]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("nowhere.test:5061;transport=tls", NO_HOST),
        ("300.1.2.3:5061;transport=tls", NO_HOST),
        ("169.254.169.254:5060;transport=tcp", NO_HOST),
        ("224.0.0.1:5060;transport=tcp", NO_HOST),
        ("two words:5060", NO_HOST),
        ("sip.acme.test:0;transport=tls", NO_HOST),
        ("sip.acme.test:99999;transport=tls", NO_HOST),
        ("http://sip.acme.test", NO_HOST),
        ("u:pw@sip.acme.test;transport=tls", NO_HOST),
        ("sip.acme.test?X-A=b", NO_HOST),
        ("sip.acme.test;transport=sctp", "Transport should be tls, tcp or udp"),
        ("sips:sip.acme.test;transport=udp", "Transport should be tls, tcp or udp"),
        ("", "Destination is mandatory"),
        ("a" * 513, "Maximum allowed length for Destination is 512"),
    ],
)
async def test_a_destination_that_is_none_is_refused_tr_63(
    trunks: Any, written: str, text: str
) -> None:
    assert await add(trunks, written) == [text]
    assert await kept(trunks) == []


@pytest.mark.parametrize("trunk_config", [STRICT])
async def test_strict_refuses_what_the_hosted_service_refuses_sd_3_tr_63_tr_66_tr_67(
    trunks: Any,
) -> None:
    await trunks.of("POST", "whitelisted-ips", json={"ip": "10.1.2.3"})
    assert await add(
        trunks,
        "sip.acme.test:5061;transport=tls",
        "sip.acme.test:5060;transport=udp",
        "sip.acme.test;transport=tls",
        "8.8.8.8:5060;transport=tcp",
        "10.1.2.3:5060;transport=tcp",
        "inside.acme.test:5060;transport=tcp",
    ) == [
        "sip:sip.acme.test:5061;transport=tls",
        "Transport should be tls or tcp",
        "Port and transport are mandatory in Destination",
        NOT_LISTED,
        NO_HOST,
        NO_HOST,
    ]
    settings = {"settings": [{"name": "as_cps", "value": "1"}]}
    assert (await trunks.of("POST", "settings", json=settings)).status_code == 207
    unknown = (await trunks.ask("GET", "trdev1none")).json()["response"]["error_data"]
    assert unknown["code"] == 1003  # SC-2
    v6 = await trunks.of("POST", "whitelisted-ips", json={"ip": "2001:db8::1"})
    assert v6.json()["response"]["error_data"]["description"] == "Invalid ip"
    older = await trunks.create("older", nso_code="ANY ANY")
    assert older.json()["response"]["error_data"]["description"] == "Nso code is invalid"


@pytest.mark.parametrize(
    "trunk_config", [{"egress": {"mode": "closed"}}, {"egress": {"deny": "10.0.0.0/8"}}]
)
async def test_private_destinations_go_through_the_egress_policy_tr_67(trunks: Any) -> None:
    assert await add(trunks, "inside.acme.test", "10.1.2.3") == [NO_HOST, NO_HOST]
    assert await add(trunks, "sip.acme.test:443;transport=tls") == [
        "sip:sip.acme.test:443;transport=tls"
    ]


@pytest.mark.parametrize(
    "trunk_config",
    [{"egress": {"mode": "closed"}, "trunk": {"allow_private_destinations": True}}],
)
async def test_private_destinations_are_a_setting_of_their_own_tr_67(trunks: Any) -> None:
    assert await add(trunks, "10.1.2.3") == ["sip:10.1.2.3"]


async def test_a_trunks_own_transport_stands_for_one_that_is_not_written_tr_72(
    trunks: Any,
) -> None:
    settings = {"settings": [{"name": "as_transport", "value": "tls"}]}
    await trunks.of("POST", "settings", json=settings)
    assert await add(trunks, "sip.acme.test") == ["sip:sip.acme.test"]


async def test_post_appends_and_a_destination_is_there_once_tr_64(trunks: Any) -> None:
    await add(trunks, "a.acme.test")
    again = await add(trunks, "b.acme.test", "a.acme.test")
    assert again == ["sip:b.acme.test", "Unable to create destination sip:a.acme.test"]
    assert await kept(trunks) == ["sip:a.acme.test", "sip:b.acme.test"]


async def test_priority_and_weight_are_set_at_once_or_later_tr_65_tr_66(trunks: Any) -> None:
    item = {"destination": "a.acme.test", "priority": 5, "weight": "10"}
    wrong = {**item, "destination": "b.acme.test", "weight": 70_000}
    answer = await trunks.of("POST", "destination_uris", json={"destinations": [item, wrong, 7]})
    good, bad, none = answer.json()["response"]
    assert (good["data"]["priority"], good["data"]["weight"]) == (5, 10)
    assert bad["error_data"]["description"] == "weight should be in-between 0 and 65535"
    assert none["error_data"]["description"] == NO_HOST
    changed = (await trunks.of("PUT", "destination-uris/1", json={"weight": 0})).json()
    data = changed["response"]["data"]
    assert (data["priority"], data["weight"]) == (5, 0)
    body = {"destination": "c.acme.test", "priority": 1}
    moved = (await trunks.of("PUT", "destination_uris/1", json=body)).json()["response"]["data"]
    assert (moved["destination"], moved["priority"]) == ("sip:c.acme.test", 1)


async def test_a_put_on_the_collection_replaces_the_list_tr_65_sc_16(trunks: Any) -> None:
    await add(trunks, "a.acme.test", "b.acme.test")
    mixed = await add(trunks, "b.acme.test", "nowhere.test", "b.acme.test", method="PUT")
    twice = "Unable to create destination sip:b.acme.test"
    assert mixed == ["sip:b.acme.test", NO_HOST, twice]
    assert await kept(trunks) == ["sip:b.acme.test"]
    assert await add(trunks, "nowhere.test", method="PUT") == [NO_HOST]
    assert await kept(trunks) == ["sip:b.acme.test"], "nothing good came, so nothing changed"


async def test_a_destination_is_taken_off_by_query_or_path_tr_65_sc_15(trunks: Any) -> None:
    await add(trunks, "a.acme.test", "b.acme.test")
    first = (await trunks.of("DELETE", "destination-uris?id=1")).json()["response"]["data"]
    assert (first["id"], first["destination"]) == ("1", "sip:a.acme.test")
    assert (await trunks.of("DELETE", "destination_uris/2")).status_code == 200
    assert (await trunks.of("DELETE", "destination-uris/2")).status_code == 404
    assert await kept(trunks) == []


async def test_a_list_of_none_or_of_too_many_is_refused_whole(trunks: Any) -> None:
    for body, code in (
        ({}, 1001),
        ({"destinations": "a.acme.test"}, 1002),
        ({"destinations": [{"destination": "a.acme.test"}] * 65}, 1002),
    ):
        answer = await trunks.of("POST", "destination-uris", json=body)
        assert answer.status_code == 400
        assert answer.json()["response"]["error_data"]["code"] == code


async def test_what_no_longer_fits_is_refused_by_itself(
    trunks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agentstream.store.trunks import PART_LIMITS, TrunkDestination

    monkeypatch.setitem(PART_LIMITS, TrunkDestination, 1)
    told = await add(trunks, "a.acme.test", "b.acme.test")
    assert told == ["sip:a.acme.test", "there may be 1 at most"]
