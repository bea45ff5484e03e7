"""Control events, which a bot may send where a setting allows it (OP-1): read and answered.

from the bot   hangup  transfer  send_dtmf  set_rate
to the bot     ack
"""

import re
from collections.abc import Callable
from typing import Final

from agentstream.base.errors import PeerError
from agentstream.stream.address import RATES_HZ
from agentstream.stream.messages import (
    Ask,
    AskId,
    AskRefused,
    ControlEvent,
    DigitsAsked,
    HangUpAsked,
    RateAsked,
    TransferAsked,
)

ID_CHARS: Final = 64
DIGITS_LIMIT: Final = 64
MARK_CHARS: Final = 1_024

_NUMBER: Final = re.compile(r"\+?[0-9]{2,15}")
_SIP: Final = re.compile(r"sips?:[!-~]{1,250}")
_FLOW: Final = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_DIGITS: Final = re.compile(rf"[0-9*#A-D]{{1,{DIGITS_LIMIT}}}")

Body = dict[str, object]


def read_ask(event: ControlEvent, message: dict[str, object]) -> Ask:
    """Read a control event; fields that mean nothing are ignored, as everywhere (AS-113)."""
    body = message.get(event, {})
    if not isinstance(body, dict):
        return AskRefused(event, None, f"{event} is not an object")
    ask_id = body.get("id")
    if not _is_id(ask_id):
        text = f"{event}.id is neither a text of at most {ID_CHARS} characters nor a whole number"
        return AskRefused(event, None, text)
    try:
        return _READERS[event](ask_id, body)
    except PeerError as error:
        return AskRefused(event, ask_id, str(error))


def ack_body(event: ControlEvent, ask_id: AskId, refusal: str) -> Body:
    """Return the inside of `ack`; no refusal means accepted."""
    body: Body = {"event": event}
    if ask_id is not None:
        body["id"] = ask_id
    if refusal:
        return body | {"status": "refused", "reason": refusal}
    return body | {"status": "accepted"}


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_CHARS
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 53
    return value is None or is_whole


def _read_hangup(ask_id: AskId, body: Body) -> Ask:
    drain, mark = body.get("drain", True), body.get("after_mark")
    if not isinstance(drain, bool):
        raise PeerError("hangup.drain is neither true nor false")
    if mark is not None and not (isinstance(mark, str) and len(mark) <= MARK_CHARS):
        raise PeerError(f"hangup.after_mark is no text of at most {MARK_CHARS} characters")
    return HangUpAsked(ask_id, drain, mark)


def _read_transfer(ask_id: AskId, body: Body) -> Ask:
    to, flow = body.get("to"), body.get("flow")
    if (to is None) == (flow is None):
        raise PeerError("transfer has either `to`, a number or sip address, or `flow`, a name")
    if flow is not None:
        if not (isinstance(flow, str) and _FLOW.fullmatch(flow)):
            raise PeerError("transfer.flow is no name of 1 to 64 characters")
        return TransferAsked(ask_id, f"flow:{flow}")
    if not (isinstance(to, str) and (_NUMBER.fullmatch(to) or _SIP.fullmatch(to))):
        raise PeerError("transfer.to is neither a number of 2 to 15 digits nor a sip: address")
    return TransferAsked(ask_id, to)


def _read_digits(ask_id: AskId, body: Body) -> Ask:
    digits = body.get("digits")
    if not (isinstance(digits, str) and _DIGITS.fullmatch(digits)):
        raise PeerError(f"send_dtmf.digits is no text of 1 to {DIGITS_LIMIT} of 0-9 * # A-D")
    return DigitsAsked(ask_id, digits)


def _read_rate(ask_id: AskId, body: Body) -> Ask:
    rate_hz = {str(rate_hz): rate_hz for rate_hz in RATES_HZ}.get(str(body.get("sample_rate")))
    if rate_hz is None:
        raise PeerError("set_rate.sample_rate is none of 8000, 16000, 24000")
    return RateAsked(ask_id, rate_hz)


_READERS: Final[dict[ControlEvent, Callable[[AskId, Body], Ask]]] = {
    "hangup": _read_hangup,
    "transfer": _read_transfer,
    "send_dtmf": _read_digits,
    "set_rate": _read_rate,
}
