"""Digest authentication, both sides (RFC 7616, RFC 8760, RFC 3261 §22).

Server side, a nonce is `issued_ms.count.mac`: it proves itself, so challenging allocates nothing;
only nonces that were answered rightly enter a bounded table, against replay.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.sip.headers import quote, unquote
from agentstream.sip.message import Request, Response
from agentstream.sip.signaling import Credentials

NONCE_LIFETIME_MS = 300_000
SEEN_LIMIT = 4_096  # nonces in use; beyond, the oldest goes and what is older counts as stale
COUNT_WINDOW = 64  # a nonce count this far behind the highest is refused
ATTEMPT_LIMIT = 3  # challenges answered for one request; then the peer goes round in circles
CLIENT_NONCE_LIMIT = 16

# RFC 8760 §2.1; strongest first.
_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
STRONGEST_FIRST = tuple(_HASHES)

_PAIR = re.compile(
    r'[ \t]*+([A-Za-z0-9\-]+)[ \t]*+=[ \t]*+("(?>(?:[^"\\]|\\[\s\S])*)"|[^\s,"]+)[ \t]*+(?:,|\Z)'
)
_HEX = re.compile(r"[0-9a-fA-F]{8}")
_NONCE = re.compile(r"([0-9a-f]{1,16})\.([0-9a-f]{1,16})\.([0-9a-f]{32})")

HaLookup = Callable[[str, str], str | None]  # user, algorithm -> HA1 in lower-case hex


@dataclass(frozen=True, slots=True)
class Verified:
    """The credentials are right. `uri` is the digest-uri that they name."""

    user: str
    uri: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The response is right but its nonce is old, spent or not ours: challenge with stale=true."""

    user: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """No credentials for this realm (`user` ""), or wrong ones; both look the same to the peer.

    `is_proven`: they answer a young challenge of ours, so they come from where that was sent.
    """

    user: str = ""
    is_proven: bool = False


Verdict = Verified | Stale | Wrong


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge that can be answered: a known algorithm, and qop auth or none."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    has_qop: bool = False
    opaque: str | None = None
    is_stale: bool = False


def ha1(user: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """Return H(user:realm:password), what a server keeps instead of the password."""
    return _hash(algorithm, f"{user}:{realm}:{password}")


def to_stored(user: str, realm: str, password: str) -> str:
    """Return the storage form: `algorithm=ha1` for every algorithm, joined by ";"."""
    return ";".join(f"{name}={ha1(user, realm, password, name)}" for name in STRONGEST_FIRST)


def from_stored(stored: str, algorithm: str) -> str | None:
    """Return the HA1 of one algorithm out of the storage form."""
    for part in stored.split(";"):
        name, _, value = part.partition("=")
        if name == algorithm:
            return value
    return None


class DigestServer:
    """Challenges requests and judges the answers. `secret` must be random and stay the same."""

    def __init__(self, secret: bytes, nonce_lifetime_ms: int = NONCE_LIFETIME_MS) -> None:
        self._secret = secret
        self._nonce_lifetime_ms = nonce_lifetime_ms
        self._count = 0
        self._forgotten = 0  # nonces up to this count are stale unless they are in the table
        self._seen: OrderedDict[int, tuple[int, int]] = OrderedDict()  # count -> highest nc, bits

    def challenge(
        self,
        realm: str,
        now_ms: int,
        *,
        algorithms: Sequence[str] = ("MD5",),
        stale: bool = False,
        qop: bool = True,
    ) -> list[str]:
        """Return one WWW- or Proxy-Authenticate value per algorithm, in the order given."""
        self._count += 1
        nonce = self._nonce(realm, now_ms, self._count)
        tail = (', qop="auth"' if qop else "") + (", stale=true" if stale else "")
        return [
            f'Digest realm={quote(realm)}, nonce="{nonce}", algorithm={name}{tail}'
            for name in algorithms
        ]

    def verify(
        self,
        method: str,
        values: Iterable[str],
        realm: str,
        look_up: HaLookup,
        now_ms: int,
        *,
        algorithms: Sequence[str] = STRONGEST_FIRST,
    ) -> Verdict:
        """Judge the Authorization or Proxy-Authorization values of a request."""
        for value in values:
            pairs = _credentials(value)
            if pairs.get("realm") == realm:
                return self._judge(method, pairs, look_up, now_ms, algorithms)
        return Wrong()

    def _judge(
        self,
        method: str,
        pairs: dict[str, str],
        look_up: HaLookup,
        now_ms: int,
        algorithms: Sequence[str],
    ) -> Verdict:
        user = pairs.get("username", "")
        algorithm = pairs.get("algorithm", "MD5").upper()
        nonce, uri, response = (pairs.get(name, "") for name in ("nonce", "uri", "response"))
        qop, nc = pairs.get("qop", ""), pairs.get("nc", "")
        if algorithm not in algorithms or algorithm not in _HASHES:
            return Wrong(user)
        if qop and (qop.lower() != "auth" or not _HEX.fullmatch(nc) or not pairs.get("cnonce")):
            return Wrong(user)
        # An unknown user costs the same time as a wrong password (SIP-35).
        found = look_up(user, algorithm)
        counted = f"{nc}:{pairs['cnonce']}:{qop}:" if qop else ""
        expected = _response(algorithm, found or "", nonce, counted, method, uri)
        is_right = hmac.compare_digest(expected.encode(), response.lower().encode(*_BYTES))
        if not is_right or found is None:
            return Wrong(user, self._issued(pairs["realm"], nonce, now_ms) is not None)
        if not self._spend(pairs["realm"], nonce, int(nc, 16) if qop else 1, now_ms):
            return Stale(user)
        return Verified(user, uri)

    def _spend(self, realm: str, nonce: str, nc: int, now_ms: int) -> bool:
        """Tell whether this nonce is ours, young, and its count not used before; mark it used."""
        count = self._issued(realm, nonce, now_ms)
        if count is None:
            return False
        if count not in self._seen and count <= self._forgotten:
            return False
        highest, bits = self._seen.get(count, (0, 0))
        if nc > highest:
            bits = (bits << min(nc - highest, COUNT_WINDOW) | 1) & ((1 << COUNT_WINDOW) - 1)
            highest = nc
        else:
            bit = 1 << (highest - nc) if highest - nc < COUNT_WINDOW and nc else 0
            if not bit or bits & bit:
                return False
            bits |= bit
        self._seen[count] = (highest, bits)
        if len(self._seen) > SEEN_LIMIT:
            self._forgotten = max(self._forgotten, self._seen.popitem(last=False)[0])
        return True

    def _issued(self, realm: str, nonce: str, now_ms: int) -> int | None:
        """Return the count of a nonce that is ours and young; None for another."""
        match = _NONCE.fullmatch(nonce)
        if match is None:
            return None
        issued_ms, count = int(match[1], 16), int(match[2], 16)
        if not hmac.compare_digest(self._nonce(realm, issued_ms, count), nonce):
            return None
        return count if 0 <= now_ms - issued_ms <= self._nonce_lifetime_ms else None

    def _nonce(self, realm: str, issued_ms: int, count: int) -> str:
        stamp = f"{issued_ms:x}.{count:x}"
        text = f"{stamp}.{realm}".encode(*_BYTES)
        return f"{stamp}.{hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:32]}"


class DigestClient:
    """Answers challenges for one set of credentials; keeps the nonce counts."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._counts: OrderedDict[str, int] = OrderedDict()

    def answer(
        self, request: Request, response: Response, cnonce: str, attempt: int = 0
    ) -> list[tuple[str, str]]:
        """Return the headers to set on the request when it is sent again; empty: give up.

        `attempt` is how many challenges were already answered for this request. Nothing is answered
        for a foreign realm, for an unknown algorithm, or when our last answer was called wrong.
        """
        if attempt >= ATTEMPT_LIMIT:
            return []
        answers = []
        for asks, answers_with in _HEADER_PAIRS:
            refused = {
                pairs.get("realm")
                for value in request.headers.all(answers_with)
                if (pairs := _credentials(value))
            }
            for challenge in self._choose(response.headers.all(asks)):
                if challenge.realm in refused and not challenge.is_stale:
                    return []
                value = self._credentials_for(challenge, request.method, request.uri, cnonce)
                answers.append((answers_with, value))
        return answers

    def _choose(self, values: Iterable[str]) -> list[Challenge]:
        """Return the strongest challenge of each realm that is ours to answer."""
        best: dict[str, Challenge] = {}
        for value in values:
            challenge = parse_challenge(value)
            if challenge is None or self._credentials.realm not in ("", challenge.realm):
                continue
            rank = STRONGEST_FIRST.index(challenge.algorithm)
            known = best.get(challenge.realm)
            if known is None or rank < STRONGEST_FIRST.index(known.algorithm):
                best[challenge.realm] = challenge
        return list(best.values())

    def _credentials_for(self, challenge: Challenge, method: str, uri: str, cnonce: str) -> str:
        user, algorithm = self._credentials.user, challenge.algorithm
        secret = ha1(user, challenge.realm, self._credentials.password, algorithm)
        counted = tail = ""
        if challenge.has_qop:
            nc = f"{self._next_count(challenge.nonce):08x}"
            counted = f"{nc}:{cnonce}:auth:"
            tail = f', qop=auth, nc={nc}, cnonce="{cnonce}"'
        if challenge.opaque is not None:
            tail += f", opaque={quote(challenge.opaque)}"
        response = _response(algorithm, secret, challenge.nonce, counted, method, uri)
        return (
            f"Digest username={quote(user)}, realm={quote(challenge.realm)}, "
            f"nonce={quote(challenge.nonce)}, uri={quote(uri)}, response={quote(response)}, "
            f"algorithm={algorithm}{tail}"
        )

    def _next_count(self, nonce: str) -> int:
        count = self._counts.pop(nonce, 0) + 1
        self._counts[nonce] = count
        if len(self._counts) > CLIENT_NONCE_LIMIT:
            self._counts.popitem(last=False)
        return count


def parse_challenge(text: str) -> Challenge | None:
    """Parse one WWW- or Proxy-Authenticate value; None when it is nothing that we can answer."""
    pairs = _credentials(text)
    algorithm = pairs.get("algorithm", "MD5").upper()
    if "realm" not in pairs or "nonce" not in pairs or algorithm not in _HASHES:
        return None
    qop = pairs.get("qop")
    if qop is not None and "auth" not in [item.strip().lower() for item in qop.split(",")]:
        return None
    return Challenge(
        pairs["realm"],
        pairs["nonce"],
        algorithm,
        qop is not None,
        pairs.get("opaque"),
        pairs.get("stale", "").lower() == "true",
    )


def named_login(value: str) -> tuple[str, str] | None:
    """Return the user and the realm that credentials name, unproven; None for another scheme."""
    pairs = _credentials(value)
    return (pairs.get("username", ""), pairs["realm"]) if "realm" in pairs else None


_HEADER_PAIRS = (
    ("WWW-Authenticate", "Authorization"),
    ("Proxy-Authenticate", "Proxy-Authorization"),
)
_BYTES = ("utf-8", "surrogateescape")


def _credentials(text: str) -> dict[str, str]:
    """Read `Digest name=value, ...`; empty for another scheme or bad grammar."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    try:
        return _pairs(rest.strip())
    except PeerError:
        return {}


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    end = 0
    while end < len(text):
        match = _PAIR.match(text, end)
        if match is None or match[1].lower() in pairs:
            raise PeerError("malformed credentials")
        value = match[2]
        pairs[match[1].lower()] = unquote(value) if value[0] == '"' else value
        end = match.end()
    return pairs


def _response(algorithm: str, secret: str, nonce: str, counted: str, method: str, uri: str) -> str:
    """Return the request-digest (RFC 7616 §3.4.1); `counted` is "nc:cnonce:qop:" or ""."""
    a2 = _hash(algorithm, f"{method}:{uri}")
    return _hash(algorithm, f"{secret}:{nonce}:{counted}{a2}")


def _hash(algorithm: str, text: str) -> str:
    return hashlib.new(_HASHES[algorithm], text.encode(*_BYTES), usedforsecurity=False).hexdigest()
