"""Requests and letters: asked as often as is allowed, fair to every account, bounded, drained."""

import asyncio
from pathlib import Path

import pytest

from agentstream import _media
from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import AccountSid, RequestId
from agentstream.calls import effects
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Fetch, HangUp, HttpRequest, Mail, SendMail
from agentstream.calls.events import RequestFinished
from agentstream.calls.reports import Fetched
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.net.egress import EgressError
from agentstream.net.mailer import MailError, MailRefusedError
from agentstream.switch.courier import BACKOFF_LIMIT_MS, Courier, CourierLimits, Errand
from agentstream.switch.feed import ErrandDone
from agentstream.switch.ports import WebAnswer
from agentstream.testing.board import NUMBER, Board, FakePostman, FakeWeb, Page, open_board
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
ASK = RequestId("ask")
URL = "https://hooks.example/after"
BLUE, GREEN = AccountSid("blue"), AccountSid("green")
SOON = CourierLimits(backoff_ms=1)
LETTER = Mail(("ann@example.org",), "Voicemail", "You have one.")


class Desk:
    """A courier between a fake web and a fake postman, and what it told."""

    def __init__(self, limits: CourierLimits = SOON) -> None:
        self.web = FakeWeb(Page(200, {"content-type": "text/plain"}, b"yes"))
        self.postman = FakePostman()
        self.courier = Courier(self.web, self.postman, limits)
        self.posted: list[Fetched] = []
        self.done: list[ErrandDone] = []

    def send(
        self, sid: str, account: AccountSid = BLUE, request: HttpRequest | None = None
    ) -> None:
        order = effects.SendRequest(RequestId(sid), request or HttpRequest(URL), "event", True)
        self.courier.take(Errand(account, order, (), self.posted.append, self.done.append))

    def mail(self, sid: str) -> None:
        order = effects.DeliverMail(RequestId(sid), LETTER)
        self.courier.take(Errand(BLUE, order, (), self.posted.append, self.done.append))

    async def all_done(self, count: int) -> None:
        await until(lambda: len(self.done) >= count)
        await until(lambda: self.courier.running == self.courier.waiting == 0)

    async def fetch(self, retries: int = 0) -> Fetched:
        return await self.courier.fetch(ASK, HttpRequest(URL, retries=retries), ("a.example",))


# Somebody waits


async def test_an_answer_is_brought_as_it_is() -> None:
    desk = Desk()
    fetched = await desk.fetch()
    assert (fetched.status, fetched.content_type, fetched.body) == (200, "text/plain", b"yes")
    assert (fetched.attempts, fetched.error) == (1, "")
    assert fetched.elapsed_ms >= 0


@pytest.mark.parametrize("status", [302, 404, 499])
async def test_a_server_that_has_answered_is_not_asked_again_pt_3(status: int) -> None:
    desk = Desk()
    desk.web.answers.append(Page(status))
    fetched = await desk.fetch(retries=2)
    assert (fetched.status, fetched.attempts) == (status, 1)


async def test_no_answer_and_a_5xx_are_tried_again_pt_6() -> None:
    desk = Desk()
    desk.web.answers.extend([AgentStreamError("refused"), Page(503), Page(200)])
    fetched = await desk.fetch(retries=2)
    assert (fetched.status, fetched.attempts, fetched.error) == (200, 3, "")
    assert desk.web.message_ids == [ASK] * 3  # one message, however often it is sent (OP-4)


async def test_the_last_attempt_is_what_is_told() -> None:
    desk = Desk()
    desk.web.answers.extend([Page(500), AgentStreamError("refused")])
    fetched = await desk.fetch(retries=1)
    assert (fetched.status, fetched.attempts, fetched.error) == (0, 2, "refused")
    desk.web.answers.extend([AgentStreamError("refused"), Page(502)])
    fetched = await desk.fetch(retries=1)
    assert (fetched.status, fetched.attempts, fetched.error) == (502, 2, "")


async def test_without_retries_a_server_is_asked_once() -> None:
    desk = Desk()
    desk.web.answers.append(Page(500))
    assert (await desk.fetch()).attempts == 1


async def test_what_our_own_rules_forbid_is_not_tried_again() -> None:
    desk = Desk()
    desk.web.answers.append(EgressError("not a URL"))
    fetched = await desk.fetch(retries=5)
    assert (fetched.status, fetched.attempts, fetched.error) == (0, 1, "not a URL")


async def test_attempts_rest_longer_and_longer_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(CourierLimits(backoff_ms=500))
    rested: list[float] = []

    async def rest(seconds: float) -> None:
        rested.append(seconds)

    monkeypatch.setattr("agentstream.switch.courier.asyncio.sleep", rest)
    desk.web.answers.extend([Page(500)] * 8)
    await desk.fetch(retries=7)
    assert rested == [0.5, 1, 2, 4, 8, BACKOFF_LIMIT_MS / 1000, BACKOFF_LIMIT_MS / 1000]


# Nobody waits


async def test_an_errand_is_carried_out_and_told_of() -> None:
    desk = Desk()
    desk.send("one")
    await desk.all_done(1)
    (done,) = desk.done
    assert (done.request_id, done.purpose, done.status, done.attempts) == ("one", "event", 200, 1)
    assert [fetched.request_id for fetched in desk.posted] == ["one"]
    assert (desk.courier.counts.sent, desk.courier.counts.failed) == (1, 0)


async def test_an_errand_that_fails_says_why() -> None:
    desk = Desk()
    desk.web.page = None
    desk.send("one", request=HttpRequest(URL, retries=1))
    await desk.all_done(1)
    assert (desk.done[0].attempts, desk.done[0].error) == (2, "nothing listens there")
    desk.web.page = Page(500)
    desk.send("two")
    await desk.all_done(2)
    assert desk.done[1].status == 500
    assert (desk.courier.counts.sent, desk.courier.counts.failed) == (0, 2)


async def test_a_letter_is_delivered() -> None:
    desk = Desk()
    desk.mail("one")
    await desk.all_done(1)
    assert desk.postman.letters == [LETTER]
    assert (desk.done[0].purpose, desk.done[0].status, desk.done[0].error) == ("email", 250, "")
    assert not desk.posted  # the call hears no more of a letter


async def test_a_letter_is_tried_three_times_unless_the_no_is_final() -> None:
    desk = Desk()
    desk.postman.troubles.extend([MailError("busy"), MailError("busy")])
    desk.mail("one")
    await desk.all_done(1)
    assert (desk.done[0].attempts, desk.done[0].status) == (3, 250)
    desk.postman.troubles.extend([MailError("busy")] * 3)
    desk.mail("two")
    await desk.all_done(2)
    assert (desk.done[1].attempts, desk.done[1].status, desk.done[1].error) == (3, 0, "busy")
    desk.postman.troubles.append(MailRefusedError("no such mailbox"))
    desk.mail("three")
    await desk.all_done(3)
    assert (desk.done[2].attempts, desk.done[2].error) == (1, "no such mailbox")


class Broken(FakeWeb):
    """A web with a bug."""

    async def send(
        self, question: HttpRequest, *, allow: tuple[str, ...], message_id: str
    ) -> WebAnswer:
        if question.query:
            raise RuntimeError("a bug")
        return await super().send(question, allow=allow, message_id=message_id)


async def test_a_bug_costs_one_errand_and_no_other() -> None:
    desk = Desk()
    desk.courier = Courier(Broken(Page(200)), desk.postman, SOON)
    desk.send("one", request=HttpRequest(URL, query=(("a", "b"),)))
    desk.send("two")
    await desk.all_done(2)
    results = {done.request_id: (done.status, done.error) for done in desk.done}
    assert results == {"one": (0, "a fault in the server"), "two": (200, "")}


# Bounds


async def test_accounts_take_turns_and_none_takes_every_place() -> None:
    desk = Desk(CourierLimits(at_once=3, at_once_per_account=2))
    desk.web.holds = asyncio.Event()
    for number in range(4):
        desk.send(f"blue-{number}")
    desk.send("green-0", GREEN)
    desk.send("green-1", GREEN)
    await until(lambda: len(desk.web.sent) == 3)
    assert (desk.courier.running, desk.courier.waiting) == (3, 3)
    desk.web.holds.set()
    await desk.all_done(6)
    order: list[str] = [done.request_id for done in desk.done]
    assert set(order[:3]) == {"blue-0", "blue-1", "green-0"}
    assert order.index("green-1") < order.index("blue-3")


@pytest.mark.parametrize(
    "limits",
    [
        CourierLimits(waiting=2, at_once=1),
        CourierLimits(waiting_per_account=2, at_once=1),
        CourierLimits(waiting_bytes=2 * len(URL), at_once=1),
    ],
)
async def test_what_is_too_much_is_refused_and_counted(limits: CourierLimits) -> None:
    desk = Desk(limits)
    desk.web.holds = asyncio.Event()
    for number in range(4):
        desk.send(str(number))
    assert [(done.request_id, done.error) for done in desk.done] == [
        ("3", "too many requests wait")
    ]
    assert desk.posted[0].status == 0
    assert desk.courier.counts.refused == 1
    desk.web.holds.set()
    await desk.all_done(4)
    desk.send("more")
    await desk.all_done(5)
    assert desk.done[-1].status == 200


async def test_one_accounts_flood_leaves_room_for_the_others() -> None:
    desk = Desk(CourierLimits(waiting=10, waiting_per_account=2, at_once=1))
    desk.web.holds = asyncio.Event()
    for number in range(9):
        desk.send(f"blue-{number}")
    desk.send("green", GREEN)
    assert desk.courier.counts.refused == 6
    desk.web.holds.set()
    await desk.all_done(10)
    assert [done.status for done in desk.done if done.request_id == "green"] == [200]


# The end of the house


async def test_a_drain_finishes_what_is_there() -> None:
    desk = Desk(CourierLimits(at_once=1))
    for number in range(5):
        desk.send(str(number))
    await desk.courier.drain(5_000)
    assert [done.status for done in desk.done] == [200] * 5
    desk.send("late")
    assert desk.done[-1].error == "the server is about to stop"
    assert desk.courier.counts.refused == 1


async def test_a_drain_gives_up_at_its_deadline_and_says_so() -> None:
    desk = Desk(CourierLimits(at_once=1))
    desk.web.holds = asyncio.Event()
    for number in range(3):
        desk.send(str(number))
    await until(lambda: desk.web.sent)
    await desk.courier.drain(10)
    assert len(desk.done) == 3
    assert {done.error for done in desk.done} == {"the server has stopped"}
    assert (desk.courier.running, desk.courier.waiting, desk.courier.counts.failed) == (0, 0, 3)


async def test_a_drain_of_nothing_is_over_at_once() -> None:
    await Desk().courier.drain(5_000)


# In a call


async def a_call(board: Board) -> str:
    board.signaling.invite(NUMBER, offer=OFFER)
    return await board.stream()


async def end(board: Board, sid: str) -> None:
    await board.ask(HangUp(Cause.NORMAL, Party.OPERATOR))
    stats = _media.StreamStats()
    board.media.feed(_media.StreamClosed(board.leg.leg_sid, 0, sid, 1000, "", "us", 0, stats))
    await board.record()


async def test_a_call_asks_and_is_told(board: Board) -> None:
    sid = await a_call(board)
    board.web.page = Page(302)
    request = HttpRequest(URL, query=(("CallSid", "1"),))
    await board.ask(Fetch(ASK, request, "passthru"))
    await until(lambda: board.saw("RequestFinished"))
    (finished,) = board.saw("RequestFinished")
    assert isinstance(finished, RequestFinished)
    assert (finished.status, finished.purpose) == (302, "passthru")
    assert board.web.sent == [request]
    await end(board, sid)


async def test_a_request_in_the_background_outlives_its_call(board: Board) -> None:
    sid = await a_call(board)
    board.web.page, board.web.holds = Page(200), asyncio.Event()
    await board.ask(
        Fetch(ASK, HttpRequest(URL), "event", in_background=True),
        SendMail(RequestId("mail"), LETTER),
    )
    await until(lambda: board.web.sent)
    await end(board, sid)
    assert not board.saw("RequestFinished")
    board.web.holds.set()
    await until(lambda: len(board.saw("ErrandDone")) == 2)
    assert board.postman.letters == [LETTER]


async def test_an_answer_in_the_background_is_told_while_the_call_lives(board: Board) -> None:
    sid = await a_call(board)
    board.web.page = Page(204)
    await board.ask(Fetch(ASK, HttpRequest(URL), "event", in_background=True))
    await until(lambda: board.saw("RequestFinished"))
    assert board.saw("ErrandDone")
    await end(board, sid)


async def test_a_call_that_breaks_off_waits_for_no_answer(tmp_path: Path) -> None:
    async with open_board(tmp_path) as board:
        await a_call(board)
        board.web.holds = asyncio.Event()
        await board.ask(Fetch(ASK, HttpRequest(URL), "passthru"))
        await until(lambda: board.web.sent)
        await board.switchboard.drain(timeout_ms=0, grace_ms=50)
        assert board.switchboard.live_calls == 0
        (finished,) = board.saw("RequestFinished")
        assert isinstance(finished, RequestFinished)
        assert finished.status == 0
