"""Hangup: ends the call at once (AP-57)."""

from agentstream.base.ids import CountedTokens
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
from agentstream.calls.events import CallAnswered
from agentstream.flows.applets.hangup import Hangup, HangupSettings
from agentstream.flows.context import Context
from agentstream.testing.calls import CALL, LEG, make_setup


def make_context() -> Context:
    return Context(make_setup(), CountedTokens(), 0)


def test_a_hang_up_ends_the_call_as_usual() -> None:
    hangup = Hangup(HangupSettings(), make_context())
    assert hangup.enter(0) == [HangUp(Cause.NORMAL, Party.FLOW)]
    assert hangup.receive(CallAnswered(CALL, LEG), 1) == []
    assert hangup.wake_at_ms is None
    assert hangup.wake(2) == []


def test_a_hang_up_ends_the_call_for_the_cause_that_it_is_given() -> None:
    context = make_context()
    context.mover = Party.BOT
    hangup = Hangup(HangupSettings(cause=Cause.BUSY), context)
    assert hangup.enter(0) == [HangUp(Cause.BUSY, Party.BOT)]


def test_without_a_cause_it_ends_for_what_brought_the_flow_here() -> None:
    context = make_context()
    context.cause, context.mover, context.reason = Cause.STREAM_FAILED, Party.SYSTEM, "3009 x"
    text = "The server ended the call: the stream to the bot failed. (3009 x)"
    assert Hangup(HangupSettings(), context).enter(0) == [
        HangUp(Cause.STREAM_FAILED, Party.SYSTEM, text)
    ]
