"""What somebody asks of a leg, from the form of its request to values (LG-20 to LG-43, LG-61)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, form_of_json, refuse
from agentstream.api.v1.connect_request import NUMBER_CHARS, party
from agentstream.base.errors import CommandError
from agentstream.calls.answering import AnswerMode
from agentstream.flows.legs.verbs import StartRecording
from agentstream.switch.leg_style import (
    CUSTOM_BYTES,
    ENDPOINT_CHARS,
    TIMER_LIMIT_S,
    LegStyle,
    check_endpoint,
)
from agentstream.switch.leg_style import check_storage as may_be_sent
from agentstream.switch.leg_view import NetworkType

MISSING: Final = 1001  # LG-11
SID_CHARS: Final = 64  # LG-12
CODE_CHARS: Final = 64
_SIP: Final = ("sip:", "sips:")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRequest:
    """A leg to create; numbers as they were written."""

    contact_uri: str
    exophone: str
    event_endpoint: str
    network_type: NetworkType
    custom_param: str
    time_limit_s: int
    timeout_s: int
    setup_timeout_s: int
    ring_timeout_s: int
    requested_dc_code: str
    requested_nso_code: str
    reference_leg_sid: str
    amd: AnswerMode  # LG-32, LG-33

    @property
    def is_sip(self) -> bool:
        """Whether a SIP address is dialled."""
        return self.contact_uri.lower().startswith(_SIP)


@dataclass(frozen=True, slots=True)
class LegChange:
    """What is to be different (LG-61); None stays as it is."""

    custom_param: str | None = None
    event_endpoint: str | None = None
    time_limit_s: int | None = None
    hangs_up: bool = False


def read_leg(body: dict[str, Any], style: LegStyle) -> LegRequest:
    """Return the leg; ApiError 400 naming the field, 1001 when it is missing, else 1002."""
    form = form_of_json(body)
    contact = party(_required(form, "contact_uri", NUMBER_CHARS), "contact_uri", takes_sip=True)
    form.word("priority", {"normal": "normal", "high": "high"}, "normal")  # LG-34: one queue
    return LegRequest(
        contact_uri=contact,
        exophone=_required(form, "exophone", NUMBER_CHARS),
        event_endpoint=endpoint(_required(form, "leg_event_endpoint", ENDPOINT_CHARS), style),
        network_type=_network_type(form, contact, style),
        custom_param=custom_param(form),
        time_limit_s=_time_limit(form, style) or style.time_limit_s,
        timeout_s=_timer(form, "timeout"),
        setup_timeout_s=_timer(form, "setup_timeout"),
        ring_timeout_s=_timer(form, "ring_timeout"),
        requested_dc_code=form.text("requested_dc_code", CODE_CHARS),
        requested_nso_code=form.text("requested_nso_code", CODE_CHARS),
        reference_leg_sid=form.text("reference_leg_sid", SID_CHARS),
        amd=_amd(form),
    )


def _amd(form: Form) -> AnswerMode:
    """Return whether it is found out who answers; `async_amd` alone means nothing (LG-33)."""
    is_wanted, is_async = form.flag("amd_enable"), form.flag("async_amd")
    if not is_wanted:
        return "off"
    return "async" if is_async else "sync"


def read_change(body: dict[str, Any], style: LegStyle) -> LegChange:
    """Return what is to be different; ApiError 400 naming the field."""
    form = form_of_json(body)
    if "action" in form:
        form.word("action", {"hangup": "hangup"}, "hangup")
        return LegChange(hangs_up=True)
    names = ("custom_param", "leg_event_endpoint", "time_limit")
    if not any(name in body for name in names):
        _missing(f"One of {', '.join(names)} or action")
    url = form.text("leg_event_endpoint", ENDPOINT_CHARS)
    return LegChange(
        custom_param=custom_param(form) if "custom_param" in body else None,
        event_endpoint=endpoint(url, style) if "leg_event_endpoint" in body else None,
        time_limit_s=_time_limit(form, style),
    )


def endpoint(url: str, style: LegStyle, name: str = "leg_event_endpoint") -> str:
    """Return where events go (LD-1); ApiError 400 for what cannot be told there."""
    try:
        return check_endpoint(url, style)
    except CommandError as error:
        refuse(name, str(error))


def check_storage(verbs: Iterable[object], style: LegStyle) -> None:
    """Refuse a recording whose storage cannot be reached (EX-46); ApiError 400."""
    for verb in verbs:
        if isinstance(verb, StartRecording) and verb.storage is not None:
            try:
                may_be_sent(verb.storage, style)
            except CommandError as error:
                refuse("storageURL", str(error))


def custom_param(form: Form) -> str:
    """Return what comes back with every event (LG-24, LG-39)."""
    text = form.text("custom_param")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > CUSTOM_BYTES:
        refuse("custom_param", f"has {size} bytes, at most {CUSTOM_BYTES} are taken")
    return text


def _required(form: Form, name: str, limit: int) -> str:
    if name not in form:
        _missing(name)
    return form.required(name, limit)


def _missing(name: str) -> NoReturn:
    raise ApiError(400, f"{name} is missing", number=MISSING)


def _timer(form: Form, name: str) -> int:
    return form.whole(name, 1, TIMER_LIMIT_S) or 30


def _time_limit(form: Form, style: LegStyle) -> int | None:
    return form.whole("time_limit", 1, style.time_limit_s)


def _network_type(form: Form, contact: str, style: LegStyle) -> NetworkType:
    """Return how the party is reached (LG-23, LG-38)."""
    is_sip = contact.lower().startswith(_SIP)
    word = form.word("network_type", {"pstn": "pstn", "voip": "voip"}, "")
    if is_sip and word == "pstn":
        refuse("network_type", "must be voip when contact_uri is a SIP address")
    if is_sip and not word and not style.infer_network_type:
        refuse("network_type", "is missing: it must be voip when contact_uri is a SIP address")
    return "voip" if word == "voip" or is_sip else "pstn"
