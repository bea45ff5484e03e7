"""Refuses invitations: the answer, the count, the line of the log, and who is told of it (SD-5)."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from agentstream.base.ids import LegSid
from agentstream.calls import events
from agentstream.calls.causes import Cause, sip_status
from agentstream.calls.record import CallSetup
from agentstream.sip.reports import Invited
from agentstream.switch.admit import refused_record
from agentstream.switch.rejections import TEXT_LIMIT, Rejection
from agentstream.switch.wiring import Wiring

log = structlog.get_logger()

RETRY_AFTER_S: Final = 5
_NAMED: Final = re.compile(r"([a-z]+(?:-[a-z]+)+): (.*)", re.DOTALL)  # "flow-missing: because ..."
_LIMITS: Final = (Cause.OVERLOADED, Cause.BUSY, Cause.NO_PORTS)


class Refuser:
    """What every refusal of this house is made with. `tell` is told of the call that was none."""

    def __init__(
        self,
        wiring: Wiring,
        refused: Counter[str],
        tell: Callable[[CallSetup, events.CallEnded], None],
    ) -> None:
        self._signaling = wiring.signaling
        self._signalled = wiring.signalled
        self._directory = wiring.directory
        self._rejections = wiring.rejections
        self._clock = wiring.clock
        self._refused = refused
        self._tell = tell

    def refuse(
        self,
        invited: Invited,
        cause: Cause,
        text: str,
        setup: CallSetup | None = None,
        status: int = 0,
    ) -> None:
        """Refuse an invitation; what an account's number missed leaves a call record."""
        self._refused[cause.value] += 1
        status = status or sip_status(cause)
        headers = (("Retry-After", str(RETRY_AFTER_S)),) if status == 503 else ()
        log.info(
            "invite_refused", status=status, cause=cause.value, text=text, source=invited.source
        )
        shown = text if invited.trunk_sid else ""  # PN-6; strangers are told nothing
        self._signaling.reject(invited.ref, status, shown, headers)
        if invited.trunk_sid:
            self._note(invited, cause, text, status)
        if setup is not None:
            self._signalled(invited.sip_call_id, setup.call_sid, LegSid(""))
            record = refused_record(setup, cause, text)
            self._tell(setup, events.CallEnded(setup.call_sid, record))

    def _note(self, invited: Invited, cause: Cause, text: str, status: int) -> None:
        """Keep it beside what the gate has turned away; strangers would drive that out."""
        entry = self._directory.trunks.find(invited.trunk_sid)
        named = _NAMED.fullmatch(text)
        reason = "limit" if cause in _LIMITS else cause.value
        self._rejections.note(
            Rejection(
                at=self._clock.wall(),
                account_sid=entry.account.sid if entry is not None else "",
                trunk_sid=invited.trunk_sid,
                source=invited.source,
                method="INVITE",
                status=status,
                reason=named[1] if named else reason,
                detail=(named[2] if named else text)[:TEXT_LIMIT],
                request_uri=invited.request_uri[:TEXT_LIMIT],
                from_uri=invited.from_uri[:TEXT_LIMIT],
                sip_call_id=invited.sip_call_id[:TEXT_LIMIT],
            )
        )
