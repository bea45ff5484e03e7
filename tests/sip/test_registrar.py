"""Phones that register with us, in virtual time: who may, for how long, and where each is then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip.bindings import Binding, Registrant, RegistrarPolicy
from agentstream.sip.commands import Place
from agentstream.sip.digest import DigestClient, to_stored
from agentstream.sip.flow import Flow
from agentstream.sip.gate import Arrival, Ask, OpenGate, Refuse
from agentstream.sip.message import Request, Response
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Credentials, Dial
from agentstream.sip.traffic import TransportFailed
from agentstream.sip.wire import parse_datagram
from agentstream.testing.scripted_sip import OFFER, REF, TCP, UDP, SipScript, from_text

DOMAIN = "acme7.example"
KEY = "trmum1"
SECRET = "hunter2"
ANN = Registrant(KEY, "ann", DOMAIN, to_stored("ann", DOMAIN, "hunter2"))
CONTACT = "<sip:ann@192.0.2.1:5060>"
PRIVATE = "<sip:ann@192.168.0.5:5060>"


def find(user: str, host: str) -> Registrant | None:
    return ANN if (user, host) == ("ann", DOMAIN) else None


def registrar(flow: Flow = UDP, **bounds: int) -> SipScript:
    policy = RegistrarPolicy(find, **bounds)  # type: ignore[arg-type]
    return SipScript(SipSettings(registrar=policy), flow)


class Phone:
    """One phone of a user."""

    def __init__(
        self, script: SipScript, secret: str = SECRET, user: str = "ann", call_id: str = "r1"
    ) -> None:
        self.script = script
        self.user = user
        self.call_id = call_id
        self.digest = DigestClient(Credentials(user, secret))
        self.cseq = 0

    def say(self, *headers: str, cseq: int = 0, flow: Flow | None = None) -> Response:
        """Send one REGISTER as it is; return the answer."""
        request = self.request(*headers, cseq=cseq)
        self.script.say(request, flow)
        return self.answer()

    def register(self, *headers: str, cseq: int = 0, flow: Flow | None = None) -> Response:
        """Register, with credentials once they are asked for; return the last answer."""
        request = self.request(*headers, cseq=cseq)
        self.script.say(request, flow)
        challenged = self.script.response(401)
        again = self.request(*headers, cseq=cseq)
        for name, value in self.digest.answer(again, challenged, "cn"):
            again.headers.add(name, value)
        self.script.say(again, flow)
        return self.answer()

    def request(self, *headers: str, cseq: int = 0) -> Request:
        self.cseq += 1
        lines = "\n".join(headers)
        message = parse_datagram(
            from_text(
                f"REGISTER sip:{DOMAIN} SIP/2.0\n"
                f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{self.call_id}{self.cseq};rport\n"
                f"From: <sip:{self.user}@{DOMAIN}>;tag=a\n"
                f"To: <sip:{self.user}@{DOMAIN}>\n"
                f"Call-ID: {self.call_id}\n"
                f"CSeq: {cseq or self.cseq} REGISTER\n"
                f"Max-Forwards: 70\n{lines}\n"
            )
        )
        assert isinstance(message, Request)
        return message

    def answer(self) -> Response:
        message, _ = self.script.sent.popleft()
        assert isinstance(message, Response)
        return message


def held(script: SipScript) -> tuple[Binding, ...]:
    return script.endpoint.bindings(KEY, script.now_ms)


def test_without_a_registrar_nobody_registers() -> None:
    """SIP-1, SIP-37: off by default."""
    script = SipScript()
    assert Phone(script).say(f"Contact: {CONTACT}").status == 405
    assert script.endpoint.bindings(KEY, 0) == ()


def test_a_phone_that_logs_in_is_bound_with_the_way_it_came_by() -> None:
    """RFC 3261 section 10.3; RFC 3327."""
    script = registrar()
    ok = Phone(script).register(
        f"Contact: {CONTACT}", "Expires: 600", "Path: <sip:edge.example;lr>", "Supported: path"
    )
    assert ok.status == 200
    assert ok.headers.get("Contact") == f"{CONTACT};expires=600"
    assert ok.headers.get("Path") == "<sip:edge.example;lr>"
    (binding,) = held(script)
    assert (binding.contact, binding.flow) == (CONTACT.strip("<>"), UDP)
    assert binding.path == ("<sip:edge.example;lr>",)
    script.wait(599_999)
    assert held(script)
    script.wait(1)
    assert held(script) == ()
    script.expect_empty()


@pytest.mark.parametrize(("user", "password"), [("ann", "hunter3"), ("eve", "hunter2")])
def test_a_wrong_password_and_an_unknown_user_look_the_same(user: str, password: str) -> None:
    """SIP-35."""
    script = registrar()
    refused = Phone(script, password, user).register(f"Contact: {CONTACT}")
    assert refused.status == 401
    assert f'realm="{DOMAIN}"' in (refused.headers.get("WWW-Authenticate") or "")
    assert held(script) == ()


class Striking(OpenGate):
    """A gate that keeps who has failed."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str, str, bool]] = []

    def login_failed(
        self, arrival: Arrival, asked: Ask, user: str, now_ms: int, *, is_proven: bool
    ) -> Refuse | None:
        self.failed.append((arrival.method, asked.trunk_sid, user, is_proven))
        return None


@pytest.mark.parametrize(("user", "key"), [("ann", KEY), ("eve", "")])
def test_a_wrong_login_of_a_phone_is_told_to_the_gate(user: str, key: str) -> None:
    """SIP-35: guesses are counted wherever they are made; a first REGISTER is none."""
    gate = Striking()
    script = SipScript(SipSettings(registrar=RegistrarPolicy(find)), gate=gate)
    assert Phone(script, "guess", user).register(f"Contact: {CONTACT}").status == 401
    assert gate.failed == [("REGISTER", key, user, True)]
    assert Phone(script, call_id="r2").register(f"Contact: {CONTACT}").status == 200
    assert len(gate.failed) == 1


@pytest.mark.parametrize(
    ("asked", "contact", "flow", "granted"),
    [
        ("Expires: 60", CONTACT, UDP, 60),
        ("Expires: 999999", CONTACT, UDP, 3_600),
        ("X-No: 1", CONTACT, UDP, 3_600),
        ("Expires: 600", f"{CONTACT};expires=120", UDP, 120),
        ("Expires: 600", PRIVATE, UDP, 60),  # its NAT forgets
        ("Expires: 600", PRIVATE, TCP, 600),
    ],
)
def test_the_time_that_is_granted(asked: str, contact: str, flow: Flow, granted: int) -> None:
    script = registrar(flow)
    ok = Phone(script).register(f"Contact: {contact}", asked)
    assert ok.contacts[0].params["expires"] == str(granted)


def test_too_short_a_time_is_423_with_the_least_and_changes_nothing() -> None:
    """RFC 3261 section 10.3 step 7."""
    script = registrar()
    refused = Phone(script).register(f"Contact: {CONTACT}", "Expires: 59")
    assert (refused.status, refused.headers.get("Min-Expires")) == (423, "60")
    assert held(script) == ()


def test_a_phone_that_registers_again_keeps_one_binding() -> None:
    script = registrar()
    phone = Phone(script)
    for port in (5060, 5062):
        instance = '+sip.instance="<urn:uuid:1>"'
        phone.register(f"Contact: <sip:ann@198.51.100.7:{port}>;{instance}")
    assert [one.contact for one in held(script)] == ["sip:ann@198.51.100.7:5062"]


def test_two_phones_with_the_same_private_address_are_two() -> None:
    script = registrar()
    for number, host in enumerate(("198.51.100.1", "198.51.100.2")):
        flow = Flow("udp", UDP.local_host, 5060, host, 1024)
        Phone(script, call_id=f"r{number}").register(f"Contact: {PRIVATE}", flow=flow)
    assert {one.flow.remote_host for one in held(script)} == {"198.51.100.1", "198.51.100.2"}


def test_a_phone_takes_its_binding_back_alone_or_all_of_them() -> None:
    """RFC 3261 section 10.2.2."""
    script = registrar()
    phone = Phone(script)
    other = "<sip:ann@198.51.100.8:5060>"
    assert len(phone.register(f"Contact: {CONTACT}, {other}").contacts) == 2
    assert len(phone.register(f"Contact: {other};expires=0").contacts) == 1
    assert len(phone.register().contacts) == 1  # it only asks
    ok = phone.register("Contact: *", "Expires: 0")
    assert (ok.status, "Contact" in ok.headers, held(script)) == (200, False, ())


@pytest.mark.parametrize("headers", [("Contact: *",), ("Contact: *", "Expires: 60")])
def test_a_star_with_a_time_is_400(headers: tuple[str, ...]) -> None:
    assert Phone(registrar()).register(*headers).status == 400


def test_an_old_register_that_comes_late_changes_nothing() -> None:
    """RFC 3261 section 10.3 step 7."""
    script = registrar()
    phone = Phone(script)
    phone.register(f"Contact: {CONTACT}", cseq=9)
    assert phone.register(f"Contact: {CONTACT};expires=0", cseq=8).status == 500
    assert held(script)


def test_a_repeated_register_gets_the_same_answer() -> None:
    """RFC 3261 section 17.2.2: its nonce was spent by the first."""
    script = registrar()
    phone = Phone(script)
    first = phone.request(f"Contact: {CONTACT}")
    script.say(first)
    again = phone.request(f"Contact: {CONTACT}")
    for name, value in phone.digest.answer(again, script.response(401), "cn"):
        again.headers.add(name, value)
    for _ in range(2):
        script.say(again)
        script.expect(200)


def test_bindings_have_a_bound_for_each_and_for_all() -> None:
    script = registrar(bindings_each=2)
    phone = Phone(script)
    contacts = [f"<sip:ann@198.51.100.{n}:5060>" for n in (1, 2, 3)]
    assert phone.register("Contact: " + ", ".join(contacts)).status == 403
    assert held(script) == ()
    script = registrar(bindings=1)
    phone = Phone(script)
    assert phone.register(f"Contact: {contacts[0]}").status == 200
    assert phone.register(f"Contact: {contacts[1]}").status == 403
    assert phone.register(f"Contact: {contacts[0]}").status == 200


def test_those_whose_time_is_over_make_room() -> None:
    bob = Registrant("trmum2", "bob", DOMAIN, to_stored("bob", DOMAIN, SECRET))
    users = {"ann": ANN, "bob": bob}
    policy = RegistrarPolicy(lambda user, _: users.get(user), bindings=1)
    script = SipScript(SipSettings(registrar=policy))
    assert Phone(script).register(f"Contact: {CONTACT}", "Expires: 60").status == 200
    phone = Phone(script, user="bob", call_id="r2")
    assert phone.register(f"Contact: {CONTACT}").status == 403
    script.wait(60_000)
    assert phone.register(f"Contact: {CONTACT}").status == 200


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(("Contact", "Expires", "Path", "Supported")),
            st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
            | st.sampled_from((CONTACT, "*", "<tel:+1>", "-1", "0", f"{PRIVATE};expires=70")),
        ),
        max_size=4,
    )
)
def test_whatever_a_phone_says_it_is_answered_once(headers: list[tuple[str, str]]) -> None:
    script = registrar()
    phone = Phone(script)
    first = phone.request(f"Contact: {CONTACT}")
    script.say(first)
    again = phone.request()
    for name, value in headers:
        again.headers.add(name, value)
    for name, value in phone.digest.answer(again, script.response(401), "cn"):
        again.headers.add(name, value)
    script.say(again)
    assert len(script.sent) <= 1  # what cannot even be read may go unanswered
    assert len(held(script)) <= 10


def test_what_is_required_and_unknown_is_refused() -> None:
    refused = Phone(registrar()).say(f"Contact: {CONTACT}", "Require: path, gruu")
    assert (refused.status, refused.headers.get("Unsupported")) == (420, "gruu")


def test_a_connection_that_is_gone_takes_its_bindings_along() -> None:
    script = registrar(TCP)
    Phone(script).register(f"Contact: {PRIVATE}")
    assert held(script)
    script.feed(TransportFailed(TCP, "reset"))
    assert held(script) == ()


def test_a_phone_is_called_by_the_way_it_came_by() -> None:
    """SIP-37: behind a NAT its Contact leads nowhere."""
    script = registrar()
    flow = Flow("udp", UDP.local_host, 5060, "198.51.100.9", 40_123)
    Phone(script).register(f"Contact: {PRIVATE}", "Path: <sip:edge.example;lr>", flow=flow)
    (binding,) = held(script)
    dial = Dial(binding.contact, "sip:a@b.example", OFFER, routes=binding.path, flow=binding.flow)
    script.do(Place(REF, dial))
    _, send = script.sent[0]
    invite = script.request("INVITE")
    assert send.to == flow
    assert invite.uri == PRIVATE.strip("<>")
    assert invite.headers.get("Route") == "<sip:edge.example;lr>"
