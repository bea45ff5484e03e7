"""LG-128: a leg's party goes over to somebody else, by REFER or by us; what is told of it."""

import pytest

from agentstream.base.ids import LegSid
from agentstream.calls import effects
from agentstream.calls.causes import Cause, Party
from agentstream.calls.dial_spec import DialSpec
from agentstream.calls.reports import LegAnswered, LegEnded, TransferAsked, TransferTold
from agentstream.calls.transfer_words import ReferLeg, TellTransfer
from agentstream.flows.given import BadActionError
from agentstream.flows.legs.exoml import read_exoml
from agentstream.flows.legs.json_actions import read_action
from agentstream.flows.legs.verbs import Transfer
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import BOT, LegWorld, facts_of

DAVE = LegSid("dave")
CAROL = Transfer("sip:carol@c.example", "+918040000002", 20_000)


def accepts(world: LegWorld, status: int) -> None:
    """Let the far end take the transfer, and say what became of it."""
    world.happens(TransferTold(LEG, 100, False, True))
    world.happens(TransferTold(LEG, status, True, True))


def test_a_transfer_is_read_from_both_shapes_lg_128() -> None:
    body = {"contact_uri": "sip:carol@c.example", "exophone": "+918040000002", "timeout": 20}
    assert read_action("transfer", body) == CAROL
    text = (
        '<Flow><Transfer contactUri="sip:carol@c.example" exophone="+918040000002"'
        ' timeout="20"/></Flow>'
    )
    assert read_exoml(text) == (CAROL,)
    assert read_action("transfer", {"contactUri": "1000"}) == Transfer("1000")
    with pytest.raises(BadActionError, match="contactUri"):
        read_action("transfer", {})


def test_a_far_end_that_calls_itself_ends_the_leg_with_success_lg_128(world: LegWorld) -> None:
    world.act(BOT)
    action_sid = world.act(CAROL)
    order = next(one for one in world.story if isinstance(one, ReferLeg))
    assert order.spec.destination == "sip:carol@c.example"
    accepts(world, 200)
    world.end_one(LEG)
    tales = [tale for tale in world.tales() if tale.name.startswith(("transfer", "leg_term"))]
    names = ["transfer_initiated", "transfer_success", "leg_terminated"]
    assert [tale.name for tale in tales] == names
    assert tales[0].action_sid == tales[1].action_sid == action_sid
    assert facts_of(tales[0])["contact_uri"] == "sip:carol@c.example"
    assert facts_of(tales[1])["method"] == "refer"
    assert world.watch.has_hung_up


def test_a_far_end_that_will_not_is_bridged_by_us_lg_128(world: LegWorld) -> None:
    world.act(BOT)
    world.act(CAROL)
    world.happens(TransferTold(LEG, 405, True, False))
    dialled = next(one for one in world.story if isinstance(one, effects.DialLeg))
    assert (dialled.spec.caller_id, dialled.spec.ring_ms) == ("+918040000002", 20_000)
    world.happens(LegAnswered(dialled.leg_sid))
    assert [one for one in world.story if isinstance(one, effects.EndStream)]
    assert [one for one in world.story if isinstance(one, effects.BridgeLegs)]
    told = next(tale for tale in world.tales() if tale.name == "transfer_success")
    assert facts_of(told)["method"] == "bridge"
    assert facts_of(told)["second_leg_sid"] == dialled.leg_sid


def test_a_party_that_is_not_reached_leaves_the_leg_as_it_was_lg_128(world: LegWorld) -> None:
    world.act(BOT)
    world.act(CAROL)
    accepts(world, 486)
    told = next(tale for tale in world.tales() if tale.name == "transfer_failed")
    assert told.error is not None
    assert (told.error.code, facts_of(told)["sip_code"]) == (486, 486)
    assert not [one for one in world.story if isinstance(one, effects.EndStream)]
    world.act(CAROL)  # once more
    assert world.told() == ["transfer_initiated"]


def test_a_far_end_that_may_not_ask_is_told_of_sip_61(world: LegWorld) -> None:
    world.happens(TransferAsked(LEG, DAVE, "sip:dave@d.example", None, 403, "not allowed"))
    told = next(tale for tale in world.tales() if tale.name == "transfer_failed")
    assert (told.action_sid, told.error and told.error.description) == ("", "not allowed")


def test_a_far_end_that_asks_is_told_of_as_well_sip_61(world: LegWorld) -> None:
    spec = DialSpec("sip:dave@d.example")
    world.happens(TransferAsked(LEG, DAVE, spec.destination, spec))
    world.happens(LegEnded(DAVE, Cause.BUSY, Party.CALLEE, "", 486))
    names = [tale.name for tale in world.tales() if tale.leg_sid == LEG]
    assert names == ["transfer_initiated", "transfer_failed"]
    assert TellTransfer(LEG, 486, True) in world.story
