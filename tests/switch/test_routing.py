"""Where a dialled leg goes, and why it goes nowhere."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.sip.signaling import Credentials
from agentstream.switch.routing import NoRoadError, Road, Roads, Trunk, find_road

ME = "+918040000002"
CARRIER = Trunk(
    "carrier",
    "sip:sbc.carrier.example:5080;transport=tcp",
    proxy="sip:edge.carrier.example:5090",
    credentials=Credentials("acct", "secret"),
    headers=(("X-Account", "7"),),
)
PLAIN = Trunk("plain", "sip:192.0.2.7", from_user="acct", caller_id="+918040000005", has_plus=False)
ROADS = Roads({"carrier": CARRIER, "plain": PLAIN}, "carrier", country_code="91")


def road(destination: str, roads: Roads = ROADS, **changes: Any) -> Road:
    return find_road(DialSpec(destination, **changes), roads, ME)


def refusal(destination: str, roads: Roads = ROADS, **changes: Any) -> NoRoadError:
    with pytest.raises(NoRoadError) as caught:
        road(destination, roads, **changes)
    return caught.value


@pytest.mark.parametrize("number", ["+91 80 4000-0009", "08040000009", "tel:+918040000009"])
def test_a_number_goes_out_by_the_default_trunk_in_one_form(number: str) -> None:
    found = road(number)
    assert str(found.target) == "sip:+918040000009@sbc.carrier.example:5080;transport=tcp"
    assert (found.caller, found.display) == (ME, "")  # AP-47
    assert found.proxy == CARRIER.proxy
    assert found.credentials == CARRIER.credentials
    assert found.headers == (("X-Account", "7"),)
    assert found.first_host == "edge.carrier.example"


def test_a_trunk_may_want_its_account_in_from_and_numbers_without_a_plus() -> None:
    found = road("+918040000009", trunk="Plain")
    assert str(found.target) == "sip:918040000009@192.0.2.7"
    assert (found.caller, found.display) == ("acct", "918040000005")
    assert found.first_host == "192.0.2.7"


def test_the_caller_id_of_the_call_counts_before_that_of_the_trunk() -> None:
    assert road("+918040000009", trunk="plain", caller_id="08040000007").display == "918040000007"
    assert road("+918040000009", caller_id="sip:+918040000008@here").caller == "+918040000008"


@pytest.mark.parametrize("caller_id", ["sip:", "sip:192.0.2.1", " "])
def test_a_caller_without_a_number_is_anonymous(caller_id: str) -> None:
    assert find_road(DialSpec("1001", caller_id=caller_id), ROADS, "").caller == "anonymous"


def test_an_address_of_a_trunks_name_is_that_trunk_ap_40() -> None:
    found = road("sip:PLAIN", to_number="+918040000009")
    assert str(found.target) == "sip:918040000009@192.0.2.7"
    assert refusal("sip:plain").cause is Cause.NUMBER_INCOMPLETE
    assert "no trunk named 'office'" in str(refusal("sip:office", to_number="100"))


@pytest.mark.parametrize(
    "address",
    ["sip:ann@192.0.2.9:5070", "sips:ann@phones.example", "sip:192.0.2.9", "sip:a.example"],
)
def test_a_sip_address_is_dialled_directly(address: str) -> None:
    found = road(address)
    assert str(found.target) == address
    assert (found.caller, found.proxy, found.credentials) == (ME, "", None)


def test_a_sip_address_needs_permission_or_a_place_in_the_list() -> None:
    closed = Roads(
        sip_addresses=False,
        sip_hosts=("*.Phones.example", "pbx.example", "192.0.2.0/24", "fd00::1"),
    )
    for address in (
        "sip:ann@a.phones.example",
        "sip:ann@PBX.example",
        "sip:ann@192.0.2.77",
        "sip:ann@[fd00::1]:5060",
    ):
        assert str(road(address, closed).target) == address
    for address in ("sip:ann@phones.example", "sip:ann@192.0.3.1", "sip:ann@elsewhere.example"):
        error = refusal(address, closed)
        assert error.cause is Cause.REJECTED
        assert "may not be dialled" in str(error)


@pytest.mark.parametrize("host", ["169.254.169.254", "224.0.0.1", "0.0.0.0", "[fe80::1]"])
def test_an_address_where_no_phone_can_be_is_never_dialled_unless_listed(host: str) -> None:
    assert refusal(f"sip:ann@{host}").cause is Cause.REJECTED
    listed = Roads(sip_hosts=(host.strip("[]"),))
    assert road(f"sip:ann@{host}", listed).target.host == host


def test_a_host_that_is_denied_is_never_dialled_even_if_listed() -> None:
    roads = Roads(sip_hosts=("192.0.2.0/24",), denied=("192.0.2.9/32", "*.evil.example"))
    assert road("sip:ann@192.0.2.8", roads).target.host == "192.0.2.8"
    for host in ("192.0.2.9", "pbx.evil.example"):
        assert "[egress] deny" in str(refusal(f"sip:ann@{host}", roads))


@pytest.mark.parametrize("address", ["sip:ann:secret@192.0.2.9", "sip:ann@192.0.2.9?Subject=x"])
def test_an_address_with_a_password_or_headers_is_refused(address: str) -> None:
    error = refusal(address)
    assert error.cause is Cause.REJECTED
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "destination", ["", "ann", "sip:", "sip:a b@c", "+91-80-4000-CALL", "1" * 40]
)
def test_what_cannot_be_dialled_is_said_so(destination: str) -> None:
    assert refusal(destination).cause is Cause.NUMBER_INCOMPLETE


def test_without_a_trunk_no_number_is_dialled() -> None:
    assert "[dial] trunk" in str(refusal("+918040000009", Roads()))
    error = refusal("+918040000009", trunk="nowhere")
    assert (error.cause, str(error)) == (Cause.FAILED, "There is no trunk named 'nowhere'.")


def test_short_codes_and_keys_can_be_dialled() -> None:
    assert road("*21#").target.user == "*21#"
    assert road("1001").target.user == "1001"


@pytest.mark.parametrize("name", ["Via", "from", "l", "Content-Length", "X Y", "X-A\r\nVia", ""])
def test_a_header_that_is_not_theirs_to_set_is_refused(name: str) -> None:
    with pytest.raises(NoRoadError, match="cannot be set"):
        find_road(DialSpec("1001", headers=((name, "v"),)), ROADS, ME)


def test_a_header_with_a_line_end_is_refused_and_others_join_the_trunks_ap_42() -> None:
    with pytest.raises(NoRoadError, match="cannot be sent"):
        find_road(DialSpec("1001", headers=(("X-A", "b\r\nVia: c"),)), ROADS, ME)
    found = find_road(DialSpec("1001", headers=(("X-Ticket", "42"),)), ROADS, ME)
    assert found.headers == (("X-Account", "7"), ("X-Ticket", "42"))


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_asked_there_is_a_road_or_a_sentence(
    destination: str, to_number: str, caller_id: str
) -> None:
    for text in (destination, f"sip:{destination}", f"sip:{destination}@192.0.2.9"):
        try:
            said = str(road(text, to_number=to_number, caller_id=caller_id).target)
        except NoRoadError as error:
            said = str(error)
        assert said
        assert said.isprintable()
