"""Opens the line of a leg that a call dials: its road, its RTP port, its INVITE."""

from collections.abc import Callable
from dataclasses import replace

from agentstream import _media
from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.calls.record import CallSetup
from agentstream.media.engine import MediaLeg
from agentstream.media.negotiate import SdpSession
from agentstream.media.plan import RtpLegPlan
from agentstream.sip.reports import Invited
from agentstream.sip.signaling import Dial
from agentstream.switch.lines import DialledLine, OurSide, SipLine
from agentstream.switch.refer_rules import ReferRules
from agentstream.switch.referring import Referee
from agentstream.switch.routing import NoRoadError, Road, find_road
from agentstream.switch.wiring import Wiring


class Dialler:
    """What every leg of this house is made with."""

    def __init__(
        self,
        wiring: Wiring,
        plan: Callable[[LegSid, CallSid], RtpLegPlan],
    ) -> None:
        self._signaling = wiring.signaling
        self._media = wiring.media
        self._local = wiring.local
        self._tokens = wiring.tokens
        self._roads = wiring.roads
        self._plan = plan
        self._referee = Referee(wiring)
        self.judge = self._referee.judge

    def open(self, leg_sid: LegSid, spec: DialSpec, setup: CallSetup) -> DialledLine:
        """Place a leg of this call; raises NoRoadError when it cannot be."""
        road = find_road(spec, self._roads, setup.account_number)
        try:
            leg = self._media.open_rtp_leg(self._plan(leg_sid, setup.call_sid))
        except _media.PortsExhausted:
            raise NoRoadError(Cause.NO_PORTS, "No RTP port is free for one more leg.") from None
        try:
            host = self._local.address or self._signaling.host_towards(road.first_host)
            rules = self._referee.rules_out(road.target, road.trunk, host)
            ours = self._our_side(host, leg, rules)
            order = _order(road, host, spec.ring_ms)
            return DialledLine(leg_sid, self._signaling, ours, order, offers_late=road.offers_late)
        except BaseException:
            leg.close()
            raise

    def incoming(self, invited: Invited, call_sid: CallSid) -> SipLine:
        """Open the line of a leg that comes in; raises PortsExhausted, PeerError for its SDP."""
        leg_sid = LegSid(self._tokens.hex())
        leg = self._media.open_rtp_leg(self._plan(leg_sid, call_sid))
        try:
            host = self._local.address or self._signaling.local_host(invited.ref)
            ours = self._our_side(host, leg, self._referee.rules_in(invited, host))
            return SipLine(leg_sid, invited, self._signaling, ours)
        except BaseException:
            leg.close()
            raise

    def _our_side(self, host: str, leg: MediaLeg, rules: ReferRules) -> OurSide:
        local = replace(self._local, address=host, port=leg.rtp_port)
        session = SdpSession(session_id=int(self._tokens.hex(4), 16))
        return OurSide(leg, local, session, rules)


def _order(road: Road, our_host: str, ring_ms: int) -> Dial:
    host = f"[{our_host}]" if ":" in our_host else our_host
    return Dial(
        target=str(road.target),
        from_uri=str(replace(road.target, user=road.caller, host=host, port=0, params={})),
        offer=None,
        from_display=road.display,
        proxy=road.proxy,
        headers=road.headers,
        credentials=road.credentials,
        answer_timeout_ms=ring_ms,
        tls_profile=road.tls_profile,
    )
