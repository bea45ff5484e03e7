"""The outbox and the placed calls in memory: the same doors as the database's."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from agentstream.base.clock import Clock
from agentstream.base.ids import CallSid
from agentstream.calls.record import CallSetup
from agentstream.store.outbox import FORGET_ROWS, Census, Claim, Outcome, WebhookQuery
from agentstream.store.placed_calls import LOST_AFTER, LostCall
from agentstream.store.values import Webhook, Written


class MemoryOutbox:
    """See `outbox.Outbox`; the rows are those of the calls, in the order of their writing."""

    def __init__(self, rows: dict[str, Written]) -> None:
        self._rows = rows

    async def claim(self, wish: Claim) -> Sequence[Webhook]:
        """Take the webhooks whose time has come, of each subject its first one only."""
        taken: list[Webhook] = []
        subjects: set[str] = set()
        running = Counter(wish.running)
        due = []
        for one in self._all("waiting"):
            if one.subject not in subjects and one.next_at <= wish.now:
                due.append(one)
            subjects.add(one.subject)
        for one in sorted(due, key=lambda each: each.next_at):
            if running[one.host] < wish.per_host and len(taken) < wish.limit:
                running[one.host] += 1
                taken.append(one)
                self._rows[one.sid] = replace(one, next_at=wish.until)
        return taken

    async def settle(self, outcomes: Sequence[Outcome], *, keep: bool = False) -> None:
        """Write down what became of them; `keep` leaves delivered rows."""
        for outcome in outcomes:
            row = self._rows.get(outcome.webhook.sid)
            if not isinstance(row, Webhook) or row.state != "waiting":
                continue
            if outcome.state == "delivered" and not keep:
                del self._rows[row.sid]
            elif row.attempts == outcome.webhook.attempts:
                self._rows[row.sid] = replace(
                    row,
                    state=outcome.state,
                    next_at=outcome.next_at or outcome.at,
                    attempts=row.attempts + 1,
                    last_error=outcome.error,
                    last_status=outcome.status,
                )
            self._move_those_behind(row.subject, outcome)

    async def find(self, sid: str) -> Webhook | None:
        """Return one."""
        row = self._rows.get(sid)
        return row if isinstance(row, Webhook) else None

    async def list(self, query: WebhookQuery) -> Sequence[Webhook]:
        """Return webhooks, the newest first."""
        found = [
            one
            for one in reversed(self._all(*query.states))
            if query.account_sid in (None, one.account_sid) and query.subject in ("", one.subject)
        ]
        return found[: query.limit]

    async def redeliver(self, sids: Collection[str] | None, now: datetime) -> int:
        """Let these be sent again from the first attempt on (None: all that are dead)."""
        chosen = self._all("dead") if sids is None else [o for o in self._all() if o.sid in sids]
        for one in chosen:
            self._rows[one.sid] = replace(one, state="waiting", attempts=0, next_at=now)
        return len(chosen)

    async def census(self) -> Census:
        """Count."""
        waiting = self._all("waiting")
        oldest_at = min((one.created_at for one in waiting), default=None)
        return Census(len(waiting), len(self._all("dead")), oldest_at)

    async def forget(self, before: datetime, rows: int = FORGET_ROWS) -> int:
        """Drop some that were over before this time; return how many."""
        old = [one.sid for one in self._all("dead", "delivered") if one.next_at < before]
        for sid in old[:rows]:
            del self._rows[sid]
        return len(old[:rows])

    def _all(self, *states: str) -> Sequence[Webhook]:
        webhooks = [row for row in self._rows.values() if isinstance(row, Webhook)]
        return [one for one in webhooks if not states or one.state in states]

    def _move_those_behind(self, subject: str, outcome: Outcome) -> None:
        at = outcome.next_at or outcome.at
        for one in self._all("waiting"):
            if one.subject == subject:
                is_moved = one.next_at < at if outcome.state == "waiting" else one.next_at > at
                self._rows[one.sid] = replace(one, next_at=at) if is_moved else one


class MemoryPlacedCalls:
    """See `placed_calls.PlacedCalls`."""

    def __init__(self, clock: Clock, node: str = "here", run: str = "1") -> None:
        self.rows: dict[CallSid, tuple[str, str, LostCall]] = {}
        self._clock = clock
        self._node = node
        self._run = run

    def another(self, node: str, run: str) -> "MemoryPlacedCalls":
        """Return the door that another run of a node has to the same rows."""
        door = MemoryPlacedCalls(self._clock, node, run)
        door.rows = self.rows
        return door

    async def begin(self, setup: CallSetup) -> None:
        """Note a call before it is dialled; `Calls.write` of its record takes the note away."""
        self.rows[setup.call_sid] = (self._node, self._run, LostCall(setup, self._clock.wall()))

    async def forget(self, sid: CallSid) -> None:
        """Take the note of a call away that was not dialled after all, and leaves no record."""
        self.rows.pop(sid, None)

    async def beat(self) -> None:
        """Say that this process, and so its calls, live."""
        for sid, (node, run, call) in self.rows.items():
            if run == self._run:
                self.rows[sid] = (node, run, replace(call, seen_at=self._clock.wall()))

    async def lost(self) -> Sequence[LostCall]:
        """Return some calls whose process is gone: an earlier one of this node, or another's."""
        old = self._clock.wall() - LOST_AFTER
        return [
            call
            for node, run, call in self.rows.values()
            if run != self._run and (node == self._node or call.seen_at < old)
        ]
