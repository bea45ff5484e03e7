"""Asks the caller's own side to call somebody in our stead (SIP REFER, SIP-61, OP-1).

begin ──TransferFinished referred──▶ done: it has, and the call ends
   ├──it will not──▶ refused: dial
   └──it could not reach them──▶ failure
"""

from agentstream.calls.causes import Party, from_signalling
from agentstream.calls.dial_spec import DialSpec
from agentstream.calls.transfer_words import TransferFinished, TransferLeg
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.context import Context
from agentstream.flows.dial_plan import DialPlan, Target
from agentstream.flows.dialling import Failure


def may_refer(context: Context, plan: DialPlan) -> bool:
    """Tell whether one party is meant that another side can call, with nothing to do for us then.

    `sip:TRUNK` means something here alone; what is recorded or listened to must stay here.
    """
    stays = plan.recording or plan.fork or plan.whisper or plan.asks_again
    if stays or not context.setup.takes_refer or len(plan.targets) != 1:
        return False
    destination = plan.targets[0].destination
    return "@" in destination or not destination.lower().startswith(("sip:", "sips:"))


class Referral:
    """A machine inside a Connect's."""

    def __init__(self, context: Context, plan: DialPlan) -> None:
        self.target: Target = plan.targets[0]
        self.is_done = False
        self.is_refused = False
        self.failure: Failure | None = None
        self._leg_sid = context.leg_sid
        self._second_sid = context.new_leg_sid()
        self._plan = plan

    def begin(self) -> list[Step]:
        """Ask for it."""
        target, plan = self.target, self._plan
        spec = DialSpec(
            target.destination,
            target.to_number,
            trunk=plan.trunk,
            caller_id=plan.caller_id,
            ring_ms=plan.ring_ms,
            headers=target.headers,
        )
        return [TransferLeg(self._leg_sid, self._second_sid, spec, dials=False)]

    def receive(self, happening: AppletInput) -> None:
        """Take what becomes of it."""
        match happening:
            case TransferFinished(second_sid=self._second_sid, outcome="referred"):
                self.is_done = True
            case TransferFinished(second_sid=self._second_sid, outcome="failed") as told:
                cause = from_signalling(told.status, 0)
                text = told.text or f"the caller's side could not reach them (SIP {told.status})"
                self.failure = Failure(self.target, cause, Party.CALLEE, text)
            case TransferFinished(second_sid=self._second_sid):
                self.is_refused = True
            case CommandRefused(command=TransferLeg(second_sid=self._second_sid)):
                self.is_refused = True
            case _:
                pass
