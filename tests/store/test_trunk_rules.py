"""What may be written about trunks: parsers give a value or a sentence, never anything else."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip.digest import from_stored, ha1
from agentstream.sip.uri import parse_uri
from agentstream.store import trunk_rules as rules
from agentstream.store.trunk_rules import RuleError, TrunkRules

LENIENT = TrunkRules()
STRICT = TrunkRules(is_strict=True, takes_udp=False, needs_acl_for_ip=True)
READERS: list[Any] = [
    rules.name_of,
    rules.number_of,
    rules.mode_of,
    lambda text: rules.nso_code_of(text, LENIENT),
    lambda text: rules.domain_of(text, LENIENT),
    lambda text: rules.address_of(text, LENIENT),
    lambda text: rules.mask_of(text, "10.0.0.1", LENIENT),
    lambda text: rules.user_of(text, LENIENT),
    lambda text: rules.password_of(text, LENIENT),
    lambda text: rules.friendly_name_of(text, LENIENT),
    lambda text: rules.weight_of("weight", text),
    lambda text: rules.destination_of(text, LENIENT),
    lambda text: rules.destination_of(text, STRICT),
    lambda text: rules.check_setting(text, text, LENIENT),
    lambda text: rules.check_setting("as_header_map", text, LENIENT),
]
SIP_TEXTS = st.text(alphabet="sip:@;=.[]transporudcl0123456789-_%?ABx ", max_size=60)


@given(text=st.one_of(st.text(max_size=80), SIP_TEXTS))
def test_every_text_gives_a_value_or_a_sentence(text: str) -> None:
    for read in READERS:
        with suppress(RuleError):
            read(text)


@given(text=SIP_TEXTS)
def test_what_is_kept_of_a_destination_is_read_again_as_itself_tr_63(text: str) -> None:
    try:
        uri = rules.destination_of(text, LENIENT)
    except RuleError:
        return
    assert parse_uri(str(uri)) == uri
    assert str(rules.destination_of(str(uri), LENIENT)) == str(uri)


@given(
    host=st.from_regex(r"[a-z][a-z0-9]{0,10}\.(test|example)", fullmatch=True),
    port=st.integers(1, 65_535),
    transport=st.sampled_from(["tls", "tcp", "udp"]),
)
def test_the_usual_form_of_a_destination_is_kept_as_it_is_tr_63(
    host: str, port: int, transport: str
) -> None:
    text = f"{host}:{port};transport={transport}"
    assert str(rules.destination_of(text, LENIENT)) == f"sip:{text}"


@given(
    user=st.text(
        alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64
    )
)
def test_all_printable_ascii_may_be_a_user_or_a_password_tr_62(user: str) -> None:
    assert rules.user_of(user, LENIENT) == rules.password_of(user, LENIENT) == user
    stored = rules.secret_of(user, "a.pstn.exotel.com", user)
    assert from_stored(stored, "SHA-256") == ha1(user, "a.pstn.exotel.com", user, "SHA-256")


@pytest.mark.parametrize(
    ("text", "suffixes", "domain"),
    [
        ("Acme7.PSTN.exotel.com", LENIENT.domain_suffixes, "acme7.pstn.exotel.com"),
        ("acme7.pstn.agentstream.internal", LENIENT.domain_suffixes, None),
        ("pbx.example.net", (), None),
    ],
)
def test_a_domain_ends_with_one_of_the_suffixes_tr_38(
    text: str, suffixes: tuple[str, ...], domain: str | None
) -> None:
    found = rules.domain_of(text, TrunkRules(domain_suffixes=suffixes))
    assert found == (domain or text)


def test_an_ipv4_address_inside_an_ipv6_one_is_that_address_tr_58() -> None:
    assert rules.address_of("::ffff:203.0.113.9", LENIENT) == "203.0.113.9"
