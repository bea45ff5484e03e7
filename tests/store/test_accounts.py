import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid
from agentstream.store.protocols import Store
from agentstream.store.values import KeyHolder


async def test_an_account_is_found_whatever_the_case_of_its_sid(store: Store) -> None:
    made = await store.accounts.create("Green Leaf", sid="GreenLeaf1")
    assert await store.accounts.find("greenleaf1") == made  # CC-4
    assert made.sid == "GreenLeaf1"  # bots compare the sid that `start` carries: it stays as given
    assert await store.accounts.find("other") is None


async def test_two_accounts_cannot_share_a_sid_that_differs_only_in_case(store: Store) -> None:
    await store.accounts.create("One", sid="leaf")
    with pytest.raises(CommandError, match="LEAF exists already"):
        await store.accounts.create("Two", sid="LEAF")


@pytest.mark.parametrize("sid", ["a/b", "-a", "a b", "é", "a" * 65])
async def test_a_sid_that_cannot_stand_in_a_path_is_refused(store: Store, sid: str) -> None:
    with pytest.raises(CommandError, match="account sid"):
        await store.accounts.create("Odd", sid=sid)


async def test_a_key_opens_its_own_account_and_no_other(store: Store) -> None:
    one = await store.accounts.create("One")
    two = await store.accounts.create("Two")
    key, other = await store.accounts.create_key(one.sid), await store.accounts.create_key(two.sid)
    [kept] = await store.accounts.keys(one.sid)
    holder = KeyHolder(one, kept)
    assert await store.accounts.verify(key.key, key.token) == holder  # CC-3
    assert await store.accounts.verify(one.sid.upper(), key.token) == holder  # the sid as user
    assert await store.accounts.verify(key.key, other.token) is None
    assert await store.accounts.verify(two.sid, key.token) is None
    assert await store.accounts.verify("nobody", key.token) is None


async def test_a_key_has_a_role_and_perhaps_a_rate_of_its_own(store: Store) -> None:
    account = await store.accounts.create("One")
    plain = await store.accounts.create_key(account.sid)
    reader = await store.accounts.create_key(account.sid, "wall", "read-only", 30)
    found = {}
    for key in (plain, reader):
        holder = await store.accounts.verify(key.key, key.token)
        assert holder is not None
        found[key.key] = (holder.key.role, holder.key.requests_per_minute)
    assert found == {plain.key: ("admin", None), reader.key: ("read-only", 30)}


async def test_a_revoked_key_opens_nothing(store: Store) -> None:
    account = await store.accounts.create("One")
    key = await store.accounts.create_key(account.sid, "laptop")
    await store.accounts.revoke_key(key.key)
    assert await store.accounts.verify(key.key, key.token) is None
    assert [(k.label, k.is_revoked) for k in await store.accounts.keys(account.sid)] == [
        ("laptop", True)
    ]
    with pytest.raises(CommandError, match="no key"):
        await store.accounts.revoke_key("nothing")


async def test_a_token_shows_in_no_repr(store: Store) -> None:
    account = await store.accounts.create("One")
    key = await store.accounts.create_key(account.sid)
    assert key.token not in repr(key)


async def test_limits_and_allowed_hosts_can_be_changed(store: Store) -> None:
    account = await store.accounts.create("One", egress_allow=("10.1.0.0/16",))
    assert account.stream_limit == 100  # AS-50
    changed = await store.accounts.change(account.sid, stream_limit=7)
    assert (changed.stream_limit, changed.egress_allow) == (7, ("10.1.0.0/16",))
    changed = await store.accounts.change(account.sid, egress_allow=("a.example", "b.example"))
    assert await store.accounts.list() == [changed]
    assert changed.egress_allow == ("a.example", "b.example")


async def test_an_account_that_is_not_there_can_be_given_nothing(store: Store) -> None:
    nobody = AccountSid("nobody")
    with pytest.raises(CommandError, match="no account nobody"):
        await store.accounts.create_key(nobody)
    with pytest.raises(CommandError, match="no account nobody"):
        await store.accounts.change(nobody, stream_limit=1)
    with pytest.raises(CommandError, match="no account nobody"):
        await store.flows.apply(nobody, "hello", "{}")
