"""What POST /v3/accounts/{sid}/calls asks for: two numbers (V3-2)."""

from typing import Final

from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, refuse
from agentstream.api.v1.connect_request import (
    CUSTOM_FIELD_CHARS,
    EVENTS,
    NUMBER_CHARS,
    TIME_LIMIT_S,
    ConnectRequest,
    own_number_of,
    party,
    web_url,
)
from agentstream.calls.record import CallbackEvent, StatusCallback
from agentstream.flows.dial_plan import RING_LIMIT_S

NO_USER: Final = 10731  # V3-8
_FROM: Final = ("from.user_contact_uri", "from.contact_uri")  # the newer page's and the older's


def read_call(form: Form) -> ConnectRequest:
    """Return the call; ApiError 400 naming the field that is wrong, inner ones with dots."""
    name = next((name for name in _FROM if name in form), _FROM[0])
    if name not in form and "from.user_id" in form:
        raise ApiError(404, "There are no users here: give from.contact_uri", number=NO_USER)
    channels = form.word("recording_channels", {"single": "mono", "dual": "stereo"}, "mono")
    caller_id = own_number_of(form, "virtual_number")
    return ConnectRequest(
        mode="numbers",
        from_number=party(form.required(name, NUMBER_CHARS), name, takes_sip=True),
        to_number=party(form.required("to.number", NUMBER_CHARS), "to.number", takes_sip=False),
        caller_id=caller_id,
        ring_s=form.whole("attempt_time_out", 1, RING_LIMIT_S) or 30,
        limit_s=form.whole("max_time_limit", 1, TIME_LIMIT_S) or TIME_LIMIT_S,
        wait_url=web_url(form, "wait_audio_url"),
        records=form.flag("recording"),
        channels="stereo" if channels == "stereo" else "mono",
        custom_field=form.text("custom_field", CUSTOM_FIELD_CHARS),
        callback=_callback(form),
    )


def _callback(form: Form) -> StatusCallback | None:
    if "status_callback.url" not in form:
        return None
    events: set[CallbackEvent] = set()
    for event in form.texts("status_callback.event", len(EVENTS)):
        if event not in {"terminal", "answered"}:
            refuse("status_callback.event", f"is terminal or answered, not {event[:40]!r}")
        events |= set(EVENTS[event])
    return StatusCallback(web_url(form, "status_callback.url"), frozenset(events), is_json=True)
