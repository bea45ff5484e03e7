"""Legs as their events leave them (LG-50 to LG-55)."""

from dataclasses import replace
from typing import Any

import pytest

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import CallEnded, CallStarted, Event, LegDialled, LegTold
from agentstream.calls.record import CallRecord, CallSetup
from agentstream.switch import leg_view
from agentstream.switch.feed import Fact
from agentstream.switch.leg_view import LegTerms, LegView, LegViews
from agentstream.testing.manual_clock import ManualClock

MINE = AccountSid("GreenLeaf1")
CALL, LEG = CallSid("call1"), LegSid("leg1")
TERMS = LegTerms(
    account_sid=MINE, contact_uri="1", exophone="2", event_endpoint="https://u:pw@h.test/"
)


class Scene:
    """Views, and facts for them."""

    def __init__(self, inbound: LegTerms | None = None) -> None:
        self.clock = ManualClock()
        self.views = LegViews(lambda _: inbound)

    def happens(self, event: Event) -> None:
        self.clock.advance(10)
        at = self.clock.wall()
        self.views.hear(Fact(event.call_sid, MINE, self.clock.now_ms(), at, event))

    def setup(self, direction: Any = "outbound") -> CallSetup:
        return CallSetup(CALL, MINE, direction, "1", "2", self.clock.wall())

    def begin(self) -> None:
        self.views.expect(LEG, TERMS)
        self.happens(CallStarted(CALL, LEG, self.setup()))

    def tell(self, name: str, *data: tuple[str, Any], leg_sid: LegSid = LEG) -> LegView:
        self.happens(LegTold(CALL, leg_sid, name, data=data))
        view = self.views.find(leg_sid)
        assert view is not None
        return view

    def end(self) -> None:
        setup = self.setup()
        record = CallRecord(
            setup,
            "failed",
            Cause.FAILED,
            Party.SYSTEM,
            "",
            None,
            None,
            0,
            0,
            None,
            None,
            setup.started_at,
            0,
            0,
            0,
            0,
            0,
        )
        self.happens(CallEnded(CALL, record))


def test_a_leg_is_there_from_its_calls_first_moment_until_after_its_end_lg_50() -> None:
    scene = Scene()
    scene.begin()
    begun = scene.views.find(LEG)
    assert begun is not None
    assert (begun.state, begun.terms, begun.direction) == ("created", TERMS, "outbound")
    assert scene.tell("leg_ringing").state == "ringing"
    answered = scene.tell("leg_answered")
    assert (answered.state, answered.answered_at) == ("connected", scene.clock.wall())
    over = scene.tell("leg_terminated", ("terminal_status", "completed"))
    assert (over.state, over.terminal_status) == ("terminal", "completed")
    assert over.ended_at == scene.clock.wall()
    scene.end()
    assert scene.views.find(LEG) == over


def test_a_call_that_nobody_ordered_as_a_leg_is_none() -> None:
    scene = Scene()
    scene.happens(CallStarted(CALL, LEG, scene.setup()))
    assert scene.views.find(LEG) is None
    scene.views.expect(LEG, TERMS)
    scene.views.forget(LEG)
    scene.happens(CallStarted(CALL, LEG, scene.setup()))
    assert scene.views.find(LEG) is None


def test_a_number_with_an_endpoint_makes_a_leg_of_what_comes_in_lg_113() -> None:
    scene = Scene(inbound=TERMS)
    scene.happens(CallStarted(CALL, LEG, scene.setup("inbound")))
    view = scene.views.find(LEG)
    assert view is not None
    assert (view.direction, view.terms) == ("inbound", TERMS)


def test_a_party_that_is_dialled_is_a_leg_told_at_the_same_place_ex_32() -> None:
    scene = Scene()
    scene.begin()
    other = LegSid("leg2")
    scene.happens(LegDialled(CALL, other, "sip:ann@phones.test", "2"))
    view = scene.tell(
        "leg_connecting",
        ("contact_uri", "sip:Ann@phones.test"),
        ("custom_param", "c2"),
        ("network_type", "voip"),
        leg_sid=other,
    )
    assert (view.is_first, view.terms.event_endpoint) == (False, TERMS.event_endpoint)
    assert (view.terms.contact_uri, view.terms.custom_param) == ("sip:Ann@phones.test", "c2")
    assert (view.terms.exophone, view.terms.network_type) == ("2", "voip")
    scene.end()
    legs = [scene.views.find(sid) for sid in (LEG, other)]
    assert [leg and leg.terminal_status for leg in legs] == ["failed", "failed"]


@pytest.mark.parametrize(
    ("names", "section", "word"),
    [
        (["play_started"], "play", "playing"),
        (["say_started"], "play", "saying"),
        (["say_started", "say_interrupted"], "play", "idle"),
        (["gather_started"], "gather", "gathering"),
        (["gather_started", "gather_timeout"], "gather", "idle"),
        (["recording_started"], "recording", "recording"),
        (["recording_started", "recording_stopped"], "recording", "not_recording"),
        (["hold_success"], "hold", "on_hold"),
        (["hold_success", "unhold_success"], "hold", "not_on_hold"),
        (["mute_success"], "rx_audio", "muted"),
        (["mute_success"], "tx_audio", "muted"),
        (["mute_success", "unmute_success"], "tx_audio", "unmuted"),
    ],
)
def test_events_set_the_runtime_sections_lg_55(names: list[str], section: str, word: str) -> None:
    scene = Scene()
    scene.begin()
    views = [scene.tell(name) for name in names]
    assert getattr(views[-1].sections, section) == word


def test_a_direction_is_muted_alone_ex_44_lg_55() -> None:
    scene = Scene()
    scene.begin()
    heard = scene.tell("mute_success", ("direction", "in")).sections
    assert (heard.rx_audio, heard.tx_audio) == ("muted", "unmuted")
    both = scene.tell("mute_success", ("direction", "out")).sections
    assert (both.rx_audio, both.tx_audio) == ("muted", "muted")


def test_the_bridge_of_a_dial_is_named_for_both_and_who_stays_dials_on_br_9_lg_55() -> None:
    scene, second, third = Scene(), LegSid("leg2"), LegSid("leg3")
    scene.begin()
    scene.happens(LegDialled(CALL, second, "3", "2"))
    pair = (("bridge_sid", "b1"), ("second_leg_sid", second))

    def bridges() -> list[str]:
        legs = (scene.views.find(leg_sid) for leg_sid in (LEG, second))
        return [leg.sections.bridge for leg in legs if leg is not None]

    scene.tell("dial_success", *pair)
    assert bridges() == ["b1", "b1"]
    scene.tell("dial_completed", *pair)
    assert bridges() == ["not_in_bridge", "not_in_bridge"]
    scene.tell("leg_terminated")
    elsewhere = replace(TERMS, event_endpoint="https://elsewhere.test/")
    assert scene.views.change(second, elsewhere, scene.clock.wall())
    scene.happens(LegDialled(CALL, third, "4", "2"))
    view = scene.tell("leg_connecting", ("parent_leg_sid", second), leg_sid=third)
    assert (view.is_first, view.terms.event_endpoint) == (False, elsewhere.event_endpoint)


def test_a_bridge_is_named_while_it_lasts_lg_55() -> None:
    scene = Scene()
    scene.begin()
    assert scene.tell("dial_success", ("bridge_sid", "b1")).sections.bridge == "b1"
    assert scene.tell("dial_completed").sections.bridge == "not_in_bridge"


def test_terms_change_while_it_lives_lg_61() -> None:
    scene = Scene()
    scene.begin()
    other = LegTerms(account_sid=MINE, contact_uri="1", exophone="2", time_limit_s=60)
    changed = scene.views.change(LEG, other, scene.clock.wall())
    assert changed is not None
    assert scene.views.find(LEG) == changed
    assert changed.terms == other
    scene.tell("leg_terminated")
    assert scene.views.change(LEG, TERMS, scene.clock.wall()) is None


def test_legs_that_never_end_give_way_to_newer_ones(monkeypatch: Any) -> None:
    for name in ("LIVE_LIMIT", "ENDED_LIMIT", "EXPECTED_LIMIT"):
        monkeypatch.setattr(leg_view, name, 1)
    scene = Scene()
    for number in (1, 2):
        sid, call = LegSid(f"leg{number}"), CallSid(f"call{number}")
        setup = CallSetup(call, MINE, "outbound", "1", "2", scene.clock.wall())
        scene.views.expect(sid, TERMS)
        scene.happens(CallStarted(call, sid, setup))
    assert scene.views.find(LegSid("leg1")) is None
    assert scene.views.find(LegSid("leg2")) is not None


def test_credentials_of_an_endpoint_are_in_no_picture_of_a_leg() -> None:
    assert "pw" not in repr(TERMS)
