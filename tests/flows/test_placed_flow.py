"""The flow of a call that we place: it begins with the answer, and can be sent elsewhere (AF-7)."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import StreamSid
from agentstream.calls import effects
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import (
    AppletEntered,
    AppletLeft,
    CallAnswered,
    CallHungUp,
    LegRinging,
)
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import (
    BotWished,
    LegAnswered,
    LegPlaced,
    LegRang,
    StreamEnded,
    StreamOutcome,
)
from agentstream.calls.reports import StreamHeld as Held
from agentstream.flows.document import FlowDocument, parse
from agentstream.flows.journey import Journey, Redirect
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.journeys import World

BY_BOT = StreamOutcome("completed", "bot")
FAILED = StreamOutcome("failed", error="3009 refused")
CUSTOMER = "+919876500001"
HELLO = parse("""
name: hello
start: hello
applets:
  hello: {type: greeting, text: Hello, next: told}
  told: {type: passthru, url: "https://crm.example/told"}
""")
AHEAD = """
name: ahead
start: talk
applets:
  talk: {type: voicebot, url: "wss://bot.example/ws", preconnect_ms: 4000%s}
  sorry: {type: greeting, text: Sorry}
"""
ELSEWHERE = parse("name: elsewhere\nstart: there\napplets:\n  there: {type: greeting, text: There}")


def placed(document: FlowDocument) -> World:
    return World(document, setup=make_setup("outbound"))


def of(world: World, *kinds: type) -> list[object]:
    return [each for each in world.story if isinstance(each, kinds)]


def test_the_flow_begins_at_its_first_applet_after_the_answer_af_7() -> None:
    world = placed(HELLO)
    world.ring()
    assert not of(world, AppletEntered)
    world.wait(20_000)
    world.answer()
    assert world.flow.place == "hello"
    assert not of(world, effects.RingLeg, effects.AnswerLeg), "whoever is called answers"


def test_a_server_is_told_of_a_placed_call_in_the_words_of_af_7() -> None:
    world = placed(HELLO)
    world.ring()
    world.answer()
    world.end_prompt()
    (asked,) = [each for each in world.story if isinstance(each, effects.SendRequest)]
    told = dict(asked.request.query)
    assert (told["CallFrom"], told["CallTo"]) == (CUSTOMER, "+918040000002")
    assert (told["From"], told["To"]) == (CUSTOMER, "+918040000002")
    assert told["Direction"] == "outbound-dial"


def test_ringing_is_not_the_flows_time_as_49() -> None:
    text = "name: short\nstart: a\ntimeout_seconds: 10\napplets:\n  a: {type: greeting, text: Hi}"
    world = placed(parse(text))
    world.ring()
    world.wait(25_000)
    world.answer()
    world.wait(9_999)
    assert not of(world, CallHungUp)
    world.wait(1)
    (hung_up,) = [each for each in world.story if isinstance(each, CallHungUp)]
    assert hung_up.cause is Cause.TIME_LIMIT


def test_a_bot_is_reached_while_the_party_rings_and_starts_with_the_answer_op_6_as_51() -> None:
    world = placed(parse(AHEAD % ""))
    world.happens(LegPlaced(LEG, CUSTOMER))
    assert not of(world, effects.StartStream), "a number that is busy needs no bot"
    world.happens(LegRang(LEG))
    assert [type(each) for each in world.story[1:3]] == [LegRinging, AppletEntered]
    (start,) = [each for each in world.story if isinstance(each, effects.StartStream)]
    assert start.is_early
    world.happens(LegRang(LEG, has_early_media=True))
    world.happens(Held(start.stream_sid))
    world.wait(20_000)  # far longer than preconnect_ms: who answers decides
    assert not of(world, effects.ActivateStream, effects.AnswerLeg)
    world.answer()
    assert world.story[-2:] == [CallAnswered(CALL, LEG), effects.ActivateStream(start.stream_sid)]
    assert len(of(world, effects.StartStream)) == 1


def test_a_party_that_answers_without_ringing_gets_its_bot_too() -> None:
    world = placed(parse(AHEAD % ""))
    world.happens(LegPlaced(LEG, CUSTOMER))
    world.happens(LegAnswered(LEG))
    (start,) = [each for each in world.story if isinstance(each, effects.StartStream)]
    assert not start.is_early


def test_a_bot_that_is_not_there_leads_on_with_the_answer_and_not_before() -> None:
    world = placed(parse(AHEAD % ", on_failure: sorry"))
    world.ring()
    world.end_stream(FAILED)
    assert world.flow.place == ""
    assert not of(world, effects.AnswerLeg, CallHungUp)
    world.answer()
    assert world.flow.place == "sorry"


def test_nobody_is_bothered_when_the_only_bot_is_not_there() -> None:
    world = placed(parse(AHEAD % ""))
    world.ring()
    world.end_stream(FAILED)
    (hung_up,) = [each for each in world.story if isinstance(each, CallHungUp)]
    assert hung_up.cause is Cause.STREAM_FAILED
    assert of(world, effects.EndLeg)
    world.end_leg(Cause.CANCELED, Party.SYSTEM)
    record = world.record_of_end.record
    assert (record.status, record.answered_ms) == ("failed", None)


def test_a_party_that_hangs_up_while_an_agent_rings_has_given_up_cl_10() -> None:
    world = placed(
        parse("name: x\nstart: it\napplets:\n  it: {type: connect, numbers: ['+919000000001']}")
    )
    world.ring()
    world.answer()
    world.end_leg()
    assert world.flow.context.call_type == "client-hangup"


def talking() -> World:
    world = World(parse(AHEAD.replace(", preconnect_ms: 4000%s", ", next: sorry")))
    world.ring()
    world.answer()
    world.open_stream()
    return world


def test_a_call_goes_on_in_another_flow_once_its_bot_has_gone_oc_1() -> None:
    world = talking()
    world.happens(Redirect(ELSEWHERE))
    left = of(world, AppletLeft)
    assert left == [AppletLeft(CALL, "talk", "redirect", "there", "is sent to flow 'elsewhere'")]
    (end,) = [each for each in world.story if isinstance(each, effects.EndStream)]
    assert (end.why, world.flow.place) == ("stopped", "")
    world.end_stream(BY_BOT)
    assert world.flow.place == "there"
    assert not of(world, CallHungUp)


def test_the_latest_of_two_redirects_wins() -> None:
    world = talking()
    world.happens(Redirect(HELLO))
    world.happens(Redirect(ELSEWHERE))
    world.end_stream(BY_BOT)
    assert world.flow.place == "there"
    assert [one.type for one in world.story if isinstance(one, AppletEntered)] == [
        "voicebot",
        "greeting",
    ]


def test_a_call_that_ends_while_it_is_redirected_leaves_nothing() -> None:
    world = talking()
    world.happens(Redirect(ELSEWHERE))
    world.end_leg()
    world.end_stream(BY_BOT)
    assert world.record_of_end.record.ended_by is Party.CALLER
    assert world.flow.place == ""


def test_a_bot_that_does_not_go_does_not_hold_up_a_redirect_for_ever() -> None:
    world = talking()
    world.happens(Redirect(ELSEWHERE))
    world.wait(15_000)
    assert world.flow.place == "there"


def test_what_the_old_flow_was_waiting_for_means_nothing_in_the_new_one() -> None:
    world = talking()
    (stream_sid,) = (one.stream_sid for one in world.story if isinstance(one, effects.StartStream))
    world.happens(BotWished(StreamSid(stream_sid), "transfer", "+919000000001"))
    world.happens(Redirect(ELSEWHERE))
    world.ends(stream_sid, StreamEnded(stream_sid, BY_BOT))
    assert world.flow.place == "there"
    assert not of(world, effects.DialLeg)


def test_an_agent_who_was_busy_for_an_abandoned_connect_is_free_ap_48_oc_1() -> None:
    world = World(
        parse(
            "name: x\nstart: it\napplets:\n  it: {type: connect, numbers: ['+919000000001'],"
            " popup_url: 'https://crm.example/popup'}"
        )
    )
    world.ring()
    world.answer()
    world.answer_callee()
    world.happens(Redirect(ELSEWHERE))
    told = [each for each in world.story if isinstance(each, effects.SendRequest)]
    assert [dict(each.request.query)["Status"] for each in told] == ["busy", "free"]
    assert world.flow.place == "there"


@pytest.mark.parametrize("document", [HELLO, parse(AHEAD % "")])
def test_a_call_that_is_not_answered_is_not_redirected(document: FlowDocument) -> None:
    world = placed(document)
    world.ring()
    with pytest.raises(CommandError, match="not answered"):
        world.happens(Redirect(ELSEWHERE))
    world.end_leg(Cause.BUSY)
    with pytest.raises(CommandError, match="has ended"):
        world.happens(Redirect(ELSEWHERE))


def test_a_call_without_a_flow_is_not_redirected() -> None:
    journey = Journey(Call(make_setup("outbound"), CallLimits(), 0, awaits_flow=False), None)
    journey.receive(LegPlaced(LEG, CUSTOMER), 0)
    journey.receive(LegAnswered(LEG), 0)
    with pytest.raises(CommandError, match="follows no flow"):
        journey.receive(Redirect(ELSEWHERE), 0)
