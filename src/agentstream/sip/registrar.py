"""A registrar for PBXs and phones of accounts (RFC 3261 §10.3, SIP-37): who is where, in memory.

A binding keeps the flow that its REGISTER came by, so that a phone behind a NAT can be called; it
is gone with its time, with its connection, or when a newer one of the same phone takes its place.
"""

from collections.abc import Callable, Sequence
from typing import Final

from agentstream.base.errors import PeerError
from agentstream.base.values import replace
from agentstream.sip.bindings import Binding, Registrant, RegistrarPolicy
from agentstream.sip.digest import DigestServer, Stale, Verified, Wrong, from_stored
from agentstream.sip.flow import Flow, is_address, is_private
from agentstream.sip.headers import NameAddr, parse_name_addr_list, parse_options, seconds_of
from agentstream.sip.message import Request, Response

PATH_LIMIT: Final = 8
_EXPIRES_USUAL_S: Final = 3_600  # RFC 3261 §10.2.1.1


class Registrar:
    """Pure. `respond` makes a response with our tag, `digest` judges credentials."""

    def __init__(
        self,
        policy: RegistrarPolicy,
        digest: DigestServer,
        respond: Callable[[Request, int, str], Response],
    ) -> None:
        self._policy = policy
        self._digest = digest
        self._respond = respond
        self._bindings: dict[str, tuple[Binding, ...]] = {}  # of a registrant, newest first
        # Told of each wrong login, with whose phone it wanted to be: "" for nobody's.
        self.failed: Callable[[Request, Flow, Wrong, str, int], None] = _nobody_told

    def __len__(self) -> int:
        return sum(map(len, self._bindings.values()))

    def bindings(self, key: str, now_ms: int) -> tuple[Binding, ...]:
        """Return where the phones of a trunk are, the one heard from last first."""
        live = tuple(one for one in self._bindings.get(key, ()) if one.until_ms > now_ms)
        self._keep(key, live)
        return live

    def flow_failed(self, flow: Flow) -> None:
        """Forget who came by a connection that is gone."""
        if flow.id:
            for key, bindings in tuple(self._bindings.items()):
                self._keep(key, tuple(one for one in bindings if one.flow != flow))

    def register(self, request: Request, flow: Flow, now_ms: int) -> Response:
        """Take one REGISTER; return its answer. Raises PeerError for one that makes no sense."""
        to = request.to_addr.sip_uri()
        found = self._policy.find(to.user, to.host.lower())
        refusal = self._challenge(request, found, flow, now_ms)
        if refusal is not None or found is None:
            return refusal or self._respond(request, 403, "")
        wanted = request.headers.all("Contact")
        if [value.strip() for value in wanted] == ["*"]:
            if seconds_of(request.headers.get("Expires")) or "Expires" not in request.headers:
                raise PeerError("Contact * needs Expires 0")
            self._keep(found.key, ())
            return self._listed(request, found.key, now_ms)
        contacts = parse_name_addr_list(wanted) if wanted else []
        refusal = self._bind(request, found.key, contacts, flow, now_ms)
        return refusal or self._listed(request, found.key, now_ms)

    def _challenge(
        self, request: Request, found: Registrant | None, flow: Flow, now_ms: int
    ) -> Response | None:
        policy = self._policy
        realm = found.realm if found is not None else request.to_addr.sip_uri().host.lower()

        def look_up(user: str, algorithm: str) -> str | None:
            # Nobody and somebody with a wrong password look the same, and take as long (SIP-35).
            if found is None or user != found.user:
                return None
            return from_stored(found.ha1, algorithm)

        verdict = self._digest.verify(
            request.method,
            request.headers.all("Authorization"),
            realm,
            look_up,
            now_ms,
            algorithms=policy.algorithms,
        )
        if isinstance(verdict, Verified):
            return None
        if isinstance(verdict, Wrong) and verdict.user:
            key = found.key if found is not None else ""
            self.failed(request, flow, verdict, key, now_ms)
        response = self._respond(request, 401, "")
        for value in self._digest.challenge(
            realm, now_ms, algorithms=policy.algorithms, stale=isinstance(verdict, Stale)
        ):
            response.headers.add("WWW-Authenticate", value)
        return response

    def _bind(
        self, request: Request, key: str, contacts: Sequence[NameAddr], flow: Flow, now_ms: int
    ) -> Response | None:
        """Change all of the bindings, or none (§10.3 step 7)."""
        bindings = list(self.bindings(key, now_ms))
        before = len(bindings)
        path = tuple(map(str, parse_name_addr_list(request.headers.all("Path"))))
        if len(path) > PATH_LIMIT:
            raise PeerError("Path is too long")
        for contact in contacts:
            expires_s = self._expires_s(request, contact)
            granted_s = self._granted_s(contact, expires_s, flow)
            if 0 < expires_s < self._policy.min_expires_s:
                response = self._respond(request, 423, "")
                response.headers.add("Min-Expires", str(self._policy.min_expires_s))
                return response
            fresh = _binding(request, contact, flow, path, now_ms + granted_s * 1000)
            older = [one for one in bindings if _is_same_phone(one, fresh)]
            if any(one.call_id == fresh.call_id and one.cseq > fresh.cseq for one in older):
                return self._respond(request, 500, "Out Of Order")
            bindings = [one for one in bindings if one not in older]
            if expires_s:
                bindings.insert(0, fresh)
        more = len(bindings) - before
        if len(bindings) > self._policy.bindings_each or not self._has_room(more, now_ms):
            return self._respond(request, 403, "Too Many Contacts")
        self._keep(key, tuple(bindings))
        return None

    def _has_room(self, more: int, now_ms: int) -> bool:
        if more <= 0 or len(self) + more <= self._policy.bindings:
            return True
        for key in tuple(self._bindings):
            self.bindings(key, now_ms)  # forgets whose time is over
        return len(self) + more <= self._policy.bindings

    def _expires_s(self, request: Request, contact: NameAddr) -> int:
        if "expires" in contact.params:
            return seconds_of(contact.params["expires"])
        said = request.headers.get("Expires")
        return _EXPIRES_USUAL_S if said is None else seconds_of(said)

    def _granted_s(self, contact: NameAddr, expires_s: int, flow: Flow) -> int:
        host = contact.sip_uri().address
        is_behind_nat = is_address(host) and is_private(host) and host != flow.remote_host
        if flow.transport == "udp" and is_behind_nat:
            return min(expires_s, self._policy.nat_expires_s)
        return min(expires_s, self._policy.max_expires_s)

    def _listed(self, request: Request, key: str, now_ms: int) -> Response:
        response = self._respond(request, 200, "")
        for one in self.bindings(key, now_ms):
            left_s = -(-(one.until_ms - now_ms) // 1000)
            response.headers.add("Contact", f"<{one.contact}>;expires={left_s}")
        if "path" in parse_options(request.headers.all("Supported")):  # RFC 3327 §5.3
            for value in request.headers.all("Path"):
                response.headers.add("Path", value)
        return response

    def _keep(self, key: str, bindings: tuple[Binding, ...]) -> None:
        if bindings:
            self._bindings[key] = bindings
        else:
            self._bindings.pop(key, None)


def _nobody_told(request: Request, flow: Flow, wrong: Wrong, key: str, now_ms: int) -> None:
    del request, flow, wrong, key, now_ms


def _binding(
    request: Request, contact: NameAddr, flow: Flow, path: tuple[str, ...], until_ms: int
) -> Binding:
    uri = contact.sip_uri()
    if uri.scheme == "tel" or not uri.host:
        raise PeerError("Contact that is no SIP URI")
    return Binding(
        str(replace(uri, headers=())),
        flow,
        path,
        until_ms,
        request.call_id,
        request.cseq.number,
        (contact.params.get("+sip.instance") or "").lower(),
    )


def _is_same_phone(one: Binding, other: Binding) -> bool:
    if one.instance and one.instance == other.instance:
        return True
    # Behind two NATs two phones may have the same private address.
    is_same_place = one.flow.remote_host == other.flow.remote_host or one.call_id == other.call_id
    return one.contact == other.contact and is_same_place
