"""What can be asked of bridges: each a value that knows its request and reads its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentstream.client.leg_asks import (
    Acts,
    TellsEvents,
    acting,
    data_of,
    given,
    history_of,
    running,
)
from agentstream.client.leg_values import Bridge, read_bridge
from agentstream.client.sent import Document, Sent, part

BridgeAction = Literal[
    "refer",
    "start_play",
    "stop_play",
    "start_say",
    "stop_say",
    "play_sequence",
    "start_recording",
    "stop_recording",
]


class _AboutBridge:
    """What is answered with one bridge as it stands."""

    __slots__ = ()

    def read(self, answer: Mapping[str, Any]) -> Bridge:
        """Return the bridge."""
        return read_bridge(data_of(answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBridge(_AboutBridge):
    """Let legs that are up hear each other; without any it waits for `join_bridge` (BR-1)."""

    leg_sids: tuple[str, ...] = ()  # none, or 2 to 12
    event_endpoint: str = ""  # "": where the events of its legs go
    absorbs_keys: bool = False  # keys of a leg are not passed to the others
    max_participants: int = 0  # 2 to 12; 0: 12
    records: bool = False
    idempotency_key: str = ""  # sent again with the same key, one bridge is made

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = given(
            leg_sids=list(self.leg_sids),
            bridge_event_endpoint=self.event_endpoint,
            absorb_dtmf=self.absorbs_keys,
            max_participants=self.max_participants,
            recording=self.records,
        )
        return Sent("POST", _bridges(account_sid), {}, None, self.idempotency_key, body)


@dataclass(frozen=True, slots=True)
class ReadBridge(_AboutBridge):
    """Ask how a bridge stands, or what became of it (BR-4)."""

    sid: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return Sent("GET", _one(account_sid, self.sid), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBridge(_AboutBridge):
    """Let a bridge be different for legs that join later (BR-5a); one of the three is needed."""

    sid: str
    event_endpoint: str = ""  # "": as it is
    absorbs_keys: bool | None = None  # None: as it is
    max_participants: int = 0  # 0: as it is

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = given(
            bridge_event_endpoint=self.event_endpoint, max_participants=self.max_participants
        )
        if self.absorbs_keys is not None:
            body = {**body, "absorb_dtmf": self.absorbs_keys}
        return Sent("PUT", _one(account_sid, self.sid), {}, json=body)


@dataclass(frozen=True, slots=True)
class EndBridge:
    """Dissolve a bridge (BR-5): its legs stay up, or are hung up."""

    sid: str
    hangs_up: bool = False

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = {"action": "hangup" if self.hangs_up else "stop"}
        return Sent("PUT", _one(account_sid, self.sid), {}, json=body)

    def read(self, answer: Mapping[str, Any]) -> str:
        """Return the bridge's sid; `bridge_terminal` tells when nobody is in it any more."""
        return str(data_of(answer)["bridge_sid"])


@dataclass(frozen=True, slots=True)
class ActOnBridge(Acts):
    """Let all legs of a bridge do one thing, or let its events go elsewhere: `refer` (BR-6)."""

    sid: str
    action: BridgeAction
    fields: Document = field(default_factory=dict)  # of the action
    custom_param: str = ""  # at most 1,024 bytes; comes back with the events that it causes

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        one = _one(account_sid, self.sid)
        return acting(one, self.action, self.fields, self.custom_param)


@dataclass(frozen=True, slots=True)
class RunOnBridge(Acts):
    """Let all legs of a bridge do what an ExoML document says (EX-28)."""

    sid: str
    exoml: str  # its root is <Flow>
    custom_param: str = ""

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return running(_one(account_sid, self.sid), self.exoml, self.custom_param)


@dataclass(frozen=True, slots=True)
class ReadBridgeEvents(TellsEvents):
    """Ask what was told of a bridge, and whether its endpoint took it."""

    sid: str
    name: str = ""  # such as "bridge_created"; "": all

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return history_of(_one(account_sid, self.sid), self.name)


def _bridges(account_sid: str) -> str:
    return f"/v2/accounts/{part(account_sid)}/bridges"


def _one(account_sid: str, sid: str) -> str:
    return f"{_bridges(account_sid)}/{part(sid)}"
