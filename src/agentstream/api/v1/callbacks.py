"""Callbacks that wait or are dead: an account looks at its own, and has them sent again.

GET   /v1/Accounts/{sid}/Callbacks          State (waiting, dead, delivered), CallSid, PageSize
GET   /v1/Accounts/{sid}/Callbacks/{sid}
POST  /v1/Accounts/{sid}/Callbacks/{sid}    sends it again, from its first attempt on
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from agentstream.api.auth import account_of, doors
from agentstream.api.errors import ApiError
from agentstream.api.representation import answer
from agentstream.net.egress import mask_secrets
from agentstream.store.outbox import Outbox, WebhookQuery
from agentstream.store.values import Webhook, WebhookState

router = APIRouter()
State = Annotated[WebhookState | None, Query(alias="State")]
OfCall = Annotated[str, Query(alias="CallSid", max_length=64)]
PageSize = Annotated[int, Query(alias="PageSize", ge=1, le=100)]


@router.get("/v1/accounts/{account_sid}/callbacks")
async def listed(
    request: Request,
    account_sid: str,
    state: State = None,
    call_sid: OfCall = "",
    page_size: PageSize = 50,
) -> Response:
    """Tell what waits, and what is dead, newest first."""
    account = await account_of(request, account_sid)
    query = WebhookQuery(account.sid, (state,) if state else (), call_sid, page_size)
    found = await _outbox(request).list(query)
    return answer(request, {"Callbacks": [_shown(webhook) for webhook in found]})


@router.get("/v1/accounts/{account_sid}/callbacks/{sid}")
async def one(request: Request, account_sid: str, sid: str) -> Response:
    """Tell of one, with its body."""
    webhook = await _own(request, account_sid, sid)
    return answer(request, {"Callback": {**_shown(webhook), "Body": webhook.body}})


@router.post("/v1/accounts/{account_sid}/callbacks/{sid}")
async def redeliver(request: Request, account_sid: str, sid: str) -> Response:
    """Let one be sent again."""
    webhook = await _own(request, account_sid, sid)
    await _outbox(request).redeliver([webhook.sid], datetime.now(UTC))
    return answer(request, {"Callback": _shown(await _own(request, account_sid, sid))})


def _outbox(request: Request) -> Outbox:
    outbox = doors(request).outbox
    if outbox is None:
        raise ApiError(404, "No callbacks are kept here")
    return outbox


async def _own(request: Request, account_sid: str, sid: str) -> Webhook:
    account = await account_of(request, account_sid)
    webhook = await _outbox(request).find(sid)
    if webhook is None or webhook.account_sid != account.sid:
        raise ApiError(404, "There is no such callback: it was delivered, or never was")
    return webhook


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "Sid": webhook.sid,
        "CallSid": webhook.subject,
        "Kind": webhook.kind,
        "State": webhook.state,
        "Url": mask_secrets(webhook.url),
        "ContentType": webhook.content_type,
        "DateCreated": webhook.created_at.isoformat(),
        "NextAttempt": webhook.next_at.isoformat() if webhook.state == "waiting" else None,
        "Attempts": webhook.attempts,
        "LastStatus": webhook.last_status or None,
        "LastError": webhook.last_error or None,
    }
