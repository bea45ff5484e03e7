"""A call that a platform places, one request after the other as it writes them (PN-6, PN-10).

call = PartnerCall(there.platform, there.place, PERSON, DID)
await call.invite()
challenge = await call.refused(407)                 it is acknowledged
await call.log_in(challenge, "user", "password")    the digest's uri is To's
await call.answered()                               200 and ACK
await call.say("REFER", ("Refer-To", "<tel:+91...>"))
"""

import hashlib
import re
import secrets
import ssl
from collections.abc import Iterable
from typing import Final, Literal, Self

from agentstream.sip.message import Headers, Request
from agentstream.testing.partners import Heard, Pairs, Partner
from agentstream.testing.ports import HOST

Qop = Literal["", "auth"]
_FIELD: Final = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


class PartnerCall:
    """One dialog from the platform's side; nothing in it happens by itself."""

    def __init__(  # noqa: PLR0913  (what platforms write differently)
        self,
        platform: Partner,
        node: tuple[str, int],
        called: str,
        caller: str,
        *,
        host: str = "",
        from_host: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.platform = platform
        self.call_id = f"{secrets.token_hex(8)}@platform"
        self.tag = secrets.token_hex(4)
        self.cseq = 0
        self.offer = platform.sdp()
        self.remote = ""  # To, once there is a tag
        self.target = f"sip:{called}@{host or node[0]}:{node[1]};transport={platform.way}"
        self._node = node
        self._tls = tls
        self._to = f"<sip:{called}@{host or node[0]}>"
        self._from = f"<sip:{caller}@{from_host or HOST}>;tag={self.tag}"
        self._latest: Request | None = None

    @classmethod
    def of(
        cls,
        platform: Partner,
        node: tuple[str, int],
        invite: Heard,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Return the dialog of a call that the node has placed, after its answer."""
        message = invite.message
        call = cls(platform, node, "", "", tls=tls)
        call.call_id, call.tag = message.call_id, "partner"
        call.remote = invite.header("From")
        call.target = message.contacts[0].uri
        call._from = f"{invite.header('To')};tag=partner"
        return call

    async def invite(self, headers: Pairs = (), sdp: str = "") -> None:
        """Send an INVITE, with the next number of the same Call-ID."""
        self.offer = sdp or self.offer
        self.cseq += 1
        await self._send("INVITE", self.cseq, headers, self.offer)

    async def refused(self, status: int) -> Heard:
        """Take a refusal of the INVITE, and acknowledge it."""
        heard = await self.platform.response(status, "INVITE")
        latest = self._latest
        assert latest is not None
        items = [(name, value) for name, value in latest.headers if name != "CSeq"]
        kept = [item for item in items if item[0] in ("Via", "From", "Call-ID", "Max-Forwards")]
        to = [("To", heard.header("To")), ("CSeq", f"{latest.cseq.number} ACK")]
        ack = Request("ACK", latest.uri, Headers([*kept, *to]))
        await self.platform.send(ack, self._node, tls=self._tls)
        return heard

    async def log_in(
        self,
        challenge: Heard,
        user: str,
        password: str,
        *,
        headers: Pairs = (),
        qop: Qop = "",
        digest_uri: str = "",
    ) -> None:
        """Answer the first challenge header with MD5; LiveKit's digest uri is To's, and no qop."""
        is_proxy = bool(challenge.header("Proxy-Authenticate"))
        name = "Proxy-Authenticate" if is_proxy else "WWW-Authenticate"
        asked = {
            found[1].lower(): found[2] or found[3]
            for found in _FIELD.finditer(challenge.header(name))
        }
        uri = digest_uri or self._to.strip("<>")
        answer = _digest(asked, user, password, uri, qop)
        header = "Proxy-Authorization" if is_proxy else "Authorization"
        await self.invite(((header, answer), *headers))

    async def answered(self) -> Heard:
        """Take the 200, and acknowledge it at its Contact."""
        ok = await self.platform.response(200, "INVITE")
        self.remote = ok.header("To")
        self.target = ok.message.contacts[0].uri
        await self._send("ACK", ok.message.cseq.number, (), "")
        return ok

    async def say(self, method: str, *headers: tuple[str, str], body: str = "") -> int:
        """Send a request inside the call; return its number. A body is SDP unless headers say."""
        self.cseq += 1
        await self._send(method, self.cseq, headers, body)
        return self.cseq

    async def cancel(self) -> None:
        """Give up the INVITE that rings."""
        latest = self._latest
        assert latest is not None
        kept = ("Via", "From", "To", "Call-ID", "Max-Forwards")
        items = [item for item in latest.headers if item[0] in kept]
        items.append(("CSeq", f"{latest.cseq.number} CANCEL"))
        await self.platform.send(Request("CANCEL", latest.uri, Headers(items)), self._node)

    async def hang_up(self) -> None:
        """End it; returns once that is answered."""
        await self.say("BYE")
        await self.platform.response(200, "BYE")

    async def _send(
        self, method: str, cseq: int, headers: Iterable[tuple[str, str]], sdp: str
    ) -> None:
        place = f"{self.platform.way.upper()} {self.platform.host}:{self.platform.port}"
        items = [
            ("Via", f"SIP/2.0/{place};branch=z9hG4bK{secrets.token_hex(6)};rport"),
            ("Max-Forwards", "70"),
            ("From", self._from),
            ("To", self.remote or self._to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", f"<{self.platform.uri('agent')}>"),
            ("Allow", "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE"),
            *headers,
        ]
        request = Request(method, self.target, Headers(items))
        if method == "INVITE":
            self._latest = request
        await self.platform.send(request, self._node, sdp, self._tls)


def _digest(asked: dict[str, str], user: str, password: str, uri: str, qop: Qop) -> str:
    """RFC 2617 section 3.2.2, without our own code: MD5."""
    realm, nonce = asked["realm"], asked["nonce"]
    first, second = _md5(f"{user}:{realm}:{password}"), _md5(f"INVITE:{uri}")
    fields = f'username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if qop:
        response = _md5(f"{first}:{nonce}:00000001:abcd:{qop}:{second}")
        return f'Digest {fields}, response="{response}", qop={qop}, nc=00000001, cnonce="abcd"'
    return f'Digest {fields}, response="{_md5(f"{first}:{nonce}:{second}")}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
