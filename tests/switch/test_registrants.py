"""Users of accounts' trunks who may register with us."""

from datetime import UTC, datetime

import pytest

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.sip.bindings import Registrant
from agentstream.store.trunk_book import TrunkBook, book_of
from agentstream.store.trunk_options import check
from agentstream.store.trunks import AccountTrunk, TrunkCredential, TrunkParts, TrunkSetting
from agentstream.store.values import Account
from agentstream.switch.registrants import registrants

WALL = datetime(2027, 1, 12, tzinfo=UTC)
ACCOUNT = Account(AccountSid("acme7"), "Acme", WALL)


def trunk(sid: str, domain: str, *, enabled: str = "true", active: bool = True) -> TrunkParts:
    row = AccountTrunk(
        sid=TrunkSid(sid),
        account_sid=ACCOUNT.sid,
        name="pbx",
        nso_code="ANY-ANY",
        domain_name=domain,
        is_active=active,
        created_at=WALL,
        updated_at=WALL,
    )
    credential = TrunkCredential(
        id=1, trunk_sid=row.sid, user_name="ann", ha1="MD5=x", created_at=WALL, updated_at=WALL
    )
    setting = TrunkSetting(
        trunk_sid=row.sid,
        name="as_registration_enabled",
        value=enabled,
        created_at=WALL,
        updated_at=WALL,
    )
    return TrunkParts(row, credentials=(credential,), settings=(setting,))


def book(*trunks: TrunkParts) -> TrunkBook:
    return book_of(trunks, {ACCOUNT.sid: ACCOUNT})


ONE, TWO = trunk("t1", "one.example"), trunk("t2", "two.example")


@pytest.mark.parametrize(
    ("trunks", "host", "key"),
    [
        ((ONE, TWO), "one.example", "t1"),
        ((ONE, TWO), "two.example", "t2"),
        ((ONE,), "192.0.2.10", "t1"),
        ((ONE, TWO), "192.0.2.10", ""),  # which one?
        ((trunk("t1", "one.example", enabled="false"),), "one.example", ""),
        ((trunk("t1", "one.example", active=False),), "one.example", ""),
        ((), "one.example", ""),
    ],
)
def test_a_user_is_found_by_domain_or_alone(
    trunks: tuple[TrunkParts, ...], host: str, key: str
) -> None:
    """SIP-37, SIP-33: the realm is the trunk's domain."""
    found = registrants(lambda: book(*trunks))("ann", host)
    assert (found.key if found else "") == key
    if found:
        assert found == Registrant(
            key, "ann", {"t1": ONE, "t2": TWO}[key].trunk.domain_name, "MD5=x"
        )
    assert registrants(lambda: book(*trunks))("eve", host) is None


def test_the_setting_is_true_or_false() -> None:
    assert check("as_registration_enabled", "true") == ""
    assert check("as_registration_enabled", "1") == "as_registration_enabled: true or false"


def test_the_secret_is_not_shown() -> None:
    assert "MD5" not in repr(Registrant("t1", "ann", "one.example", "MD5=x"))
