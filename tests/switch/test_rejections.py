"""The list of what was turned away: bounded, by account, newest first."""

from agentstream.switch.rejections import Rejection, Rejections
from agentstream.testing.trunk_books import NOON


def rejection(account: str, number: int, trunk: str = "t", reason: str = "acl-miss") -> Rejection:
    return Rejection(
        at=NOON,
        account_sid=account,
        trunk_sid=trunk,
        source="udp:192.0.2.1:5060",
        method="INVITE",
        status=403,
        reason=reason,
        sip_call_id=str(number),
    )


def test_an_account_sees_its_own_newest_first_and_of_one_trunk() -> None:
    """SD-5."""
    kept = Rejections()
    for number in range(4):
        kept.note(rejection("acme", number, trunk="odd" if number % 2 else "even"))
    kept.note(rejection("other", 9))
    assert [one.sip_call_id for one in kept.recent("acme")] == ["3", "2", "1", "0"]
    assert [one.sip_call_id for one in kept.recent("acme", "odd")] == ["3", "1"]
    assert [one.sip_call_id for one in kept.recent("other")] == ["9"]
    assert kept.recent("nobody") == []


def test_a_repeated_request_only_counts() -> None:
    kept = Rejections()
    for reason in ("acl-miss", "acl-miss", "limit"):
        kept.note(rejection("acme", 1, reason=reason))
    assert [(one.reason, one.count) for one in kept.recent("acme")] == [
        ("limit", 1),
        ("acl-miss", 2),
    ]


def test_the_oldest_of_an_account_and_the_quietest_account_give_way() -> None:
    kept = Rejections(per_account=3, accounts=2)
    for number in range(10):
        kept.note(rejection("acme", number))
    assert [one.sip_call_id for one in kept.recent("acme")] == ["9", "8", "7"]
    kept.note(rejection("second", 1))
    kept.note(rejection("acme", 10))
    kept.note(rejection("third", 1))
    assert kept.recent("second") == []
    assert len(kept.recent("acme")) == 3
