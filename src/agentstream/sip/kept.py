"""Messages of SIP as they are kept for whoever asks why: when, which way, between whom."""

from agentstream.base.ids import CallSid, LegSid, SipCallId
from agentstream.base.values import dataclass
from agentstream.sip.flow import TransportName

Address = tuple[str, int]  # numeric host without brackets, port; ("", 0): not known


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """One message on the wire."""

    at_us: int  # microseconds since 1970, UTC
    is_ours: bool  # we sent it
    transport: TransportName
    local: Address
    remote: Address
    data: bytes
    size: int  # bytes on the wire; more than there are in `data`: it was cut

    @property
    def is_cut(self) -> bool:
        """Whether its end is missing."""
        return self.size > len(self.data)


@dataclass(frozen=True, slots=True)
class KeptDialog:
    """The messages of one leg of a call, in order."""

    leg_sid: LegSid  # "" for a call that was refused before it had one
    sip_call_id: SipCallId
    messages: tuple[KeptMessage, ...]
    dropped: int = 0  # messages beyond the bound


@dataclass(frozen=True, slots=True)
class KeptCall:
    """Everything that is kept of one call's signalling."""

    sid: CallSid
    dialogs: tuple[KeptDialog, ...]

    @property
    def messages(self) -> list[tuple[KeptDialog, KeptMessage]]:
        """Every message with its dialog, in the order of time."""
        found = [(dialog, each) for dialog in self.dialogs for each in dialog.messages]
        return sorted(found, key=lambda one: one[1].at_us)
