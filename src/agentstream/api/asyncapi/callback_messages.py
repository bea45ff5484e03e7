"""Status callbacks of placed calls in JSON Schema (calls-api CB-1 to CB-7)."""

from typing import Final

from agentstream.api.asyncapi.shapes import Schema, an_object, message, or_null, text, whole, word

_MOMENT: Final = text(
    "In the time zone of the settings", pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}$"
)
_STATUS: Final = word(
    "queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"
)
_URL: Final = or_null(text("The recording's link"))
_LEG: Final = an_object(
    {
        "OnCallDuration": whole("Seconds", minimum=0),
        "Status": or_null(text()),
        "AnsweredBy": text(),
    }
)
CALLBACK: Final = an_object(
    {
        "CallSid": text(),
        "EventType": word("initiated", "ringing", "answered", "terminal", "recording-available"),
        "DateCreated": _MOMENT,
        "DateUpdated": _MOMENT,
        "Status": _STATUS,
        "To": text(),
        "From": text(),
        "PhoneNumberSid": text(),
        "StartTime": _MOMENT,
        "EndTime": or_null(_MOMENT),
        "Duration": or_null(whole("Seconds", minimum=0)),
        "ConversationDuration": whole("Seconds", minimum=0),
        "Direction": word("inbound", "outbound-api"),
        "CustomField": or_null(text()),
        "RecordingUrl": _URL,
        "Legs": {"type": "array", "items": _LEG},
    }
)
SHORT: Final = an_object(
    {"CallSid": text(), "DateUpdated": _MOMENT, "Status": _STATUS, "RecordingUrl": _URL}
)
_HEADERS: Final = an_object(
    {"webhook-id": text("The same when it is sent again, and of no other callback")}
)
_FORM: Final = (
    "\nWithout StatusCallbackContentType application/json it is a multipart form: what is empty is"
    " an empty text there, and members of Legs are Legs[0][Status] and so on."
)


def _message(about: str, payload: Schema) -> Schema:
    return message(about + _FORM, payload, headers=_HEADERS)


EVENT_MESSAGE: Final = _message("One event of a placed call", CALLBACK)
END_MESSAGE: Final = _message("The end of a placed call that asked for no events", SHORT)
