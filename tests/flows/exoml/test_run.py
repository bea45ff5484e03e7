"""Documents that drive a call: asking, verbs in their order, what ends it (XR-1, XR-2, XR-12)."""

from dataclasses import replace

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Fetch,
    HangUp,
    HttpRequest,
    OpenStream,
    Play,
    Speech,
    StartRecording,
    WatchSilence,
)
from agentstream.calls.events import AppletNoted, DigitReceived
from agentstream.flows.applet import Abandoned, Leave
from agentstream.flows.applets.exoml import ExomlSettings
from agentstream.flows.document import parse
from agentstream.flows.exoml.run import DOCUMENTS_LIMIT, HASTY_LIMIT
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.documents import START, Ivr
from agentstream.testing.journeys import World

FIELDS = {
    "CallSid": CALL,
    "CallFrom": "+919876500001",
    "CallTo": "+918040000002",
    "CallStatus": "in-progress",
    "AccountSid": "greenleaf1",
    "From": "+919876500001",
    "To": "+918040000002",
    "Direction": "incoming",
}
FORM = "application/x-www-form-urlencoded"
CRM = "https://crm.example/ivr"
LISTENER = '<Stream type="unidirectional" url="wss://bot.example/"/>'


def say(text: str) -> str:
    return f"<Say>{text}</Say>"


def heard(ivr: Ivr) -> str:
    """Let the caller hear what is said next, to its end; return it."""
    play = ivr.take(Play)
    assert isinstance(play.prompt, Speech)
    ivr.played(play.prompt_id)
    return play.prompt.text


def why(ivr: Ivr) -> str:
    """Return why the visit failed, which must be how it left."""
    left = ivr.left("on_failure")
    assert (left.cause, left.party) == (Cause.FLOW_ERROR, Party.SYSTEM)
    return left.reason.removeprefix("the document failed: ")


def test_the_first_document_is_asked_for_with_the_common_fields_xr_1_xr_2() -> None:
    ivr = Ivr()
    fetch = ivr.take(Fetch)
    request = fetch.request
    assert (request.method, request.url, request.content_type) == ("POST", START, FORM)
    assert (fetch.purpose, request.timeout_ms, request.redirects) == ("exoml", 5_000, 3)
    assert ivr.told(fetch) == FIELDS
    ivr.expect_nothing()


def test_a_server_that_wants_get_has_the_fields_in_the_query_xr_20() -> None:
    url = "https://crm.example/{CallTo}?a=1"
    setup = replace(make_setup(custom_field="vip"), forwarded_from="+918040000009")
    ivr = Ivr(setup, url=url, method="GET", timeout_seconds=9)
    request = ivr.take(Fetch).request
    assert request.url == "https://crm.example/%2B918040000002?a=1"
    assert (request.method, request.body, request.timeout_ms) == ("GET", "", 9_000)
    more = {"CustomField": "vip", "ForwardedFrom": "+918040000009"}
    assert dict(request.query) == FIELDS | more


def test_verbs_run_in_their_order_and_the_end_of_the_document_is_the_end_xr_1() -> None:
    ivr = Ivr()
    ivr.document(say("one") + say("two"))
    assert (heard(ivr), heard(ivr)) == ("one", "two")
    assert ivr.left("next") == Leave()
    assert ivr.notes == ["line 1: <Say>", "line 1: <Say>"]


def test_hangup_ends_the_call_and_what_follows_is_not_run_xr_16() -> None:
    ivr = Ivr()
    ivr.document("<Hangup/>" + say("never"))
    assert ivr.take(HangUp).cause is Cause.NORMAL
    ivr.expect_nothing()


def test_keys_go_to_the_action_and_the_call_goes_on_with_its_reply_xr_1_xr_12() -> None:
    ivr = Ivr()
    ivr.document(f'<Gather action="choice" numDigits="2">{say("which")}</Gather>{say("never")}')
    assert heard(ivr) == "which"
    ivr.press("42")
    fetch = ivr.document(say("two"))
    assert (fetch.request.method, fetch.request.url) == ("POST", f"{CRM}/choice")
    assert ivr.told(fetch) == FIELDS | {"DigitsPressed": "42"}
    assert heard(ivr) == "two"
    ivr.left("next")
    assert "line 1: <Gather>: 2 keys came" in ivr.notes
    assert ivr.trouble == []


def test_addresses_are_relative_to_the_document_that_holds_them_xr_12_xr_15() -> None:
    ivr = Ivr()
    ivr.document('<Redirect method="GET">deep/menu?x=1</Redirect>')
    fetch = ivr.document('<Gather numDigits="1"/>')
    assert (fetch.request.method, fetch.request.url) == ("GET", f"{CRM}/deep/menu?x=1")
    ivr.press("1")
    again = ivr.document("<Redirect>../other</Redirect>")
    assert (again.request.method, again.request.url) == ("POST", f"{CRM}/deep/menu?x=1")
    assert ivr.take(Fetch).request.url == f"{CRM}/other"


def test_without_a_key_the_verb_after_the_gather_follows_xr_17() -> None:
    ivr = Ivr()
    ivr.document(f"<Gather>{say('which')}</Gather>{say('bye')}<Hangup/>")
    assert heard(ivr) == "which"
    ivr.wait(5_000)
    assert heard(ivr) == "bye"
    ivr.take(HangUp)


def test_keys_that_are_pressed_while_the_server_is_asked_are_not_lost() -> None:
    ivr = Ivr()
    ivr.press("1")
    ivr.feed(DigitReceived(CALL, "another", "7", 80))  # type: ignore[arg-type]
    ivr.document(f'<Gather action="choice" numDigits="1">{say("which")}</Gather>')
    assert ivr.told(ivr.take(Fetch))["DigitsPressed"] == "1"


def test_keys_that_are_pressed_while_something_is_said_mean_nothing() -> None:
    ivr = Ivr()
    ivr.document(say("welcome") + '<Gather numDigits="1"/>')
    ivr.press("1")
    heard(ivr)
    ivr.expect_nothing()


@pytest.mark.parametrize("setting", [False, True])
def test_keys_are_told_under_the_lower_case_name_by_setting_xr_20(setting: bool) -> None:
    ivr = Ivr(lower_case_digits=setting)
    ivr.document('<Gather numDigits="1"/>')
    ivr.press("5")
    told = ivr.told(ivr.take(Fetch))
    assert told["DigitsPressed"] == "5"
    assert told.get("digits") == ("5" if setting else None)


def test_the_fallback_is_asked_when_a_server_does_not_answer_well_ap_4() -> None:
    fallback = "https://backup.example/ivr/start"
    ivr = Ivr(fallback_url=fallback)
    ivr.answers(ivr.take(Fetch), b"<Response><Fly/></Response>")
    fetch = ivr.document('<Gather numDigits="1"/>')
    assert (fetch.request.url, ivr.told(fetch)) == (fallback, FIELDS)
    ivr.press("1")
    assert ivr.take(Fetch).request.url == fallback  # the document's own address


def test_of_an_action_too_the_fallback_is_asked_with_what_the_action_was_told() -> None:
    fallback = "https://backup.example/{CallSid}"
    ivr = Ivr(fallback_url=fallback)
    ivr.document('<Gather action="choice" numDigits="1"/>')
    ivr.press("1")
    ivr.answers(ivr.take(Fetch), b"oh", status=500)
    fetch = ivr.take(Fetch)
    assert fetch.request.url == f"https://backup.example/{CALL}"
    assert ivr.told(fetch)["DigitsPressed"] == "1"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, "", "it was answered with status 404, not 200"),
        (204, "", "it was answered with status 204, not 200"),
        (200, " ", "the answer is empty, wanted is XML with the root <Response>"),
        (200, "OK", "the document: line 1: this is not XML: syntax error"),
        (200, "<Response>\n<Say loop='x'/></Response>", "the document: line 2: <Say>: loop must"),
        (0, "", "no route"),
    ],
)
def test_without_a_document_the_visit_fails_and_says_why(
    status: int, body: str, words: str
) -> None:
    ivr = Ivr()
    ivr.answers(ivr.take(Fetch), body.encode(), status, "" if status else "no route")
    assert why(ivr).startswith(words)


def test_a_server_that_does_not_answer_in_time_fails_the_visit_ap_4() -> None:
    ivr = Ivr()
    fetch = ivr.take(Fetch)
    ivr.wait(6_000)
    assert why(ivr) == "there was no answer in time"
    assert ivr.machine.wake_at_ms is None
    ivr.answers(fetch, b"<Response/>")
    ivr.expect_nothing()


def test_a_request_that_the_call_refuses_fails_the_visit() -> None:
    ivr = Ivr()
    ivr.refused(ivr.take(Fetch), "too many requests")
    assert why(ivr) == "too many requests"


@pytest.mark.parametrize("verb", [LISTENER, say("unheard"), "<Say/>"])
def test_documents_that_only_lead_on_are_bounded(verb: str) -> None:
    ivr = Ivr()
    for _ in range(HASTY_LIMIT):
        ivr.document(f"{verb}<Redirect>again</Redirect>")
        if verb != "<Say/>":
            command = ivr.take(object)
            assert isinstance(command, OpenStream | Play)
            ivr.refused(command)
    assert why(ivr) == f"{HASTY_LIMIT} documents in a row only led to another one"


def test_one_key_after_the_other_is_no_haste() -> None:
    ivr = Ivr()
    ivr.press("0123456789" * 2)
    for _ in range(2 * HASTY_LIMIT):
        ivr.document('<Gather numDigits="1"/>')
    ivr.document("<Hangup/>")
    ivr.take(HangUp)


def test_documents_are_bounded_in_all() -> None:
    ivr = Ivr()
    for _ in range(DOCUMENTS_LIMIT):
        ivr.document(say("again") + "<Redirect>again</Redirect>")
        ivr.wait(1)
        heard(ivr)
    assert why(ivr) == f"the call went through {DOCUMENTS_LIMIT} documents"


def test_what_is_not_known_is_noted_as_trouble_ex_3() -> None:
    ivr = Ivr()
    ivr.document("<Say later='x'>a</Say>")
    assert ivr.trouble == ["the document: line 1: <Say>: attribute 'later' means nothing here"]


def test_what_cannot_be_heard_is_noted_and_the_next_verb_follows() -> None:
    ivr = Ivr()
    ivr.document("<Play>gone.wav</Play>" + say("bye"))
    ivr.played(ivr.take(Play).prompt_id, error="the sound's server answered 404")
    assert heard(ivr) == "bye"
    assert ivr.trouble == ["line 1: <Play>: not heard: the sound's server answered 404"]


@pytest.mark.parametrize("verb", ["", say("hello"), "<Gather/>"])
def test_a_caller_who_goes_ends_the_visit(verb: str) -> None:
    ivr = Ivr()
    if verb:
        ivr.document(verb)
        ivr.take_all()
    else:
        ivr.take(Fetch)
    ivr.hangs_up()
    assert ivr.left("next") == Leave(party=Party.CALLER)


def test_what_the_caller_left_is_told_when_they_have_gone_xr_13() -> None:
    ivr = Ivr()
    ivr.document('<Record action="kept" playBeep="false"/>' + say("never"))
    recording_sid = ivr.take(StartRecording).recording_sid
    ivr.take(WatchSilence)
    ivr.context.is_gone = True  # as the engine has noted
    ivr.hangs_up()
    ivr.expect_nothing()
    ivr.recorded(recording_sid)
    fetch = ivr.take(Fetch)
    assert fetch.in_background
    assert (fetch.request.timeout_ms, fetch.request.retries) == (15_000, 2)
    told = ivr.told(fetch)
    assert (told["CallStatus"], told["RecordingSid"]) == ("completed", recording_sid)
    ivr.left("next")


def test_a_record_without_an_action_tells_nobody_when_the_caller_has_gone() -> None:
    ivr = Ivr()
    ivr.document('<Record playBeep="false"/>')
    recording_sid = ivr.take(StartRecording).recording_sid
    ivr.take(WatchSilence)
    ivr.hangs_up()
    ivr.recorded(recording_sid)
    ivr.left("next")


def test_a_call_that_is_sent_elsewhere_has_nothing_left_to_tell_oc_1() -> None:
    verbs = (say("a"), "<Gather/>", "<Record/>", "<Dial>100</Dial>", '<Stream url="wss://b/"/>')
    for verb in ("", *verbs):
        ivr = Ivr()
        if verb:
            ivr.document(verb)
        assert isinstance(ivr.machine, Abandoned)
        assert ivr.machine.abandon(0) == []


def test_the_settings_say_what_the_flow_must_know() -> None:
    settings = ExomlSettings(url=START, next="a", on_failure="b")
    assert settings.exits() == {"next": "a", "on_failure": "b"}
    assert ExomlSettings.finishes_after_call
    assert ExomlSettings.is_reported
    assert settings.takes_time


def test_what_is_noted_is_told_as_facts_of_the_call() -> None:
    flow = "name: a\nstart: ivr\napplets:\n  ivr: {type: exoml, url: 'https://crm.example/'}"
    world = World(parse(flow))
    world.ring()
    world.answer()
    world.answer_requests(body="<Response><Hangup later='x'/></Response>")
    noted = [fact for fact in world.story if isinstance(fact, AppletNoted)]
    trouble = "the document: line 1: <Hangup>: attribute 'later' means nothing here"
    assert noted == [
        AppletNoted(CALL, "ivr", trouble, is_trouble=True),
        AppletNoted(CALL, "ivr", "line 1: <Hangup>"),
    ]


def test_the_verb_of_another_leg_is_not_ours() -> None:
    ivr = Ivr()
    ivr.document('<Gather numDigits="1"/>')
    ivr.feed(DigitReceived(CALL, "another", "1", 80))  # type: ignore[arg-type]
    ivr.expect_nothing()
    ivr.feed(DigitReceived(CALL, LEG, "1", 80))
    assert isinstance(ivr.take(Fetch).request, HttpRequest)
