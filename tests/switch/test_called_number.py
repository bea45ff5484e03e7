"""Who calls whom, as an invitation says it."""

import pytest

from agentstream.sip.reports import Header, Invited, SipCallRef
from agentstream.switch.admit import called_number

OURS = frozenset({"acct"})


def invited(request_user: str, to_user: str, *headers: Header) -> Invited:
    return Invited(
        ref=SipCallRef("1"),
        sip_call_id="1",
        request_uri=f"sip:{request_user}@192.0.2.10:5060",
        from_uri="sip:+912240000017@192.0.2.1",
        from_display="",
        to_uri=f"sip:{to_user}@carrier.example",
        source="udp:192.0.2.1:5060",
        offer=None,
        headers=headers,
    )


PARTY = ("P-Called-Party-ID", "<sip:+918000000042@carrier.example>")


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (invited("+918000000042", "acct"), "+918000000042"),  # the number itself
        (invited("acct", "+918000000042"), "+918000000042"),  # RFC 3261 section 16.5
        (invited("acct", "acct", PARTY), "+918000000042"),  # RFC 7315 section 4.2
        (invited("acct", "+919999999999", PARTY), "+918000000042"),
        (invited("acct", "acct"), "acct"),  # nobody says it: the account may be a number here
        (invited("acct", "+918000000042", ("P-Called-Party-ID", "<>")), "+918000000042"),
        (invited("other", "+918000000042", PARTY), "other"),  # no registration of ours
    ],
)
def test_the_number_of_a_call_by_a_registration_is_said_elsewhere(
    call: Invited, number: str
) -> None:
    assert called_number(call, "", OURS) == number


def test_without_registrations_the_request_uri_is_all_that_counts() -> None:
    """SIP-20."""
    assert called_number(invited("acct", "+918000000042", PARTY), "") == "acct"
