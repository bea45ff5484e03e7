"""What somebody asks of a bridge, from the form of its request to values (BR-1 to BR-5a)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from agentstream.api.errors import ApiError
from agentstream.api.forms import Form, form_of_json, refuse
from agentstream.api.v2.leg_request import MISSING, endpoint
from agentstream.flows.bridges.settings import PARTICIPANTS_LIMIT
from agentstream.flows.bridges.values import BridgeTerms
from agentstream.switch.leg_style import ENDPOINT_CHARS, LegStyle

ENDPOINT: Final = "bridge_event_endpoint"
FIELDS: Final = (ENDPOINT, "absorb_dtmf", "max_participants")


@dataclass(frozen=True, slots=True)
class BridgeRequest:
    """A bridge to make."""

    terms: BridgeTerms
    leg_sids: tuple[str, ...]


def read_bridge(body: Mapping[str, Any], style: LegStyle) -> BridgeRequest:
    """Return the bridge: the union of both documented bodies (BR-3, LC-11); ApiError 400."""
    form = form_of_json(body)
    form.word("bridge_type", {"audio": "audio"}, "audio")
    legs = form.texts("leg_sids", PARTICIPANTS_LIMIT)
    if len(legs) == 1:
        refuse("leg_sids", "names 1 leg: a bridge is made of two or more, or of none yet")
    limit = _participants(form, PARTICIPANTS_LIMIT)
    if len(legs) > limit:
        refuse("max_participants", f"is {limit}, and leg_sids names {len(legs)}")
    terms = BridgeTerms(
        _endpoint(form, "", style), form.flag("absorb_dtmf"), limit, form.flag("recording")
    )
    return BridgeRequest(terms, legs)


def action_of(body: Mapping[str, Any]) -> str:
    """Return `stop` or `hangup`, "" for a change of the configuration; ApiError 400."""
    form = form_of_json(body)
    if "action" in form:
        return form.word("action", {"stop": "stop", "hangup": "hangup"}, "")
    return ""


def changed(body: Mapping[str, Any], terms: BridgeTerms, style: LegStyle) -> BridgeTerms:
    """Return how a bridge is to be from now on; ApiError 400 naming the field."""
    form = form_of_json(body)
    if not any(name in body for name in FIELDS):
        raise ApiError(400, f"One of {', '.join(FIELDS)} or action is missing", number=MISSING)
    return replace(
        terms,
        event_endpoint=_endpoint(form, terms.event_endpoint, style),
        absorbs_keys=form.flag("absorb_dtmf") if "absorb_dtmf" in form else terms.absorbs_keys,
        max_participants=_participants(form, terms.max_participants),
    )


def _endpoint(form: Form, known: str, style: LegStyle) -> str:
    url = form.text(ENDPOINT, ENDPOINT_CHARS)
    return endpoint(url, style, ENDPOINT) if url else known


def _participants(form: Form, known: int) -> int:
    return form.whole("max_participants", 2, PARTICIPANTS_LIMIT) or known
