"""Where our requests go: transports, names, failover, and what cannot be sent or understood."""

import pytest

from agentstream.sip.commands import HangUp, Place
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.reports import Accepted, Ended
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial
from agentstream.sip.traffic import Resolved, TransportFailed
from agentstream.testing.scripted_sip import (
    ANSWER,
    OFFER,
    REF,
    TARGET,
    TCP,
    UDP,
    SipScript,
    answer_to,
    placed,
)


def test_over_tcp_the_via_and_the_contact_say_so() -> None:
    _, invite = placed("sip:+14155550100@192.0.2.1:5070;transport=tcp")
    assert invite.top_via.transport == "TCP"
    assert invite.contacts[0].uri == "sip:192.0.2.10:5060;transport=tcp"


def test_a_name_is_looked_up_and_the_next_address_is_tried_when_one_fails() -> None:
    script = SipScript()
    dial = Dial("sip:+1@sip.bot.test", "sip:a@agentstream.example", OFFER)
    script.do(Place(REF, dial))
    script.expect_nothing()
    question = script.questions.popleft().hop
    assert question == Hop("", "sip.bot.test", 0)
    first, second = Hop("tls", "192.0.2.1", 5061, "sip.bot.test"), Hop("udp", "192.0.2.2", 5060)
    script.feed(Resolved(question, (first, second)))
    assert script.sent[0][1].to == first
    assert script.request("INVITE").top_via.transport == "TLS"
    script.feed(TransportFailed(first.as_flow(), "refused"))
    assert script.sent[0][1].to == second
    invite = script.request("INVITE")
    assert invite.top_via.transport == "UDP"
    assert invite.contacts[0].uri == "sip:192.0.2.10:5060"
    script.say(answer_to(invite, 200, sdp=ANSWER))
    script.report(Accepted)


def test_a_name_that_leads_nowhere_ends_the_call() -> None:
    script = SipScript()
    script.do(Place(REF, Dial("sip:+1@nowhere.test", "sip:a@agentstream.example", OFFER)))
    script.feed(Resolved(script.questions.popleft().hop, ()))
    assert script.report(Ended).status == 503
    script.expect_empty()


def test_hanging_up_while_the_name_is_looked_up_sends_nothing() -> None:
    script = SipScript()
    script.do(Place(REF, Dial("sip:+1@sip.bot.test", "sip:a@agentstream.example", OFFER)))
    script.do(HangUp(REF))
    script.feed(Resolved(script.questions.popleft().hop, (Hop("udp", "192.0.2.1", 5060),)))
    script.expect_nothing()
    script.report(Ended)
    script.expect_empty()


def test_a_transport_that_fails_with_nothing_left_to_try_ends_the_call() -> None:
    script, _ = placed()
    script.feed(TransportFailed(Hop("udp", "192.0.2.1", 5060), "refused"))
    assert script.report(Ended) == Ended(REF, "network", 503, 0, "refused")
    script.expect_empty()


@pytest.mark.parametrize(
    "dial",
    [
        Dial("not a uri", "sip:a@b", OFFER),
        Dial("tel:+14155550100", "sip:a@b", OFFER),
        Dial(TARGET, "sip:a@b", OFFER, headers=(("X-A", "1\r\nX-B: 2"),)),
    ],
)
def test_a_dial_that_cannot_be_sent_ends_at_once(dial: Dial) -> None:
    script = SipScript()
    script.do(Place(REF, dial))
    assert script.report(Ended).by == "local"
    script.expect_nothing()
    script.expect_empty()


def test_a_callee_that_wants_a_longer_session_is_asked_again() -> None:
    """RFC 4028 section 7.3."""
    script, invite = placed(settings=SipSettings(session_expires_s=100))
    assert invite.headers.get("Session-Expires") == "100"
    script.say(answer_to(invite, 422, headers=(("Min-SE", "300"),)))
    script.request("ACK")
    again = script.request("INVITE")
    assert again.headers.get("Session-Expires") == "300"
    assert again.headers.get("Min-SE") == "300"
    script.say(answer_to(again, 422, headers=(("Min-SE", "900"),)))
    script.request("ACK")
    assert script.report(Ended).status == 422


def test_the_answer_may_come_from_another_address_than_we_called() -> None:
    """PN-22: answers come from media servers past the load balancer."""
    script, invite = placed()
    elsewhere = Flow("udp", "192.0.2.10", 5060, "198.51.100.9", 5060)
    script.say(answer_to(invite, 200, sdp=ANSWER, contact="<sip:ms9@198.51.100.9>"), elsewhere)
    assert script.sent[0][1].to == elsewhere
    script.request("ACK")
    script.report(Accepted)


@pytest.mark.parametrize(
    ("contact", "flow", "to"),
    [
        ("<sip:bob@10.0.0.7:5060>", Flow("udp", "203.0.113.9", 5060, "8.8.8.8", 1024), "flow"),
        ("<sip:bob@192.0.2.1>", TCP, "flow"),  # no transport said: the connection that it came by
        ("<sip:bob@192.0.2.1;transport=tcp>", TCP, "flow"),
        ("<sip:bob@192.0.2.1;transport=udp>", TCP, Hop("udp", "192.0.2.1", 5060)),
        ("<sip:bob@192.0.2.1:5070>", UDP, Hop("udp", "192.0.2.1", 5070)),
    ],
)
def test_requests_inside_a_dialog_find_their_way(contact: str, flow: Flow, to: object) -> None:
    script, invite = placed()
    script.say(answer_to(invite, 200, sdp=ANSWER, contact=contact), flow)
    assert script.sent[0][1].to == (flow if to == "flow" else to)


def test_an_answer_that_cannot_be_understood_ends_the_call() -> None:
    script, invite = placed()
    script.say(answer_to(invite, 200, sdp=ANSWER, contact="<tel:+1>"))
    ended = script.report(Ended)
    assert (ended.by, ended.status) == ("network", 502)
    script.expect_empty()


def test_a_session_timer_that_cannot_be_understood_is_none() -> None:
    script, invite = placed()
    script.say(answer_to(invite, 200, sdp=ANSWER, headers=(("Session-Expires", "soon"),)))
    script.request("ACK")
    script.report(Accepted)


def test_a_server_that_says_nothing_is_passed_over_for_the_next_of_its_name() -> None:
    """RFC 3263 section 4.3, with Timer B as short as SIP-17 wants it."""
    script = SipScript()
    dial = Dial("sip:+1@sip.bot.test", "sip:a@agentstream.example", OFFER, silence_timeout_ms=1_000)
    script.do(Place(REF, dial))
    hops = (Hop("udp", "192.0.2.1", 5060), Hop("udp", "192.0.2.2", 5060))
    script.feed(Resolved(script.questions.popleft().hop, hops))
    script.wait(1_000)
    second = [send for _, send in script.sent if send.to == hops[1]]
    assert len(second) == 1
    script.wait(1_000)
    assert script.report(Ended).status == 408


def test_a_name_that_is_not_found_in_time_is_given_up() -> None:
    script = SipScript()
    dial = Dial("sip:+1@slow.test", "sip:a@agentstream.example", OFFER, silence_timeout_ms=1_000)
    script.do(Place(REF, dial))
    script.wait(1_000)
    assert script.report(Ended).by == "network"
    script.feed(Resolved(script.questions.popleft().hop, (Hop("udp", "192.0.2.1", 5060),)))
    script.expect_nothing()
    script.expect_empty()
