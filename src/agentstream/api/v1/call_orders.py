"""What may be asked of a live call: to pause its recording (V3-10), to hold one of its parties.

PUT /v2/accounts/{account}/calls/{call}/recording   Status: paused, in-progress
PUT /v2/accounts/{account}/calls/{call}/hold        Status: on_hold, not_on_hold (LG-55)
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request

from agentstream.api.auth import account_of, doors
from agentstream.api.doors import CallDoor
from agentstream.api.errors import ApiError
from agentstream.base.ids import CallSid, LegSid, PromptId, RandomTokens
from agentstream.calls.commands import (
    DEFAULT_TONE,
    AudioFile,
    Command,
    Hold,
    PauseRecording,
    ResumeRecording,
    Unhold,
)

router = APIRouter()
_BODY_LIMIT: Final = 4_096  # bytes
_SOUND_CHARS: Final = 2_048


@router.put("/v2/accounts/{account_sid}/calls/{call_sid}/recording")
async def recording(request: Request, account_sid: str, call_sid: str) -> dict[str, Any]:
    """Leave out what is said from now on in every recording of the call, or record again."""
    wanted: dict[str, Command] = {"paused": PauseRecording(), "in-progress": ResumeRecording()}
    door, sid = await _call(request, account_sid, call_sid)
    status = _one_of(await _said(request), "Status", wanted)
    await door.ask(sid, wanted[status])
    return {"Recording": {"CallSid": sid, "Status": status}}


@router.put("/v2/accounts/{account_sid}/calls/{call_sid}/hold")
async def hold(request: Request, account_sid: str, call_sid: str) -> dict[str, Any]:
    """Let a party (LegSid; else the first leg) hear music, or the other one again."""
    door, sid = await _call(request, account_sid, call_sid)
    said = await _said(request)
    leg_sid = LegSid(said["LegSid"]) if said.get("LegSid") else None
    held = Hold(PromptId(RandomTokens().hex()), leg_sid, _music(said))
    wanted: dict[str, Command] = {"on_hold": held, "not_on_hold": Unhold(leg_sid)}
    status = _one_of(said, "Status", wanted)
    await door.ask(sid, wanted[status])
    return {"Hold": {"CallSid": sid, "Status": status}}


async def _call(request: Request, account_sid: str, call_sid: str) -> tuple[CallDoor, CallSid]:
    account = await account_of(request, account_sid)
    door, sid = doors(request).calls, CallSid(call_sid)
    if door is None or door.owner(sid) != account.sid:
        raise ApiError(404, f"There is no live call {call_sid}")
    return door, sid


async def _said(request: Request) -> Mapping[str, str]:
    """Return the body's names and texts, a form or JSON."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _BODY_LIMIT:
            raise ApiError(413, f"The body is larger than {_BODY_LIMIT} bytes")
    try:
        text = body.decode()
        if not request.headers.get("content-type", "").startswith("application/json"):
            return dict(parse_qsl(text, keep_blank_values=True))
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(one, str) for one in values.values()):
        raise ApiError(400, "The body is neither a form nor a JSON object of texts")
    return values


def _one_of(said: Mapping[str, str], name: str, wanted: Mapping[str, object]) -> str:
    if said.get(name) not in wanted:
        raise ApiError(400, f"{name} is one of {', '.join(wanted)}")
    return said[name]


def _music(said: Mapping[str, str]) -> AudioFile:
    """Return the sound of the web that is wanted; a path on this server is none of theirs."""
    url = said.get("Music", "")
    if not url:
        return AudioFile(DEFAULT_TONE)
    if not url.startswith(("https://", "http://")) or len(url) > _SOUND_CHARS:
        raise ApiError(400, f"Music is an http(s) URL of at most {_SOUND_CHARS} characters")
    return AudioFile(url)
