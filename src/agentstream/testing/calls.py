"""Calls for tests: the same caller every time."""

from datetime import UTC, datetime

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.commands import Command
from agentstream.calls.effects import Effect
from agentstream.calls.events import CallEnded, Event
from agentstream.calls.record import CallRecord, CallSetup, Direction
from agentstream.calls.reports import Report
from agentstream.testing.script import Script

CALL = CallSid("51e0c0ffee0000000000000000000001")
LEG = LegSid("1e600000000000000000000000000001")
CallScript = Script[Report | Command, Event | Effect]
STARTED_AT = datetime(2027, 2, 16, 10, 26, 26, tzinfo=UTC)


def make_setup(
    direction: Direction = "inbound",
    custom_field: str = "",
    variables: tuple[tuple[str, str], ...] = (),
) -> CallSetup:
    """Return the set-up of a call from +919876500001 to +918040000002."""
    return CallSetup(
        call_sid=CALL,
        account_sid=AccountSid("greenleaf1"),
        direction=direction,
        from_number="+919876500001",
        to_number="+918040000002",
        started_at=STARTED_AT,
        custom_field=custom_field,
        variables=variables,
    )


def the_record(script: CallScript) -> CallRecord:
    """Return the record of a call that has ended; nothing may come behind it."""
    record = script.skip_to(CallEnded).record
    script.expect_nothing()
    return record
