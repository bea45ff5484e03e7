"""Builds what tells customers' servers how calls go, from the configuration."""

from collections.abc import Callable, Mapping, Sequence

from agentstream.base.clock import Clock
from agentstream.base.ids import AccountSid
from agentstream.flows.hours import read_zone
from agentstream.hooks.callbacks import Callbacks, CallbackStyle
from agentstream.hooks.lost_calls import LostCalls, TellLegs
from agentstream.hooks.posting import Sender
from agentstream.hooks.webhooks import Deliverer, DeliveryRules
from agentstream.server.config import Config
from agentstream.store.call_writer import CallWriter
from agentstream.store.sql_store import SqlStore
from agentstream.store.values import CallRecord, Webhook, Written
from agentstream.switch.call_terms import Terms
from agentstream.switch.call_view import CallViews
from agentstream.switch.feed import Feed


class Webhooks:
    """The deliverer, and the writer that wakes it; then whoever has something to tell."""

    def __init__(
        self,
        config: Config,
        store: SqlStore,
        web: Sender,
        allow_of: Callable[[AccountSid], tuple[str, ...]],
        clock: Clock,
        tell_lost_legs: TellLegs | None = None,
    ) -> None:
        """Build; nothing runs yet."""
        rows = config.limits.unwritten_rows
        self.deliverer = Deliverer(store.outbox, web, allow_of, clock, _rules(config))
        self.writer = CallWriter(store.calls, rows, on_written=self._written)
        self.views = CallViews(clock)
        self.callbacks = Callbacks(self.views.find, self.writer.write, _style(config))
        self.lost_calls = LostCalls(
            store.placed,
            store.calls,
            self.callbacks.ended,
            clock,
            self.deliverer.wake,
            tell_lost_legs,
        )

    def subscribe_to(self, feed: Feed) -> None:
        """Hear what happens in calls; their ends are told with the call records."""
        feed.subscribe(self.views.hear, CallViews.KINDS)
        feed.subscribe(self.callbacks.hear, Callbacks.KINDS)

    def counts(self) -> Mapping[str, int]:
        """Return the figures for metrics; see `hooks.metrics.Facts`."""
        deliverer = self.deliverer
        return {
            "waiting": deliverer.census.waiting,
            "dead": deliverer.census.dead,
            "oldest_s": deliverer.oldest_s,
            "running": deliverer.running,
            "delivered": deliverer.counts.delivered,
            "failed_attempts": deliverer.counts.failed_attempts,
            "died": deliverer.counts.died,
        }

    def _written(self, rows: Sequence[Written]) -> None:
        self.views.written([row.sid for row in rows if type(row) is CallRecord])
        if any(type(row) is Webhook for row in rows):
            self.deliverer.wake()


def _style(config: Config) -> CallbackStyle:
    wanted = config.callbacks
    terms = Terms(read_zone(config.api.timezone), config.numbers())
    return CallbackStyle(terms, wanted.form_type, wanted.extra_events)


def _rules(config: Config) -> DeliveryRules:
    wanted = config.callbacks
    return DeliveryRules(
        timeout_ms=wanted.timeout_ms,
        retry_ms=tuple(seconds * 1_000 for seconds in wanted.retry_seconds),
        at_once=wanted.concurrency,
        per_host=wanted.per_host,
        keeps_delivered=wanted.keep_delivered,
    )
