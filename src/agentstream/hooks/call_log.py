"""The log of calls: one line when a call starts and one when it has ended, more when trouble comes.

Everything else that happens in a call is told at the level debug.
"""

import structlog

from agentstream.calls.events import AppletNoted, CallEnded, CallStarted, StreamFinished
from agentstream.switch import feed


class CallLog:
    """Subscribe `hear` to the feed, once the logs are set up."""

    # What is told above the level debug.
    KINDS = (
        CallStarted,
        CallEnded,
        StreamFinished,
        AppletNoted,
        feed.StreamAttemptFailed,
        feed.StreamWarned,
        feed.RoadFailed,
    )

    def __init__(self) -> None:
        # Bound here, not at each line: most facts are below the level, and that must cost nothing.
        self._log = structlog.get_logger("calls").bind()

    def hear(self, fact: feed.Fact) -> None:
        """Write one fact down."""
        match fact.event:
            case CallStarted(setup=setup):
                self._log.info(
                    "call_started",
                    call_sid=fact.call_sid,
                    account_sid=fact.account_sid,
                    direction=setup.direction,
                    caller=setup.from_number,
                    called=setup.to_number,
                )
            case CallEnded(record=record):
                self._log.info(
                    "call_ended",
                    call_sid=fact.call_sid,
                    status=record.status,
                    cause=record.cause.value,
                    ended_by=record.ended_by.value,
                    talk_ms=record.talk_ms,
                    streams=len(record.streams),
                )
            case StreamFinished(stream_sid=sid, outcome=outcome) if outcome.status == "failed":
                self._log.warning(
                    "stream_failed",
                    call_sid=fact.call_sid,
                    stream_sid=sid,
                    error=outcome.error,
                    detail=outcome.detailed_status,
                    url=outcome.url,
                )
            case AppletNoted(applet=applet, text=text, is_trouble=True):
                self._log.warning(
                    "applet_trouble", call_sid=fact.call_sid, applet=applet, text=text
                )
            case feed.StreamAttemptFailed(stream_sid=sid):
                self._log.warning(
                    "stream_attempt_failed",
                    call_sid=fact.call_sid,
                    stream_sid=sid,
                    attempt=fact.event.attempt,
                    phase=fact.event.phase,
                    http_status=fact.event.http_status,
                    detail=fact.event.detail,
                )
            case feed.RoadFailed(leg_sid=leg_sid):
                self._log.warning(
                    "road_failed",
                    call_sid=fact.call_sid,
                    leg_sid=leg_sid,
                    road=fact.event.road,
                    outcome=fact.event.outcome,
                    status=fact.event.sip_status,
                    text=fact.event.text,
                    elapsed_ms=fact.event.elapsed_ms,
                    after=fact.event.after,
                )
            case feed.StreamWarned(stream_sid=sid, text=text):
                self._log.warning(
                    "stream_warning", call_sid=fact.call_sid, stream_sid=sid, text=text
                )
            case event:
                self._log.debug("call_fact", call_sid=fact.call_sid, fact=type(event).__name__)
