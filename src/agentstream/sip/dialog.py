"""A dialog (RFC 3261 §12): Call-ID and two tags, sequence numbers, route set, remote target."""

from agentstream.base.errors import PeerError
from agentstream.base.values import replace
from agentstream.sip.flow import SECURE, WEBSOCKET, Flow, Hop, hop_of, is_private
from agentstream.sip.headers import NameAddr, parse_name_addr, parse_name_addr_list, parse_options
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.uri import SipUri, parse_uri


class Dialog:
    """Early until it is confirmed, then for the life of the call; makes our requests inside it."""

    __slots__ = (
        "call_id",
        "flow",
        "is_loose",
        "local",
        "local_cseq",
        "local_tag",
        "peer_allows",
        "remote",
        "remote_cseq",
        "remote_tag",
        "routes",
        "target",
    )

    def __init__(self, call_id: str, local: str, remote: str, target: str) -> None:
        self.call_id = call_id
        self.local = local  # our From with its tag, as text
        self.remote = remote
        self.local_tag = ""
        self.remote_tag = ""
        self.target = target
        self.routes: list[str] = []
        self.is_loose = True
        self.local_cseq = 0
        self.remote_cseq: int | None = None
        self.flow: Flow | None = None  # what the peer's latest message came by
        self.peer_allows: frozenset[str] = frozenset()

    @classmethod
    def as_server(cls, request: Request, local: str, local_tag: str, flow: Flow) -> "Dialog":
        """Make the dialog of an INVITE that came in (§12.1.1); `local` is To with our tag."""
        dialog = cls(request.call_id, local, request.headers.get("From") or "", contact_of(request))
        dialog.local_tag = local_tag
        dialog.remote_tag = request.from_tag
        dialog.remote_cseq = request.cseq.number
        dialog.flow = flow
        dialog._set_routes([str(a) for a in record_route_of(request)])
        dialog.hear_allow(request)
        return dialog

    @classmethod
    def as_client(cls, request: Request, response: Response, flow: Flow) -> "Dialog":
        """Make the dialog of a response to our INVITE (§12.1.2)."""
        dialog = cls(
            request.call_id,
            request.headers.get("From") or "",
            response.headers.get("To") or "",
            contact_of(response, or_else=request.uri),
        )
        dialog.local_tag = request.from_tag
        dialog.remote_tag = response.to_tag
        dialog.local_cseq = request.cseq.number
        dialog.flow = flow
        dialog._set_routes([str(a) for a in reversed(record_route_of(response))])
        dialog.hear_allow(response)
        return dialog

    def request(self, method: str, cseq: int | None = None) -> Request:
        """Make a request inside the dialog (§12.2.1.1); an ACK repeats the INVITE's number."""
        if cseq is None:
            cseq = self.next_cseq()
        uri, routes = self.target, self.routes
        if not self.is_loose:
            # §12.2.1.1: the first router is strict; it wants itself as Request-URI.
            first = parse_name_addr(routes[0]).sip_uri().without("method", headers=True)
            uri, routes = str(first), [*routes[1:], f"<{self.target}>"]
        items = [("Max-Forwards", "70"), ("From", self.local), ("To", self.remote)]
        items += [("Call-ID", self.call_id), ("CSeq", f"{cseq} {method}")]
        items += [("Route", route) for route in routes]
        return Request(method, uri, Headers.trusted(items))

    def next_cseq(self) -> int:
        """Count up and return our sequence number."""
        self.local_cseq += 1
        return self.local_cseq

    def next_hop(self) -> Flow | Hop:
        """Return where our requests go: the first router, or the remote target."""
        text = parse_name_addr(self.routes[0]).uri if self.routes else self.target
        return destination(parse_uri(text), self.flow)

    def other_hops(self) -> list[Hop]:
        """Return where else our requests may go when the connection that they came by is gone."""
        flow = self.flow
        # RFC 7118 §5.2.4: a browser cannot be called back; its connection is the only way.
        if flow is None or flow.transport == "udp" or flow.transport in WEBSOCKET:
            return []
        if not isinstance(self.next_hop(), Flow):
            return []
        text = parse_name_addr(self.routes[0]).uri if self.routes else self.target
        hop = hop_of(parse_uri(text))
        if not hop.is_numeric or is_private(hop.host) != is_private(flow.remote_host):
            return []
        # RFC 5922 §4: a peer that was called by its name proves that name again.
        name = (flow.tls_name or hop.host) if flow.transport in SECURE else ""
        return [
            replace(
                hop, transport=flow.transport, tls_name=name, tls_profile=flow.tls_profile
            ).settled()
        ]

    def refresh(self, message: Request | Response, flow: Flow) -> None:
        """Take over the Contact of a target refresh (§12.2.1.2, §12.2.2), when there is one."""
        self.flow = flow
        self.target = contact_of(message, or_else=self.target)
        self.hear_allow(message)

    def confirm(self, response: Response, flow: Flow) -> None:
        """Compute the route set anew from the 2xx (§13.2.2.4)."""
        self._set_routes([str(a) for a in reversed(record_route_of(response))])
        self.refresh(response, flow)

    def hear_allow(self, message: Request | Response) -> None:
        """Remember which methods the peer allows, when it says so."""
        values = message.headers.all("Allow")
        if values:
            self.peer_allows = frozenset(name.upper() for name in parse_options(values))

    def _set_routes(self, routes: list[str]) -> None:
        self.routes = routes
        self.is_loose = not routes or parse_name_addr(routes[0]).sip_uri().is_loose_router


def first_hop(headers: Headers, target: SipUri, proxy: SipUri | None) -> Hop:
    """Return where a request outside of dialogs goes; one by a proxy gets its Route (§8.1.2)."""
    if proxy is None:
        return hop_of(target)
    headers.add("Route", f"<{proxy.with_params(lr=None)}>")
    return hop_of(proxy)


def destination(uri: SipUri, flow: Flow | None) -> Flow | Hop:
    """Return where a request for this URI goes, given the flow that the peer's messages come by.

    The flow is kept when it leads to the same host (RFC 5923), and when the URI holds a private
    address that cannot be what we see: the peer is behind a NAT. A URI that says no transport does
    not make us leave the connection that the peer came by, and nothing but another transport makes
    us leave a WebSocket: the host of its Contact is made up (RFC 7118 §5.1).
    """
    hop = hop_of(uri)
    if flow is None:
        return hop
    if flow.transport in WEBSOCKET:
        is_elsewhere = uri.transport and uri.transport not in WEBSOCKET
        return hop if is_elsewhere and not uri.host.lower().endswith(".invalid") else flow
    if hop.transport in SECURE:
        if hop.transport == flow.transport and hop.host.lower() in flow.peer_names:
            return flow  # RFC 5923 §4: the far end of it has proven to be that host
        hop = replace(hop, tls_profile=flow.tls_profile)
    if not hop.is_numeric:
        return hop
    if is_private(hop.host) and not is_private(flow.remote_host):
        return flow
    if hop.host == flow.remote_host:
        is_said = uri.transport or uri.scheme == "sips"
        if flow.transport != "udp" and hop.transport in (flow.transport, "" if is_said else "udp"):
            return flow
        if flow.transport == "udp" == hop.transport and (hop.port or 5060) == flow.remote_port:
            return flow
    return hop


def contact_of(message: Request | Response, or_else: str = "") -> str:
    """Return the URI of the only Contact. Raises PeerError when there is none and nothing else."""
    contacts = message.contacts
    if not contacts:
        if or_else:
            return or_else
        raise PeerError("Contact missing")
    uri = contacts[0].uri
    if parse_uri(uri).scheme == "tel":
        raise PeerError("Contact that is no SIP URI")
    return uri


def record_route_of(message: Request | Response) -> list[NameAddr]:
    """Return the recorded route as it stands in the message."""
    values = message.headers.all("Record-Route")
    return parse_name_addr_list(values) if values else []
