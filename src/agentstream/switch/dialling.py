"""Opens the line of a leg that a call dials: its road, its RTP port, its INVITE."""

from collections.abc import Callable
from dataclasses import replace

from agentstream import _media
from agentstream.base.ids import CallSid, LegSid, Tokens
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.calls.record import CallSetup
from agentstream.media.engine import MediaEngine
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.media.plan import RtpLegPlan
from agentstream.sip.signaling import Dial, SignalingEngine
from agentstream.switch.lines import DialledLine, OurSide
from agentstream.switch.routing import NoRoadError, Road, Roads, find_road


class Dialler:
    """What every dialled leg of this house is made with."""

    def __init__(
        self,
        signaling: SignalingEngine,
        media: MediaEngine,
        local: LocalMedia,
        tokens: Tokens,
        roads: Roads,
        plan: Callable[[LegSid, CallSid], RtpLegPlan],
    ) -> None:
        self._signaling = signaling
        self._media = media
        self._local = local
        self._tokens = tokens
        self._roads = roads
        self._plan = plan

    def open(self, leg_sid: LegSid, spec: DialSpec, setup: CallSetup) -> DialledLine:
        """Place a leg of this call; raises NoRoadError when it cannot be."""
        road = find_road(spec, self._roads, setup.account_number)
        try:
            leg = self._media.open_rtp_leg(self._plan(leg_sid, setup.call_sid))
        except _media.PortsExhausted:
            raise NoRoadError(Cause.NO_PORTS, "No RTP port is free for one more leg.") from None
        try:
            host = self._local.address or self._signaling.host_towards(road.first_host)
            local = replace(self._local, address=host, port=leg.rtp_port)
            ours = OurSide(leg, local, SdpSession(session_id=int(self._tokens.hex(4), 16)))
            order = order_of(road, host, spec.ring_ms)
            return DialledLine(leg_sid, self._signaling, ours, order, offers_late=road.offers_late)
        except BaseException:
            leg.close()
            raise


def order_of(road: Road, our_host: str, ring_ms: int) -> Dial:
    """Return what signalling is told of a road, without an offer."""
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
    )
