"""The account's phone numbers (AF-20, AF-21).

GET             /v1/Accounts/{sid}/IncomingPhoneNumbers
GET             /v2_beta/Accounts/{sid}/IncomingPhoneNumbers
GET PUT DELETE  /v2_beta/Accounts/{sid}/IncomingPhoneNumbers/{number}

PUT takes VoiceUrl, or leg_event_endpoint with leg_answer_mode (LG-112, LG-114). A number that is
only mapped to a trunk of the account is given a flow so as well (FL-7).
"""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response

from agentstream.api import openapi
from agentstream.api.audit import note_about
from agentstream.api.auth import account_of, doors
from agentstream.api.errors import ApiError
from agentstream.api.forms import body_of, query_of
from agentstream.api.own_numbers import own_number
from agentstream.api.representation import answer
from agentstream.api.settings import ApiSettings
from agentstream.api.v1.connect import telephony_of
from agentstream.api.v1.connect_request import URL_CHARS
from agentstream.api.v1.ordering import Ordering
from agentstream.api.v2.leg_request import endpoint
from agentstream.base.phone import ANY_NUMBER
from agentstream.net.egress import mask_url
from agentstream.store.values import Account, AnswerMode, Number

router = APIRouter()
log = structlog.get_logger("api")
ONE: Final = "/v2_beta/accounts/{account_sid}/incomingphonenumbers/{exophone_sid}"


@router.get("/v1/accounts/{account_sid}/incomingphonenumbers")
async def listed(request: Request, account_sid: str) -> Response:
    """Tell the account's numbers, in the form in which CallerId is compared (AF-20)."""
    account, settings = await _account(request, account_sid), doors(request).settings
    shown = [
        {"IncomingPhoneNumber": _v1(number, settings)}
        for number in await _numbers(request, account)
    ]
    return answer(request, {"IncomingPhoneNumbers": shown})


@router.get(
    "/v2_beta/accounts/{account_sid}/incomingphonenumbers",
    openapi_extra=openapi.queries(openapi.NUMBER_PAGE),
)
async def listed_beta(request: Request, account_sid: str) -> Response:
    """Tell the account's numbers (AF-21), all of them or a page, counted from 0 (TR-55)."""
    account, query = await _account(request, account_sid), query_of(request)
    numbers = await _numbers(request, account)
    page = query.whole("page", 0, openapi.NUMBER_PAGES) or 0
    size = query.whole("page_size", 1, openapi.NUMBER_PAGES) or max(1, len(numbers))
    shown = [_beta(number) for number in numbers[page * size : (page + 1) * size]]
    told = {"page": page, "page_size": size, "incoming_phone_numbers": shown}
    return answer(request, told)


@router.get(ONE)
async def one(request: Request, account_sid: str, exophone_sid: str) -> Response:
    """Tell what one number rings."""
    account = await _account(request, account_sid)
    return answer(request, _beta(await _number(request, account, exophone_sid)))


@router.put(ONE, openapi_extra=openapi.asks(openapi.NUMBER_CHANGE))
async def change(request: Request, account_sid: str, exophone_sid: str) -> Response:
    """Let a number ring another flow (AF-1), or legs that are steered from outside (LG-114)."""
    account, form = await _account(request, account_sid), await body_of(request)
    number = await _number_to_change(request, account, exophone_sid)
    telephony, legs = telephony_of(request), doors(request).legs
    if "leg_event_endpoint" in form and legs is not None:
        if "VoiceUrl" in form:
            raise ApiError(400, "VoiceUrl and leg_event_endpoint exclude each other")
        url = endpoint(form.text("leg_event_endpoint", URL_CHARS), legs.settings)
        modes: dict[str, AnswerMode] = {"auto": "auto", "manual": "manual"}
        mode = modes[form.word("leg_answer_mode", {name: name for name in modes}, "auto")]
        attached = await telephony.numbers.attach(number, account.sid, url, mode)
        log.info("number_attached", number=number, events=mask_url(url))
        return answer(request, _beta(attached))
    if "VoiceUrl" not in form:
        raise ApiError(400, "VoiceUrl or leg_event_endpoint is missing")
    ordering = Ordering(account, telephony, doors(request).settings)
    route = await ordering.flow(form.text("VoiceUrl", URL_CHARS), "VoiceUrl")
    changed = await telephony.numbers.assign(number, account.sid, route.flow_sid)
    note_about(request, f"flow {route.flow_sid}")
    log.info("number_assigned", number=number, flow_sid=route.flow_sid)
    return answer(request, _beta(changed))


@router.delete(ONE)
async def delete(request: Request, account_sid: str, exophone_sid: str) -> Response:
    """Forget a number: nothing rings there any more."""
    account = await _account(request, account_sid)
    number = await _number(request, account, exophone_sid)
    await telephony_of(request).numbers.release(number.number)
    log.info("number_released", number=number.number)
    return answer(request, _beta(number))


async def _account(request: Request, account_sid: str) -> Account:
    return await account_of(request, account_sid, "numbers")


async def _numbers(request: Request, account: Account) -> Sequence[Number]:
    """Return the numbers; "*" is not one that could be shown to anybody."""
    numbers = await telephony_of(request).numbers.list(account.sid)
    return [number for number in numbers if number.number != ANY_NUMBER]


async def _number(request: Request, account: Account, exophone_sid: str) -> Number:
    owned = {number.number: number for number in await _numbers(request, account)}
    found = own_number(exophone_sid, owned, doors(request).settings)
    if not found:
        raise ApiError(404, f"This account has no number {exophone_sid}")
    return owned[found]


async def _number_to_change(request: Request, account: Account, exophone_sid: str) -> str:
    """Return a number that the account has, or that is mapped to a trunk of it (FL-7)."""
    house = doors(request)
    if house.trunks is not None:
        plain = house.settings.normalised(exophone_sid)
        if await house.trunks.rows.mapped(account.sid, plain) is not None:
            return plain
    return (await _number(request, account, exophone_sid)).number


def _v1(number: Number, settings: ApiSettings) -> dict[str, Any]:
    shown = settings.show_exophone(number.number)
    return {
        "Sid": _sid(number),
        "AccountSid": number.account_sid,
        "PhoneNumber": shown,
        "FriendlyName": shown,
        "VoiceUrl": _voice_url(number),
        "DateCreated": settings.moment(number.created_at),
    }


def _beta(number: Number) -> dict[str, Any]:
    return {
        "sid": _sid(number),
        "phone_number": number.number,
        "friendly_name": number.number,
        "voice_url": _voice_url(number),
        "leg_event_endpoint": mask_url(number.event_endpoint) or None,
        "leg_answer_mode": number.answer_mode,
        "sms_url": None,
        "capabilities": {"voice": True, "sms": False},
        "country": None,
        "region": None,
    }


def _sid(number: Number) -> str:
    return number.number.removeprefix("+")


def _voice_url(number: Number) -> str | None:
    """Return the flow's address without a host, for it is a name (AF-2)."""
    if number.flow_sid is None:
        return None
    return f"/{number.account_sid}/exoml/start_voice/{number.flow_sid}"
