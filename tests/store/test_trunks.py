"""Trunks of accounts in both databases and their double, and how calls find them."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, CountedTokens, TrunkSid
from agentstream.base.values import replace
from agentstream.store import trunks as rows
from agentstream.store.directory import Directory
from agentstream.store.files import SECRET_FILE
from agentstream.store.protocols import Store
from agentstream.store.sql_store import open_store
from agentstream.store.trunk_options import options_of
from agentstream.store.trunks import (
    AccountTrunk,
    AclEntry,
    TakenError,
    TrunkCredential,
    TrunkDestination,
    TrunkNumber,
    TrunkPart,
    TrunkSetting,
    new_trunk_sid,
)

NOW = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
SID = TrunkSid("trdev1a0b1c2d3e4f5a6b7c8z1n")
ONE = AccountSid("one")
NUMBER = TrunkNumber(
    id=0,
    trunk_sid=SID,
    account_sid=ONE,
    phone_number="+918000000042",
    mode="flow",
    created_at=NOW,
    updated_at=NOW,
)
NETWORK = AclEntry(id=0, trunk_sid=SID, ip="203.0.113.0", mask=24, created_at=NOW, updated_at=NOW)
USER = TrunkCredential(
    id=0, trunk_sid=SID, user_name="bot", ha1="MD5=secret", created_at=NOW, updated_at=NOW
)
DESTINATION = TrunkDestination(
    id=0, trunk_sid=SID, uri="sip:sip.bot.test:5061", created_at=NOW, updated_at=NOW
)
SETTING = TrunkSetting(trunk_sid=SID, name="as_cps", value="5", created_at=NOW, updated_at=NOW)
PARTS: tuple[TrunkPart, ...] = (NUMBER, NETWORK, USER, DESTINATION)


def trunk(sid: TrunkSid = SID, account: AccountSid = ONE, name: str = "bot") -> AccountTrunk:
    return AccountTrunk(
        sid=sid,
        account_sid=account,
        name=name,
        nso_code="ANY-ANY",
        domain_name="one.pstn.agentstream.test",
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.fixture
async def kept(store: Store) -> Store:
    """Give a store with one trunk of one account, and another account."""
    await store.accounts.create("One", sid="one")
    await store.accounts.create("Two", sid="two")
    await store.trunks.create(trunk())
    return store


async def test_a_trunk_is_found_with_its_parts_in_its_own_account_tr_32(kept: Store) -> None:
    number = await kept.trunks.add(NUMBER)
    network = await kept.trunks.add(NETWORK)
    user = await kept.trunks.add(USER)
    destination = await kept.trunks.add(DESTINATION)
    setting = await kept.trunks.set(SETTING)
    found = await kept.trunks.find(ONE, SID.upper())
    whole = rows.TrunkParts(trunk(), (number,), (network,), (user,), (destination,), (setting,))
    assert found == whole
    assert await kept.trunks.all() == [whole]
    assert await kept.trunks.find(AccountSid("two"), SID) is None
    assert await kept.trunks.mapped(ONE, NUMBER.phone_number) == number
    assert await kept.trunks.mapped(AccountSid("two"), NUMBER.phone_number) is None


async def test_names_and_numbers_are_unique_in_an_account_tr_53(kept: Store) -> None:
    other = trunk(TrunkSid("tr2"), name="other")
    await kept.trunks.create(other)
    await kept.trunks.add(NUMBER)
    with pytest.raises(TakenError, match="there is a trunk bot already"):
        await kept.trunks.create(trunk(TrunkSid("tr3")))
    with pytest.raises(TakenError, match="there is a trunk bot already"):
        await kept.trunks.change(other, replace(other, name="bot"))
    with pytest.raises(TakenError, match="mapped to a trunk already"):
        await kept.trunks.add(replace(NUMBER, trunk_sid=other.sid))
    theirs = trunk(TrunkSid("tr4"), AccountSid("two"))
    await kept.trunks.create(theirs)
    await kept.trunks.add(replace(NUMBER, trunk_sid=theirs.sid, account_sid=theirs.account_sid))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
async def test_a_part_is_there_once_and_its_id_is_never_given_again_tr_4(
    kept: Store, part: TrunkPart
) -> None:
    first = await kept.trunks.add(part)
    with pytest.raises(TakenError):
        await kept.trunks.add(part)
    assert await kept.trunks.remove(first)
    assert not await kept.trunks.remove(first)
    again = await kept.trunks.add(part)
    assert again.id > first.id
    assert again == replace(part, id=again.id)


async def test_two_who_change_different_fields_both_have_their_way(kept: Store) -> None:
    entry = await kept.trunks.add(NETWORK)
    await kept.trunks.change_part(entry, replace(entry, mask=25))
    await kept.trunks.change_part(entry, replace(entry, friendly_name="lab"))
    first = trunk()
    await kept.trunks.change(first, replace(first, name="new", updated_at=LATER))
    await kept.trunks.change(first, replace(first, is_secure=True))
    await kept.trunks.change(first, first)
    found = await kept.trunks.find(ONE, SID)
    assert found is not None
    assert (found.acl[0].mask, found.acl[0].friendly_name) == (25, "lab")
    changed = (found.trunk.name, found.trunk.is_secure, found.trunk.updated_at)
    assert changed == ("new", True, LATER)


async def test_what_is_gone_cannot_be_changed(kept: Store) -> None:
    other = trunk(TrunkSid("gone"))
    with pytest.raises(CommandError, match="no trunk gone"):
        await kept.trunks.change(other, replace(other, name="x"))
    with pytest.raises(CommandError, match="no trunk gone"):
        await kept.trunks.add(replace(NETWORK, trunk_sid=other.sid))
    with pytest.raises(CommandError, match="no trunk gone"):
        await kept.trunks.set(replace(SETTING, trunk_sid=other.sid))
    with pytest.raises(CommandError, match="none with the id 77"):
        await kept.trunks.change_part(replace(NETWORK, id=77), replace(NETWORK, id=77, mask=20))
    with pytest.raises(CommandError, match="no account nobody"):
        await kept.trunks.create(trunk(TrunkSid("x"), AccountSid("nobody")))
    assert not await kept.trunks.delete(other.sid)


async def test_a_setting_is_overwritten_and_stays_as_old_as_it_is_tr_70(kept: Store) -> None:
    await kept.trunks.set(SETTING)
    newer = replace(SETTING, value="9", created_at=LATER, updated_at=LATER)
    assert await kept.trunks.set(newer) == replace(newer, created_at=NOW)
    found = await kept.trunks.find(ONE, SID)
    assert found is not None
    assert found.settings == (replace(newer, created_at=NOW),)
    assert await kept.trunks.unset(SID, "as_cps")
    assert not await kept.trunks.unset(SID, "as_cps")


async def test_a_secret_is_given_back_and_not_shown_by_its_repr(kept: Store) -> None:
    secret = replace(SETTING, name="as_destination_password", value="s3cret!")
    await kept.trunks.set(secret)
    await kept.trunks.set(replace(secret, value="n3wer!"))
    found = await kept.trunks.find(ONE, SID)
    assert found is not None
    assert options_of(found.settings).destination_password == "n3wer!"
    assert "n3wer!" not in repr(found) + repr(options_of(found.settings))


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.db*"))


async def test_a_secret_is_sealed_in_the_database(tmp_path: Path) -> None:
    """A copy of the database without the server's secret opens nothing."""
    store = await open_store(tmp_path)
    await store.accounts.create("One", ONE)
    await store.trunks.create(trunk())
    await store.trunks.set(replace(SETTING, name="as_destination_password", value="s3cret!"))
    await store.close()
    rows_of_it = _bytes_of(tmp_path)
    assert b"as_destination_password" in rows_of_it
    assert b"s3cret!" not in rows_of_it
    (tmp_path / SECRET_FILE).unlink()
    stranger = await open_store(tmp_path)
    (found,) = await stranger.trunks.all()
    assert options_of(found.settings).destination_password == ""
    await stranger.close()


async def test_destinations_are_replaced_together_or_not_at_all_tr_65(kept: Store) -> None:
    await kept.trunks.add(DESTINATION)
    new = [replace(DESTINATION, uri=f"sip:{name}.test") for name in ("a", "b")]
    made = await kept.trunks.replace_destinations(SID, new)
    with pytest.raises(TakenError, match="twice"):
        await kept.trunks.replace_destinations(SID, [*new, new[0]])
    found = await kept.trunks.find(ONE, SID)
    assert found is not None
    assert found.destinations == tuple(made)
    assert [one.uri for one in made] == ["sip:a.test", "sip:b.test"]


async def test_a_deleted_trunk_takes_all_its_parts_along_tr_41(kept: Store) -> None:
    for part in PARTS:
        await kept.trunks.add(part)
    await kept.trunks.set(SETTING)
    assert await kept.trunks.delete(SID)
    assert await kept.trunks.all() == []
    await kept.trunks.create(trunk())
    found = await kept.trunks.find(ONE, SID)
    assert found == rows.TrunkParts(trunk())
    await kept.trunks.add(NUMBER)  # nobody has it any more


async def test_trunks_are_listed_newest_first_tr_7(kept: Store) -> None:
    later = replace(trunk(TrunkSid("tr2"), name="other"), created_at=LATER)
    await kept.trunks.create(later)
    network = await kept.trunks.add(NETWORK)
    first = rows.TrunkParts(trunk(), acl=(network,))
    assert await kept.trunks.of_account(ONE) == [rows.TrunkParts(later), first]
    assert await kept.trunks.of_account(AccountSid("two")) == []


async def test_more_than_the_limits_is_refused(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rows.PART_LIMITS, AclEntry, 1)
    await kept.trunks.add(NETWORK)
    with pytest.raises(CommandError, match="there may be 1 at most"):
        await kept.trunks.add(replace(NETWORK, ip="192.0.2.1"))
    many = [replace(DESTINATION, uri=f"sip:{n}.test") for n in range(65)]
    with pytest.raises(CommandError, match="there may be 64 at most"):
        await kept.trunks.replace_destinations(SID, many)


async def test_every_write_lets_the_directory_read_again(kept: Store) -> None:
    directory = Directory(kept, str.upper)
    await directory.refresh()
    added = await kept.trunks.add(NUMBER)
    await kept.trunks.add(NETWORK)
    await kept.trunks.add(USER)
    await kept.trunks.add(DESTINATION)
    await kept.trunks.set(SETTING)
    assert await directory.refresh()
    [entry] = directory.trunks.with_number("+918000000042")
    assert entry.options.cps == 5
    assert [found.sid for found in directory.trunks.at_source("203.0.113.9")] == [SID]
    assert [found.sid for found in directory.trunks.with_user("bot")] == [SID]
    for change in (
        kept.trunks.change_part(added, replace(added, mode=None)),
        kept.trunks.remove(added),
        kept.trunks.unset(SID, "as_cps"),
        kept.trunks.replace_destinations(SID, []),
        kept.trunks.change(trunk(), replace(trunk(), name="new")),
        kept.trunks.delete(SID),
    ):
        await change
        assert await directory.refresh()
    assert directory.trunks.find(SID) is None


def test_a_sid_has_the_shape_that_clients_know_tr_4() -> None:
    sid = new_trunk_sid(CountedTokens(), "dev")
    assert len(sid) == 28
    assert sid.startswith("trdev1")
    assert sid == sid.lower()


def test_what_is_shown_of_a_credential_holds_no_secret() -> None:
    assert "secret" not in repr(USER)


@pytest.mark.integration
async def test_of_two_processes_one_has_the_number(tmp_path: Path, database_url: str) -> None:
    stores = [await open_store(tmp_path, database_url) for _ in range(2)]
    await stores[0].accounts.create("One", sid="one")
    await stores[0].trunks.create(trunk())
    tries = [stores[n % 2].trunks.add(NUMBER) for n in range(6)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, TrunkNumber) for one in done) == 1
    assert sum(isinstance(one, TakenError) for one in done) == 5
    for one in stores:
        await one.close()
