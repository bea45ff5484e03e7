"""What may be asked of a live call: its recording, a hold (V3-10, LG-55), a prompt, keys (OC-2).

PUT /v2/accounts/{account}/calls/{call}/recording   Status: paused, in-progress
PUT /v2/accounts/{account}/calls/{call}/hold        Status: on_hold, not_on_hold; LegSid, Music
PUT /v2/accounts/{account}/calls/{call}/prompt      Url or Text; LegSid, Language, Voice, Loop
PUT /v2/accounts/{account}/calls/{call}/digits      Digits; LegSid
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request

from agentstream.api import openapi
from agentstream.api.auth import account_of, doors
from agentstream.api.doors import CallDoor
from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, body_of
from agentstream.api.v1.connect import telephony_of
from agentstream.api.v1.connect_request import web_url
from agentstream.base.ids import CallSid, LegSid, PromptId, RandomTokens
from agentstream.calls.commands import (
    DEFAULT_TONE,
    AudioFile,
    Command,
    Hold,
    PauseRecording,
    Play,
    Prompt,
    ResumeRecording,
    SendDigits,
    Speech,
    Unhold,
)

router = APIRouter()
SID_CHARS: Final = 64
TEXT_CHARS: Final = 2_000
LOOPS: Final = 10
DIGITS: Final = 64


@router.put(
    "/v2/accounts/{account_sid}/calls/{call_sid}/recording",
    openapi_extra=openapi.asks(openapi.RECORDING),
)
async def recording(request: Request, account_sid: str, call_sid: str) -> dict[str, Any]:
    """Leave out what is said from now on in every recording of the call, or record again."""
    wanted: dict[str, Command] = {"paused": PauseRecording(), "in-progress": ResumeRecording()}
    door, sid = await _call(request, account_sid, call_sid)
    status = _one_of(await body_of(request), "Status", wanted)
    await door.ask(sid, wanted[status])
    return {"Recording": {"CallSid": sid, "Status": status}}


@router.put(
    "/v2/accounts/{account_sid}/calls/{call_sid}/hold",
    openapi_extra=openapi.asks(openapi.HOLD),
)
async def hold(request: Request, account_sid: str, call_sid: str) -> dict[str, Any]:
    """Let a party (LegSid; else the first leg) hear music, or the other one again."""
    door, sid = await _call(request, account_sid, call_sid)
    said = await body_of(request)
    leg_sid = LegSid(said.text("LegSid", SID_CHARS)) or None
    music = AudioFile(web_url(said, "Music") or DEFAULT_TONE)
    wanted: dict[str, Command] = {
        "on_hold": Hold(_prompt_id(), leg_sid, music),
        "not_on_hold": Unhold(leg_sid),
    }
    status = _one_of(said, "Status", wanted)
    await door.ask(sid, wanted[status])
    return {"Hold": {"CallSid": sid, "Status": status}}


@router.put(
    "/v2/accounts/{account_sid}/calls/{call_sid}/prompt",
    openapi_extra=openapi.asks(openapi.PROMPT),
)
async def prompt(request: Request, account_sid: str, call_sid: str) -> dict[str, Any]:
    """Play a sound, or speak a text, to a party (LegSid; else the first leg)."""
    door, sid = await _call(request, account_sid, call_sid)
    said = await body_of(request)
    leg_sid = _leg(request, sid, said)
    prompt_id, wanted = _prompt_id(), _prompt(said)
    await door.ask(sid, Play(leg_sid, prompt_id, wanted, said.whole("Loop", 1, LOOPS) or 1))
    return {"Prompt": {"CallSid": sid, "LegSid": leg_sid, "Sid": prompt_id}}


@router.put(
    "/v2/accounts/{account_sid}/calls/{call_sid}/digits",
    openapi_extra=openapi.asks(openapi.DIGITS),
)
async def digits(request: Request, account_sid: str, call_sid: str) -> dict[str, Any]:
    """Press keys towards a party (LegSid; else the first leg)."""
    door, sid = await _call(request, account_sid, call_sid)
    said = await body_of(request)
    leg_sid = _leg(request, sid, said)
    await door.ask(sid, SendDigits(leg_sid, said.required("Digits", DIGITS).upper()))
    return {"Digits": {"CallSid": sid, "LegSid": leg_sid}}


async def _call(request: Request, account_sid: str, call_sid: str) -> tuple[CallDoor, CallSid]:
    account = await account_of(request, account_sid)
    door, sid = doors(request).calls, CallSid(call_sid)
    if door is None or door.owner(sid) != account.sid:
        raise ApiError(404, f"There is no live call {call_sid}")
    return door, sid


def _leg(request: Request, call_sid: CallSid, said: Form) -> LegSid:
    """Return the party that is meant; ApiError 404 when the call has none of that sid."""
    views, named = telephony_of(request).views, said.text("LegSid", SID_CHARS)
    view = views.find(call_sid) if views else None
    for leg in view.legs if view else ():
        if leg.leg_sid == named or not named:
            return leg.leg_sid
    raise ApiError(404, f"The call has no leg {named}" if named else "The call has no leg yet")


def _prompt(said: Form) -> Prompt:
    """Return what is to be heard: a sound of the web, never a file of this server, or a text."""
    if ("Url" in said) == ("Text" in said):
        raise ApiError(400, "Give one of Url, Text")
    if "Url" in said:
        return AudioFile(web_url(said, "Url"))
    text, voice = said.text("Text", TEXT_CHARS), said.text("Voice", SID_CHARS)
    language = said.text("Language", SID_CHARS)
    return Speech(text, language, voice) if language else Speech(text, voice=voice)


def _prompt_id() -> PromptId:
    return PromptId(RandomTokens().hex())


def _one_of(said: Form, name: str, wanted: Mapping[str, object]) -> str:
    said.required(name)
    return said.word(name, {word: word for word in wanted}, "")
