"""Every timer of RFC 3261 and 6026, in virtual time."""

import pytest

from agentstream.sip.client_transaction import (
    ClientState,
    ClientTransaction,
    Passed,
    TimedOut,
    Transmit,
    ack_of_refusal,
    cancel_of,
)
from agentstream.sip.flow import Flow
from agentstream.sip.message import Request, Response, respond
from agentstream.sip.server_transaction import (
    Repeat,
    Say,
    ServerState,
    ServerTransaction,
    Unacknowledged,
    server_key,
)
from agentstream.sip.timers import Timers
from agentstream.sip.wire import encode, parse_datagram

UDP = Flow("udp", "192.0.2.10", 5060, "192.0.2.1", 5060)
TCP = Flow("tcp", "192.0.2.10", 5060, "192.0.2.1", 5060, 7)
TIMERS = Timers()


def request(method: str, branch: str = "z9hG4bKabc") -> Request:
    message = parse_datagram(
        (
            f"{method} sip:bob@192.0.2.1 SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 192.0.2.10:5060;branch={branch}\r\n"
            "Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.10>;tag=a\r\nTo: <sip:bob@192.0.2.1>\r\n"
            f"Call-ID: c1\r\nCSeq: 7 {method}\r\nRoute: <sip:192.0.2.1;lr>\r\n\r\n"
        ).encode()
    )
    assert isinstance(message, Request)
    return message


def answer(method: str, status: int, tag: str = "b") -> Response:
    return respond(request(method), status, to_tag=tag)


class Clock:
    """Wakes one transaction exactly when it asks, and notes when something was sent."""

    def __init__(self, machine: ClientTransaction | ServerTransaction) -> None:
        self.machine = machine
        self.sent_ms: list[int] = []
        self.other: list[tuple[int, object]] = []

    def note(self, outputs: object, now_ms: int) -> None:
        for output in outputs:  # type: ignore[attr-defined]  # either list of outputs
            if isinstance(output, Transmit | Repeat):
                self.sent_ms.append(now_ms)
            else:
                self.other.append((now_ms, output))

    def run(self, until_ms: int = 10**9) -> int:
        now_ms = 0
        while (at_ms := self.machine.wake_at_ms) is not None and at_ms <= until_ms:
            now_ms = at_ms
            self.note(self.machine.wake(now_ms), now_ms)
        return now_ms


def client(
    method: str, flow: Flow = UDP, timers: Timers = TIMERS
) -> tuple[ClientTransaction, Clock]:
    transaction = ClientTransaction(request(method), flow, timers)
    clock = Clock(transaction)
    clock.note(transaction.start(0), 0)
    return transaction, clock


def test_timer_a_doubles_without_end_and_timer_b_gives_up_after_64_t1() -> None:
    transaction, clock = client("INVITE")
    clock.run()
    assert clock.sent_ms == [0, 500, 1500, 3500, 7500, 15500, 31500]
    assert clock.other == [(32_000, TimedOut())]
    assert transaction.is_over


def test_timer_e_doubles_up_to_t2_and_timer_f_gives_up() -> None:
    transaction, clock = client("BYE")
    clock.run()
    assert clock.sent_ms[:6] == [0, 500, 1500, 3500, 7500, 11500]
    assert clock.sent_ms[-1] == 31_500
    assert clock.other == [(32_000, TimedOut())]
    assert transaction.is_over


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_on_a_reliable_transport_nothing_is_repeated(method: str) -> None:
    _, clock = client(method, TCP)
    clock.run()
    assert clock.sent_ms == [0]
    assert clock.other == [(32_000, TimedOut())]


def test_t1_and_t2_can_be_set() -> None:
    _, clock = client("BYE", timers=Timers(t1_ms=100, t2_ms=200))
    clock.run()
    assert clock.sent_ms[:4] == [0, 100, 300, 500]
    assert clock.other == [(6_400, TimedOut())]


def test_a_provisional_answer_stops_timers_a_and_b() -> None:
    transaction, clock = client("INVITE")
    clock.note(transaction.receive(answer("INVITE", 180), 100), 100)
    assert transaction.wake_at_ms is None
    assert transaction.state is ClientState.PROCEEDING


def test_a_provisional_answer_to_a_non_invite_slows_timer_e_to_t2() -> None:
    transaction, clock = client("BYE")
    transaction.receive(answer("BYE", 100), 100)
    clock.run(10_000)
    assert clock.sent_ms == [0, 500, 4500, 8500]


def test_a_refusal_is_acknowledged_in_the_transaction_each_time_until_timer_d() -> None:
    transaction, clock = client("INVITE")
    refusal = answer("INVITE", 486)
    first = transaction.receive(refusal, 100)
    assert isinstance(first[0], Transmit)
    assert first[0].data.startswith(b"ACK sip:bob@192.0.2.1 SIP/2.0\r\n")
    assert first[1] == Passed(refusal)
    assert transaction.receive(refusal, 600) == [first[0]]
    assert transaction.receive(answer("INVITE", 200), 700) == []
    assert clock.run() == 32_100
    assert transaction.is_over


def test_timer_d_is_nothing_on_a_reliable_transport() -> None:
    transaction, _ = client("INVITE", TCP)
    transaction.receive(answer("INVITE", 486), 100)
    assert transaction.is_over


def test_every_2xx_is_passed_up_until_timer_m() -> None:
    transaction, clock = client("INVITE")
    first, fork = answer("INVITE", 200, "b"), answer("INVITE", 200, "c")
    assert transaction.receive(first, 100) == [Passed(first)]
    assert transaction.receive(first, 600) == [Passed(first)]
    assert transaction.receive(fork, 700) == [Passed(fork)]
    assert transaction.receive(answer("INVITE", 180), 800) == []
    assert clock.run() == 32_100
    assert transaction.is_over


@pytest.mark.parametrize(("flow", "over_ms"), [(UDP, 5_100), (TCP, None)])
def test_timer_k_absorbs_repeated_answers_to_a_non_invite(flow: Flow, over_ms: int | None) -> None:
    transaction, _ = client("BYE", flow)
    done = answer("BYE", 200)
    assert transaction.receive(done, 100) == [Passed(done)]
    assert transaction.receive(done, 200) == []
    assert transaction.wake_at_ms == over_ms
    assert transaction.is_over is (over_ms is None)


def test_after_a_cancel_the_wait_for_the_final_answer_is_bounded() -> None:
    transaction, clock = client("INVITE")
    transaction.receive(answer("INVITE", 180), 100)
    transaction.limit(33_000)
    transaction.receive(answer("INVITE", 180), 200)
    clock.run()
    assert clock.other == [(33_000, TimedOut())]


def test_the_ack_to_a_refusal_and_the_cancel_name_the_same_hop() -> None:
    invite = request("INVITE")
    ack = ack_of_refusal(invite, answer("INVITE", 486))
    cancel = cancel_of(invite)
    for made in (ack, cancel):
        assert made.headers.get("Via") == invite.headers.get("Via")
        assert made.headers.get("Route") == "<sip:192.0.2.1;lr>"
        assert made.cseq.number == 7
        assert made.uri == invite.uri
    assert ack.to_tag == "b"
    assert cancel.to_tag == ""


def server(method: str, flow: Flow = UDP) -> tuple[ServerTransaction, Clock]:
    message = request(method)
    transaction = ServerTransaction(message, server_key(message), flow, TIMERS, 0)
    return transaction, Clock(transaction)


def say(status: int) -> Say:
    return Say(status, b"SIP/2.0 %d" % status)


def test_a_repeated_invite_hears_the_last_provisional_answer_again() -> None:
    transaction, _ = server("INVITE")
    assert transaction.receive(request("INVITE"), 10) == []
    transaction.receive(say(180), 20)
    assert transaction.receive(request("INVITE"), 500) == [Repeat(b"SIP/2.0 180")]
    assert transaction.wake_at_ms is None


def test_timer_g_repeats_a_refusal_and_timer_h_gives_up() -> None:
    transaction, clock = server("INVITE")
    clock.note(transaction.receive(say(486), 0), 0)
    clock.run()
    assert clock.sent_ms[:6] == [0, 500, 1500, 3500, 7500, 11500]
    assert clock.other == [(32_000, Unacknowledged())]
    assert transaction.is_over


def test_an_ack_stops_timer_g_and_timer_i_absorbs_more_of_them() -> None:
    transaction, clock = server("INVITE")
    transaction.receive(say(486), 0)
    assert transaction.receive(request("ACK"), 300) == []
    assert transaction.receive(request("ACK"), 400) == []
    assert transaction.state is ServerState.CONFIRMED
    assert transaction.receive(request("INVITE"), 500) == []
    assert clock.run() == 5_300
    assert clock.sent_ms == []
    assert transaction.is_over


def test_on_a_reliable_transport_g_does_not_run_and_i_is_nothing() -> None:
    transaction, clock = server("INVITE", TCP)
    transaction.receive(say(486), 0)
    clock.run(31_999)
    assert clock.sent_ms == []
    transaction.receive(request("ACK"), 300)
    assert transaction.is_over


def test_after_a_2xx_repeated_invites_are_absorbed_until_timer_l() -> None:
    transaction, clock = server("INVITE")
    assert transaction.receive(say(200), 0) == [Repeat(b"SIP/2.0 200")]
    assert transaction.receive(request("INVITE"), 500) == []
    assert transaction.receive(say(200), 500) == [Repeat(b"SIP/2.0 200")]
    assert transaction.receive(say(486), 600) == []
    assert clock.run() == 32_000
    assert transaction.is_over


@pytest.mark.parametrize(("flow", "over_ms"), [(UDP, 32_100), (TCP, None)])
def test_timer_j_absorbs_a_repeated_non_invite(flow: Flow, over_ms: int | None) -> None:
    transaction, _ = server("BYE", flow)
    assert transaction.receive(request("BYE"), 50) == []
    transaction.receive(say(200), 100)
    if over_ms is not None:
        assert transaction.receive(request("BYE"), 200) == [Repeat(b"SIP/2.0 200")]
    assert transaction.wake_at_ms == over_ms
    assert transaction.is_over is (over_ms is None)


def test_a_non_invite_that_nobody_answers_is_forgotten_without_a_408() -> None:
    """RFC 4320 section 4.2."""
    transaction, clock = server("INFO")
    clock.run()
    assert clock.sent_ms == []
    assert clock.other == []
    assert transaction.is_over


def test_ack_and_cancel_are_found_by_the_key_of_their_invite() -> None:
    assert server_key(request("INVITE")) == server_key(request("ACK"))
    assert server_key(request("INVITE")) == server_key(request("CANCEL"))
    assert server_key(request("INVITE")) != server_key(request("BYE"))
    assert server_key(request("INVITE")) != server_key(request("INVITE", "z9hG4bKabd"))


def test_an_rfc_2543_peer_without_the_cookie_is_matched_by_what_it_repeats() -> None:
    assert server_key(request("INVITE", "1")) == server_key(request("ACK", "1"))
    assert server_key(request("INVITE", "1")) != server_key(request("INVITE", "2"))


def test_the_request_is_sent_as_it_was_encoded() -> None:
    transaction = ClientTransaction(request("INVITE"), UDP, TIMERS)
    assert transaction.start(0) == [Transmit(encode(request("INVITE")))]
