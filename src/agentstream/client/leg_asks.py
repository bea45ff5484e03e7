"""What can be asked of the Legs API: each a value that knows its request and reads its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentstream.client.leg_values import (
    Acted,
    SteeredLeg,
    ToldEvent,
    read_acted,
    read_events,
    read_leg,
)
from agentstream.client.sent import Document, Sent, part

Amd = Literal["off", "sync", "async"]
Section = Literal[
    "bridge_status",
    "recording_status",
    "tx_audio_status",
    "rx_audio_status",
    "hold_status",
    "gather_status",
    "play_status",
]
LegAction = Literal[
    "answer",
    "hangup",
    "start_stream",
    "stop_stream",
    "start_say",
    "stop_say",
    "start_play",
    "stop_play",
    "play_sequence",
    "gather",
    "send_digits",
    "dial",
    "start_recording",
    "stop_recording",
    "hold",
    "unhold",
    "mute",
    "unmute",
    "join_bridge",
    "leave_bridge",
    "start_monitoring",
    "stop_monitoring",
]


class _AboutLeg:
    """What is answered with one leg as it stands."""

    __slots__ = ()

    def read(self, answer: Mapping[str, Any]) -> SteeredLeg:
        """Return the leg."""
        return read_leg(data_of(answer))


class Acts:
    """What is answered with the sid of an action."""

    __slots__ = ()

    def read(self, answer: Mapping[str, Any]) -> Acted:
        """Return the action; what comes of it is told by events."""
        return read_acted(data_of(answer))


class TellsEvents:
    """What is answered with a history."""

    __slots__ = ()

    def read(self, answer: Mapping[str, Any]) -> tuple[ToldEvent, ...]:
        """Return the events in the order in which they were told."""
        return read_events(data_of(answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateLeg(_AboutLeg):
    """Dial somebody, whose leg is then steered by actions (LG-20); 0 and "" leave it to the server.

    The answer comes while the party is dialled; what becomes of it is told by events.
    """

    contact_uri: str  # a number, or a SIP address
    exophone: str  # a number of the account, which they are shown
    event_endpoint: str  # https://, grpc://, wss://; "stream:": for whoever listens
    network: Literal["", "pstn", "voip"] = ""
    custom_param: str = ""  # at most 1,024 bytes; comes back with every event
    timeout_s: int = 0  # from the start to the answer, 1 to 600
    setup_timeout_s: int = 0  # from the start to the ringing
    ring_timeout_s: int = 0  # from there to the answer
    limit_s: int = 0  # from the answer
    beside_leg_sid: str = ""  # a live leg
    amd: Amd = "off"  # whether it is found out who answers; "async": `leg_answered` does not wait
    idempotency_key: str = ""  # sent again with the same key, the leg is dialled once

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = given(
            contact_uri=self.contact_uri,
            exophone=self.exophone,
            leg_event_endpoint=self.event_endpoint,
            network_type=self.network,
            custom_param=self.custom_param,
            timeout=self.timeout_s,
            setup_timeout=self.setup_timeout_s,
            ring_timeout=self.ring_timeout_s,
            time_limit=self.limit_s,
            reference_leg_sid=self.beside_leg_sid,
            amd_enable=self.amd != "off",
            async_amd=self.amd == "async",
        )
        return Sent("POST", _legs(account_sid), {}, None, self.idempotency_key, body)


@dataclass(frozen=True, slots=True)
class ReadLeg(_AboutLeg):
    """Ask how a leg stands, or what became of it (LG-50), and what runs on it (LG-51)."""

    sid: str
    sections: tuple[Section, ...] = ()  # answered in `SteeredLeg.runs`

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        query = {"fields": ",".join(self.sections)} if self.sections else {}
        return Sent("GET", _one(account_sid, self.sid), query)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLeg(_AboutLeg):
    """Let a live leg be different from now on (LG-61); one of the three is needed."""

    sid: str
    custom_param: str | None = None  # None: as it is
    event_endpoint: str = ""  # "": as it is
    limit_s: int = 0  # 0: as it is

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        body = given(leg_event_endpoint=self.event_endpoint, time_limit=self.limit_s)
        if self.custom_param is not None:
            body = {**body, "custom_param": self.custom_param}
        return Sent("PUT", _one(account_sid, self.sid), {}, json=body)


@dataclass(frozen=True, slots=True)
class EndLeg(_AboutLeg):
    """Hang a leg up; one that has ended is told as it is (LG-62)."""

    sid: str

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return Sent("DELETE", _one(account_sid, self.sid), {})


@dataclass(frozen=True, slots=True)
class ActOnLeg(Acts):
    """Let a leg do one thing (LG-85).

    ActOnLeg(sid, "start_stream", {"direction": "bidirectional", "url": "wss://bot.example.net/ws"})
    """

    sid: str
    action: LegAction
    fields: Document = field(default_factory=dict)  # of the action
    custom_param: str = ""  # at most 1,024 bytes; comes back with the events that it causes

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        one = _one(account_sid, self.sid)
        return acting(one, self.action, self.fields, self.custom_param)


@dataclass(frozen=True, slots=True)
class RunOnLeg(Acts):
    """Let a leg do what an ExoML document says, verb by verb (LG-90)."""

    sid: str
    exoml: str  # its root is <Flow>
    custom_param: str = ""

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return running(_one(account_sid, self.sid), self.exoml, self.custom_param)


@dataclass(frozen=True, slots=True)
class ReadLegEvents(TellsEvents):
    """Ask what was told of a leg, and whether its endpoint took it (LG-70)."""

    sid: str
    name: str = ""  # such as "leg_answered"; "": all

    def request(self, account_sid: str) -> Sent:
        """Return what is sent."""
        return history_of(_one(account_sid, self.sid), self.name)


def data_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands in an answer's envelope (LG-9)."""
    data: Mapping[str, Any] = answer["response"]["data"]
    return data


def given(**fields: object) -> Document:
    """Return the fields that say something."""
    return {name: value for name, value in fields.items() if value}


def acting(path: str, action: str, fields: Document, custom_param: str) -> Sent:
    """Return the request for one action of a leg or bridge."""
    body = {**fields, **given(action_custom_param=custom_param)}
    return Sent("POST", f"{path}/actions/{part(action)}", {}, json=body)


def running(path: str, exoml: str, custom_param: str) -> Sent:
    """Return the request for all that a document says."""
    body = {"exoml": exoml, **given(action_custom_param=custom_param)}
    return Sent("POST", f"{path}/actions", {}, json=body)


def history_of(path: str, name: str) -> Sent:
    """Return the request for a history."""
    return Sent("GET", f"{path}/external-events", {"event_name": name} if name else {})


def _legs(account_sid: str) -> str:
    return f"/v2/accounts/{part(account_sid)}/legs"


def _one(account_sid: str, sid: str) -> str:
    return f"{_legs(account_sid)}/{part(sid)}"
