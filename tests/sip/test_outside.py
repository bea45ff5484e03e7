"""OPTIONS of ours in virtual time, and the bounds of what belongs to no call."""

import pytest

from agentstream.sip.commands import Probe, Register
from agentstream.sip.flow import Hop
from agentstream.sip.outside import PROBES_LIMIT, REGISTRATIONS_LIMIT
from agentstream.sip.reports import OutsideRef, Probed, RegistrationFailed, Unregistered
from agentstream.sip.signaling import ProbePlan, RegistrationPlan
from agentstream.sip.traffic import Resolved, TransportFailed
from agentstream.testing.scripted_sip import PEER_HOST, SipScript, answer_to

REF = OutsideRef("probe")


@pytest.mark.parametrize("status", [200, 401, 404, 405, 486, 500, 503])
def test_any_final_answer_is_told_with_its_time(status: int) -> None:
    """SIP-51: who answers lives; what it says is the product's to judge."""
    script = SipScript()
    script.do(Probe(REF, ProbePlan(f"sip:{PEER_HOST}:5080")))
    options = script.request("OPTIONS")
    assert options.uri == f"sip:{PEER_HOST}:5080"
    assert options.from_addr.uri == "sip:ping@192.0.2.10"
    script.wait(40)
    script.say(answer_to(options, 100))
    script.expect_no_report()
    script.say(answer_to(options, status))
    told = script.told(Probed)
    assert (told.ref, told.status, told.elapsed_ms) == (REF, status, 40)
    script.expect_empty()


def test_silence_is_told_after_the_patience() -> None:
    script = SipScript()
    script.do(Probe(REF, ProbePlan(f"sip:{PEER_HOST}", patience_ms=3_000)))
    script.wait(3_000)
    assert script.told(Probed) == Probed(REF, 0, "no answer", 3_000)
    script.expect_empty()


def test_a_name_is_asked_at_each_of_its_addresses_in_turn() -> None:
    """RFC 3263 section 4.3; and who failed a moment ago is asked last."""
    script = SipScript()
    hops = Hop("udp", "192.0.2.8", 5060), Hop("udp", PEER_HOST, 5060)
    for first in hops:
        script.do(Probe(REF, ProbePlan("sip:carrier.example")))
        script.feed(Resolved(script.questions.popleft().hop, hops))
        assert script.sent[0][1].to == first
        options = script.request("OPTIONS")
        if first is hops[0]:
            script.feed(TransportFailed(first, "refused"))
            options = script.request("OPTIONS")
        script.say(answer_to(options, 200))
        assert script.told(Probed).status == 200
    script.expect_empty()


def test_after_its_quarantine_a_target_is_asked_first_again() -> None:
    script = SipScript()
    hops = Hop("udp", "192.0.2.8", 5060), Hop("udp", PEER_HOST, 5060)
    script.do(Probe(REF, ProbePlan("sip:carrier.example")))
    script.feed(Resolved(script.questions.popleft().hop, hops))
    script.feed(TransportFailed(hops[0], "refused"))
    script.wait(30_000)
    script.sent.clear()
    script.do(Probe(REF, ProbePlan("sip:carrier.example")))
    script.feed(Resolved(script.questions.popleft().hop, hops))
    assert script.sent[0][1].to == hops[0]


def test_a_carrier_with_a_certificate_of_its_own_is_asked_with_it() -> None:
    script = SipScript()
    plan = ProbePlan(f"sip:{PEER_HOST};transport=tls", tls_profile="carrier")
    script.do(Probe(REF, plan))
    to = script.sent[0][1].to
    assert (to.transport, to.tls_profile) == ("tls", "carrier")


def test_a_proxy_is_asked_by_a_loose_route() -> None:
    script = SipScript()
    script.do(Probe(REF, ProbePlan("sip:carrier.example", proxy=f"sip:{PEER_HOST}")))
    options = script.request("OPTIONS")
    assert options.headers.get("Route") == f"<sip:{PEER_HOST};lr>"
    assert options.uri == "sip:carrier.example"


@pytest.mark.parametrize("target", ["nonsense", "http://x", ""])
def test_what_cannot_be_asked_is_told_at_once(target: str) -> None:
    script = SipScript()
    script.do(Probe(REF, ProbePlan(target)))
    assert script.told(Probed).status == 0
    script.expect_empty()


def test_too_many_at_once_fail_at_once() -> None:
    script = SipScript()
    for _ in range(PROBES_LIMIT):
        script.do(Probe(REF, ProbePlan(f"sip:{PEER_HOST}", patience_ms=1_000)))
    script.expect_no_report()
    script.do(Probe(REF, ProbePlan(f"sip:{PEER_HOST}")))
    assert script.told(Probed).text == "too many probes at once"
    script.wait(1_000)
    assert len(script.outside) == PROBES_LIMIT
    script.do(Probe(REF, ProbePlan(f"sip:{PEER_HOST}")))
    assert len(script.outside) == PROBES_LIMIT


def test_registrations_have_a_bound() -> None:
    script = SipScript()
    plan = RegistrationPlan(f"sip:{PEER_HOST}", f"sip:a@{PEER_HOST}", "a")
    for number in range(REGISTRATIONS_LIMIT):
        script.do(Register(OutsideRef(str(number)), plan))
    script.expect_no_report()
    script.do(Register(REF, plan))
    assert script.told(RegistrationFailed).text == "too many registrations"
    script.told(Unregistered)
