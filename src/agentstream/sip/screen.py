"""What can be said about a request without keeping anything of it (RFC 3261 §8.2, RFC 7332).

Refusals here are stateless: junk costs one answer and no memory. A repeated request is judged
again, with the same words and the same tag.
"""

import hashlib
import hmac

from agentstream.sip.digest import DigestServer, Stale, Verified, ha1
from agentstream.sip.flow import Flow
from agentstream.sip.headers import parse_options
from agentstream.sip.invite import describe
from agentstream.sip.message import Request, Response, respond
from agentstream.sip.settings import ALLOW, EXTENSIONS, METHODS, SipSettings
from agentstream.sip.uri import parse_uri

# Methods that exist only inside a dialog.
_INSIDE = frozenset(("BYE", "PRACK", "UPDATE", "INFO", "NOTIFY"))
_ALLOWED = frozenset(METHODS)
_EXTENSIONS = frozenset(EXTENSIONS)


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

    def extension_refusal(self, request: Request) -> Response | None:
        """Refuse what is required but not known (§8.2.2.3): 420 with Unsupported."""
        required = request.headers.all("Require")
        if not required:
            return None
        unknown = [name for name in parse_options(required) if name.lower() not in _EXTENSIONS]
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

    def challenge(self, request: Request, flow: Flow, now_ms: int) -> Response | None:
        """Ask who is calling (RFC 3261 §22), when the settings want to know and it is not shown."""
        policy = self._settings.digest
        if policy is None or not policy.concerns(flow.remote_host):
            return None
        asks, answers_with = (
            ("Proxy-Authenticate", "Proxy-Authorization")
            if policy.status == 407
            else ("WWW-Authenticate", "Authorization")
        )

        def look_up(user: str, algorithm: str) -> str | None:
            password = policy.users.get(user)
            return None if password is None else ha1(user, policy.realm, password, algorithm)

        verdict = self._digest.verify(
            request.method,
            request.headers.all(answers_with),
            policy.realm,
            look_up,
            now_ms,
            algorithms=policy.algorithms,
        )
        if isinstance(verdict, Verified):
            return None
        response = self.response(request, policy.status)
        for value in self._digest.challenge(
            policy.realm, now_ms, algorithms=policy.algorithms, stale=isinstance(verdict, Stale)
        ):
            response.headers.add(asks, value)
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
