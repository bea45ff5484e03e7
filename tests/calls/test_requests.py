"""Requests to the customer's servers: answered once, waited for while the call closes, bounded."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import RequestId, StreamSid
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    Fetch,
    HangUp,
    HttpRequest,
    Mail,
    OpenStream,
    ReleaseCall,
    SendMail,
    StreamSpec,
)
from agentstream.calls.effects import DeliverMail, EndLeg, PressDigits, ReleaseLeg, SendRequest
from agentstream.calls.events import (
    BotAsked,
    CallEnded,
    CallHungUp,
    RequestFinished,
    RequestStarted,
)
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import (
    BotAction,
    BotWished,
    Fetched,
    LegAnswered,
    LegEnded,
    LegOffered,
    StreamStarted,
)
from agentstream.calls.requests import (
    ANSWER_LIMIT,
    BODY_LIMIT,
    ERRANDS_AT_ONCE,
    PAIRS_LIMIT,
    RECIPIENTS_LIMIT,
    REQUESTS_PER_CALL,
    TIMEOUT_LIMIT_MS,
    WAITED_FOR_AT_ONCE,
    Requests,
)
from agentstream.testing.calls import CALL, LEG, CallScript, make_setup
from agentstream.testing.script import Script

ASK = RequestId("ask")
GET = HttpRequest("https://key:secret@hooks.example/after?own=1")
PASSTHRU = Fetch(ASK, GET, "passthru")
STREAM = StreamSid("s1")
GONE = LegEnded(LEG, Cause.NORMAL, Party.CALLER)
MAIL = Mail(("ann@example.org",), "Voicemail", "You have one.")


def talking_call(limits: CallLimits | None = None, *, awaits_flow: bool = True) -> CallScript:
    call = Call(make_setup(), limits or CallLimits(), 0, awaits_flow=awaits_flow)
    script: CallScript = Script(call)
    script.feed(LegOffered(LEG), Answer(LEG), LegAnswered(LEG))
    script.take_all()
    return script


def test_a_server_is_asked_and_its_answer_told_with_credentials_masked_as_37() -> None:
    script = talking_call()
    script.feed(PASSTHRU)
    script.expect(
        RequestStarted(CALL, ASK, "passthru", "GET", "https://***@hooks.example/after?own=1"),
        SendRequest(ASK, GET, "passthru"),
    )
    script.feed(Fetched(ASK, 302, "text/plain", b"b", 140, 2))
    script.expect(RequestFinished(CALL, ASK, "passthru", 302, "text/plain", b"b", 140, 2, ""))
    script.feed(Fetched(ASK, 200))
    script.expect_nothing()


def test_a_request_still_goes_out_while_the_flow_holds_the_closing_call_pt_22() -> None:
    script = talking_call()
    script.feed(GONE)
    script.take(CallHungUp)
    script.expect(ReleaseLeg(LEG))
    script.feed(PASSTHRU, SendMail(RequestId("mail"), MAIL))
    script.take(RequestStarted)
    script.take(SendRequest)
    script.expect(DeliverMail(RequestId("mail"), MAIL))
    script.feed(ReleaseCall())
    script.expect_nothing()  # somebody still waits for the answer
    assert script.refuse(PASSTHRU) == "the call has ended"
    script.feed(Fetched(ASK, 200))
    script.take(RequestFinished)
    script.take(CallEnded)
    assert script.refuse(PASSTHRU) == "the call has ended"


def test_a_closing_call_waits_for_an_answer_no_longer_than_its_closing_time() -> None:
    script = talking_call(CallLimits(closing_ms=30_000), awaits_flow=False)
    script.feed(PASSTHRU, GONE)
    script.take_all()
    script.wait(29_999)
    script.expect_nothing()
    script.wait(1)
    finished = script.take(RequestFinished)
    assert (finished.status, finished.error) == (0, "the call ended before there was an answer")
    script.take(CallEnded)


def test_nobody_waits_for_what_goes_out_in_the_background() -> None:
    script = talking_call(awaits_flow=False)
    script.feed(Fetch(ASK, GET, "passthru", in_background=True))
    script.take(RequestStarted)
    script.expect(SendRequest(ASK, GET, "passthru", in_background=True))
    script.feed(GONE)
    script.skip_to(CallEnded)
    script.feed(Fetched(ASK, 200))
    script.expect_nothing()


def test_the_answer_to_what_went_out_in_the_background_is_told_if_the_call_is_still_there() -> None:
    script = talking_call()
    script.feed(Fetch(ASK, GET, "event", in_background=True), Fetched(ASK, 204, elapsed_ms=3))
    assert script.skip_to(RequestFinished).status == 204


def test_a_call_that_breaks_off_tells_those_who_wait() -> None:
    script = talking_call()
    script.feed(PASSTHRU)
    call = script.machine
    assert isinstance(call, Call)
    told = call.break_off(5)
    assert [type(event) for event in told] == [CallHungUp, RequestFinished, CallEnded]


def test_how_many_requests_run_at_once_is_bounded() -> None:
    requests = Requests(CALL)
    for kind, limit in (("waited", WAITED_FOR_AT_ONCE), ("errand", ERRANDS_AT_ONCE)):
        is_errand = kind == "errand"
        for number in range(limit):
            requests.order(Fetch(RequestId(f"{kind}-{number}"), GET, "", is_errand))
        with pytest.raises(CommandError, match=f"no more than {limit} requests"):
            requests.order(Fetch(ASK, GET, "", is_errand))
        requests.hear(Fetched(RequestId(f"{kind}-0"), 200))
        requests.order(Fetch(RequestId(f"{kind}-more"), GET, "", is_errand))
        with pytest.raises(CommandError, match="already there"):
            requests.order(Fetch(RequestId(f"{kind}-1"), GET, "", is_errand))


def test_how_many_requests_a_call_makes_in_its_life_is_bounded() -> None:
    requests = Requests(CALL)
    for number in range(REQUESTS_PER_CALL):
        sid = RequestId(str(number))
        requests.order(SendMail(sid, MAIL) if number % 2 else Fetch(sid, GET, ""))
        requests.hear(Fetched(sid, 200))
    for wish in (PASSTHRU, SendMail(ASK, MAIL)):
        with pytest.raises(CommandError, match="1000 requests"):
            requests.order(wish)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (HttpRequest("https://h/", timeout_ms=0), f"timeout_ms is 1 to {TIMEOUT_LIMIT_MS}"),
        (HttpRequest("https://h/", retries=11), "retries is 0 to 10"),
        (HttpRequest("https://h/", redirects=6), "redirects is 0 to 5"),
        (HttpRequest("https://h/", max_bytes=ANSWER_LIMIT + 1), "max_bytes"),
        (HttpRequest("https://h/", query=(("a", "b"),) * (PAIRS_LIMIT + 1)), "query pairs"),
        (HttpRequest("https://h/", headers=(("a", "b"),) * (PAIRS_LIMIT + 1)), "headers"),
        (HttpRequest("https://h/", "POST", body="x" * (BODY_LIMIT + 1)), "body is longer"),
        (HttpRequest("https://h/", body="x"), "a GET has no body"),
    ],
)
def test_a_request_out_of_bounds_is_refused_with_the_fields_name(
    request_: HttpRequest, says: str
) -> None:
    assert says in talking_call().refuse(Fetch(ASK, request_, "passthru"))


@pytest.mark.parametrize(
    ("mail", "says"),
    [
        (Mail((), "s", "t"), "recipients"),
        (Mail(("a@b",) * (RECIPIENTS_LIMIT + 1), "s", "t"), "recipients"),
        (Mail(("a@b",), "s" * 999, "t"), "subject is longer"),
        (Mail(("a@b",), "s", "t" * (BODY_LIMIT + 1)), "text is longer"),
    ],
)
def test_a_letter_out_of_bounds_is_refused_with_the_fields_name(mail: Mail, says: str) -> None:
    assert says in talking_call().refuse(SendMail(ASK, mail))


# What a bot wishes (OP-1)


def bot_call() -> CallScript:
    script = talking_call()
    script.feed(OpenStream(LEG, STREAM, StreamSpec("wss://bot.example/ws")), StreamStarted(STREAM))
    script.take_all()
    return script


def test_a_bot_may_hang_up_op_1() -> None:
    script = bot_call()
    script.feed(BotWished(STREAM, "hangup"))
    script.expect(BotAsked(CALL, LEG, STREAM, "hangup", ""))
    hung_up = script.take(CallHungUp)
    assert (hung_up.cause, hung_up.party) == (Cause.NORMAL, Party.BOT)
    script.skip_to(EndLeg)
    script.feed(BotWished(STREAM, "hangup"))
    script.expect_nothing()


def test_a_bot_may_press_keys_towards_the_caller_op_1() -> None:
    script = bot_call()
    script.feed(BotWished(STREAM, "send_dtmf", "12#"))
    script.expect(BotAsked(CALL, LEG, STREAM, "send_dtmf", "12#"), PressDigits(LEG, "12#", 100, 70))


def test_a_transfer_is_only_told_the_flow_decides_op_1() -> None:
    script = bot_call()
    script.feed(BotWished(STREAM, "transfer", "+918040000009"))
    script.expect(BotAsked(CALL, LEG, STREAM, "transfer", "+918040000009"))
    script.expect_nothing()


@pytest.mark.parametrize(
    ("stream_sid", "action", "value"),
    [
        (STREAM, "send_dtmf", "12w"),
        (STREAM, "send_dtmf", ""),
        (StreamSid("nobody"), "hangup", ""),
    ],
)
def test_a_wish_that_makes_no_sense_is_ignored_and_counted(
    stream_sid: StreamSid, action: BotAction, value: str
) -> None:
    script = bot_call()
    script.feed(BotWished(stream_sid, action, value))
    script.expect_nothing()
    script.feed(HangUp(Cause.NORMAL, Party.OPERATOR))
    call = script.machine
    assert isinstance(call, Call)
    assert call.ledger.stray_reports == 1
