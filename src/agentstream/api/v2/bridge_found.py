"""Which bridge a request means."""

from collections.abc import Iterable

from agentstream.api.errors import ApiError
from agentstream.api.v2.bridge_doors import BridgeDoor
from agentstream.api.v2.bridge_shown import BridgeFacts, facts_of_row, facts_of_view
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.flows.legs.verbs import JoinBridge, StartMonitoring, Verb
from agentstream.store.values import Account


def bridge_door(door: LegDoor) -> BridgeDoor:
    """Return what requests for bridges need; ApiError 404 when there is none."""
    if door.bridges is None:
        raise ApiError(404, "Not found")
    return door.bridges


async def bridge_of(account: Account, door: LegDoor, bridge_sid: str) -> BridgeFacts:
    """Return a bridge of the account, live or ended; ApiError 404 when there is none."""
    bridges = bridge_door(door)
    view = bridges.board.find(bridge_sid)
    if view is not None:
        facts: BridgeFacts | None = facts_of_view(view)
    else:
        row = await bridges.history.find_bridge(bridge_sid)
        facts = None if row is None else facts_of_row(row)
    if facts is None or facts.row.account_sid != account.sid:
        raise ApiError(404, f"There is no bridge {bridge_sid[:64]}")
    return facts


def check_bridge_lives(facts: BridgeFacts) -> None:
    """Refuse what an ended bridge cannot do (LG-105): ApiError 409 with the code 1020."""
    if facts.row.state == "terminal":
        raise ApiError(409, f"The bridge has ended ({facts.row.terminal_status})")


async def check_bridges(account: Account, door: LegDoor, verbs: Iterable[Verb]) -> None:
    """Refuse actions of a leg that name a bridge which is not there: ApiError 404 or 409."""
    for verb in verbs:
        if isinstance(verb, JoinBridge | StartMonitoring) and verb.bridge_sid:
            check_bridge_lives(await bridge_of(account, door, verb.bridge_sid))
