"""Opens the line of a leg that a call dials: its roads, its RTP port, an INVITE per attempt."""

from typing import Final

from agentstream import _media
from agentstream.base.ids import CallSid, LegSid
from agentstream.base.values import replace
from agentstream.base.weight import draw_by
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.calls.record import CallSetup
from agentstream.media.engine import MediaLeg
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.sip import reports as sip
from agentstream.sip.signaling import Dial
from agentstream.switch import feed
from agentstream.switch.attempts import Attempts, outcome_of, rest_of
from agentstream.switch.identity import ANONYMOUS, ANONYMOUS_HOST, identity_headers
from agentstream.switch.lines import DialledLine, OurSide, SipLine, Try
from agentstream.switch.media_choice import (
    ENCRYPTED,
    lacks_keys,
    local_for,
    terms_of,
    transport_of,
)
from agentstream.switch.referring import Referee
from agentstream.switch.road_finder import RoadFinder
from agentstream.switch.road_states import Outcome
from agentstream.switch.roads import NoRoadError, Road
from agentstream.switch.wiring import SwitchLimits, Wiring

_NO_KEYS: Final = (
    "SRTP is required, but its keys may be sent over TLS alone: dial with transport=tls, or allow "
    "[sip] allow_sdes_cleartext."
)
TEXT_LIMIT: Final = 200  # characters of what a far end says that go into a call's story


class Dialler:
    """What every dialled leg of this house is made with."""

    def __init__(self, wiring: Wiring, limits: SwitchLimits) -> None:
        self.wiring = wiring
        self._limits = limits
        self._finder = RoadFinder(
            wiring.roads,
            lambda: wiring.directory.trunks,
            wiring.road_states,
            wiring.signaling.bindings,
            lambda account_sid, number: wiring.directory.owns(account_sid, number),
            draw_by(wiring.tokens),
            wiring.clock,
        )

        self._referee = Referee(wiring)
        self.judge = self._referee.judge

    @property
    def trunk_calls(self) -> dict[str, int]:
        """How many calls go by each of the operator's trunks now."""
        limits = self.wiring.road_limits
        return {name: limits.live(name) for name in self.wiring.roads.trunks}

    def takes_refer(self, invited: sip.Invited) -> bool:
        """Tell whether a caller's trunk is for transfers, so that it may be asked for one."""
        return self._referee.rules_in(invited, "").mode != "deny"

    def open(self, leg_sid: LegSid, spec: DialSpec, setup: CallSetup) -> DialledLine:
        """Place a leg of this call; raises NoRoadError when it cannot be."""
        wiring = self.wiring
        roads = self._with_keys(self._finder.find(spec, setup, leg_sid))
        if setup.hops_left < 2:
            text = "The call was passed on too often already: its Max-Forwards is spent."
            raise NoRoadError(Cause.FAILED, text)
        try:
            leg = wiring.media.open_rtp_leg(self._limits.leg_plan(leg_sid, setup.call_sid))
        except _media.PortsExhausted:
            raise NoRoadError(Cause.NO_PORTS, "No RTP port is free for one more leg.") from None
        attempts = Attempts(roads, wiring.roads, spec.ring_ms, wiring.clock.now_ms())
        tries = Tries(leg_sid, attempts, wiring, leg, setup.hops_left - 1, self._referee)
        try:
            session = SdpSession(int(wiring.tokens.hex(4), 16), wiring.tokens)
            first = tries.first()
            ours = OurSide(leg, first.local, session, first.is_encrypted, keys=first.keys)
            return DialledLine(leg_sid, wiring.signaling, ours, tries, first)
        except BaseException:
            tries.leave()
            leg.close()
            raise

    def _with_keys(self, roads: tuple[Road, ...]) -> tuple[Road, ...]:
        """Leave out the roads that need keys and may offer none (SIP-43)."""
        house = self.wiring.local
        able = tuple(each for each in roads if not lacks_keys(local_of(each, house)))
        if roads and not able:
            raise NoRoadError(Cause.FAILED, _NO_KEYS)
        return able

    def incoming(self, invited: sip.Invited, call_sid: CallSid) -> SipLine:
        """Open the line of a leg that comes in; raises PortsExhausted, PeerError for its SDP."""
        wiring = self.wiring
        leg_sid = LegSid(wiring.tokens.hex())
        leg = wiring.media.open_rtp_leg(self._limits.leg_plan(leg_sid, call_sid))
        try:
            ours = self._our_side(invited, leg)
            return SipLine(leg_sid, invited, wiring.signaling, ours)
        except BaseException:
            leg.close()
            raise

    def _our_side(self, invited: sip.Invited, leg: MediaLeg) -> OurSide:
        wiring, sid = self.wiring, invited.trunk_sid
        host = wiring.local.address or wiring.signaling.local_host(invited.ref)
        transport = transport_of(invited.source)
        local = replace(wiring.local, address=host, port=leg.rtp_port)
        terms = terms_of(sid and wiring.directory.trunks.find(sid))
        session = SdpSession(int(wiring.tokens.hex(4), 16), wiring.tokens)
        rules = self._referee.rules_in(invited, host)
        is_encrypted = transport in ENCRYPTED
        ours = local_for(local, transport, terms)
        return OurSide(leg, ours, session, is_encrypted, rules, terms.keys)


class Tries:
    """Makes an INVITE of each road of a leg, counts it there, and tells what became of it."""

    def __init__(
        self,
        leg_sid: LegSid,
        attempts: Attempts,
        wiring: Wiring,
        leg: MediaLeg,
        hops: int,
        referee: Referee,
    ) -> None:
        self._leg_sid = leg_sid
        self._attempts = attempts
        self._wiring = wiring
        self._rtp_port = leg.rtp_port
        self._hops = hops
        self._referee = referee
        self._road: Road | None = None  # that is tried now
        self._began_ms = 0
        self._held = ""  # whose place is taken in the limits
        self._is_known = False  # what became of this road was told
        self._told: list[feed.RoadFailed] = []  # not yet fetched

    def first(self) -> Try:
        """Return the first attempt; raises NoRoadError when every road is full."""
        made = self._next()
        if made is None:
            why = "; ".join(f"{one.road}: {one.text}" for one in self._told)
            raise NoRoadError(Cause.OVERLOADED, f"No road has room: {why[:TEXT_LIMIT]}.")
        return made

    def after(self, ended: sip.Ended, *, is_over: bool) -> Try | None:
        """Take the end of an attempt; returns the next one, None when this end is the leg's."""
        road, since_ms = self._road, self._now_ms() - self._began_ms
        self.leave()
        if road is None or ended.by == "local":
            return None
        outcome = outcome_of(ended)
        self._note(outcome, road, rest_of(ended))
        if is_over:
            return None
        number, place = self._attempts.count, len(self._told)
        made = self._next() if self._attempts.leads_on(ended, road) else None
        if road.key or made is not None or number > 1:
            after = self._road.name if made is not None and self._road is not None else ""
            status, text = ended.status, ended.text[:TEXT_LIMIT]
            failed = feed.RoadFailed(
                self._leg_sid, number, road.name, outcome, status, text, since_ms, after
            )
            self._told.insert(place, failed)  # before the roads that were passed over since
        return made

    def reached(self) -> None:
        """Take it that the far end of this road rings or has answered."""
        if self._road is not None:
            self._note("reached", self._road)

    def leave(self) -> None:
        """Give the place on the road back; harmless when none is taken."""
        if self._held:
            self._wiring.road_limits.leave(self._held)
            self._held = ""

    def fetch_notes(self) -> list[feed.RoadFailed]:
        """Return what is to be told and was not yet."""
        told, self._told = self._told, []
        return told

    def _next(self) -> Try | None:
        now_ms = self._now_ms()
        while (road := self._attempts.next(now_ms)) is not None:
            why = self._take(road, now_ms)
            if not why:
                self._road, self._began_ms, self._is_known = road, now_ms, False
                return self._made(road, self._attempts.ring_ms(road, now_ms))
            self._told.append(
                feed.RoadFailed(self._leg_sid, self._attempts.count, road.name, "full", 0, why)
            )
        return None

    def _take(self, road: Road, now_ms: int) -> str:
        if lacks_keys(local_of(road, self._wiring.local)):
            return _NO_KEYS  # an address that a redirection leads to
        key = road.limit_key or road.key
        if not key:
            return ""
        clock, limits = self._wiring.clock, self._wiring.road_limits
        why = limits.take(key, road.limit, now_ms, clock.wall())
        if not why:
            self._held = key
        return why

    def _made(self, road: Road, ring_ms: int) -> Try:
        local = local_of(road, self._wiring.local)
        host = local.address or self._wiring.signaling.host_towards(road.first_host)
        local = replace(local, address=host, port=self._rtp_port)
        if road.codecs:
            local = replace(local, codecs=road.codecs)
        order = order_of(road, host, ring_ms, self._hops)
        is_encrypted = road.transport in ENCRYPTED
        rules = self._referee.rules_out(road.target, road.trunk, host)
        return Try(
            order,
            local,
            road.offers_late,
            road.hears_early_media,
            is_encrypted,
            rules,
            road.media.keys,
        )

    def _note(self, outcome: Outcome, road: Road, rest_ms: int = 0) -> None:
        if road.key and not self._is_known:
            self._is_known = True
            self._wiring.road_states.note(road.key, outcome, rest_ms)

    def _now_ms(self) -> int:
        return self._wiring.clock.now_ms()


def local_of(road: Road, house: LocalMedia) -> LocalMedia:
    """Return our side of a leg that goes by this road."""
    return local_for(house, road.transport, road.media)


def order_of(road: Road, our_host: str, ring_ms: int, max_forwards: int = 70) -> Dial:
    """Return the INVITE of a road, without its offer."""
    host = road.domain or (f"[{our_host}]" if ":" in our_host else our_host)
    headers, identity = road.headers, road.identity
    told = identity_headers(identity, host)
    caller, display = road.caller, road.display
    if identity.is_private:
        caller, display, host = ANONYMOUS, "Anonymous", ANONYMOUS_HOST
    to_uri = str(replace(road.target, user=road.to_user)) if road.to_user else ""
    return Dial(
        target=str(road.target),
        from_uri=str(replace(road.target, user=caller, host=host, port=0, params={})),
        offer=None,
        from_display=display,
        to_uri=to_uri,
        proxy=road.proxy,
        headers=(*told, *headers) if told else headers,
        credentials=road.credentials,
        answer_timeout_ms=ring_ms,
        tls_profile=road.tls_profile,
        routes=road.routes,
        flow=road.flow,
        silence_timeout_ms=road.silence_ms,
        max_forwards=max_forwards,
        session_expires_s=road.session_timer_s,
    )
