"""What servers of documents are told, as a form or in the query (XR-2, XR-20)."""

from typing import Final
from urllib.parse import urlencode

from agentstream.calls.commands import Fetch, HttpRequest
from agentstream.flows.asking import REDIRECTS
from agentstream.flows.context import DIRECTIONS, Context, Parameters
from agentstream.flows.exoml.verbs import Ask
from agentstream.flows.telling import FORM

PURPOSE: Final = "exoml"
TOLD_TIMEOUT_MS: Final = 15_000  # PT-6: of what is told when nobody waits
TOLD_RETRIES: Final = 2


def request_of(
    context: Context, ask: Ask, fields: Parameters, timeout_ms: int, retries: int = 0
) -> HttpRequest:
    """Return the request; the URL's own query is kept (AP-1)."""
    told = common_fields(context) + fields
    is_form = ask.method == "POST"
    return HttpRequest(
        ask.url,
        ask.method,
        query=() if is_form else told,
        body=urlencode(told) if is_form else "",
        content_type=FORM if is_form else "",
        timeout_ms=timeout_ms,
        retries=retries,
        redirects=REDIRECTS,
    )


def tell(context: Context, ask: Ask, fields: Parameters) -> Fetch:
    """Return what is told in the background: nobody waits, and the answer means nothing."""
    request = request_of(context, ask, fields, TOLD_TIMEOUT_MS, TOLD_RETRIES)
    return Fetch(context.new_request_id(), request, PURPOSE, in_background=True)


def common_fields(context: Context) -> Parameters:
    """Return what every server is told (XR-2), and what else it may want to know of the call."""
    setup, shown = context.setup, context.numbers.show
    caller, called = shown(setup.from_number), shown(setup.to_number)
    always = (
        ("CallSid", str(setup.call_sid)),
        ("CallFrom", caller),
        ("CallTo", called),
        ("CallStatus", "completed" if context.is_gone else "in-progress"),
        ("AccountSid", str(setup.account_sid)),
        ("From", caller),
        ("To", called),
        ("Direction", DIRECTIONS["outbound-dial"][setup.direction == "outbound"]),
    )
    sometimes = (
        ("CustomField", setup.custom_field),
        ("ForwardedFrom", shown(setup.forwarded_from)),
    )
    return always + tuple(pair for pair in sometimes if pair[1])
