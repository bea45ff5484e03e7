"""Steered legs that a crash took: their endpoint gets the last word that the process owed it.

LostCalls ─▶ ended(call) ─▶ rows of its legs that have not ended ─▶ leg_terminated, and the row
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from agentstream.calls.causes import Cause
from agentstream.calls.events import LegTold, Mishap
from agentstream.hooks.leg_event_body import event_body, event_type
from agentstream.hooks.leg_events import told_to_sockets
from agentstream.store.legs import LegEventRow, LegRow, Legs, LegWritten
from agentstream.store.placed_calls import LostCall
from agentstream.switch.leg_style import SOCKET, LegStyle
from agentstream.switch.leg_view import ENDINGS, LegTerms, LegView, row_of, told

TEXT: Final = "the server broke off while this leg lived; how it went on is not known"
_MARGIN: Final = timedelta(minutes=1)  # clocks of two nodes may differ


class LostLegs:
    """`write` and `tell` must return at once."""

    def __init__(
        self,
        rows: Legs,
        write: Callable[[LegWritten], None],
        tell: Callable[[LegEventRow], None],
        style: LegStyle,
    ) -> None:
        self._rows = rows
        self._write = write
        self._tell = tell
        self._style = style

    async def ended(self, call: LostCall, at: datetime) -> None:
        """Tell the end of a lost call's legs; raises StoreError.

        The event of a leg has always the same sid: twice found, it is once told.
        """
        since = call.setup.started_at - _MARGIN
        for row in await self._rows.unended(call.setup.call_sid, since):
            await self._end(row, call.seen_at, at)

    async def _end(self, row: LegRow, seen_at: datetime, at: datetime) -> None:
        events = await self._history(row)
        times = {event.name: event.at for event in events}
        view = replace(_view_of(row), answered_at=row.answered_at or times.get("leg_answered"))
        has_rung = view.answered_at is not None or "leg_ringing" in times
        event = _last_word(view, seen_at, has_rung=has_rung)
        ended = told(view, event, at)
        self._write(row_of(ended))
        if ENDINGS & times.keys():
            return
        sequence = events[-1].sequence + 1 if events else 1
        sid = f"{row.sid}-lost"
        endpoint = "" if row.event_endpoint == SOCKET else row.event_endpoint
        last = LegEventRow(
            sid=sid,
            leg_sid=row.sid,
            account_sid=row.account_sid,
            sequence=sequence,
            type=event_type(event.name),
            name=event.name,
            at=at,
            body=event_body(sid, event, ended, at, sequence, self._style),
            endpoint=endpoint,
            updated_at=at,
        )
        self._write(last if endpoint else told_to_sockets(last, 0))
        if endpoint:
            self._tell(last)

    async def _history(self, row: LegRow) -> list[LegEventRow]:
        found: list[LegEventRow] = []
        while rows := await self._rows.events(row.sid, after=found[-1].sequence if found else 0):
            found += rows
        return found


def _last_word(view: LegView, seen_at: datetime, *, has_rung: bool) -> LegTold:
    """Return the event that ends a leg, in the form of EV-4 and EV-5."""
    talk_s = 0
    if view.answered_at is not None:
        talk_s = max(0, int((seen_at - view.answered_at).total_seconds()))
    data = {
        "terminal_status": "failed",
        "reason": Cause.INTERNAL.value,
        "sip_code": None,
        "hangup_by": "platform",
        "duration": talk_s,
    }
    return LegTold(
        view.call_sid,
        view.leg_sid,
        "leg_terminated" if has_rung else "leg_failed_to_create",
        data=tuple(data.items()),
        error=None if has_rung else Mishap(0, "the leg was not created: failed", TEXT),
    )


def _view_of(row: LegRow) -> LegView:
    terms = LegTerms(
        account_sid=row.account_sid,
        contact_uri=row.contact_uri,
        exophone=row.exophone,
        network_type="voip" if row.network_type == "voip" else "pstn",
        event_endpoint=row.event_endpoint,
        custom_param=row.custom_param,
        time_limit_s=row.time_limit_s,
        requested_dc_code=row.requested_dc_code,
        requested_nso_code=row.requested_nso_code,
    )
    return LegView(
        leg_sid=row.sid,
        call_sid=row.call_sid,
        terms=terms,
        direction="inbound" if row.direction == "inbound" else "outbound",
        created_at=row.created_at,
        updated_at=row.updated_at,
        answered_at=row.answered_at,
    )
