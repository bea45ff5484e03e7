"""Voicebot: one script for each way through it (AS-3, AS-169, AS-170, ST-20, ST-30, ST-32)."""

import pytest
from pydantic import ValidationError

from agentstream.base.ids import CountedTokens, RecordingSid, StreamSid
from agentstream.base.values import replace
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Bridge,
    CloseStream,
    Dial,
    HangUp,
    HangUpLeg,
    OpenStream,
    Play,
    StopPlaying,
    TransferLeg,
    Unbridge,
)
from agentstream.calls.events import (
    BotAsked,
    CallHungUp,
    RecordingFinished,
    StreamFinished,
    StreamOpened,
)
from agentstream.calls.reports import StreamOutcome
from agentstream.calls.transfer_words import TransferFinished
from agentstream.flows.applet import AppletInput, CommandRefused, Leave, Step
from agentstream.flows.applets.voicebot import (
    RECORDING_WAIT_MS,
    Voicebot,
    VoicebotSettings,
    plain,
)
from agentstream.flows.context import Context
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.script import Script
from agentstream.testing.visits import Visit

URL = "wss://bot.example/ws"
REFUSED = "3009 failed to establish ws conn: refused"


def meet(
    settings: VoicebotSettings, context: Context | None = None
) -> tuple[Script[AppletInput, Step], OpenStream]:
    """Enter a voicebot; return it with what it asks for."""
    context = context or Context(make_setup(custom_field="a b"), CountedTokens(), 0)
    context.leg_sid = LEG
    voicebot = Voicebot(settings, context)
    [opened] = voicebot.enter(0)
    assert isinstance(opened, OpenStream)
    assert voicebot.wake_at_ms is None
    assert voicebot.wake(5) == []
    return Script(voicebot), opened


def ended(opened: OpenStream, outcome: StreamOutcome) -> StreamFinished:
    return StreamFinished(CALL, LEG, opened.stream_sid, outcome)


def test_a_voicebot_asks_for_one_stream_both_ways_with_everything_in_it() -> None:
    settings = VoicebotSettings(
        url="wss://u:p@bot.example/ws?sample-rate=16000&c={CustomField}",
        name="helper",
        record=True,
        recording_channels="stereo",
        profile="field",
        settings={"frame_ms": 20, "marks_on_clear": "drop", "mask_stream_url": False},
    )
    _, opened = meet(settings)
    spec = opened.spec
    assert spec.url == "wss://u:p@bot.example/ws?sample-rate=16000&c=a%20b"  # US-7
    assert (spec.two_way, spec.name, spec.profile) == (True, "helper", "field")
    assert spec.overrides == (
        ("frame_ms", "20"),
        ("marks_on_clear", "drop"),
        ("mask_stream_url", "false"),
    )
    assert spec.parameters == ()  # a bot that is dialled directly is told in its URL
    assert opened.recording_sid is not None
    assert opened.recording.channels == "stereo"  # AP-66


def test_a_resolver_is_told_of_the_call() -> None:
    """AS-14."""
    _, opened = meet(VoicebotSettings(url="https://who.example/bot"))
    names = [name for name, _ in opened.spec.parameters]
    assert names[:3] == ["CallSid", "CallFrom", "CallTo"]
    assert ("CustomField", "a b") in opened.spec.parameters


def test_nothing_is_recorded_unless_it_is_wanted() -> None:
    _, opened = meet(VoicebotSettings(url=URL))
    assert opened.recording_sid is None


@pytest.mark.parametrize(
    ("outcome", "party"),
    [
        (StreamOutcome("completed", "bot"), Party.BOT),  # AS-169
        (StreamOutcome("completed", "NA"), Party.FLOW),  # ST-31: its time is up
        (StreamOutcome("cancelled", "user"), Party.FLOW),  # the caller went
    ],
)
def test_the_flow_goes_on_when_the_stream_has_ended(outcome: StreamOutcome, party: Party) -> None:
    script, opened = meet(VoicebotSettings(url=URL))
    script.feed(StreamOpened(CALL, LEG, opened.stream_sid))
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    script.feed(StreamFinished(CALL, LEG, StreamSid("another"), outcome))
    script.expect_nothing()
    script.feed(ended(opened, outcome))
    script.expect(Leave(party=party))


@pytest.mark.parametrize(
    ("outcome", "party", "reason"),
    [
        (StreamOutcome("failed", "NA", REFUSED), Party.SYSTEM, REFUSED),
        (StreamOutcome("failed", "bot", "1011 fault"), Party.BOT, "1011 fault"),  # ST-32
        (
            StreamOutcome("failed", detailed_status="Streaming_call_throttled"),
            Party.SYSTEM,
            "Streaming_call_throttled",
        ),
        (StreamOutcome("failed"), Party.SYSTEM, "the stream failed"),
    ],
)
def test_a_failure_leaves_by_its_own_exit_and_says_why_as_170(
    outcome: StreamOutcome, party: Party, reason: str
) -> None:
    settings = VoicebotSettings(url=URL, next="a", on_failure="b", on_stream_failure="hangup")
    assert settings.exits() == {"next": "a", "on_failure": "b"}
    script, opened = meet(settings)
    script.feed(ended(opened, outcome))
    script.expect(Leave("on_failure", Cause.STREAM_FAILED, party, reason))


def test_a_failure_without_an_exit_may_be_set_to_hang_up_as_170() -> None:
    settings = VoicebotSettings(url=URL, next="a", on_stream_failure="hangup")
    script, opened = meet(settings)
    script.feed(ended(opened, StreamOutcome("failed", "NA", REFUSED)))
    hang_up = script.take(HangUp)
    assert (hang_up.cause, hang_up.party) == (Cause.STREAM_FAILED, Party.SYSTEM)
    assert REFUSED in hang_up.text


def test_a_stream_that_the_call_refuses_is_a_failure() -> None:
    context = Context(make_setup(), CountedTokens(), 0)
    context.stream = StreamOutcome("completed", "bot")  # of an earlier one; not to be told again
    script, opened = meet(VoicebotSettings(url=URL), context)
    script.feed(CommandRefused(opened, "a bot already speaks to this leg"))
    left = script.take(Leave)
    assert (left.exit, left.reason) == ("on_failure", "a bot already speaks to this leg")
    told = dict(context.stream_parameters())
    assert told["Stream[StreamSID]"] == opened.stream_sid
    assert (told["Stream[Status]"], told["Stream[Error]"]) == ("failed", left.reason)


def test_settings_are_passed_on_as_text() -> None:
    assert [plain(value) for value in (True, 20, 0.5, "drop")] == ["true", "20", "0.5", "drop"]


def test_a_label_has_at_most_32_characters_as_12() -> None:
    url = "wss://bot.example/ws"
    assert VoicebotSettings(url=url, name="x" * 32).name == "x" * 32
    with pytest.raises(ValidationError, match="at most 32 characters"):
        VoicebotSettings(url=url, name="x" * 33)


# Transfers, OP-1: the bot asks for somebody else


def asks(visit: Visit, opened: OpenStream, value: str) -> None:
    """Let the bot ask for a transfer."""
    visit.feed(BotAsked(CALL, LEG, opened.stream_sid, "transfer", value))


def stream_ends(visit: Visit, opened: OpenStream) -> None:
    outcome = StreamOutcome("completed", "NA")
    visit.feed(StreamFinished(CALL, LEG, opened.stream_sid, outcome))


def test_a_transfer_leaves_by_its_exit_once_the_stream_has_ended_op_1() -> None:
    visit = Visit(VoicebotSettings(url=URL, next="a", on_transfer="human"))
    opened = visit.take(OpenStream)
    asks(visit, opened, " sales ")
    visit.expect(CloseStream(opened.stream_sid))
    asks(visit, opened, "support")  # once is enough
    visit.refused(CloseStream(opened.stream_sid))
    visit.expect_nothing()
    stream_ends(visit, opened)
    assert visit.left("on_transfer").party is Party.BOT
    assert visit.context.transfer_to == "sales"
    assert visit.context.text("{TransferTo}", 0) == "sales"


def test_a_transfer_without_an_exit_dials_the_number_op_1() -> None:
    visit = Visit(VoicebotSettings(url=URL, next="a", on_failure="b"))
    opened = visit.take(OpenStream)
    asks(visit, opened, "+919000000001")
    visit.expect(CloseStream(opened.stream_sid))
    stream_ends(visit, opened)
    dial, music = visit.take(Dial), visit.take(Play)
    assert dial.spec.destination == "+919000000001"
    visit.up(dial.leg_sid)
    visit.expect(StopPlaying(music.prompt_id), Bridge(LEG, dial.leg_sid))
    visit.bridged(dial.leg_sid)
    assert visit.machine.wake_at_ms == 14_400_000  # the conversation's limit
    visit.wait(14_400_000)
    visit.take(Unbridge)
    visit.take(HangUpLeg)
    assert visit.left("next").cause is Cause.TIME_LIMIT
    assert visit.context.call_type == "completed"


def test_a_caller_whose_trunk_takes_transfers_is_handed_back_op_1() -> None:
    """SIP-61: a StreamKit bot sends the caller back to the contact centre."""
    setup = replace(make_setup(), takes_refer=True)
    visit = Visit(VoicebotSettings(url=URL, next="a", on_failure="b"), setup)
    opened = visit.take(OpenStream)
    asks(visit, opened, "+919000000001")
    visit.take(CloseStream)
    stream_ends(visit, opened)
    wish = visit.take(TransferLeg)
    assert (wish.spec.destination, wish.dials) == ("+919000000001", False)
    visit.feed(TransferFinished(CALL, LEG, wish.second_sid, "", "referred", 200))
    visit.hangs_up(Party.SYSTEM)
    visit.left("next")


def test_a_transfer_that_reaches_nobody_is_a_failure() -> None:
    visit = Visit(VoicebotSettings(url=URL))
    opened = visit.take(OpenStream)
    asks(visit, opened, "sip:anna@pbx.example")
    visit.take(CloseStream)
    stream_ends(visit, opened)
    dial, _ = visit.take(Dial), visit.take(Play)
    visit.gone(dial.leg_sid, Cause.REJECTED)
    visit.take(StopPlaying)
    assert visit.left("on_failure").cause is Cause.REJECTED


def test_a_caller_who_goes_while_it_is_transferred_takes_the_usual_way() -> None:
    visit = Visit(VoicebotSettings(url=URL))
    opened = visit.take(OpenStream)
    asks(visit, opened, "+919000000001")
    visit.take(CloseStream)
    stream_ends(visit, opened)
    visit.take(Dial)
    visit.take(Play)
    visit.hangs_up()
    visit.left("next")
    assert visit.context.call_type == "client-hangup"


def test_a_caller_who_goes_before_the_stream_has_ended_is_not_transferred() -> None:
    visit = Visit(VoicebotSettings(url=URL, on_transfer="human"))
    opened = visit.take(OpenStream)
    asks(visit, opened, "sales")
    visit.take(CloseStream)
    visit.hangs_up()
    stream_ends(visit, opened)
    visit.left("next")


@pytest.mark.parametrize("value", ["sales", "", "+919000000001,+919000000002", "{From}"])
def test_a_transfer_to_nobody_who_can_be_dialled_changes_nothing(value: str) -> None:
    visit = Visit(VoicebotSettings(url=URL))
    opened = visit.take(OpenStream)
    asks(visit, opened, value)
    visit.feed(BotAsked(CALL, LEG, opened.stream_sid, "send_dtmf", "1"))
    visit.feed(BotAsked(CALL, LEG, StreamSid("another"), "transfer", "+919000000001"))
    visit.expect_nothing()
    assert visit.context.transfer_to == ""


def recorded() -> tuple[Script[AppletInput, Step], OpenStream, RecordingFinished]:
    """Return a conversation that is recorded, and the report that its file is whole."""
    script, opened = meet(VoicebotSettings(url=URL, record=True))
    script.feed(StreamOpened(CALL, LEG, opened.stream_sid))
    assert opened.recording_sid is not None
    return script, opened, RecordingFinished(CALL, LEG, opened.recording_sid, 9, "http://x", "")


BY_BOT = StreamOutcome("completed", "bot")


def test_the_file_of_a_recording_is_waited_for_us_17() -> None:
    script, opened, finished = recorded()
    script.feed(ended(opened, BY_BOT))
    script.feed(RecordingFinished(CALL, LEG, RecordingSid("another"), 9, "", ""))
    script.expect_nothing()
    script.feed(finished)
    script.expect(Leave(party=Party.BOT))


def test_a_file_that_was_whole_before_the_streams_end_is_not_waited_for() -> None:
    script, opened, finished = recorded()
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""), finished)
    script.expect_nothing()
    script.feed(ended(opened, BY_BOT))
    script.expect(Leave(party=Party.BOT))


def test_a_file_that_takes_too_long_is_left_alone() -> None:
    context = Context(make_setup(), CountedTokens(), 0)
    context.leg_sid = LEG
    voicebot = Voicebot(VoicebotSettings(url=URL, record=True), context)
    [opened] = voicebot.enter(0)
    assert isinstance(opened, OpenStream)
    voicebot.receive(StreamOpened(CALL, LEG, opened.stream_sid), 10)
    assert voicebot.wake_at_ms is None
    assert voicebot.receive(ended(opened, BY_BOT), 1_000) == []
    assert voicebot.wake_at_ms == 1_000 + RECORDING_WAIT_MS
    assert voicebot.wake(3_000) == [Leave(party=Party.BOT)]


def test_a_stream_that_never_opened_leaves_no_recording_to_wait_for() -> None:
    script, opened = meet(VoicebotSettings(url=URL, record=True))
    script.feed(ended(opened, StreamOutcome("failed", "NA", REFUSED)))
    assert script.take(Leave).exit == "on_failure"
