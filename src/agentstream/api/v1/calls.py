"""The calls of an account (CD-1 to CD-9), and what may be wanted of a live one (OC-1).

GET     /v1/Accounts/{sid}/Calls          filters, PageSize, SortBy, After, Before
GET     /v1/Accounts/{sid}/Calls/{sid}    details, RecordingUrlValidity
POST    /v1/Accounts/{sid}/Calls/{sid}    Status=completed, or Url, or StreamUrl, or To
DELETE  /v1/Accounts/{sid}/Calls/{sid}    hangs up
"""

from typing import Any, Final
from urllib.parse import quote, urlencode

import structlog
from fastapi import APIRouter, Request, Response

from agentstream.api import openapi
from agentstream.api.auth import account_of, doors
from agentstream.api.call_facts import CallFacts
from agentstream.api.call_shown import call_object
from agentstream.api.doors import Dialling
from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, body_of, query_of, refuse
from agentstream.api.representation import answer, original_path
from agentstream.api.v1.call_filters import Page, cursor, read_page
from agentstream.api.v1.call_history import CallHistory, Listed
from agentstream.api.v1.connect import telephony_of
from agentstream.api.v1.connect_request import (
    NUMBER_CHARS,
    STREAM_NAME_CHARS,
    URL_CHARS,
    BotStream,
    ConnectRequest,
    party,
    stream_url,
)
from agentstream.api.v1.documents import document_of
from agentstream.api.v1.ordering import Ordering
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
from agentstream.flows.dial_plan import RING_LIMIT_S
from agentstream.flows.document import FlowDocument
from agentstream.store.call_query import place_of
from agentstream.store.values import Account

router = APIRouter()
log = structlog.get_logger("api")
ONE_CALL: Final = "/v1/accounts/{account_sid}/calls/{call_sid}"
WISHES: Final = ("Status", "Url", "StreamUrl", "To")


@router.get(
    "/v1/accounts/{account_sid}/calls",
    responses=openapi.answers(openapi.CALLS),
    openapi_extra=openapi.queries(openapi.FILTERS),
)
async def listed(request: Request, account_sid: str) -> Response:
    """Tell of the account's calls, newest first, page by page (CD-6, CD-7)."""
    account, settings = await account_of(request, account_sid), doors(request).settings
    form = query_of(request)
    page = read_page(form, account.sid, settings)
    found = await _history(request, account, form).page(page)
    details = form.flag("details")
    body = {
        "Metadata": _metadata(request, page, found),
        "Calls": [call_object(facts, settings, details=details) for facts in found.calls],
    }
    return answer(request, body)


@router.get(
    ONE_CALL,
    responses=openapi.answers(openapi.ONE_CALL),
    openapi_extra=openapi.queries(openapi.DETAILS | openapi.VALIDITY),
)
async def one(request: Request, account_sid: str, call_sid: str) -> Response:
    """Tell of one call (CD-1 to CD-5)."""
    account, form = await account_of(request, account_sid), query_of(request)
    facts = await _known(_history(request, account, form), call_sid)
    return _shown(request, facts, details=form.flag("details"))


@router.post(
    ONE_CALL,
    responses=openapi.answers(openapi.ONE_CALL),
    openapi_extra=openapi.asks(openapi.CHANGE),
)
async def change(request: Request, account_sid: str, call_sid: str) -> Response:
    """Hang a live call up, or let it go on in a flow, with a bot or another number (OC-1)."""
    account, form = await account_of(request, account_sid), await body_of(request)
    named = [name for name in WISHES if name in form]
    if len(named) != 1:
        raise ApiError(400, f"Give one of {', '.join(WISHES)}")
    if named == ["Status"]:
        form.word("Status", {"completed": ""}, "")
        return await _hang_up(request, account, call_sid)
    history = _history(request, account, form)
    facts = await _known(history, call_sid)
    document = await _document(request, account, form, facts)
    if facts.ended_at is not None:
        raise ApiError(409, f"The call {facts.sid} has ended")
    await _dialling(request).redirect(facts.sid, document)
    log.info("call_redirected", call_sid=facts.sid, by=named[0])
    return _shown(request, await _known(history, call_sid))


@router.delete(ONE_CALL, responses=openapi.answers(openapi.ONE_CALL))
async def delete(request: Request, account_sid: str, call_sid: str) -> Response:
    """Hang up (OC-1, UP-4)."""
    return await _hang_up(request, await account_of(request, account_sid), call_sid)


async def _hang_up(request: Request, account: Account, call_sid: str) -> Response:
    """End a live call; of one that has ended this is told, as often as it is wanted."""
    history = _history(request, account, Form())
    facts, door = await _known(history, call_sid), doors(request).calls
    if facts.ended_at is None:
        if door is None:
            raise ApiError(503, "Nothing can be asked of calls")
        await door.ask(facts.sid, HangUp(Cause.NORMAL, Party.OPERATOR, "hung up by the API"))
        log.info("call_hung_up", call_sid=facts.sid)
        facts = await _known(history, call_sid)
    return _shown(request, facts)


async def _document(
    request: Request, account: Account, form: Form, facts: CallFacts
) -> FlowDocument:
    """Return the flow in which the call is to go on."""
    settings, own = doors(request).settings, facts.account_number
    if "Url" in form:
        ordering = Ordering(account, telephony_of(request), settings)
        document, _ = await ordering.course(form.text("Url", URL_CHARS))
        return document
    ring_s = form.whole("TimeOut", 1, RING_LIMIT_S) or 30
    if "To" in form:
        to = party(form.text("To", NUMBER_CHARS), "To", takes_sip=True)
        second = to if "@" in to else settings.normalised(to)
        wanted = ConnectRequest(
            mode="numbers", from_number=facts.from_number, caller_id=own, ring_s=ring_s
        )
        return document_of(wanted, second, own)
    if form.text("StreamType").lower() not in ("", "bidirectional"):
        refuse("StreamType", "is bidirectional")
    stream = BotStream(
        url=stream_url(form, settings.web_stream), name=form.text("StreamName", STREAM_NAME_CHARS)
    )
    wanted = ConnectRequest(mode="bot", from_number=facts.from_number, caller_id=own, stream=stream)
    return document_of(wanted, "", own)


def _dialling(request: Request) -> Dialling:
    dialling = telephony_of(request).dialling
    if dialling is None:
        raise ApiError(503, "Calls cannot be led elsewhere on this server")
    return dialling


def _history(request: Request, account: Account, form: Form) -> CallHistory:
    minutes = form.whole("RecordingUrlValidity", 5, 60)  # CD-1
    link_s = None if minutes is None else minutes * 60
    return CallHistory(account.sid, telephony_of(request), doors(request).recordings, link_s)


async def _known(history: CallHistory, call_sid: str) -> CallFacts:
    facts = await history.find(call_sid)
    if facts is None:
        raise ApiError(404, f"There is no call {call_sid}")  # CD-5
    return facts


def _shown(request: Request, facts: CallFacts, *, details: bool = False) -> Response:
    return answer(request, {"Call": call_object(facts, doors(request).settings, details=details)})


def _metadata(request: Request, page: Page, found: Listed) -> dict[str, Any]:
    """Return the links around a page; they repeat what was asked for (CD-7)."""
    asked = [
        (name, text)
        for name, text in request.query_params.multi_items()
        if name.lower() not in {"after", "before"}
    ]
    path = quote(original_path(request))

    def uri(**place: str) -> str:
        query = urlencode([*asked, *place.items()])
        return f"{path}?{query}" if query else path

    first, last = _ends(page, found)
    return {
        "Total": found.total,
        "PageSize": page.size,
        "FirstPageUri": uri(),
        "PrevPageUri": uri(Before=first) if found.has_previous else None,
        "NextPageUri": uri(After=last) if found.has_next else None,
    }


def _ends(page: Page, found: Listed) -> tuple[str, str]:
    """Return the places before and behind a page; an empty one is where it was looked for."""
    if found.calls:
        return cursor(place_of(found.calls[0])), cursor(place_of(found.calls[-1]))
    place = page.after or page.before
    here = cursor(place) if place else ""
    return here, here
