"""The words of transfers: what is reported, wanted, ordered and told (SIP-61, SIP-62, LG-128).

by a far end   TransferAsked -> AnswerTransfer, the new leg is dialled -> TellTransfer as it goes on
by us          TransferLeg -> ReferLeg -> TransferTold; where it is refused, we dial the new leg
"""

from typing import Literal

from agentstream.base.ids import CallSid, LegSid
from agentstream.base.values import dataclass
from agentstream.calls.dial_spec import DialSpec

# referred: the far end has called the new party itself; bridged: we have, and the two talk;
# refused: it was not allowed; failed: the new party was not reached.
TransferOutcome = Literal["referred", "bridged", "refused", "failed"]

# Reports


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """A leg's far end asks us to call somebody in its stead.

    `spec` None: it may not, and `status` (SIP, 300 to 699) and `text` say why.
    """

    leg_sid: LegSid
    second_sid: LegSid  # of the leg that will be dialled
    destination: str
    spec: DialSpec | None
    status: int = 202
    text: str = ""


@dataclass(frozen=True, slots=True)
class TransferTold:
    """A far end tells what becomes of the transfer that we ordered; `status` 0: it does not say.

    Until it `was_accepted` a final status refuses the transfer itself; then it is the new party's.
    """

    leg_sid: LegSid
    status: int
    is_final: bool
    was_accepted: bool


@dataclass(frozen=True, slots=True)
class LegReplaces:
    """A party calls to take the place of a leg (RFC 3891)."""

    leg_sid: LegSid
    old_sid: LegSid
    remote: str = ""


# Commands


@dataclass(frozen=True, slots=True)
class TransferLeg:
    """Let a leg's party talk with somebody else: TransferStarted, then TransferFinished follow.

    Its far end is asked to call there itself; where it will not, we dial, and bridge the two. The
    leg's bots and prompts end then, and its bridge does.
    """

    leg_sid: LegSid
    second_sid: LegSid  # of the leg that is dialled if need be
    spec: DialSpec
    dials: bool = True  # where it will not; False: then this has failed, as "refused"


# Effects


@dataclass(frozen=True, slots=True)
class AnswerTransfer:
    """Accept a far end's wish (202), or refuse it."""

    leg_sid: LegSid
    status: int


@dataclass(frozen=True, slots=True)
class TellTransfer:
    """Tell a far end how the call goes on that it has asked for."""

    leg_sid: LegSid
    status: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class ReferLeg:
    """Ask a leg's far end to call somebody in our stead; report TransferTold."""

    leg_sid: LegSid
    spec: DialSpec


TransferEffect = AnswerTransfer | TellTransfer | ReferLeg

# Events


@dataclass(frozen=True, slots=True)
class TransferStarted:
    """A leg is to be replaced, or its party to talk with another one."""

    call_sid: CallSid
    leg_sid: LegSid
    second_sid: LegSid
    destination: str
    by_far_end: bool


@dataclass(frozen=True, slots=True)
class TransferFinished:
    """What became of it; `status` is that of SIP: 200, or why not. 0: nobody knows."""

    call_sid: CallSid
    leg_sid: LegSid
    second_sid: LegSid
    destination: str
    outcome: TransferOutcome
    status: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class LegReplaced:
    """One leg has the place of another from now on: in its bridge, and in what the flow does."""

    call_sid: CallSid
    leg_sid: LegSid
    by_sid: LegSid


TransferEvent = TransferStarted | TransferFinished | LegReplaced
