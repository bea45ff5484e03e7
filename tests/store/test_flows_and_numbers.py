import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, FlowSid
from agentstream.store.protocols import Store


@pytest.fixture
async def account_sid(store: Store) -> AccountSid:
    return (await store.accounts.create("One", sid="one")).sid


async def test_a_new_flow_is_a_draft_until_it_is_published(
    store: Store, account_sid: AccountSid
) -> None:
    draft = await store.flows.apply(account_sid, "hello", "first")
    assert (draft.latest_version, draft.published_version) == (1, None)
    assert await store.flows.published() == []
    live = await store.flows.publish(draft.sid)
    [published] = await store.flows.published()
    assert (published.flow, published.version, published.document) == (live, 1, "first")


async def test_an_edit_of_a_published_flow_is_live_at_once_unless_kept_apart(
    store: Store, account_sid: AccountSid
) -> None:
    await store.flows.apply(account_sid, "hello", "first", publish=True)
    edited = await store.flows.apply(account_sid, "hello", "second")  # AP-60
    assert (edited.latest_version, edited.published_version) == (2, 2)
    apart = await store.flows.apply(account_sid, "hello", "third", publish=False)
    assert (apart.latest_version, apart.published_version) == (3, 2)
    assert [live.document for live in await store.flows.published()] == ["second"]
    back = await store.flows.publish(apart.sid, 1)
    assert back.published_version == 1
    assert [live.document for live in await store.flows.published()] == ["first"]


async def test_the_same_document_makes_no_new_version(
    store: Store, account_sid: AccountSid
) -> None:
    first = await store.flows.apply(account_sid, "hello", "same")
    again = await store.flows.apply(account_sid, " hello ", "same", publish=True)
    assert (again.sid, again.latest_version, again.published_version) == (first.sid, 1, 1)


async def test_every_version_can_be_read_again(store: Store, account_sid: AccountSid) -> None:
    for document in ("a", "b", "c"):
        flow = await store.flows.apply(account_sid, "hello", document)
    one, newest = await store.flows.version(flow.sid, 1), await store.flows.version(flow.sid)
    assert one is not None
    assert newest is not None
    assert (one.document, newest.document, newest.version) == ("a", "c", 3)
    assert await store.flows.version(flow.sid, 9) is None
    assert await store.flows.version(FlowSid("none")) is None


async def test_a_flow_is_found_by_sid_or_name_within_its_account(
    store: Store, account_sid: AccountSid
) -> None:
    other = (await store.accounts.create("Two", sid="two")).sid
    flow = await store.flows.apply(account_sid, "hello", "{}")
    assert await store.flows.find(account_sid, "hello") == flow
    assert await store.flows.find(account_sid, flow.sid) == flow
    assert await store.flows.find(other, flow.sid) is None
    assert await store.flows.list(account_sid) == [flow]
    assert await store.flows.list(other) == []


async def test_what_cannot_be_published_is_refused(store: Store, account_sid: AccountSid) -> None:
    flow = await store.flows.apply(account_sid, "hello", "{}")
    with pytest.raises(CommandError, match="hello has no version 2"):
        await store.flows.publish(flow.sid, 2)
    with pytest.raises(CommandError, match="no flow none"):
        await store.flows.publish(FlowSid("none"))
    with pytest.raises(CommandError, match="1 to 200"):
        await store.flows.apply(account_sid, "  ", "{}")


async def test_a_number_is_kept_in_one_form_and_moves_between_flows(
    store: Store, account_sid: AccountSid
) -> None:
    one = await store.flows.apply(account_sid, "one", "{}")
    two = await store.flows.apply(account_sid, "two", "{}")
    first = await store.numbers.assign("080 4000-0002", account_sid, one.sid)
    moved = await store.numbers.assign("+918040000002", account_sid, two.sid)
    assert first.number == moved.number == "+918040000002"
    assert await store.numbers.list(account_sid) == [moved]
    await store.numbers.release("00918040000002")
    assert await store.numbers.list() == []


async def test_a_number_of_another_account_cannot_be_taken(
    store: Store, account_sid: AccountSid
) -> None:
    other = (await store.accounts.create("Two", sid="two")).sid
    mine = await store.flows.apply(account_sid, "hello", "{}")
    theirs = await store.flows.apply(other, "hello", "{}")
    await store.numbers.assign("100", account_sid, mine.sid)
    with pytest.raises(CommandError, match="belongs to another account"):
        await store.numbers.assign("100", other, theirs.sid)
    with pytest.raises(CommandError, match="has no flow"):
        await store.numbers.assign("200", account_sid, theirs.sid)
    with pytest.raises(CommandError, match="no number 300"):
        await store.numbers.release("300")
    with pytest.raises(CommandError, match="1 to 64"):
        await store.numbers.assign(" - ", account_sid, mine.sid)


async def test_every_change_that_the_directory_must_know_counts_the_revision(
    store: Store, account_sid: AccountSid
) -> None:
    seen = [await store.revision()]
    flow = await store.flows.apply(account_sid, "hello", "{}")
    seen.append(await store.revision())
    await store.numbers.assign("100", account_sid, flow.sid)
    seen.append(await store.revision())
    await store.flows.publish(flow.sid)
    seen.append(await store.revision())
    await store.accounts.change(account_sid, stream_limit=5)
    seen.append(await store.revision())
    assert seen == sorted(set(seen))


async def test_a_number_rings_either_a_flow_or_legs_lg_114(store: Store) -> None:
    account = await store.accounts.create("One", sid="one1")
    flow = await store.flows.apply(account.sid, "a", "first")
    first = await store.numbers.assign("100", account.sid, flow.sid)
    attached = await store.numbers.attach("100", account.sid, "https://h.test/", "manual")
    assert (attached.flow_sid, attached.created_at) == (None, first.created_at)
    assert await store.numbers.list() == [attached]
    back = await store.numbers.assign("100", account.sid, flow.sid)
    assert (back.event_endpoint, back.answer_mode) == ("", "auto")
    assert await store.numbers.list() == [back]
    other = await store.accounts.create("Two")
    with pytest.raises(CommandError, match="belongs to another account"):
        await store.numbers.attach("100", other.sid, "https://h.test/")
    with pytest.raises(CommandError, match="no account nobody"):
        await store.numbers.attach("200", AccountSid("nobody"), "https://h.test/")
