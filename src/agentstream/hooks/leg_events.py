"""What happens on steered legs becomes events: numbered, written down, told (section 8 of LG).

Feed ─▶ hear() ─▶ a row, to the writer
                ├▶ its endpoint's delivery
                └▶ whoever listens on a socket (LD-9)
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from agentstream.base.ids import AccountSid, LegSid, Tokens
from agentstream.calls.events import LegTold
from agentstream.hooks.leg_event_body import event_body, event_type
from agentstream.store.legs import LegEventRow, LegWritten
from agentstream.switch.feed import Fact
from agentstream.switch.leg_style import SOCKET, LegStyle
from agentstream.switch.leg_view import ENDINGS, LegView, row_of

_COUNTED_LIMIT: Final = 20_000  # whose events are numbered; the one not told of for longest goes
_BEGINS: Final = "leg_connecting"
Listener = Callable[[LegEventRow], None]


class Sequences:
    """Numbers the events of each leg or bridge from 1, without gaps (EV-19)."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def next(self, sid: str) -> int:
        """Return the number of its next event."""
        sequence = self._counts.pop(sid, 0) + 1
        self._counts[sid] = sequence
        if len(self._counts) > _COUNTED_LIMIT:
            self._counts.popitem(last=False)
        return sequence


class LegEvents:
    """Subscribe `hear` to the feed, after the views that `find` looks into.

    `write` and `tell` must return at once.
    """

    KINDS = (LegTold,)

    def __init__(
        self,
        find: Callable[[LegSid], LegView | None],
        write: Callable[[LegWritten], None],
        tell: Callable[[LegEventRow], None],
        tokens: Tokens,
        style: LegStyle,
    ) -> None:
        self._find = find
        self._write = write
        self._tell = tell
        self._tokens = tokens
        self._style = style
        self._sequences = Sequences()
        self._listeners: list[tuple[AccountSid, Listener]] = []

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def listen(self, account_sid: AccountSid, listener: Listener) -> Callable[[], None]:
        """Let somebody hear the events of an account's legs; returns how to leave."""
        entry = (account_sid, listener)
        self._listeners.append(entry)
        return lambda: self._listeners.remove(entry)

    def hear(self, fact: Fact) -> None:
        """Take one fact."""
        event = fact.event
        assert isinstance(event, LegTold)
        view = self._find(event.leg_sid)
        if view is None:
            return
        if event.name == _BEGINS or event.name in ENDINGS:
            self._write(row_of(view))
        self.publish(self._row(fact, event, view))

    def publish(self, row: LegEventRow) -> None:
        """Write an event down, and tell its endpoint and whoever listens."""
        listeners = [hear for sid, hear in self._listeners if sid == row.account_sid]
        if not row.endpoint:
            row = told_to_sockets(row, len(listeners))
        self.send(row)
        for hear in listeners:
            hear(row)

    def send(self, row: LegEventRow) -> None:
        """Write an event down, and tell its endpoint."""
        self._write(row)
        if row.endpoint:
            self._tell(row)

    def _row(self, fact: Fact, event: LegTold, view: LegView) -> LegEventRow:
        sid, sequence = self._tokens.hex(), self._sequences.next(event.leg_sid)
        endpoint = view.terms.event_endpoint
        return LegEventRow(
            sid=sid,
            leg_sid=event.leg_sid,
            account_sid=fact.account_sid,
            sequence=sequence,
            type=event_type(event.name),
            name=event.name,
            at=fact.at,
            body=event_body(sid, event, view, fact.at, sequence, self._style),
            endpoint="" if endpoint == SOCKET else endpoint,
            updated_at=fact.at,
        )


def told_to_sockets(row: LegEventRow, listeners: int) -> LegEventRow:
    """Return an event without an address as it is kept: so many heard it."""
    if listeners:
        return replace(row, state="delivered", attempts=1)
    return replace(row, state="dropped", error="nobody listened on the event socket")
