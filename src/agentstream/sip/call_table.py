"""The live calls of an endpoint: by the product's ref, and by Call-ID and our tag."""

from agentstream.sip.invite_client import OutgoingCall
from agentstream.sip.invite_server import IncomingCall
from agentstream.sip.refer_headers import Replaces
from agentstream.sip.reports import SipCallRef

Call = IncomingCall | OutgoingCall


class CallTable:
    """Two ways to find one call. Call-ID alone never finds one: two calls may share it."""

    def __init__(self) -> None:
        self._by_ref: dict[SipCallRef, Call] = {}
        self._inside: dict[tuple[str, str], Call] = {}

    def __len__(self) -> int:
        return len(self._by_ref)

    def get(self, ref: SipCallRef) -> Call | None:
        """Find the call that the product names."""
        return self._by_ref.get(ref)

    def inside(self, sip_call_id: str, local_tag: str) -> Call | None:
        """Find the call that a request belongs to; our tag is one that nobody can guess."""
        return self._inside.get((sip_call_id, local_tag))

    def replaced(self, replaces: Replaces) -> SipCallRef | int:
        """Return the call whose dialog this is, or the status that refuses it (RFC 3891 §3)."""
        call = self.inside(replaces.sip_call_id, replaces.to_tag)
        if call is None or call.dialog_with(replaces.from_tag) is None:
            return 481
        if call.is_ended:
            return 603
        if not call.may_be_modified("INVITE"):
            # Only whoever placed a call that still rings may have it taken by another phone.
            return call.ref if isinstance(call, OutgoingCall) else 481
        return 486 if replaces.early_only else call.ref

    def keep(self, call: Call) -> None:
        """Keep a new call."""
        self._by_ref[call.ref] = call
        self._inside[call.call_id, call.local_tag] = call

    def drop(self, ref: SipCallRef) -> None:
        """Forget a call; harmless when it is not there."""
        call = self._by_ref.pop(ref, None)
        if call is not None:
            self._inside.pop((call.call_id, call.local_tag), None)
