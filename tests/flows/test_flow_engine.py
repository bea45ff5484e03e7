"""The flow of one call, by scripts: events in, commands out."""

from typing import ClassVar

import pytest

from agentstream.base.ids import CountedTokens
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Answer, HangUp, OpenStream, Play, ReleaseCall, StopPlaying
from agentstream.calls.events import (
    AppletEntered,
    AppletLeft,
    CallAnswered,
    CallEnded,
    CallHungUp,
    CallStarted,
    DigitReceived,
    PromptFinished,
    StreamFinished,
)
from agentstream.calls.ledger import Ledger
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.applet import (
    Applet,
    AppletInput,
    CommandRefused,
    Leave,
    Onward,
    Settings,
    Step,
)
from agentstream.flows.applets.greeting import GreetingSettings
from agentstream.flows.applets.hangup import HangupSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.context import Context
from agentstream.flows.direct import DirectBot, bot
from agentstream.flows.document import FlowDocument
from agentstream.flows.engine import VISITS_LIMIT, Flow, FlowOutput, FlowState
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.script import Script

FlowScript = Script[AppletInput, FlowOutput]
STARTED = CallStarted(CALL, LEG, make_setup())
ANSWERED = CallAnswered(CALL, LEG)
HUNG_UP = CallHungUp(CALL, Cause.NORMAL, Party.CALLER, "The caller hung up.")
ENDED = CallEnded(CALL, Ledger(make_setup(), 0).close([], None, 0))
BY_BOT = StreamOutcome("completed", "bot", duration_s=41)
BY_CALLER = StreamOutcome("cancelled", "user")


class TellSettings(Onward):
    """Like a Passthru: needs no caller, and leaves at once."""

    kind: ClassVar[str] = "tell"
    starts_after_call: ClassVar[bool] = True

    def applet(self, context: Context) -> Applet:
        return Tell()


class Tell:
    wake_at_ms: int | None = None

    def enter(self, now_ms: int) -> list[Step]:
        return [Leave(reason="told")]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        return []

    def wake(self, now_ms: int) -> list[Step]:
        return []


def new_flow(document: FlowDocument) -> FlowScript:
    return Script(Flow(document, make_setup(), CountedTokens(), 0))


BOT = VoicebotSettings(url="wss://bot.example/ws")


def document(start: str, **applets: Settings) -> FlowDocument:
    return FlowDocument("test", start, 3_600_000, applets)


def running(document: FlowDocument) -> FlowScript:
    script = new_flow(document)
    script.feed(STARTED, ANSWERED)
    script.expect(Answer(LEG))
    return script


def in_bot(document: FlowDocument) -> tuple[FlowScript, OpenStream]:
    script = running(document)
    return script, script.skip_to(OpenStream)


def finished(opened: OpenStream, outcome: StreamOutcome) -> StreamFinished:
    return StreamFinished(CALL, LEG, opened.stream_sid, outcome)


def entered(name: str, kind: str) -> AppletEntered:
    return AppletEntered(CALL, name, kind)


def left(name: str, to: str, reason: str = "", way: str = "next") -> AppletLeft:
    return AppletLeft(CALL, name, way, to, reason)


def test_a_flow_answers_greets_lets_the_bot_talk_and_hangs_up_st_50() -> None:
    script = new_flow(
        document(
            "hello",
            hello=GreetingSettings(text="Hello", next="talk"),
            talk=VoicebotSettings(url="wss://bot.example/ws", next="bye"),
            bye=HangupSettings(),
        )
    )
    script.feed(STARTED)
    script.expect(Answer(LEG))
    script.feed(ANSWERED)
    script.expect(entered("hello", "greeting"))
    play = script.take(Play)
    script.feed(PromptFinished(CALL, LEG, play.prompt_id, completed=True, error=""))
    script.expect(left("hello", "talk"), entered("talk", "voicebot"))
    opened = script.take(OpenStream)
    script.feed(finished(opened, BY_BOT))
    script.expect(left("talk", "bye"), entered("bye", "hangup"))
    script.expect(left("bye", "", way=""), HangUp(Cause.NORMAL, Party.BOT))
    script.feed(HUNG_UP)
    script.expect(ReleaseCall())
    script.feed(ENDED)
    script.expect_nothing()


def test_direct_mode_hangs_up_when_the_bot_closes_st_21() -> None:
    script, opened = in_bot(bot(DirectBot(url="wss://bot.example/ws")))
    script.feed(finished(opened, BY_BOT))
    script.expect(left("bot", ""), HangUp(Cause.NORMAL, Party.BOT))
    script.feed(HUNG_UP)
    script.expect(ReleaseCall())


def test_direct_mode_ends_with_what_went_wrong_when_the_bot_cannot_be_reached() -> None:
    script, opened = in_bot(bot(DirectBot(url="wss://bot.example/ws")))
    script.feed(finished(opened, StreamOutcome("failed", error="3009 refused")))
    script.expect(left("bot", "", "3009 refused", way="on_failure"))
    hang_up = script.take(HangUp)
    assert (hang_up.cause, hang_up.party) == (Cause.STREAM_FAILED, Party.SYSTEM)
    assert "3009 refused" in hang_up.text


def test_a_failure_goes_on_with_next_when_it_has_no_exit_of_its_own_as_170_ap_7() -> None:
    bot = VoicebotSettings(url="wss://bot.example/ws", next="sorry")
    script, opened = in_bot(document("bot", bot=bot, sorry=GreetingSettings(text="Sorry")))
    script.feed(finished(opened, StreamOutcome("failed", error="3009 refused")))
    script.expect(left("bot", "sorry", "3009 refused", way="on_failure"))
    script.expect(entered("sorry", "greeting"))


def test_a_failure_set_to_hang_up_ends_the_call_as_170() -> None:
    bot = VoicebotSettings(url="wss://b/", next="bye", on_stream_failure="hangup")
    script, opened = in_bot(document("bot", bot=bot, bye=HangupSettings()))
    script.feed(finished(opened, StreamOutcome("failed", error="3009 refused")))
    script.expect(left("bot", "", way=""))
    assert script.take(HangUp).cause is Cause.STREAM_FAILED
    script.feed(HUNG_UP)
    script.expect(ReleaseCall())


def test_a_caller_who_goes_during_a_greeting_ends_the_flow_there() -> None:
    script = running(
        document("a", a=GreetingSettings(text="Hello", next="tell"), tell=TellSettings())
    )
    script.take_all()
    script.feed(HUNG_UP)
    script.expect(left("a", "", "The caller hung up.", way=""), ReleaseCall())


def test_a_caller_who_goes_before_the_answer_ends_the_flow() -> None:
    script = new_flow(bot(DirectBot(url="wss://bot.example/ws")))
    script.feed(STARTED, HUNG_UP, ANSWERED)
    script.expect(Answer(LEG), ReleaseCall())
    script.expect_nothing()


def test_a_call_that_ends_before_it_starts_is_let_go() -> None:
    script = new_flow(bot(DirectBot(url="wss://bot.example/ws")))
    script.feed(ANSWERED, HUNG_UP)
    script.expect(ReleaseCall())


def test_what_needs_no_caller_still_runs_behind_a_bot_when_the_caller_has_gone_pt_22() -> None:
    bot = VoicebotSettings(url="wss://bot.example/ws", next="tell")
    script, opened = in_bot(
        document("bot", bot=bot, tell=TellSettings(next="sorry"), sorry=GreetingSettings(text="a"))
    )
    script.feed(HUNG_UP)
    script.expect_nothing()  # the bot's applet waits for the outcome
    script.feed(finished(opened, BY_CALLER))
    script.expect(left("bot", "tell"), entered("tell", "tell"), left("tell", "", "told"))
    script.expect(ReleaseCall())
    assert isinstance(script.machine, Flow)
    assert ("Stream[DisconnectedBy]", "user") in script.machine.context.stream_parameters()


class WaitSettings(TellSettings):
    """Like a synchronous Passthru: tells, and waits until a key is pressed."""

    kind: ClassVar[str] = "wait"

    def applet(self, context: Context) -> Applet:
        return Wait()


class Wait(Tell):
    def enter(self, now_ms: int) -> list[Step]:
        return []

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        return [Leave(reason="told")] if isinstance(happening, DigitReceived) else []


KEY = DigitReceived(CALL, LEG, "1", 80)


def test_what_tells_directly_behind_a_bot_finishes_but_the_one_after_it_does_not_begin() -> None:
    """PT-22: "directly"."""
    bot = VoicebotSettings(url="wss://bot.example/ws", next="tell")
    script, opened = in_bot(
        document("bot", bot=bot, tell=WaitSettings(next="more"), more=TellSettings())
    )
    script.feed(finished(opened, BY_BOT))
    script.expect(left("bot", "tell"), entered("tell", "wait"))
    script.feed(HUNG_UP)
    script.expect_nothing()  # it goes on without the caller
    script.feed(KEY)
    script.expect(left("tell", "", "told"), ReleaseCall())


def test_who_would_hang_up_lets_go_when_the_caller_has_gone() -> None:
    bot = VoicebotSettings(url="wss://b/", on_stream_failure="hangup")
    script, opened = in_bot(document("bot", bot=bot))
    script.feed(HUNG_UP, finished(opened, StreamOutcome("failed", error="3009 refused")))
    assert "3009 refused" in script.take(AppletLeft).reason
    script.expect(ReleaseCall())


def test_what_tells_elsewhere_ends_with_the_caller() -> None:
    script = running(document("tell", tell=WaitSettings(next="more"), more=TellSettings()))
    script.expect(entered("tell", "wait"))
    script.feed(HUNG_UP)
    script.expect(left("tell", "", "The caller hung up.", way=""), ReleaseCall())


def test_what_follows_what_tells_is_not_directly_behind_the_bot_any_more() -> None:
    bot = VoicebotSettings(url="wss://bot.example/ws", next="tell")
    script, opened = in_bot(
        document("bot", bot=bot, tell=TellSettings(next="more"), more=WaitSettings())
    )
    script.feed(finished(opened, BY_BOT))
    script.take_all()
    script.feed(HUNG_UP)
    script.expect(left("more", "", "The caller hung up.", way=""), ReleaseCall())


def test_a_failure_without_its_own_exit_hangs_up_when_the_document_says_so_ap_7() -> None:
    applets = {"bot": VoicebotSettings(url="wss://b/", next="sorry"), "sorry": TellSettings()}
    strict = FlowDocument("test", "bot", 3_600_000, applets, on_applet_failure="hangup")
    script, opened = in_bot(strict)
    script.feed(finished(opened, StreamOutcome("failed", error="3009 refused")))
    script.expect(left("bot", "", "3009 refused", way="on_failure"))
    assert script.take(HangUp).cause is Cause.STREAM_FAILED


def test_a_refusal_concerns_only_the_visit_that_asked() -> None:
    hello = GreetingSettings(text="Hello", skip_on_key=True, next="talk")
    talk = VoicebotSettings(url="wss://bot.example/ws")
    script = running(document("hello", hello=hello, talk=talk))
    script.feed(KEY)
    stopped = script.skip_to(StopPlaying)
    script.take_all()
    script.feed(CommandRefused(stopped, "this prompt is already ending"))
    script.expect_nothing()


def test_an_applet_knows_which_stream_is_coming_pt_30() -> None:
    script = running(
        document(
            "tell",
            tell=WaitSettings(next="bot"),
            bot=VoicebotSettings(url="wss://u:p@bot.example/ws", next="tell"),
        )
    )
    script.expect(entered("tell", "wait"))
    assert isinstance(script.machine, Flow)
    assert script.machine.context.coming_url(0) == "wss://***@bot.example/ws"
    coming = script.machine.context.coming_stream_sid
    script.feed(KEY)
    assert script.skip_to(OpenStream).stream_sid == coming
    assert script.machine.context.coming_url(0) == ""


def test_a_call_that_ends_under_a_waiting_applet_takes_the_flow_along() -> None:
    script, opened = in_bot(bot(DirectBot(url="wss://bot.example/ws")))
    script.feed(HUNG_UP, ENDED, finished(opened, BY_CALLER))
    script.expect_nothing()
    assert isinstance(script.machine, Flow)
    assert script.machine.state is FlowState.DONE


def test_a_kind_of_applet_must_bring_its_machine() -> None:
    with pytest.raises(NotImplementedError):
        Settings().applet(Context(make_setup(), CountedTokens(), 0))


def test_a_second_bot_is_not_called_when_the_caller_has_gone_st_22() -> None:
    bot = VoicebotSettings(url="wss://bot.example/ws", next="bot")
    script, opened = in_bot(document("bot", bot=bot))
    script.feed(HUNG_UP, finished(opened, BY_CALLER))
    script.expect(left("bot", ""), ReleaseCall())


def test_the_flow_has_a_time_limit_as_49() -> None:
    script, _ = in_bot(document("bot", bot=BOT))
    script.wait(3_599_999)
    script.expect_nothing()
    script.wait(1)
    script.expect(left("bot", "", "the flow's time limit", way=""))
    hang_up = script.take(HangUp)
    assert (hang_up.cause, hang_up.party) == (Cause.TIME_LIMIT, Party.SYSTEM)
    script.feed(CommandRefused(hang_up, "the call has ended"))  # somebody was quicker
    script.expect_nothing()
    assert script.machine.wake_at_ms is None
    script.feed(DigitReceived(CALL, LEG, "1", 80), HUNG_UP)
    script.expect(ReleaseCall())


def test_the_time_limit_of_the_flow_covers_the_answer_too() -> None:
    script = new_flow(document("bot", bot=BOT))
    script.feed(STARTED)
    script.take(Answer)
    script.wait(3_600_000)
    assert script.take(HangUp).cause is Cause.TIME_LIMIT


def test_an_applet_has_its_timer_too() -> None:
    script = running(document("a", a=GreetingSettings(text="a", max_seconds=10)))
    play = script.skip_to(Play)
    assert isinstance(script.machine, Flow)
    assert script.machine.place == "a"
    assert script.machine.wake(24_999) == []
    script.wait(25_000)
    script.expect(StopPlaying(play.prompt_id))
    assert script.take(AppletLeft).to == ""
    assert script.take(HangUp).cause is Cause.FLOW_ERROR
    assert script.machine.place == ""
    assert script.machine.wake(30_000) == []


def test_a_flow_that_only_ever_fails_comes_to_an_end() -> None:
    script = running(document("a", a=TellSettings(next="b"), b=TellSettings(next="a")))
    outputs = script.take_all()
    assert sum(isinstance(output, AppletEntered) for output in outputs) == VISITS_LIMIT
    last = outputs[-1]
    assert isinstance(last, HangUp)
    assert last.cause is Cause.FLOW_ERROR


def test_a_refused_command_is_the_applets_failure() -> None:
    script, opened = in_bot(bot(DirectBot(url="wss://bot.example/ws")))
    script.feed(CommandRefused(opened, "no room"))
    assert script.take(AppletLeft).reason == "no room"
    assert script.take(HangUp).cause is Cause.STREAM_FAILED


def test_an_applet_that_is_interrupted_hands_its_key_on() -> None:
    script = running(document("a", a=GreetingSettings(text="Hello", interruptible=True)))
    script.feed(DigitReceived(CALL, LEG, "3", 80))
    assert isinstance(script.machine, Flow)
    assert script.machine.context.digits == "3"
