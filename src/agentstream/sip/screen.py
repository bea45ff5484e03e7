"""What can be said about a request without keeping anything of it (RFC 3261 §8.2, RFC 7332).

Refusals here are stateless: junk costs one answer and no memory. A repeated request is judged
again, with the same words and the same tag.
"""

import hashlib
import hmac

from agentstream.base.errors import PeerError
from agentstream.sip.bindings import RegistrarPolicy
from agentstream.sip.bodies import passed_headers, put_headers, put_text
from agentstream.sip.digest import DigestServer, Verified, Wrong, named_login
from agentstream.sip.digest import Verdict as Proof
from agentstream.sip.flow import Flow
from agentstream.sip.gate import Arrival, Ask, Login, Refuse
from agentstream.sip.headers import parse_options
from agentstream.sip.invite import describe
from agentstream.sip.message import Request, Response, respond
from agentstream.sip.registrar import Registrar
from agentstream.sip.settings import ALLOW, EXTENSIONS, METHODS, SipSettings
from agentstream.sip.uri import SipUri, parse_uri

# Methods that exist only inside a dialog.
_INSIDE = frozenset(("BYE", "PRACK", "UPDATE", "INFO", "NOTIFY"))
_ALLOWED = frozenset(METHODS)
_EXTENSIONS = frozenset(EXTENSIONS)
LOGINS_READ = 4  # credentials of one request; others name no trunk


class Screen:
    """Judges requests; `secret` makes its tags and nonces."""

    def __init__(self, settings: SipSettings, secret: bytes) -> None:
        self._settings = settings
        self._secret = secret
        self._digest = DigestServer(secret)

    def response(self, request: Request, status: int, text: str = "") -> Response:
        """Make a stateless response; its tag is the same whenever the request comes again."""
        tag = "" if request.to_tag else self._tag(request)
        response = respond(request, status, text, tag)
        response.headers.add("Server", self._settings.user_agent)
        return response

    def busy(self, request: Request, retry_after_s: int) -> Response:
        """Make a 503 with Retry-After."""
        response = self.response(request, 503)
        response.headers.add("Retry-After", str(retry_after_s))
        return response

    def registrar(self, policy: RegistrarPolicy) -> Registrar:
        """Make the registrar that challenges with our nonces and answers with our tags."""
        return Registrar(policy, self._digest, self.response)

    def extension_refusal(self, request: Request, also: tuple[str, ...] = ()) -> Response | None:
        """Refuse what is required but not known (§8.2.2.3): 420 with Unsupported."""
        required = request.headers.all("Require")
        if not required:
            return None
        known = _EXTENSIONS.union(also)
        unknown = [name for name in parse_options(required) if name.lower() not in known]
        if not unknown:
            return None
        response = self.response(request, 420)
        response.headers.add("Unsupported", ", ".join(unknown))
        return response

    def refusal(self, request: Request, *, is_merged: bool) -> Response | None:
        """Judge a request outside of any dialog; None: it is an INVITE that may go on."""
        method = request.method
        if method == "OPTIONS":
            return self.extension_refusal(request) or describe(self.response(request, 200))
        if method in _INSIDE:
            return self.response(request, 481)
        if method == "REFER":
            return self.response(request, 403)
        if method not in _ALLOWED:
            response = self.response(request, 405)
            response.headers.add("Allow", ALLOW)
            return response
        if is_merged:
            return self.response(request, 482)
        return self._invite_refusal(request)

    def arrival(self, request: Request, flow: Flow) -> Arrival:
        """Say what a request shows of its sender."""
        headers = request.headers
        values = headers.all("Proxy-Authorization") + headers.all("Authorization")
        logins = [named_login(value) for value in values[:LOGINS_READ]]
        return Arrival(
            method=request.method,
            request_uri=request.uri,
            from_uri=request.from_addr.uri,
            flow=flow,
            sip_call_id=request.call_id,
            user_agent=headers.get("User-Agent") or "",
            headers=passed_headers(headers),
            logins=tuple(Login(*login) for login in logins if login is not None),
            certificate_names=flow.peer_names,
        )

    def login(self, request: Request, asked: Ask, now_ms: int) -> Proof:
        """Judge the credentials of a request; either header will do (SIP-31)."""
        values = request.headers.all("Proxy-Authorization") + request.headers.all("Authorization")
        proof = self._digest.verify(
            request.method, values, asked.realm, asked.look_up, now_ms, algorithms=asked.algorithms
        )
        if isinstance(proof, Verified) and not _is_meant(proof.uri, request):
            return Wrong(proof.user, is_proven=True)
        return proof

    def challenge(
        self, request: Request, asked: Ask, now_ms: int, *, is_stale: bool = False
    ) -> Response:
        """Ask who is calling (RFC 3261 §22)."""
        header = "Proxy-Authenticate" if asked.status == 407 else "WWW-Authenticate"
        response = self.response(request, asked.status)
        for value in self._digest.challenge(
            asked.realm, now_ms, algorithms=asked.algorithms, stale=is_stale
        ):
            response.headers.add(header, value)
        return response

    def refused(self, request: Request, refuse: Refuse) -> Response:
        """Make the answer that the gate wants."""
        response = self.response(request, refuse.status)
        put_headers(response, refuse.headers)
        put_text(response, refuse.text)
        return response

    def _invite_refusal(self, request: Request) -> Response | None:
        headers = request.headers
        # RFC 7332 §4: we place calls on behalf of this one, so a spent Max-Forwards ends here.
        if (headers.get("Max-Forwards") or "1").lstrip("0") == "":
            return self.response(request, 483)
        refusal = self.extension_refusal(request)
        if refusal is not None:
            return refusal
        if (headers.get("Content-Encoding") or "identity").lower() != "identity":
            response = self.response(request, 415)
            response.headers.add("Accept-Encoding", "identity")
            return response
        parse_uri(request.uri)  # PeerError 416 for a scheme that we do not speak
        return None

    def _tag(self, request: Request) -> str:
        text = f"{request.call_id} {request.from_tag} {request.cseq}"
        return hmac.new(
            self._secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256
        ).hexdigest()[:16]


def _is_meant(uri: str, request: Request) -> bool:
    """Tell whether a digest-uri is of this request: its URI, its To, or but for host or plus.

    SIP-32: LiveKit takes the To URI; others write the host that they connect to.
    """
    if uri == request.uri:
        return True
    try:
        named = parse_uri(uri)
        meant = (parse_uri(request.uri), request.to_addr.sip_uri())
    except PeerError:
        return False
    return any(_is_near(named, one) for one in meant)


def _is_near(one: SipUri, other: SipUri) -> bool:
    if one.user and one.user.lstrip("+") == other.user.lstrip("+"):
        return True
    return bool(one.host) and one.host.lower() == other.host.lower()
