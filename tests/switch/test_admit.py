"""What is read from an invitation."""

from agentstream.sip.reports import Invited, SipCallRef
from agentstream.switch.admit import caller_number, header_variables


def invited(trunk_sid: str = "", shown_caller: str = "") -> Invited:
    return Invited(
        ref=SipCallRef("1"),
        sip_call_id="1",
        request_uri="sip:+918000000042@x.test",
        from_uri="sip:bob@x.test",
        from_display="",
        to_uri="sip:x@x.test",
        source="udp:192.0.2.1:5060",
        offer=None,
        headers=(("X-Exotel-CallSid", "1"), ("X-Exotel-AccountSid", "a"), ("X-Order", "7")),
        trunk_sid=trunk_sid,
        shown_caller=shown_caller,
    )


def test_a_trunks_caller_gives_headers_but_no_sids_of_ours() -> None:
    """SIP-27."""
    assert dict(header_variables(invited("tr1"))) == {"X-Exotel-AccountSid": "a", "X-Order": "7"}
    assert len(header_variables(invited())) == 3


def test_a_trunks_caller_has_the_number_that_the_gate_found() -> None:
    """SIP-26."""
    assert caller_number(invited("tr1", "+918000000042"), "") == "+918000000042"
    assert caller_number(invited(), "") == "bob"
