"""How trunks are doing, asked of a server that runs: by the API, and by the commands."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agentstream.base.ids import AccountSid
from agentstream.server.cli import app
from agentstream.server.cli_trunk_watch import rejections_picture, status_picture
from agentstream.store.sql_store import open_store
from agentstream.store.values import NewKey
from agentstream.testing.calls_api import ACCOUNT_SID, calls_api
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST
from agentstream.testing.raw_sip import raw_sip
from agentstream.testing.trunks import TRUNK_SID, TrunkMaker

pytestmark = pytest.mark.integration
DID = "+918000000042"


async def prepare(folder: Path) -> NewKey:
    """Make an account, and its trunk that may call from here: a number, whose flow is missing."""
    store = await open_store(folder, country_code="91")
    await store.accounts.create("Green Leaf", ACCOUNT_SID)
    key = await store.accounts.create_key(AccountSid(ACCOUNT_SID))
    maker = await TrunkMaker(store, AccountSid(ACCOUNT_SID)).make()
    await maker.network("127.0.0.2")
    await maker.number(DID, "flow")
    await maker.destination(f"sip:{HOST}:5999")
    await maker.settings({"as_max_calls": "4"})
    await store.close()
    return key


async def command(*words: str) -> Any:
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == 0, done.output
    return done.stdout


async def test_a_trunk_is_told_with_its_limits_and_what_was_turned_away_sd_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account's key sees its own trunk; the operator on this machine the carriers too."""
    folder = tmp_path / "node"
    async with (
        scripted_phone() as (_, address),
        calls_api(folder, address, key=await prepare(folder)) as api,
        raw_sip(f"{HOST}:{api.config.sip.listeners[0].port}", at="127.0.0.2") as peer,
    ):
        base = f"http://{HOST}:{api.port}/v2/accounts/{ACCOUNT_SID}/trunks/{TRUNK_SID}"
        peer.start(DID, 40_000, f"P-Asserted-Identity: <sip:{DID}@x>")
        await peer.until("SIP/2.0 404")
        told = (await api.client.get(f"{base}/status")).json()["response"]["data"]
        assert (told["max_calls"], told["rejections"]) == (4, 1)
        assert told["destinations"][0]["state"] == "unasked"
        page = (await api.client.get(f"{base}/rejections?page_size=1")).json()
        assert page["metadata"]["total"] == 1
        first = page["response"][0]["data"]
        assert (first["reason"], first["status"]) == ("flow-missing", 404)
        mine = (await api.client.get(f"http://{HOST}:{api.port}/v1/trunks/status")).json()
        assert [one["trunk_sid"] for one in mine["trunks"]] == [TRUNK_SID]
        assert "carriers" not in mine
        for name, value in (("DATA_DIR", str(folder)), ("HTTP__PORT", str(api.port))):
            monkeypatch.setenv(f"AGENTSTREAM_{name}", value)
        monkeypatch.chdir(tmp_path)
        shown = await command("trunks", "status")
        assert "one" in shown  # the carrier
        assert "0 of 4" in shown
        as_json = json.loads(await command("trunks", "status", "--json"))
        assert as_json["carriers"][0]["name"] == "one"
        assert "flow-missing" in await command("rejections")
        assert json.loads(await command("rejections", "--trunk", "trother", "--json")) == []


def test_nothing_to_show_is_said() -> None:
    assert "no trunk yet" in str(status_picture({"trunks": []}).renderables[0])
    assert "nothing was turned away" in str(rejections_picture({"rejections": []}).renderables[0])
