"""Lets a party that calls have the place of a leg (RFC 3891): an INVITE with Replaces."""

from agentstream import _media
from agentstream.base.errors import PeerError
from agentstream.calls.reports import LegReplaces
from agentstream.sip.reports import Invited
from agentstream.switch.call_task import CallTask
from agentstream.switch.dialling import Dialler
from agentstream.switch.lines import SipLine


def take_place(invited: Invited, task: CallTask | None, dialler: Dialler) -> SipLine | int:
    """Join a call as a leg that another one gives up its place for, or return what refuses it.

    603 where the trunk of the other leg takes no transfers (SIP-61); no `task`: there is no call.
    """
    old_sid = task.lines.replaceable(invited.replaces) if task and invited.replaces else None
    if task is None or old_sid is None:
        return 603
    try:
        line = dialler.incoming(invited, task.call.setup.call_sid)
    except _media.PortsExhausted:
        return 503
    except PeerError as error:
        return error.status if error.status >= 400 else 488
    task.lines.join(line)
    task.post(LegReplaces(line.leg_sid, old_sid, invited.source))
    return line
