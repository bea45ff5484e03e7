"""What actions of legs and of bridges have in common: how they are read, refused and answered."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from agentstream.api.errors import ApiError
from agentstream.api.v2.leg_request import MISSING
from agentstream.base.clock import utc_ms
from agentstream.base.ids import AccountSid
from agentstream.flows.given import BadActionError


@contextmanager
def refusing() -> Iterator[None]:
    """Let what is wrong with an action be ApiError 400 with its code (LG-11)."""
    try:
        yield
    except BadActionError as error:
        raise ApiError(400, str(error), number=error.code) from None


def check_known(action: str, known: Collection[str]) -> None:
    """Refuse an action that there is not: ApiError 404."""
    if action not in known:
        raise ApiError(404, f"There is no action {action[:40]!r}; there are {', '.join(known)}")


def document_of(body: Mapping[str, Any]) -> str:
    """Return the ExoML of a request (LG-90); ApiError 400 when there is none."""
    document = body.get("exoml")
    if not isinstance(document, str) or not document.strip():
        raise ApiError(400, "exoml is missing: an XML document in a text", number=MISSING)
    return document


def acted(
    whom: Mapping[str, str], action_sid: str, account_sid: AccountSid, custom: str, at: datetime
) -> dict[str, Any]:
    """Return what an accepted action is answered with (LG-91, LG-92); `whom` is leg or bridge."""
    return {
        **whom,
        "action_sid": action_sid,
        "created_at": utc_ms(at),
        "account_sid": account_sid,
        "action_custom_param": custom or None,
    }
