"""What a leg that is steered from outside looks like, live or a moment after its end (LG-50).

created ─▶ ringing ─▶ connected ─▶ terminal          as its own events tell (EV-1)
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Final, Literal

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.base.values import dataclass, replace
from agentstream.calls.events import CallEnded, CallStarted, LegDialled, LegTold
from agentstream.calls.record import CallSetup, Direction
from agentstream.store.legs import LegRow
from agentstream.switch.feed import Fact

LIVE_LIMIT: Final = 10_000  # legs that broke off without their last event; the oldest goes
ENDED_LIMIT: Final = 2_000  # of legs whose rows may not be written yet
EXPECTED_LIMIT: Final = 1_000  # legs that are being ordered

State = Literal["created", "ringing", "connected", "terminal"]
NetworkType = Literal["pstn", "voip"]

_STATES: Final[Mapping[str, State]] = {
    "leg_connecting": "created",
    "leg_ringing": "ringing",
    "leg_answered": "connected",
    "leg_terminated": "terminal",
    "leg_failed_to_create": "terminal",
}
ENDINGS: Final = frozenset({"leg_terminated", "leg_failed_to_create"})
# LG-55: what an event does to a runtime section.
_SECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "play_started": ("play", "playing"),
    "play_completed": ("play", "idle"),
    "play_interrupted": ("play", "idle"),
    "play_failed_to_start": ("play", "idle"),
    "say_started": ("play", "saying"),
    "say_completed": ("play", "idle"),
    "say_interrupted": ("play", "idle"),
    "say_failed_to_start": ("play", "idle"),
    "gather_initiated": ("gather", "gathering"),
    "gather_started": ("gather", "gathering"),
    "gather_success": ("gather", "idle"),
    "gather_timeout": ("gather", "idle"),
    "gather_failed_to_start": ("gather", "idle"),
    "recording_started": ("recording", "recording"),
    "recording_stopped": ("recording", "not_recording"),
    "recording_failed_to_start": ("recording", "not_recording"),
    "hold_success": ("hold", "on_hold"),
    "unhold_success": ("hold", "not_on_hold"),
}
_BRIDGING: Final = frozenset({"dial_success", "dial_completed"})  # told of one leg, true of two
_MUTED: Final = {"mute_success": "muted", "unmute_success": "unmuted"}
_HEARD: Final = frozenset({"in", "both"})  # directions in which the party is muted (EX-44)
_PLAYED: Final = frozenset({"out", "both"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LegTerms:
    """How a leg was ordered (LG-20 to LG-40), or what the number says that rang."""

    account_sid: AccountSid
    contact_uri: str  # as it was written (LG-43); of a leg that came in, the caller
    exophone: str
    network_type: NetworkType = "pstn"
    event_endpoint: str = field(default="", repr=False)  # may hold credentials; "": a socket's
    custom_param: str = ""
    time_limit_s: int = 14_400  # from the answer
    timeout_s: int = 30  # from the start to the answer
    setup_timeout_s: int = 30  # from the start to the ringing
    ring_timeout_s: int = 30  # from the ringing to the answer
    requested_dc_code: str = ""
    requested_nso_code: str = ""


@dataclass(frozen=True, slots=True)
class Sections:
    """What runs on a leg, in the words of LG-55."""

    bridge: str = "not_in_bridge"  # or the bridge's sid
    recording: str = "not_recording"
    tx_audio: str = "unmuted"  # what the party hears
    rx_audio: str = "unmuted"  # what the party says
    hold: str = "not_on_hold"
    gather: str = "idle"
    play: str = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegView:
    """A leg as it stands."""

    leg_sid: LegSid
    call_sid: CallSid
    terms: LegTerms
    direction: Direction
    created_at: datetime
    updated_at: datetime
    state: State = "created"
    terminal_status: str = ""  # LG-53; "" until the end
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    sections: Sections = field(default_factory=Sections)
    is_first: bool = True  # else one that its call dialled later

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state == "terminal"


class LegViews:
    """Subscribe `hear` to the feed before those who ask for views of what they hear.

    Whoever orders a leg says what it was ordered with before it is dialled (`expect`); `inbound`
    says it of a call that came in, None of one that is not steered.
    """

    KINDS = (CallStarted, LegDialled, LegTold, CallEnded)

    def __init__(self, inbound: Callable[[CallSetup], LegTerms | None]) -> None:
        self._inbound = inbound
        self._expected: OrderedDict[LegSid, LegTerms] = OrderedDict()
        self._live: OrderedDict[LegSid, LegView] = OrderedDict()
        self._ended: OrderedDict[LegSid, LegView] = OrderedDict()
        self._calls: dict[CallSid, list[LegSid]] = {}  # the legs of each live one that is steered

    def expect(self, leg_sid: LegSid, terms: LegTerms) -> None:
        """Say how a leg is ordered that is about to be dialled."""
        self._expected[leg_sid] = terms
        if len(self._expected) > EXPECTED_LIMIT:
            self._expected.popitem(last=False)

    def forget(self, leg_sid: LegSid) -> None:
        """Take that back: it was not dialled."""
        self._expected.pop(leg_sid, None)

    def find(self, leg_sid: LegSid) -> LegView | None:
        """Return how a leg stands, also one that has just ended; None for any other."""
        return self._live.get(leg_sid) or self._ended.get(leg_sid)

    def change(self, leg_sid: LegSid, terms: LegTerms, at: datetime) -> LegView | None:
        """Let a live leg have other terms from now on (LG-61); None when it has ended."""
        view = self._live.get(leg_sid)
        if view is None:
            return None
        self._live[leg_sid] = replace(view, terms=terms, updated_at=at)
        return self._live[leg_sid]

    def hear(self, fact: Fact) -> None:
        """Take one fact."""
        match fact.event:
            case CallStarted(leg_sid=leg_sid, setup=setup):
                terms = self._expected.pop(leg_sid, None)
                if setup.direction == "inbound":
                    terms = self._inbound(setup)
                if terms is not None:
                    self._begin(leg_sid, fact, terms, setup.direction)
            case LegDialled():
                self._dialled(fact, fact.event)
            case LegTold():
                self._told(fact.event, fact.at)
            case CallEnded():
                self._over(fact)
            case _:
                pass

    def _dialled(self, fact: Fact, event: LegDialled) -> None:
        """Let a party that is dialled be a leg of its own, told where the others are (EX-32)."""
        legs = (self._live.get(leg_sid) for leg_sid in self._calls.get(fact.call_sid, ()))
        other = next((leg for leg in legs if leg is not None), None)
        if other is None:
            return
        is_sip = event.destination.lower().startswith(("sip:", "sips:"))
        terms = LegTerms(
            account_sid=other.terms.account_sid,
            contact_uri=event.destination,
            exophone=event.caller_id,
            network_type="voip" if is_sip else "pstn",
            event_endpoint=other.terms.event_endpoint,
        )
        self._begin(event.leg_sid, fact, terms, "outbound", is_first=False)

    def _told(self, event: LegTold, at: datetime) -> None:
        view = self._live.get(event.leg_sid)
        if view is None:
            return
        data = dict(event.data)
        if not view.is_first and event.name == "leg_connecting":
            dialler = self._live.get(LegSid(str(data.get("parent_leg_sid"))))
            view = replace(view, terms=_ordered(view.terms, data, dialler))
        self._put(told(view, event, at))
        second = self._live.get(LegSid(str(data.get("second_leg_sid"))))
        if second is not None and event.name in _BRIDGING:
            sections = _sections(second.sections, event.name, data)
            self._put(replace(second, sections=sections, updated_at=at))

    def _begin(
        self,
        leg_sid: LegSid,
        fact: Fact,
        terms: LegTerms,
        direction: Direction,
        *,
        is_first: bool = True,
    ) -> None:
        self._live[leg_sid] = LegView(
            leg_sid=leg_sid,
            call_sid=fact.call_sid,
            terms=terms,
            direction=direction,
            created_at=fact.at,
            updated_at=fact.at,
            is_first=is_first,
        )
        self._calls.setdefault(fact.call_sid, []).append(leg_sid)
        if len(self._live) > LIVE_LIMIT:
            _, lost = self._live.popitem(last=False)
            self._calls.pop(lost.call_sid, None)

    def _put(self, view: LegView) -> None:
        if not view.is_over:
            self._live[view.leg_sid] = view
            return
        self._live.pop(view.leg_sid, None)
        self._ended[view.leg_sid] = view
        if len(self._ended) > ENDED_LIMIT:
            self._ended.popitem(last=False)

    def _over(self, fact: Fact) -> None:
        """End what is left of a call, should nothing have told its end."""
        for leg_sid in self._calls.pop(fact.call_sid, ()):
            view = self._live.get(leg_sid)
            if view is None:
                continue
            self._put(
                replace(
                    view,
                    state="terminal",
                    terminal_status="failed",
                    ended_at=fact.at,
                    updated_at=fact.at,
                )
            )


def row_of(view: LegView) -> LegRow:
    """Return what is kept of a leg."""
    terms = view.terms
    return LegRow(
        sid=view.leg_sid,
        account_sid=terms.account_sid,
        call_sid=view.call_sid,
        contact_uri=terms.contact_uri,
        exophone=terms.exophone,
        network_type=terms.network_type,
        direction=view.direction,
        state=view.state,
        created_at=view.created_at,
        updated_at=view.updated_at,
        custom_param=terms.custom_param,
        event_endpoint=terms.event_endpoint,
        time_limit_s=terms.time_limit_s,
        requested_dc_code=terms.requested_dc_code,
        requested_nso_code=terms.requested_nso_code,
        terminal_status=view.terminal_status,
        answered_at=view.answered_at,
        ended_at=view.ended_at,
    )


def _ordered(
    terms: LegTerms, data: Mapping[str, str | int | None], dialler: LegView | None
) -> LegTerms:
    """Return the terms of a leg that an action dialled, as it wrote them (EX-21)."""
    if dialler is not None:
        terms = replace(terms, event_endpoint=dialler.terms.event_endpoint)
    return replace(
        terms,
        contact_uri=str(data.get("contact_uri") or terms.contact_uri),
        exophone=str(data.get("exophone") or terms.exophone),
        network_type="voip" if data.get("network_type") == "voip" else terms.network_type,
        custom_param=str(data.get("custom_param") or ""),
    )


def told(view: LegView, event: LegTold, at: datetime) -> LegView:
    """Return how a leg stands after one of its events."""
    data = dict(event.data)
    state = _STATES.get(event.name)
    if state is not None:
        view = replace(view, state=state)
    if event.name == "leg_answered" and view.answered_at is None:
        view = replace(view, answered_at=at)
    if state == "terminal":
        status = str(data.get("terminal_status") or data.get("status") or "failed")
        view = replace(view, terminal_status=status, ended_at=at)
    return replace(view, sections=_sections(view.sections, event.name, data), updated_at=at)


def _sections(sections: Sections, name: str, data: Mapping[str, str | int | None]) -> Sections:
    if name in _SECTIONS:
        section, word = _SECTIONS[name]
        return replace(sections, **{section: word})
    if name in _MUTED:
        direction, word = str(data.get("direction", "both")), _MUTED[name]
        if direction in _HEARD:
            sections = replace(sections, rx_audio=word)
        return replace(sections, tx_audio=word) if direction in _PLAYED else sections
    if name in {"leg_joined_bridge", "dial_success"}:
        bridge = str(data.get("bridge_sid") or "")
        return replace(sections, bridge=bridge or sections.bridge)
    if name in {"leg_left_bridge", "dial_completed"}:
        return replace(sections, bridge="not_in_bridge")
    return sections
