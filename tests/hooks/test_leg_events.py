"""What is told of legs: numbered, in the words of the documents (EV-2 to EV-19, LD-9)."""

import json
from typing import Any

from agentstream.base.ids import AccountSid, CallSid, CountedTokens, LegSid
from agentstream.calls.events import CallStarted, Event, LegTold, Mishap
from agentstream.calls.record import CallSetup
from agentstream.hooks.leg_events import LegEvents
from agentstream.store.legs import LegEventRow, LegRow, LegWritten
from agentstream.switch.feed import Fact, Feed
from agentstream.switch.leg_style import LegStyle
from agentstream.switch.leg_view import LegTerms, LegViews
from agentstream.testing.manual_clock import ManualClock

MINE = AccountSid("GreenLeaf1")
CALL, LEG = CallSid("call1"), LegSid("leg1")
ENDPOINT = "https://u:pw@hooks.example.test/legs"


class Scene:
    """One steered leg, and what becomes of its events."""

    def __init__(self, endpoint: str = ENDPOINT, **style: Any) -> None:
        self.clock, self.feed = ManualClock(), Feed()
        self.written: list[LegWritten] = []
        self.told: list[LegEventRow] = []
        self.views = LegViews(lambda _: None)
        self.events = LegEvents(
            self.views.find,
            self.written.append,
            self.told.append,
            CountedTokens(),
            LegStyle(**style),
        )
        self.feed.subscribe(self.views.hear, LegViews.KINDS)
        self.feed.subscribe(self.events.hear, LegEvents.KINDS)
        terms = LegTerms(
            account_sid=MINE,
            contact_uri="02240000017",
            exophone="+918040000002",
            event_endpoint=endpoint,
            custom_param="order-5531",
        )
        self.views.expect(LEG, terms)
        setup = CallSetup(CALL, MINE, "outbound", "+912240000017", "+918040000002", self.at)
        self.happens(CallStarted(CALL, LEG, setup))

    @property
    def at(self) -> Any:
        return self.clock.wall()

    def happens(self, event: Event) -> None:
        self.feed.publish(Fact(CALL, MINE, self.clock.now_ms(), self.at, event))

    def tell(self, name: str, **fields: Any) -> dict[str, Any]:
        """Let something be told of the leg, 100 ms later; return it as it is sent."""
        self.clock.advance(100)
        self.happens(LegTold(CALL, LEG, name, **fields))
        rows = [row for row in self.written if isinstance(row, LegEventRow)]
        body = json.loads(rows[-1].body)
        assert isinstance(body, dict)
        return body


def test_a_life_is_told_in_order_with_a_snapshot_each_time_ev_1_ev_10_ev_19() -> None:
    scene = Scene()
    told = [
        scene.tell("leg_connecting"),
        scene.tell("leg_ringing"),
        scene.tell("leg_answered"),
        scene.tell("leg_terminated", data=(("terminal_status", "completed"), ("sip_code", 200))),
    ]
    assert [one["sequence"] for one in told] == [1, 2, 3, 4]
    assert [one["event_type"] for one in told] == ["leg_lifecycle_event"] * 4  # EV-2, EV-3
    states = ["created", "ringing", "in-progress", "terminal"]  # LG-52
    assert [one["data"]["state"] for one in told] == states
    assert len({one["event_sid"] for one in told}) == 4
    assert told[-1] == {
        "event_sid": f"{4:032x}",
        "event_type": "leg_lifecycle_event",
        "event_name": "leg_terminated",
        "event_timestamp": "2027-01-12T10:04:05.400Z",  # EV-13
        "action_sid": None,
        "action_custom_parameter": None,
        "event_data": {"data": {"terminal_status": "completed", "sip_code": 200}},  # EV-9
        "data": {
            "leg_sid": LEG,
            "account_sid": MINE,
            "contact_uri": "02240000017",
            "exophone": "+918040000002",
            "state": "terminal",
            "start_time": "2027-01-12T10:04:05.300Z",
            "end_time": "2027-01-12T10:04:05.400Z",
            "date_created": "2027-01-12T10:04:05.000Z",
            "date_updated": "2027-01-12T10:04:05.400Z",
            "custom_param": "order-5531",  # EV-18
            "direction": "outbound",
            "network_type": "pstn",
            "terminal_status": "completed",
            "bridge_sid": None,
        },
        "sequence": 4,
    }
    assert [row.sid for row in scene.told] == [one["event_sid"] for one in told]
    assert {row.endpoint for row in scene.told} == {ENDPOINT}
    legs = [row for row in scene.written if isinstance(row, LegRow)]
    assert [row.state for row in legs] == ["created", "terminal"]


def test_an_action_comes_back_in_its_events_ev_14_ev_15_ex_2() -> None:
    scene = Scene()
    told = scene.tell("say_started", action_sid="a1", custom="first-bot", verb_index=1)
    assert told["event_type"] == "leg_action_event"
    assert (told["action_sid"], told["action_custom_parameter"]) == ("a1", "first-bot")
    assert (told["verb_index"], told["event_data"]) == (1, {"data": {}})  # EV-16


def test_a_failure_says_why_in_three_words_ev_8() -> None:
    scene = Scene(flat_event_data=True)
    told = scene.tell(
        "stream_failed_to_start",
        action_sid="a1",
        data=(("http_status", 404),),
        error=Mishap(1002, "the bot answered 404"),
    )
    assert told["event_data"] == {
        "data": {"http_status": 404},
        "error": {
            "error_code": 1002,
            "message": "the bot answered 404",
            "description": "the bot answered 404",
        },
        "http_status": 404,  # EV-9, by setting
    }


def test_the_word_for_a_connected_leg_is_a_setting_lg_52_lc_9() -> None:
    scene = Scene(state_words="connected")
    assert scene.tell("leg_answered")["data"]["state"] == "connected"


def test_a_leg_without_an_address_is_told_on_sockets_only_ld_1_ld_9() -> None:
    scene = Scene("stream:")
    heard: list[LegEventRow] = []
    scene.tell("leg_connecting")
    leave = scene.events.listen(MINE, heard.append)
    scene.events.listen(AccountSid("other"), heard.append)
    scene.tell("leg_ringing")
    leave()
    scene.tell("leg_answered")
    rows = [row for row in scene.written if isinstance(row, LegEventRow)]
    assert [row.state for row in rows] == ["dropped", "delivered", "dropped"]
    assert rows[0].error == "nobody listened on the event socket"
    assert [row.name for row in heard] == ["leg_ringing"]
    assert not scene.told
    assert scene.events.listeners == 1


def test_who_listens_hears_also_what_is_sent_to_an_address_ld_9() -> None:
    scene = Scene()
    heard: list[LegEventRow] = []
    scene.events.listen(MINE, heard.append)
    scene.tell("leg_connecting")
    assert [row.sid for row in heard] == [row.sid for row in scene.told]


def test_legs_that_are_not_steered_tell_nothing() -> None:
    scene = Scene()
    scene.happens(LegTold(CALL, LegSid("another"), "leg_answered"))
    assert not scene.written
