"""Stream: a bot that talks with the caller, or one that listens from here on (XR-19)."""

from agentstream.calls.causes import Party
from agentstream.calls.commands import CloseStream, Dial, Fetch, OpenStream, Play
from agentstream.calls.events import BotAsked, StreamFinished, StreamOpened, StreamRequested
from agentstream.calls.reports import StreamOutcome
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.documents import Ivr

BOT = "wss://user:pass@bot.example/ws"


def ended(ivr: Ivr, opened: OpenStream, outcome: StreamOutcome) -> None:
    """Let a stream end."""
    event = StreamFinished(CALL, LEG, opened.stream_sid, outcome)
    ivr.context.note(event)  # as the engine does first
    ivr.feed(event)


def test_a_bot_talks_with_the_caller_and_then_the_next_verb_follows_xr_19() -> None:
    ivr = Ivr()
    ivr.document(f'<Stream url="{BOT}?a={{b}}" name="desk"/><Say>bye</Say>')
    opened = ivr.take(OpenStream)
    assert (opened.leg_sid, opened.spec.two_way, opened.spec.name) == (LEG, True, "desk")
    assert opened.spec.url == f"{BOT}?a=%7Bb%7D"  # no variable of ours
    ivr.feed(StreamOpened(CALL, LEG, opened.stream_sid))
    ivr.wait(600_000)
    ivr.expect_nothing()
    ended(ivr, opened, StreamOutcome("completed", "bot"))
    ivr.take(Play)


def test_the_action_is_told_how_the_stream_ended_xr_1_xr_19() -> None:
    ivr = Ivr()
    ivr.document(f'<Stream url="{BOT}" action="after"/>')
    opened = ivr.take(OpenStream)
    ended(ivr, opened, StreamOutcome("completed", "bot", url="wss://bot.example/ws"))
    told = ivr.told(ivr.take(Fetch))
    assert told["Stream[StreamSID]"] == opened.stream_sid
    assert (told["Stream[Status]"], told["Stream[DisconnectedBy]"]) == ("completed", "bot")


def test_a_bot_that_is_not_reached_is_noted_and_the_next_verb_follows_xr_19() -> None:
    ivr = Ivr()
    ivr.document(f'<Stream url="{BOT}"/><Say>sorry</Say>')
    ended(ivr, ivr.take(OpenStream), StreamOutcome("failed", error="3009 refused"))
    ivr.take(Play)
    assert ivr.trouble == ["line 1: <Stream>: 3009 refused"]


def test_a_bot_that_listens_lets_the_document_go_on_at_once_xr_19() -> None:
    ivr = Ivr()
    ivr.document(f'<Stream type="unidirectional" track="both" url="{BOT}"/><Say>hello</Say>')
    opened = ivr.take(OpenStream)
    assert (opened.spec.two_way, opened.spec.track) == (False, "both")
    ivr.feed(StreamRequested(CALL, LEG, opened.stream_sid, "wss://bot.example/", "", two_way=False))
    ivr.take(Play)


def test_a_bot_may_hand_the_caller_over_xr_19_op_1() -> None:
    ivr = Ivr()
    ivr.document(f'<Stream url="{BOT}"/>')
    opened = ivr.take(OpenStream)
    ivr.feed(BotAsked(CALL, LEG, opened.stream_sid, "transfer", "+919000000001"))
    ivr.expect(CloseStream(opened.stream_sid))
    ended(ivr, opened, StreamOutcome("completed", "bot"))
    ivr.take(Dial)
    ivr.take(Play)
    assert ivr.machine.wake(0) == []


def test_the_action_is_told_of_a_stream_that_the_callers_hang_up_ended_xr_19() -> None:
    ivr = Ivr()
    ivr.document(f'<Stream url="{BOT}" action="after"/>')
    opened = ivr.take(OpenStream)
    ivr.hangs_up()
    ivr.expect_nothing()  # the call ends the stream
    ended(ivr, opened, StreamOutcome("completed", "user"))
    fetch = ivr.take(Fetch)
    assert fetch.in_background
    assert ivr.told(fetch)["Stream[DisconnectedBy]"] == "user"
    assert ivr.left("next").party is Party.CALLER
