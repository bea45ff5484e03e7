"""What the INVITE to each destination of an account's trunk says, and their order."""

from datetime import UTC, datetime

import pytest

from agentstream.base.ids import AccountSid, CallSid, LegSid, RandomTokens
from agentstream.base.weight import draw_by
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.calls.record import CallSetup
from agentstream.sip.bindings import Binding
from agentstream.sip.flow import Flow, TransportName
from agentstream.sip.signaling import Credentials
from agentstream.store.trunks import TrunkParts
from agentstream.switch.dialling import order_of
from agentstream.switch.roads import NoRoadError, Road, Roads
from agentstream.switch.trunk_roads import trunk_roads
from agentstream.testing.trunk_rows import entry_of, trunk_parts
from agentstream.testing.trunks import DOMAIN, TRUNK_SID

EXOPHONE, CALLER = "+918000000042", "+912240000017"
SETUP = CallSetup(
    call_sid=CallSid("c0ffee"),
    account_sid=AccountSid("greenleaf1"),
    direction="inbound",
    from_number=CALLER,
    to_number=EXOPHONE,
    started_at=datetime(2026, 3, 4, tzinfo=UTC),
)
SPEC = DialSpec(f"sip:{TRUNK_SID}", to_number=EXOPHONE, caller_id=EXOPHONE)  # as a Connect says it
ROADS = Roads(country_code="91")


def roads_of(
    parts: TrunkParts, spec: DialSpec = SPEC, setup: CallSetup = SETUP, roads: Roads = ROADS
) -> tuple[Road, ...]:
    draw = draw_by(RandomTokens())
    return trunk_roads(entry_of(parts), spec, (setup, LegSid("leg1")), roads, draw)


def phone(transport: TransportName = "udp") -> Binding:
    flow = Flow(transport, "192.0.2.10", 5060, "198.51.100.9", 40_123)
    return Binding("sip:ann@192.168.0.5:5060", flow, ("<sip:edge.test;lr>",), 1, "c", 1)


def refusal(parts: TrunkParts, spec: DialSpec = SPEC, roads: Roads = ROADS) -> NoRoadError:
    with pytest.raises(NoRoadError) as caught:
        roads_of(parts, spec, roads=roads)
    return caught.value


def test_the_request_uri_is_the_called_number_and_from_the_caller_sip_10_sip_11() -> None:
    (road,) = roads_of(trunk_parts("sip:sip.bot.test:5061;transport=tls"))
    order = order_of(road, "192.0.2.10", 30_000)
    assert order.target == f"sip:{EXOPHONE}@sip.bot.test:5061;transport=tls"
    assert (order.from_uri, order.from_display) == (f"sip:{CALLER}@{DOMAIN}", CALLER)
    assert order.to_uri == ""
    headers = dict(order.headers)
    assert headers["P-Asserted-Identity"] == f'"{CALLER}" <sip:{CALLER}@{DOMAIN}>'
    assert headers["P-Early-Media"] == "supported"
    assert headers["X-Exotel-CallSid"] == "c0ffee"
    assert headers["X-Exotel-TrunkSid"] == TRUNK_SID
    assert order.credentials is None
    assert (order.answer_timeout_ms, order.silence_timeout_ms) == (30_000, 4_000)
    assert road.name == "sip.bot.test:5061"


@pytest.mark.parametrize("written", ["918000000042", "08000000042", EXOPHONE])
def test_a_partner_is_always_given_the_number_with_its_plus_pn_20(written: str) -> None:
    spec = DialSpec(f"sip:{TRUNK_SID}", to_number=written)
    (road,) = roads_of(trunk_parts("sip:192.0.2.7"), spec)
    assert road.target.user == EXOPHONE


def test_a_destination_with_a_user_keeps_it_and_to_has_the_number_pn_30() -> None:
    (road,) = roads_of(trunk_parts("sip:proj_1@sip.ai.test;transport=tls"))
    order = order_of(road, "192.0.2.10", 30_000)
    assert order.target == "sip:proj_1@sip.ai.test;transport=tls"
    assert order.to_uri == f"sip:{EXOPHONE}@sip.ai.test;transport=tls"


def test_a_caller_id_that_was_asked_for_is_shown() -> None:
    spec = DialSpec(f"sip:{TRUNK_SID}", to_number=EXOPHONE, caller_id="+918040000009")
    (road,) = roads_of(trunk_parts("sip:192.0.2.7"), spec)
    assert road.caller == "+918040000009"


def test_destinations_are_tried_by_priority_each_once_sip_17() -> None:
    parts = trunk_parts(("sip:192.0.2.3", 9, 1), ("sip:192.0.2.1", 0, 1), ("sip:192.0.2.2", 5, 0))
    found = roads_of(parts)
    assert [road.target.host for road in found] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert [road.key for road in found] == [f"{TRUNK_SID}#{id_}" for id_ in (302, 303, 301)]


def test_settings_of_the_trunk_are_used() -> None:
    """TR-72: as_transport, as_codecs, as_ring_timeout, as_failover_timeout, as_header_map."""
    parts = trunk_parts(
        "sip:192.0.2.7",
        "sip:192.0.2.8;transport=tls",
        as_transport="tcp",
        as_codecs="PCMA,OPUS,PCMU",
        as_ring_timeout="20",
        as_failover_timeout="700",
        as_max_calls="3",
        as_session_timer="600",
        as_header_map="X-CALL-ID={call_sid}",
    )
    first, second = roads_of(parts)
    assert (first.target.transport, second.target.transport) == ("tcp", "tls")
    assert first.codecs == ("PCMA", "OPUS", "PCMU")
    assert (first.ring_ms, first.silence_ms) == (20_000, 700)
    assert (first.limit.calls, first.limit_key) == (3, TRUNK_SID)
    assert ("X-CALL-ID", "c0ffee") in first.headers
    assert order_of(first, "192.0.2.10", 60_000).session_expires_s == 600


@pytest.mark.parametrize("transport", ["ws", "wss"])
def test_destinations_may_be_reached_by_websocket_rfc_7118(transport: str) -> None:
    (road,) = roads_of(trunk_parts("sip:sip.bot.test", as_transport=transport))
    assert (road.target.transport, road.transport) == (transport, transport)
    secure = trunk_parts("sip:sip.bot.test", as_transport=transport, is_secure=True)
    if transport == "wss":
        assert roads_of(secure)
    else:
        assert "secure" in str(refusal(secure))


def test_a_trunk_logs_in_at_destinations_that_ask_pn_2() -> None:
    """A user without a password is no login, and no repr has the password."""
    uri, password = "sip:sip.bot.test;transport=tcp", "secret-0815"
    parts = trunk_parts(uri, as_destination_user="us", as_destination_password=password)
    (road,) = roads_of(parts)
    assert road.credentials == Credentials("us", "secret-0815")
    assert order_of(road, "192.0.2.10", 30_000).credentials == road.credentials
    assert "0815" not in f"{road}{parts}{entry_of(parts)}"
    (alone,) = roads_of(trunk_parts(uri, as_destination_user="us"))
    assert alone.credentials is None


def test_the_house_offers_pcmu_where_nothing_is_set_pn_53() -> None:
    (road,) = roads_of(trunk_parts("sip:192.0.2.7"))
    assert road.codecs == ()


def test_custom_headers_go_along_and_reserved_ones_are_refused_sip_13_fl_4() -> None:
    parts = trunk_parts("sip:192.0.2.7")
    spec = DialSpec(f"sip:{TRUNK_SID}", to_number=EXOPHONE, headers=(("X-Ticket", "42"),))
    assert ("X-Ticket", "42") in roads_of(parts, spec)[0].headers
    spec = DialSpec(f"sip:{TRUNK_SID}", headers=(("X-Exotel-CallSid", "1"),))
    assert "reserved" in str(refusal(parts, spec))


def test_a_trunk_that_leads_nowhere_says_why_sip_76() -> None:
    assert refusal(trunk_parts()).cause is Cause.UNAVAILABLE
    assert "no destination" in str(refusal(trunk_parts()))
    assert "not a SIP address" in str(refusal(trunk_parts("nonsense")))
    assert "inactive" in str(refusal(trunk_parts("sip:192.0.2.7", is_active=False)))
    denied = Roads(denied=("192.0.2.7",))
    assert "egress" in str(refusal(trunk_parts("sip:192.0.2.7"), roads=denied))
    assert "metadata" in str(refusal(trunk_parts("sip:169.254.169.254")))


def test_a_secure_trunk_takes_destinations_with_tls_alone_tr_42() -> None:
    parts = trunk_parts("sip:192.0.2.7", "sips:192.0.2.8", is_secure=True)
    assert [road.target.host for road in roads_of(parts)] == ["192.0.2.8"]
    parts = trunk_parts("sip:192.0.2.7", is_secure=True)
    assert "not reached by TLS" in str(refusal(parts))


def test_destinations_need_not_be_in_the_lists_for_literal_addresses() -> None:
    (road,) = roads_of(trunk_parts("sip:192.0.2.7"), roads=Roads(sip_addresses=False))
    assert road.target.host == "192.0.2.7"


def test_a_number_may_go_out_by_a_trunk_of_the_account() -> None:
    (road,) = roads_of(trunk_parts("sip:192.0.2.7"), DialSpec("080 4000 0009", trunk=TRUNK_SID))
    assert str(road.target) == "sip:+918040000009@192.0.2.7"


def test_phones_that_have_registered_are_called_first_by_the_way_they_came_sip_37() -> None:
    entry, call, draw = entry_of(trunk_parts("sip:192.0.2.7")), (SETUP, LegSid("leg1")), lambda _: 0
    first, second = trunk_roads(entry, SPEC, call, ROADS, draw, (phone(),))
    order = order_of(first, "192.0.2.10", 30_000)
    assert (order.flow, order.routes) == (phone().flow, phone().path)
    assert order.target == "sip:ann@192.168.0.5:5060"
    assert order.to_uri.startswith(f"sip:{EXOPHONE}@")
    assert (first.first_host, first.key) == ("198.51.100.9", "")
    assert second.target.host == "192.0.2.7"
    (only,) = trunk_roads(entry_of(trunk_parts()), SPEC, call, ROADS, draw, (phone(),))
    assert only == first


def test_a_phone_of_a_secure_trunk_must_have_come_by_tls_tr_42() -> None:
    entry, call = entry_of(trunk_parts(is_secure=True)), (SETUP, LegSid("leg1"))
    (road,) = trunk_roads(entry, SPEC, call, ROADS, lambda _: 0, (phone(), phone("tls")))
    assert road.flow == phone("tls").flow
