"""A whole node with an account's trunk in its store: who logs in calls the telephone network."""

from pathlib import Path

import pytest

from agentstream.sip.reports import Accepted, Ended
from agentstream.sip.signaling import Credentials
from agentstream.sip.uri import parse_uri
from agentstream.testing.sip_caller import sip_caller
from agentstream.testing.trunk_node import DID, FAR, trunk_node
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
ANN, WRONG = Credentials("ann", "secret"), Credentials("ann", "guess")
USERS = {"ann": "secret"}


async def test_who_logs_in_reaches_the_telephone_network_as_the_trunks_number(
    tmp_path: Path,
) -> None:
    """SIP-21, SIP-26, SIP-30, SIP-33, SIP-71, FL-1."""
    async with trunk_node(tmp_path, users=USERS) as here, sip_caller() as ann:
        assert isinstance(await ann.call(here.node.target(FAR), ANN), Accepted)
        (invited,) = here.carrier.calls.values()
        assert parse_uri(invited.request_uri).user == FAR
        assert parse_uri(invited.from_uri).user == DID
        assert (here.counted("gate_challenged"), here.counted("gate_passed_trunk")) == (1, 1)


@pytest.mark.parametrize(("credentials", "status"), [(WRONG, 403), (None, 407)])
async def test_who_does_not_reaches_nobody_and_the_account_can_see_why(
    credentials: Credentials | None, status: int, tmp_path: Path
) -> None:
    """SIP-23, SIP-72, SD-5."""
    async with trunk_node(tmp_path, users=USERS) as here, sip_caller() as eve:
        refused = await eve.call(here.node.target(FAR), credentials)
        assert isinstance(refused, Ended)
        assert refused.status == status
        assert not here.carrier.calls
        assert here.refused() == (["digest-failed"] if credentials else [])
        if credentials:
            assert ("X-Exotel-ErrorCode", "4001") in refused.headers


async def test_the_calls_of_a_trunk_have_a_ceiling_and_give_their_place_back(
    tmp_path: Path,
) -> None:
    """SIP-35, SIP-80."""
    settings = {"as_max_calls": "1"}
    async with (
        trunk_node(tmp_path, users=USERS, settings=settings) as here,
        sip_caller() as ann,
    ):
        first = await ann.call(here.node.target(FAR), ANN)
        assert isinstance(first, Accepted)
        full = await ann.call(here.node.target(FAR), ANN)
        assert isinstance(full, Ended)
        assert full.status == 503
        assert ("Retry-After", "5") in full.headers
        ann.engine.hang_up(first.ref)
        await until(lambda: here.node.house.parts.switchboard.live_calls == 0)
        assert isinstance(await ann.call(here.node.target(FAR), ANN), Accepted)


async def test_a_trunk_made_while_calls_run_is_asked_for_from_the_next_call_on(
    tmp_path: Path,
) -> None:
    async with trunk_node(tmp_path, users=USERS) as here, sip_caller() as ann:
        parts = here.node.house.parts
        trunks = await parts.store.trunks.of_account((await parts.store.accounts.list())[0].sid)
        await parts.store.trunks.delete(trunks[0].trunk.sid)
        await parts.directory.refresh()
        await ann.call(
            here.node.target(FAR), ANN
        )  # rings the flow of every other number, as a stranger's call
        assert not here.carrier.calls
