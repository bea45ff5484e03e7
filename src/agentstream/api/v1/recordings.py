"""Recordings over HTTP: their sound by a link or with an API key (RC-4), and what is known of them.

GET, HEAD  /recordings/{sid}.wav  .mp3  .8.mp3 ...  200, 206; 403 wrong, 410 expired or deleted,
                                                    404 unknown, 503 not ready yet
GET        /v1/Accounts/{sid}/Recordings            PageSize, CallSid, After
GET        /v1/Accounts/{sid}/Calls/{sid}/Recordings
GET DELETE /v1/Accounts/{sid}/Recordings/{sid}
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from agentstream.api.auth import account_of, authenticated, doors
from agentstream.api.byte_range import Unsatisfiable, parse_range
from agentstream.api.doors import RecordingDoor
from agentstream.api.errors import ApiError, error_response
from agentstream.api.representation import answer
from agentstream.base.errors import BusyError
from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.commands import AudioKind
from agentstream.store.protocols import RecordingQuery, StoreError
from agentstream.store.recording_shelf import OpenRecording
from agentstream.store.recording_storage import is_sid
from agentstream.store.values import Recording

router = APIRouter()
_log = structlog.get_logger("api")
_MP3 = "audio/mpeg"
_TYPES = {"mp3": _MP3, "8.mp3": _MP3, "32.mp3": _MP3, "wav": "audio/wav"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGAIN_S = 2  # when a client may come again for what is not ready


@router.head("/recordings/{sid}.8.mp3", include_in_schema=False)
@router.get("/recordings/{sid}.8.mp3", include_in_schema=False)
async def small_mp3(request: Request, sid: str) -> Response:
    """Give it at 8 kbit/s a channel (EX-22)."""
    return await _sound(request, sid, "8.mp3")


@router.head("/recordings/{sid}.32.mp3", include_in_schema=False)
@router.get("/recordings/{sid}.32.mp3", include_in_schema=False)
async def large_mp3(request: Request, sid: str) -> Response:
    """Give it at 32 kbit/s a channel (EX-22)."""
    return await _sound(request, sid, "32.mp3")


@router.head("/recordings/{sid}.mp3", include_in_schema=False)
@router.get("/recordings/{sid}.mp3")
async def mp3(request: Request, sid: str) -> Response:
    """Give the sound as MP3, which is made when it is first asked for."""
    return await _sound(request, sid, "mp3")


@router.head("/recordings/{sid}.wav", include_in_schema=False)
@router.get("/recordings/{sid}.wav")
async def wav(request: Request, sid: str) -> Response:
    """Give the sound as it was recorded."""
    return await _sound(request, sid, "wav")


PageSize = Annotated[int, Query(alias="PageSize", ge=1, le=100)]
OfCall = Annotated[str | None, Query(alias="CallSid")]
After = Annotated[str, Query(alias="After", max_length=128)]


@router.get("/v1/accounts/{account_sid}/recordings")
async def listed(
    request: Request,
    account_sid: str,
    page_size: PageSize = 50,
    call_sid: OfCall = None,
    after: After = "",
) -> Response:
    """Tell what the account has recorded, newest first, page by page."""
    account = await account_of(request, account_sid)
    door, query = _door(request), _page(account.sid, page_size, call_sid, after)
    rows = await door.rows.list(query)
    following = None
    if len(rows) == page_size:
        asked = {"PageSize": page_size, "After": _place(rows[-1])}
        asked |= {"CallSid": call_sid} if call_sid else {}
        following = f"/v1/Accounts/{account.sid}/Recordings?{urlencode(asked)}"
    return answer(
        request,
        {
            "Metadata": {"PageSize": page_size, "NextPageUri": following},
            "Recordings": [_shown(door, row) for row in rows],
        },
    )


@router.get("/v1/accounts/{account_sid}/calls/{call_sid}/recordings")
async def listed_of_call(request: Request, account_sid: str, call_sid: str) -> Response:
    """Tell what was recorded of one call."""
    return await listed(request, account_sid, 100, call_sid, "")


@router.get("/v1/accounts/{account_sid}/recordings/{sid}")
async def one(request: Request, account_sid: str, sid: str) -> Response:
    """Tell what is known of one recording."""
    account = await account_of(request, account_sid)
    door = _door(request)
    row = await _row(door, sid, account.sid)
    return answer(request, {"Recording": _shown(door, row)})


@router.delete("/v1/accounts/{account_sid}/recordings/{sid}")
async def delete(request: Request, account_sid: str, sid: str) -> Response:
    """Remove a recording's sound everywhere; what is known of it stays."""
    account = await account_of(request, account_sid)
    door = _door(request)
    row = await _row(door, sid, account.sid)
    if row.state != "deleted":
        await door.delete(row)
        _log.info("recording_deleted", sid=row.sid, call_sid=row.call_sid)
    return Response(status_code=204)


async def _sound(request: Request, sid: str, kind: AudioKind) -> Response:
    door = _door(request)
    if not is_sid(sid):
        raise ApiError(404, "There is no such recording")
    account_sid = await _listener(request, door, sid, kind)
    row = await door.shelf.find(sid)
    if row is None or account_sid not in (None, row.account_sid):
        raise ApiError(404, "There is no such recording")
    if row.state == "recording":
        return _not_ready(request, "The recording is not ready yet")
    if row.state != "ready":
        raise _gone(row)
    try:
        opened = await door.shelf.open(row, kind)
        if opened is not None:
            return await _answer(request, row, opened)
    except BusyError as error:
        return _not_ready(request, str(error))
    except StoreError as error:  # it names places and keys, which are not for everybody
        _log.error("recording_unreadable", sid=sid, error=str(error))
        return _not_ready(request, "The recording cannot be read now")
    row = await door.shelf.find(sid) or row
    raise _gone(row)


async def _listener(
    request: Request, door: RecordingDoor, sid: str, kind: AudioKind
) -> AccountSid | None:
    """Return whose recordings this client may hear; None: also this one, whose ever it is."""
    urls, query = door.shelf.urls, request.query_params
    if urls.links == "open":
        return None
    if "signature" in query:
        expires, signature = query.get("expires", ""), query["signature"]
        match urls.check(sid, kind, expires, signature, door.shelf.now_s()):
            case "good":
                return None
            case "expired":
                raise ApiError(410, "This link has expired")
            case "wrong":
                raise ApiError(403, "This link was changed, or is not ours")
    caller = await authenticated(request)
    return None if caller.account is None else caller.account.sid


async def _answer(request: Request, row: Recording, opened: OpenRecording) -> Response:
    size, etag = opened.size, f'"{row.sha256 or row.sid}-{opened.kind}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Disposition": f'inline; filename="{row.sid}.{opened.kind}"',
        "Cache-Control": "private, no-transform",
        "X-Content-Type-Options": "nosniff",
    }
    wanted = request.headers.get("range") if request.method == "GET" else None
    if request.headers.get("if-range", etag) != etag:
        wanted = None
    try:
        part = parse_range(wanted, size)
    except Unsatisfiable:
        opened.close()
        headers["Content-Range"] = f"bytes */{size}"
        return Response(status_code=416, headers=headers)
    start, length = part or (0, size)
    headers["Content-Length"] = str(length)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    status, media_type = 206 if part else 200, _TYPES[opened.kind]
    if request.method == "HEAD":
        opened.close()
        return Response(status_code=status, headers=headers, media_type=media_type)
    try:
        body = await _begun(opened, start, length)
    except BaseException:
        opened.close()
        raise
    return StreamingResponse(body, status, headers, media_type)


async def _begun(opened: OpenRecording, start: int, length: int) -> AsyncIterator[bytes]:
    """Read the first piece now: what cannot be read at all is then an error with a status."""
    reading = opened.read(start, length)
    first = await anext(reading, b"")

    async def rest() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in reading:
                yield piece
        finally:
            opened.close()

    return rest()


def _not_ready(request: Request, text: str) -> Response:
    refused = error_response(request, 503, text)
    refused.headers["Retry-After"] = str(_AGAIN_S)
    return refused


def _gone(row: Recording) -> ApiError:
    if row.state == "deleted":
        return ApiError(410, "This recording was deleted")
    if row.state == "failed":
        return ApiError(404, "This recording broke off")
    _log.error("recording_lost", sid=row.sid, place=row.path)
    return ApiError(404, "The file of this recording is gone")


def _door(request: Request) -> RecordingDoor:
    door = doors(request).recordings
    if door is None:
        raise ApiError(404, "Not found")
    return door


async def _row(door: RecordingDoor, sid: str, account_sid: AccountSid) -> Recording:
    row = await door.shelf.find(sid, wait_ms=0) if is_sid(sid) else None
    if row is None or row.account_sid != account_sid:
        raise ApiError(404, "There is no such recording")
    return row


def _page(
    account_sid: AccountSid, page_size: int, call_sid: str | None, after: str
) -> RecordingQuery:
    before, sid = None, ""
    if after:
        moment, _, sid = after.partition("-")
        if not (moment.isascii() and moment.isdecimal() and len(moment) <= 16 and is_sid(sid)):
            raise ApiError(400, "After: take it from NextPageUri")
        before = _EPOCH + timedelta(microseconds=int(moment))
    of_call = None if call_sid is None else CallSid(call_sid)
    return RecordingQuery(account_sid, of_call, limit=page_size, before=before, before_sid=sid)


def _place(row: Recording) -> str:
    return f"{(row.created_at - _EPOCH) // timedelta(microseconds=1)}-{row.sid}"


def _shown(door: RecordingDoor, row: Recording) -> dict[str, Any]:
    can_be_heard = row.state in {"recording", "ready"}
    return {
        "Sid": row.sid,
        "AccountSid": row.account_sid,
        "CallSid": row.call_sid,
        "LegSid": row.leg_sid,
        "DateCreated": row.created_at.isoformat(timespec="milliseconds"),
        "Status": row.state,
        "Duration": row.duration_ms // 1000,
        "DurationMs": row.duration_ms,
        "Channels": 2 if row.channels == "stereo" else 1,
        "Size": row.size_bytes,
        "Sha256": row.sha256 or None,
        "Uri": f"/v1/Accounts/{row.account_sid}/Recordings/{row.sid}",
        "RecordingUrl": door.shelf.url_for(row.sid) if can_be_heard else None,
    }
