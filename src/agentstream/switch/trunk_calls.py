"""Calls that come in by an account's trunk: a flow, or the telephone network (FL-1, FL-2).

the number, as this trunk has it     where the call goes
flow                                 the flow that is bound to it, of the same account, else 404
pstn, but it rings here              where a call from the telephone network to it would go
anything else                        out, as the trunk's own number: a passage

Whether the caller may call at all was settled at the door: `Invited.trunk_sid` says whose it is.
"""

from collections.abc import Callable

from agentstream.base.values import dataclass
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.flows.document import FlowDocument
from agentstream.store.directory import Directory
from agentstream.store.trunk_book import TrunkEntry
from agentstream.switch.admit import PassageWay, Way
from agentstream.switch.caller_id import EVERY_SOURCE, Owns, alias_of, shown_number

ANY_CARRIER = "ANY-ANY"
RING_MS = 60_000  # of a party in the telephone network, where the trunk has no time of its own


@dataclass(frozen=True, slots=True)
class NoWay:
    """Why a call goes nowhere; `status` 0 is the cause's own."""

    cause: Cause
    text: str
    status: int = 0


def find_way(
    directory: Directory[FlowDocument], trunk_sid: str, called: str, caller: str
) -> Way | PassageWay | NoWay:
    """Return where a call goes that comes in by an account's trunk, or ("") by none."""
    if not trunk_sid:
        way = directory.find(called)
        return way or NoWay(Cause.NOT_FOUND, "this number has no flow that a call can enter")
    entry = directory.trunks.find(trunk_sid)
    if entry is None:
        return NoWay(Cause.REJECTED, "trunk-not-found: it was deleted this moment", 403)
    return way_of(entry, called, caller, directory.find, directory.owns)


def way_of(
    entry: TrunkEntry, called: str, caller: str, find: Callable[[str], Way | None], owns: Owns
) -> Way | PassageWay | NoWay:
    """Return where a call from this trunk goes; numbers are in the form of `phone.normalise`.

    `find` and `owns` are the directory's; a number of another account is the telephone network's.
    """
    own = find(called)
    if own is not None and (own.number == "*" or own.account.sid != entry.account.sid):
        own = None
    if entry.numbers.get(called) == "flow":
        return own or NoWay(Cause.NOT_FOUND, f"flow-missing: {called} is in flow mode, without one")
    if own is not None:
        return own
    if not called.lstrip("+").isdigit():
        return NoWay(Cause.NUMBER_INCOMPLETE, "number-format: what is called is no number")
    if not entry.numbers:
        return NoWay(Cause.REJECTED, "cli-not-mapped: the trunk has no number to show", 403)
    options = entry.options
    spec = DialSpec(
        called,
        trunk=carriers_of(entry),
        caller_id=shown_number(
            entry, caller, (), EVERY_SOURCE, alias_of(entry, owns), is_outbound=True
        ),
        ring_ms=options.ring_timeout_s * 1_000 or RING_MS,
    )
    return PassageWay(entry.account, spec)


def carriers_of(entry: TrunkEntry) -> str:
    """Return which of the operator's trunks its calls go out by; "": the default (TR-37)."""
    code = entry.trunk.nso_code
    return "" if code == ANY_CARRIER else code
