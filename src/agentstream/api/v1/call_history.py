"""Calls that live and calls that have ended, as one: found by sid, and listed page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agentstream.api.call_facts import CallFacts, facts_of_record, facts_of_view
from agentstream.api.doors import RecordingDoor, Telephony
from agentstream.api.v1.call_filters import Page
from agentstream.base.ids import AccountSid, CallSid
from agentstream.store.call_query import CallQuery, chosen
from agentstream.store.protocols import RecordingQuery
from agentstream.store.values import Recording
from agentstream.switch.call_view import CallView

RECORDINGS_LIMIT = 1_000  # looked at for one page


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of calls in the order of the list, and what lies around it."""

    calls: Sequence[CallFacts]
    total: int
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True)
class CallHistory:
    """The calls of one account."""

    account_sid: AccountSid
    telephony: Telephony
    recordings: RecordingDoor | None
    link_s: int | None = None  # how long links to recordings work; None: as long as usual

    async def find(self, sid: str) -> CallFacts | None:
        """Return one call; the row of one that has ended says more than what is left of it."""
        call_sid, views = CallSid(sid.lower()), self.telephony.views
        view = views.find(call_sid) if views else None
        if view is not None and view.setup.account_sid != self.account_sid:
            view = None
        if view is not None and view.ended_at is None:
            return facts_of_view(view)
        row = await self.telephony.history.find(call_sid)
        if row is not None and row.account_sid == self.account_sid:
            return (await self._with_links([facts_of_record(row)]))[0]
        return facts_of_view(view) if view else None

    def live(self) -> Sequence[CallFacts]:
        """Return the calls that have not ended, oldest first."""
        views = self.telephony.views
        return [facts_of_view(view) for view in views.live(self.account_sid)] if views else []

    async def page(self, page: Page) -> Listed:
        """Return a page of the calls that are meant."""
        if page.is_empty:
            return Listed((), 0, has_previous=False, has_next=False)
        reading, history = page.reading(), self.telephony.history
        # Before the rows: what is written meanwhile is known twice, and never missing.
        views, waiting = self._without_row(reading, page.calls)
        read, total = await history.page(reading, page.calls)
        rows = [facts_of_record(row) for row in read]
        written = {row.sid for row in rows}
        unwritten = [facts_of_view(view) for view in views if view.sid not in written]
        found = chosen([*rows, *unwritten], reading)
        shown, has_more = found[: page.size], len(found) > page.size
        if page.before:
            shown.reverse()
        return Listed(
            await self._with_links(shown),
            total + waiting - (len(views) - len(unwritten)),
            has_previous=has_more if page.before else page.after is not None,
            has_next=page.before is not None or has_more,
        )

    def _without_row(self, reading: CallQuery, calls: CallQuery) -> tuple[Sequence[CallView], int]:
        """Return the calls of a page that may have no row, and how many of all have none."""
        views = self.telephony.views
        if views is None:
            return (), 0
        shown, waiting = views.without_row(reading)
        if (reading.older_than, reading.newer_than) == (None, None):
            return shown, waiting
        return shown, views.without_row(replace(calls, limit=0))[1]

    async def _with_links(self, calls: Sequence[CallFacts]) -> list[CallFacts]:
        wanted = tuple(facts.sid for facts in calls if facts.ended_at and not facts.recording_url)
        if self.recordings is None or not wanted:
            return list(calls)
        query = RecordingQuery(
            self.account_sid,
            call_sids=wanted,
            states=("recording", "ready"),
            limit=RECORDINGS_LIMIT,
        )
        latest = _latest_of_each(await self.recordings.rows.list(query))
        shelf = self.recordings.shelf
        links = {
            call_sid: shelf.urls.url_for(row.sid, shelf.now_s(), seconds=self.link_s)
            for call_sid, row in latest.items()
        }
        return [
            replace(facts, recording_url=links.get(facts.sid, facts.recording_url))
            for facts in calls
        ]


def _latest_of_each(rows: Sequence[Recording]) -> Mapping[CallSid, Recording]:
    """Return the recording of each call that views tell of as well, of rows newest first."""
    return {row.call_sid: row for row in reversed(rows)}
