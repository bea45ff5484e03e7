"""Finds the call that is meant: in the store when it has ended, else at the server that runs it."""

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, CallSid
from agentstream.server.cli_server import local_auth, local_url, why
from agentstream.server.config import Config
from agentstream.server.explain.living import Living, kept_of, living
from agentstream.server.explain.report import Rows
from agentstream.sip.kept import KeptCall
from agentstream.store.call_query import CallQuery
from agentstream.store.values import CallRecord

if TYPE_CHECKING:
    from agentstream.store.sql_store import SqlStore

LAST: Final = "last"  # the newest call that has ended
LIVE: Final = "live"  # the newest call that goes on
_HINTS: Final = 3  # sids that are named when the one asked for is unknown
_TIMEOUT_S: Final = 5


async def rows_of(store: "SqlStore", config: Config, wanted: str, owner: AccountSid | None) -> Rows:
    """Return everything of the call that is meant; CommandError names calls that there are."""
    call = None if wanted == LIVE else await _ended(store, wanted, owner)
    alive: Living | None = None
    if call is None:
        alive = await _alive(config, wanted, owner)
        if alive is None:
            raise CommandError(await _unknown(store, wanted, owner))
        call = alive.call
    signals = await store.sip_traces.of(call.sid)
    if signals is None:  # it goes on, or ended a moment ago
        signals = await _signals(config, call)
    flow = await store.flows.find(call.account_sid, call.flow_sid) if call.flow_sid else None
    return Rows(
        call,
        await store.calls.streams(call.sid),
        await store.calls.recordings(call.sid),
        alive.events if alive else await store.call_events.of(call.sid),
        flow.name if flow else "",
        is_live=alive is not None,
        signals=signals,
    )


async def _ended(store: "SqlStore", wanted: str, owner: AccountSid | None) -> CallRecord | None:
    """Return the ended call that is meant; raises CommandError when several could be."""
    exact = await store.calls.find(CallSid(wanted))
    if exact is not None and owner in (None, exact.account_sid):
        return exact
    query = CallQuery(owner, 1) if wanted == LAST else CallQuery(owner, _HINTS + 1, None, wanted)
    found = await store.calls.list(query)
    if len(found) > 1:
        sids = ", ".join(call.sid for call in found[:_HINTS])
        more = " and more" if len(found) > _HINTS else ""
        raise CommandError(f"several calls begin with {wanted}: {sids}{more}")
    return found[0] if found else None


async def _alive(config: Config, wanted: str, owner: AccountSid | None) -> Living | None:
    """Return the live call that is meant; None when there is none, or no server."""
    if wanted == LAST:
        return None
    url, sid = local_url(config), LAST if wanted == LIVE else quote(wanted, safe="")
    try:
        async with httpx.AsyncClient(auth=local_auth(config), timeout=_TIMEOUT_S) as client:
            answer = await client.get(f"{url}/v1/live/{sid}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if wanted != LIVE:  # most calls that are asked for have ended
            return None
        raise CommandError(f"{url} does not answer: is the server up? ({error})") from error
    if answer.status_code == httpx.codes.NOT_FOUND and wanted != LIVE:
        return None
    if answer.status_code != httpx.codes.OK:
        raise CommandError(f"{url} answered {answer.status_code}: {why(answer)}")
    found = living(answer.json())
    return found if owner in (None, found.call.account_sid) else None


async def _signals(config: Config, call: CallRecord) -> KeptCall | None:
    """Return what was signalled so far, by the server; None when it keeps nothing."""
    url = f"{local_url(config)}/v1/Accounts/{call.account_sid}/Calls/{call.sid}/Sip"
    try:
        async with httpx.AsyncClient(auth=local_auth(config), timeout=_TIMEOUT_S) as client:
            answer = await client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    return kept_of(call.sid, answer.json()) if answer.status_code == httpx.codes.OK else None


async def _unknown(store: "SqlStore", wanted: str, owner: AccountSid | None) -> str:
    newest = await store.calls.list(CallQuery(owner, _HINTS))
    if not newest:
        return "no call has ended yet; live ones: agentstream calls tail"
    sids = ", ".join(call.sid for call in newest)
    return f"no ended call {wanted}; the newest are {sids}; live ones: agentstream calls tail"
