"""A whole node with an account's trunk in its store: who logs in calls the telephone network."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.reports import Accepted, Ended, Report
from agentstream.sip.signaling import Credentials, Dial
from agentstream.sip.uri import parse_uri
from agentstream.testing.answering import SDP
from agentstream.testing.node import Node, running_node
from agentstream.testing.ports import HOST
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.trunks import DOMAIN, TrunkMaker
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
DID, FAR = "+918000000042", "+912240009999"
ANN, WRONG = Credentials("ann", "secret"), Credentials("ann", "guess")


@asynccontextmanager
async def node(
    folder: Path, settings: dict[str, str] | None = None
) -> AsyncIterator[tuple[Node, ScriptedCallee]]:
    """Run a node with a trunk whose user is ann, and a carrier where everybody answers."""
    async with (
        scripted_callee(lambda _: "answers") as carrier,
        running_node(
            folder,
            "ws://127.0.0.1:9",
            country_code="91",
            trunks={"carrier": {"target": f"sip:{HOST}:{carrier.port}", "sources": ["127.0.0.8"]}},
            dial={"trunk": "carrier"},
        ) as running,
    ):
        store, directory = running.house.parts.store, running.house.parts.directory
        account = (await store.accounts.list())[0]
        trunk = await TrunkMaker(store, account.sid).make()
        await (await trunk.number(DID)).user("ann", "secret")
        await trunk.settings(settings or {})
        await directory.refresh()
        yield running, carrier


@asynccontextmanager
async def caller(octet: int = 3) -> AsyncIterator["Caller"]:
    engine = SipEngine(SipConfig((Listener("udp", f"127.0.0.{octet}", 0),)))
    await engine.start()
    try:
        yield Caller(engine)
    finally:
        await engine.stop(1_000)


class Caller:
    """Places calls and waits for what becomes of them."""

    def __init__(self, engine: SipEngine) -> None:
        self.engine = engine
        self._told: list[Report] = []
        engine.on_report(self._told.append)

    async def call(self, where: Node, number: str, credentials: Credentials | None) -> Report:
        """Return the answer or the refusal; an answered call stays."""
        offer = SDP.format(host=HOST, version=1)
        target = f"sip:{number}@{where.address()}"
        dial = Dial(target, f"sip:bob@{DOMAIN}", offer, credentials=credentials)
        ref = self.engine.place(dial)
        return await self._final(ref)

    async def _final(self, ref: str) -> Report:
        def found() -> Report | None:
            finals = (one for one in self._told if isinstance(one, Accepted | Ended))
            return next((one for one in finals if one.ref == ref), None)

        await until(found)
        report = found()
        assert report is not None
        return report


async def test_who_logs_in_reaches_the_telephone_network_as_the_trunks_number(
    tmp_path: Path,
) -> None:
    """SIP-21, SIP-26, SIP-30, SIP-33, SIP-71, FL-1."""
    async with node(tmp_path) as (here, carrier), caller() as ann:
        assert isinstance(await ann.call(here, FAR, ANN), Accepted)
        (invited,) = carrier.calls.values()
        assert parse_uri(invited.request_uri).user == FAR
        assert parse_uri(invited.from_uri).user == DID
        counters = here.house.parts.signaling.counters
        assert (counters["gate_challenged"], counters["gate_passed_trunk"]) == (1, 1)


@pytest.mark.parametrize(("credentials", "status"), [(WRONG, 403), (None, 407)])
async def test_who_does_not_reaches_nobody_and_the_account_can_see_why(
    credentials: Credentials | None, status: int, tmp_path: Path
) -> None:
    """SIP-23, SIP-72, SD-5."""
    async with node(tmp_path) as (here, carrier), caller() as eve:
        refused = await eve.call(here, FAR, credentials)
        assert isinstance(refused, Ended)
        assert refused.status == status
        assert not carrier.calls
        seen = here.house.parts.gate.rejections.recent("greenleaf1")
        assert [one.reason for one in seen] == (["digest-failed"] if credentials else [])
        if credentials:
            assert ("X-Exotel-ErrorCode", "4001") in refused.headers


async def test_the_calls_of_a_trunk_have_a_ceiling_and_give_their_place_back(
    tmp_path: Path,
) -> None:
    """SIP-35, SIP-80."""
    async with node(tmp_path, {"as_max_calls": "1"}) as (here, _), caller() as ann:
        first = await ann.call(here, FAR, ANN)
        assert isinstance(first, Accepted)
        full = await ann.call(here, FAR, ANN)
        assert isinstance(full, Ended)
        assert full.status == 503
        assert ("Retry-After", "5") in full.headers
        ann.engine.hang_up(first.ref)
        await until(lambda: here.house.parts.switchboard.live_calls == 0)
        assert isinstance(await ann.call(here, FAR, ANN), Accepted)


async def test_a_trunk_made_while_calls_run_is_asked_for_from_the_next_call_on(
    tmp_path: Path,
) -> None:
    async with node(tmp_path) as (here, carrier), caller() as ann:
        parts = here.house.parts
        trunks = await parts.store.trunks.of_account((await parts.store.accounts.list())[0].sid)
        await parts.store.trunks.delete(trunks[0].trunk.sid)
        await parts.directory.refresh()
        await ann.call(here, FAR, ANN)  # rings the flow of every other number, as a stranger's call
        assert not carrier.calls
