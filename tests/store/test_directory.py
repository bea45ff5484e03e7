import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agentstream.base.errors import ConfigError
from agentstream.base.ids import AccountSid
from agentstream.store.directory import Directory, LegRoute, Route
from agentstream.store.protocols import Store, StoreError
from agentstream.store.sql_store import open_store
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.trunks import TrunkMaker
from agentstream.testing.waiting import until


def parse(document: str) -> str:
    if document == "broken":
        raise ConfigError("applet greet: field text is missing")
    return document.upper()


@pytest.fixture
async def directory(store: Store) -> Directory[str]:
    account = await store.accounts.create("One", sid="One")
    flow = await store.flows.apply(account.sid, "hello", "first", publish=True)
    await store.numbers.assign("+918040000002", account.sid, flow.sid)
    directory = Directory(store, parse, "91")
    assert await directory.refresh()
    return directory


async def test_a_dialled_number_rings_its_flow_in_any_form(directory: Directory[str]) -> None:
    route = directory.find("080-4000 0002")
    assert isinstance(route, Route)
    assert (route.flow, route.flow_version, route.account.sid) == ("FIRST", 1, "One")
    assert directory.find("+910000000000") is None  # AF-8: no flow, reject
    assert directory.account("ONE") == route.account
    assert list(directory.numbers) == ["+918040000002"]
    by_sid = directory.flow(route.flow_sid)
    assert by_sid is not None
    assert by_sid.flow == "FIRST"


async def test_whose_a_number_is(directory: Directory[str], store: Store) -> None:
    """TR-71, SIP-61: it rings for the account, or a trunk of it has it; "*" makes none its own."""
    one, two = AccountSid("One"), (await store.accounts.create("Two", sid="Two")).sid
    maker = await TrunkMaker(store, two).make()
    await maker.number("+918000000042")
    draft = await store.flows.apply(two, "draft", "draft", publish=False)
    await store.numbers.assign("+918040000003", two, draft.sid)
    await directory.refresh()
    assert directory.owns(one, "+918040000002")
    assert not directory.owns(two, "+918040000002")
    assert directory.owns(two, "+918000000042")
    assert not directory.owns(one, "+918000000042")
    assert directory.owns(two, "+918040000003")  # its flow takes no call, and still it is theirs
    assert not directory.owns(one, "+912240000017")
    flow = await store.flows.find(one, "hello")
    assert flow is not None
    await store.numbers.assign("*", one, flow.sid)
    await directory.refresh()
    assert not directory.owns(one, "+912240000017")


async def test_an_edit_takes_effect_on_the_next_call(
    directory: Directory[str], store: Store
) -> None:
    assert not await directory.refresh()
    [account] = await store.accounts.list()
    await store.flows.apply(account.sid, "hello", "second")  # AP-60
    assert await directory.refresh()
    route = directory.find("+918040000002")
    assert isinstance(route, Route)
    assert (route.flow, route.flow_version) == ("SECOND", 2)


async def test_a_published_flow_is_found_by_name_or_sid_in_its_own_account_only(
    directory: Directory[str], store: Store
) -> None:
    other = await store.accounts.create("Two", sid="Two")
    theirs = await store.flows.apply(other.sid, "theirs", "third", publish=True)
    await store.flows.apply(other.sid, "draft", "fourth")
    await directory.refresh()
    for name in ("theirs", theirs.sid):
        found = directory.flow_of(other.sid, name)
        assert found is not None
        assert (found.flow, found.flow_sid, found.number) == ("THIRD", theirs.sid, "")
        assert directory.flow_of(AccountSid("One"), name) is None
    assert directory.flow_of(other.sid, "draft") is None
    assert directory.flow_of(other.sid, "nobody's") is None


async def test_a_draft_rings_nowhere(directory: Directory[str], store: Store) -> None:
    [account] = await store.accounts.list()
    draft = await store.flows.apply(account.sid, "draft", "d")
    await store.numbers.assign("100", account.sid, draft.sid)
    await directory.refresh()
    assert directory.find("100") is None


async def test_the_star_rings_for_every_other_number(
    directory: Directory[str], store: Store
) -> None:
    [account] = await store.accounts.list()
    rest = await store.flows.apply(account.sid, "rest", "rest", publish=True)
    await store.numbers.assign("*", account.sid, rest.sid)
    await directory.refresh()
    other, own = directory.find("4711"), directory.find("+918040000002")
    assert isinstance(other, Route)
    assert isinstance(own, Route)
    assert (other.flow, own.flow) == ("REST", "FIRST")


async def test_a_document_that_cannot_be_read_leaves_the_old_one_in_place(
    directory: Directory[str], store: Store
) -> None:
    [account] = await store.accounts.list()
    await store.flows.apply(account.sid, "hello", "broken")
    with capture_logs() as logs:
        await directory.refresh()
    route = directory.find("+918040000002")
    assert isinstance(route, Route)
    assert (route.flow, route.flow_version) == ("FIRST", 1)
    assert [(log["event"], log["version"]) for log in logs] == [("flow_unusable", 2)]


@pytest.fixture
async def other_process(tmp_path: Path, database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    ours = await open_store(tmp_path, database_url)
    theirs = await open_store(tmp_path, database_url)
    yield ours, theirs
    await ours.close()
    await theirs.close()


@pytest.mark.integration
async def test_a_change_made_by_another_process_is_seen(
    other_process: tuple[Store, Store],
) -> None:
    ours, theirs = other_process
    directory = Directory(ours, parse)
    polling = asyncio.create_task(directory.run(poll_ms=5))
    account = await theirs.accounts.create("One")
    flow = await theirs.flows.apply(account.sid, "hello", "x", publish=True)
    await theirs.numbers.assign("100", account.sid, flow.sid)
    await until(lambda: directory.find("100"))
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)


class _Unreachable(MemoryStore):
    down = False
    looked = 0

    async def revision(self) -> int:
        self.looked += 1
        if self.down:
            raise StoreError("database is locked")
        return await super().revision()


async def test_a_database_that_is_away_leaves_the_directory_as_it_was() -> None:
    store = _Unreachable()
    account = await store.accounts.create("One")
    flow = await store.flows.apply(account.sid, "hello", "x", publish=True)
    await store.numbers.assign("100", account.sid, flow.sid)
    directory = Directory(store, parse)
    await directory.refresh()
    store.down = True
    with capture_logs() as logs:
        polling = asyncio.create_task(directory.run(poll_ms=1))
        await until(lambda: store.looked >= 4)
    assert directory.is_stale
    assert directory.find("100") is not None
    assert [log["event"] for log in logs] == ["directory_stale"]  # once, not each second
    store.down = False
    await until(lambda: not directory.is_stale)
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)


@pytest.mark.parametrize("document", ["draft", "broken"])
async def test_a_number_whose_flow_no_call_can_enter_is_not_taken_by_the_catch_all(
    directory: Directory[str], store: Store, document: str
) -> None:
    """AF-8: it belongs to somebody, who is not the owner of `*`."""
    [account] = await store.accounts.list()
    other = await store.accounts.create("Two", sid="Two")
    everybody = await store.flows.apply(other.sid, "everybody", "every", publish=True)
    await store.numbers.assign("*", other.sid, everybody.sid)
    flow = await store.flows.apply(account.sid, "mine", document, publish=document == "broken")
    await store.numbers.assign("100", account.sid, flow.sid)
    await directory.refresh()
    assert directory.find("100") is None
    assert directory.find("101") is not None


async def test_a_number_may_ring_legs_that_are_steered_lg_110_lg_114(
    store: Store, directory: Directory[str]
) -> None:
    [account] = await store.accounts.list()
    await store.numbers.attach("+918040000002", account.sid, "https://u:pw@h.test/", "manual")
    await directory.refresh()
    route = directory.find("08040000002")
    assert route == LegRoute("+918040000002", account, "manual", "https://u:pw@h.test/")
    assert "pw" not in repr(route)
    assert not directory.numbers
    assert directory.find("4711") is None
    await store.numbers.attach("*", account.sid, "stream:")
    await directory.refresh()
    every = directory.find("4711")
    assert isinstance(every, LegRoute)
    assert (every.event_endpoint, every.answers) == ("stream:", "auto")
