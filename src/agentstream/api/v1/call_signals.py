"""What was signalled in a call: its ladder as JSON or text, and its messages for Wireshark (SD-5).

GET /v1/Accounts/{sid}/Calls/{sid}/Sip
GET /v1/Accounts/{sid}/Calls/{sid}/Sip/Text
GET /v1/Accounts/{sid}/Calls/{sid}/Sip/Pcap      with RTP and RTCP, where they were captured
POST /v1/Accounts/{sid}/Calls/{sid}/Capture      captures a live call from now on

Numbers are shown as they were sent, to the account whose call it is; secrets are stars.
"""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from agentstream.api.auth import account_of, doors
from agentstream.api.call_facts import CallFacts
from agentstream.api.errors import ApiError
from agentstream.api.v1.call_history import CallHistory
from agentstream.api.v1.connect import telephony_of
from agentstream.net.pcap import pcap_file, sip_packets
from agentstream.sip.kept import KeptCall
from agentstream.store.values import Account
from agentstream.switch.ladder import ladder_of
from agentstream.switch.ladder_hints import hints
from agentstream.switch.ladder_text import ladder_text

router = APIRouter()
PCAP: Final = "application/vnd.tcpdump.pcap"
_SIP: Final = "/v1/accounts/{account_sid}/calls/{call_sid}/sip"
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {PCAP: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get(_SIP)
async def ladder(request: Request, account_sid: str, call_sid: str) -> JSONResponse:
    """Tell the messages of a call in order, between whom, with what their SDP said (SD-5)."""
    facts, call = await _kept(request, account_sid, call_sid)
    drawn = ladder_of(call)
    return JSONResponse({"call_sid": facts.sid, **drawn.as_json(), "hints": [*hints(drawn)]})


@router.get(_SIP + "/text", response_class=PlainTextResponse)
async def text(request: Request, account_sid: str, call_sid: str) -> PlainTextResponse:
    """Draw the ladder of a call in text (SD-5)."""
    _, call = await _kept(request, account_sid, call_sid)
    drawn = ladder_of(call)
    return PlainTextResponse(ladder_text(drawn, hints(drawn)))


@router.get(_SIP + "/pcap", responses=_FILE, response_class=Response)
async def pcap(request: Request, account_sid: str, call_sid: str) -> Response:
    """Give the messages of a call as packets, for Wireshark and its like (SD-5)."""
    facts, call = await _kept(request, account_sid, call_sid)
    packets = [*sip_packets(message for _, message in call.messages)]
    captures = doors(request).captures
    if captures is not None:
        packets += await captures.packets(facts.sid)
    file = await asyncio.to_thread(pcap_file, packets)
    name = {"Content-Disposition": f'attachment; filename="{facts.sid}.pcap"'}
    return Response(file, headers=name, media_type=PCAP)


@router.post("/v1/accounts/{account_sid}/calls/{call_sid}/capture", status_code=202)
async def capture(request: Request, account_sid: str, call_sid: str) -> dict[str, Any]:
    """Keep the packets of a live call from now on, for its pcap file."""
    account, house = await account_of(request, account_sid), doors(request)
    facts = await _known(request, account, call_sid)
    view = telephony_of(request).views
    found = view.find(facts.sid) if view else None
    if house.captures is None or found is None or facts.ended_at is not None:
        raise ApiError(409, f"The call {facts.sid} does not live on this server")
    legs = house.captures.begin(facts.sid, [leg.leg_sid for leg in found.legs])
    return {"call_sid": facts.sid, "legs": legs}


async def _known(request: Request, account: Account, call_sid: str) -> CallFacts:
    history = CallHistory(account.sid, telephony_of(request), doors(request).recordings)
    facts = await history.find(call_sid)
    if facts is None:
        raise ApiError(404, f"There is no call {call_sid}")
    return facts


async def _kept(request: Request, account_sid: str, call_sid: str) -> tuple[CallFacts, KeptCall]:
    """Return an account's own call and its messages: ApiError 404 for what there is not."""
    account, house = await account_of(request, account_sid), doors(request)
    facts = await _known(request, account, call_sid)
    call = await house.signals(facts.sid) if house.signals else None
    if call is None:
        raise ApiError(404, f"No message of the call {facts.sid} is kept ([sip] keep_messages)")
    return facts, call
