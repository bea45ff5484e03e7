"""What the endpoint asks of a gate, and what the far end gets: nothing is kept before it passes."""

import time
from dataclasses import dataclass, field

import pytest

from agentstream.sip.commands import Place, Reject
from agentstream.sip.digest import DigestClient, from_stored, to_stored
from agentstream.sip.flow import Flow
from agentstream.sip.gate import Arrival, Ask, Drop, Login, OpenGate, Pass, Refuse, Verdict
from agentstream.sip.message import Request, Response
from agentstream.sip.reports import Invited, SipCallRef
from agentstream.sip.signaling import Credentials, Dial
from agentstream.sip.traffic import Received
from agentstream.sip.wire import encode, parse_datagram
from agentstream.testing.scripted_sip import (
    OFFER,
    UDP,
    SipScript,
    from_text,
    inside_text,
    invite_text,
    our_address,
)

REALM = "acme7.pstn.test"
STORED = to_stored("ann", REALM, "secret")
ASKED = Ask(REALM, lambda user, name: from_stored(STORED, name) if user == "ann" else None, "tr1")
WRONG = Refuse(403, (("X-Exotel-ErrorCode", "4001"),))
PASSED = Pass("tr1", "+918000000042")
RIGHT = Credentials("ann", "secret")


@dataclass
class Told(OpenGate):
    """A gate that does as it is told, and remembers what it was shown."""

    verdict: Verdict = ASKED
    after: Pass | Refuse = PASSED
    seen: list[Arrival] = field(default_factory=list)
    failed: list[tuple[str, bool]] = field(default_factory=list)
    is_open: bool = False

    def is_ignored(self, user_agent: str, flow: Flow) -> bool:
        return user_agent == "scanner"

    def judge(self, arrival: Arrival, now_ms: int) -> Verdict:
        self.seen.append(arrival)
        return self.verdict

    def logged_in(self, arrival: Arrival, asked: Ask, user: str, now_ms: int) -> Pass | Refuse:
        return self.after

    def login_failed(
        self, arrival: Arrival, asked: Ask, user: str, now_ms: int, *, is_proven: bool
    ) -> Refuse | None:
        self.failed.append((user, is_proven))
        return WRONG


def with_login(
    challenge: Response, credentials: Credentials = RIGHT, uri: str = "", header: str = ""
) -> bytes:
    """Return the INVITE again, with the same Call-ID and an answer to the challenge."""
    again = parse_datagram(from_text(invite_text(branch="z9hG4bKi2", cseq=2)))
    assert isinstance(again, Request)
    meant = again.uri
    again.uri = uri or meant
    answers = DigestClient(credentials).answer(again, challenge, "c0ffee")
    again.uri = meant
    for name, value in answers:
        again.headers.add(header or name, value)
    return encode(again)


def challenged(gate: Told) -> tuple[SipScript, Response]:
    script = SipScript(gate=gate)
    script.say(invite_text())
    challenge = script.response(gate.verdict.status if isinstance(gate.verdict, Ask) else 407)
    assert script.endpoint.load.transactions == 0
    script.say(inside_text("ACK", challenge, cseq=1, branch="z9hG4bKi1"))
    script.expect_no_report()
    return script, challenge


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("header", ["", "Authorization", "Proxy-Authorization"])
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "sip:+918000000042@192.0.2.10;transport=udp",
        "sip:918000000042@elsewhere.test",
        "sip:192.0.2.10",
        "sip:edge@192.0.2.10:5060",
    ],
)
def test_a_caller_that_logs_in_is_the_trunks(status: int, header: str, uri: str) -> None:
    """SIP-31, SIP-32, PN-6: LiveKit names the To URI, others their host or no plus."""
    asked = Ask(REALM, ASKED.look_up, "tr1", status)
    script, challenge = challenged(Told(asked))
    script.feed(Received(with_login(challenge, uri=uri, header=header), UDP))
    script.response(100)
    invited = script.report(Invited)
    assert (invited.trunk_sid, invited.shown_caller) == ("tr1", "+918000000042")


@pytest.mark.parametrize("uri", ["sip:+15550100@elsewhere.test", "urn:x", "sip:"])
def test_credentials_for_another_call_are_wrong_ones(uri: str) -> None:
    """SIP-32: what was overheard of one call opens no way to another number."""
    gate = Told()
    script, challenge = challenged(gate)
    script.feed(Received(with_login(challenge, uri=uri), UDP))
    script.response(403)
    assert gate.failed == [("ann", True)]


@pytest.mark.parametrize("credentials", [Credentials("ann", "guess"), Credentials("eve", "secret")])
def test_wrong_passwords_and_unknown_users_get_the_same_words(credentials: Credentials) -> None:
    """SIP-35, SIP-23: byte for byte, but for what the request itself says."""
    gate = Told()
    script, challenge = challenged(gate)
    script.feed(Received(with_login(challenge, credentials), UDP))
    refused = script.response(403)
    assert refused.headers.get("X-Exotel-ErrorCode") == "4001"
    assert [name for name, _ in refused.headers] == [
        "Via", "From", "To", "Call-ID", "CSeq", "Server", "X-Exotel-ErrorCode", "Content-Length"
    ]  # fmt: skip
    assert gate.failed == [(credentials.user, True)]
    assert script.endpoint.load.transactions == 0


def test_a_nonce_that_is_not_ours_proves_no_source() -> None:
    gate = Told()
    script, challenge = challenged(gate)
    forged = with_login(challenge, Credentials("ann", "guess"))
    nonce = forged.split(b'nonce="')[1].split(b'"')[0]
    script.feed(Received(forged.replace(nonce, b"1.1." + b"0" * 32), UDP))
    script.response(403)
    assert gate.failed == [("ann", False)]


def test_credentials_for_another_realm_get_the_challenge() -> None:
    script, challenge = challenged(Told())
    other = encode(challenge).replace(REALM.encode(), b"other.test")
    answer = parse_datagram(other)
    assert isinstance(answer, Response)
    script.feed(Received(with_login(answer), UDP))
    script.response(407)


def test_a_second_challenge_with_sha_256_is_there_only_where_it_is_wanted() -> None:
    """SIP-32: the MD5 one comes first, as many read no other."""
    both = Ask(REALM, ASKED.look_up, "tr1", 407, ("MD5", "SHA-256"))
    for asked, wanted in ((ASKED, ["MD5"]), (both, ["MD5", "SHA-256"])):
        _, challenge = challenged(Told(asked))
        values = challenge.headers.all("Proxy-Authenticate")
        assert [value.split("algorithm=")[1].split(",")[0] for value in values] == wanted


def test_what_a_message_shows_is_what_the_gate_sees() -> None:
    gate = Told(Pass())
    script = SipScript(gate=gate)
    script.say(
        invite_text(
            headers="User-Agent: LiveKit\nX-Exotel-AccountSid: acme\n"
            "P-Asserted-Identity: <sip:+918000000042@x.test>\n"
            'Proxy-Authorization: Digest username="ann", realm="r", nonce="", uri="", response=""'
        )
    )
    script.response(100)
    (seen,) = gate.seen
    assert (seen.method, seen.user_agent, seen.flow) == ("INVITE", "LiveKit", UDP)
    assert seen.request_uri == "sip:+918000000042@192.0.2.10"
    assert seen.from_uri == "sip:+912240000017@192.0.2.1"
    assert seen.logins == (Login("ann", "r"),)
    assert dict(seen.headers)["X-Exotel-AccountSid"] == "acme"


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "BYE", "FLY"])
def test_silence_is_silence_whatever_is_asked(method: str) -> None:
    """SIP-35."""
    for gate, headers in ((Told(Drop()), ""), (Told(Pass()), "User-Agent: scanner")):
        script = SipScript(gate=gate)
        text = invite_text(sdp=None, headers=headers).replace("INVITE", method)
        script.say(text)
        script.expect_nothing()
        script.expect_no_report()
        assert script.endpoint.counters["ignored"] == 1
        assert script.endpoint.load.transactions == 0


def test_a_refusal_has_its_headers_and_a_body_for_people() -> None:
    """PN-6: LiveKit shows the body of 400, 404, 480, 486 and 488."""
    refuse = Refuse(404, (("Reason", 'SIP;cause=404;text="flow-missing"'),), "No flow is bound.")
    script = SipScript(gate=Told(refuse))
    script.say(invite_text())
    refused = script.response(404)
    assert refused.headers.get("Reason") == 'SIP;cause=404;text="flow-missing"'
    assert refused.headers.get("Content-Type") == "text/plain;charset=utf-8"
    assert refused.body == b"No flow is bound."


@pytest.mark.parametrize(("status", "has_body"), [(404, True), (486, True), (503, False)])
def test_a_call_that_is_refused_later_has_the_reason_in_its_body(
    status: int, has_body: bool
) -> None:
    """PN-6."""
    script = SipScript()
    script.say(invite_text())
    script.response(100)
    script.do(Reject(script.ref, status, "nobody is here"))
    assert (script.response(status).body == b"nobody is here") is has_body


def test_who_has_logged_in_may_still_be_refused() -> None:
    gate = Told(after=Refuse(503, (("Retry-After", "5"),)))
    script, challenge = challenged(gate)
    script.feed(Received(with_login(challenge), UDP))
    assert script.response(503).headers.get("Retry-After") == "5"
    assert script.endpoint.load.transactions == 0


def test_unknown_users_and_wrong_passwords_take_the_same_time() -> None:
    """SIP-35: the fastest of many, taken in turn, so that a busy machine does not matter."""
    script, challenge = challenged(Told())
    messages = {
        user: Received(with_login(challenge, Credentials(user, "guess")), UDP)
        for user in ("ann", "eve")
    }
    fastest = dict.fromkeys(messages, 1.0)
    for _ in range(600):
        for user, message in messages.items():
            began = time.perf_counter()
            script.endpoint.receive(message, 0)
            fastest[user] = min(fastest[user], time.perf_counter() - began)
    assert abs(fastest["ann"] - fastest["eve"]) < 0.15 * fastest["ann"]


HERE = f"sip:{our_address('udp', '')[0]}:5060"


def sent_to_ourselves(named: str, target: str = HERE) -> tuple[SipScript, Request]:
    """Return an INVITE of ours with Replaces, at a gate that refuses everybody."""
    script = SipScript(gate=Told(Refuse(403)))
    headers = (("Replaces", named),)
    script.do(Place(SipCallRef("out"), Dial(target, "sip:a@b.example", OFFER, headers=headers)))
    return script, script.request("INVITE")


def test_our_own_invite_with_replaces_is_no_strangers() -> None:
    """RFC 5589 section 7: it passes the gate, and finds that there is no such dialog (RFC 3891)."""
    script, invite = sent_to_ourselves("x;to-tag=1;from-tag=2")
    script.say(invite)
    script.response(481)


@pytest.mark.parametrize(
    ("header", "old", "new"),
    [
        ("Via", "branch=", "branch=z9hG4bKother"),
        ("Call-ID", "", "other"),
        ("From", ";tag=", ";tag=other"),
        ("Replaces", "x;", "another;"),
    ],
)
def test_what_is_not_our_own_invite_to_the_letter_is_a_strangers(
    header: str, old: str, new: str
) -> None:
    script, invite = sent_to_ourselves("x;to-tag=1;from-tag=2")
    invite.headers.set(header, (invite.headers.get(header) or "").replace(old, new, 1))
    script.say(invite)
    script.response(403)


def test_an_invite_of_ours_that_a_peer_sends_back_is_the_peers() -> None:
    """It was not sent to ourselves, so who brings it is somebody else."""
    script, invite = sent_to_ourselves("x;to-tag=1;from-tag=2", "sip:bob@192.0.2.1")
    script.say(invite)
    script.response(403)


def test_our_own_invite_without_replaces_is_judged_as_any() -> None:
    script = SipScript(gate=Told(Refuse(403)))
    script.do(Place(SipCallRef("out"), Dial(HERE, "sip:a@b.example", OFFER)))
    script.say(script.request("INVITE"))
    script.response(403)
