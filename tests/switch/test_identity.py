"""Who a callee is told that calls: the headers beside From."""

import pytest

from agentstream.sip.headers import parse_name_addr
from agentstream.switch.identity import ANONYMOUS, PLAIN, Identity, identity_headers

ME = "+918040000002"


@pytest.mark.parametrize(
    ("identity", "wanted"),
    [
        (PLAIN, ()),
        (Identity(ME), (("P-Asserted-Identity", f"<sip:{ME}@h.example>"),)),
        (Identity(ME, ME), (("P-Asserted-Identity", f'"{ME}" <sip:{ME}@h.example>'),)),
        (
            Identity(remote_party=ME),
            (
                (
                    "Remote-Party-ID",
                    f"<sip:{ME}@h.example>;party=calling;screen=yes;privacy=off",
                ),
            ),
        ),
        (
            Identity(ME, is_private=True),
            (("P-Asserted-Identity", f"<sip:{ME}@h.example>"), ("Privacy", "id")),
        ),
        (Identity(diverted_by=ME), (("Diversion", f"<sip:{ME}@h.example>;reason=unconditional"),)),
        (Identity(ANONYMOUS, remote_party=ANONYMOUS), ()),
    ],
)
def test_an_identity_is_said_in_its_headers(
    identity: Identity, wanted: tuple[tuple[str, str], ...]
) -> None:
    """RFC 3323, 3325, 5806."""
    assert identity_headers(identity, "h.example") == wanted


def test_a_name_that_would_break_the_header_is_quoted() -> None:
    ((_, value),) = identity_headers(Identity("ann", 'A "b" <c>'), "h.example")
    read = parse_name_addr(value)
    assert (read.display, read.uri) == ('A "b" <c>', "sip:ann@h.example")
