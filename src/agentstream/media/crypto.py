"""Keys in SDP (RFC 4568): `a=crypto` lines read and written, and which of them a leg uses.

    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:<base64 of key and salt>|2^20|1:4 KDR=0
             ▲ tag ▲ suite                                            ▲ lifetime ▲ MKI ▲ parameters

A line that we cannot carry out to the letter is passed over, as if it did not stand there: another
suite, an MKI, several keys, a parameter that changes the packets. A lifetime is read over: no call
lives for as many packets as a key may serve (RFC 3711 section 9.2).
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import field
from typing import Final, Literal, get_args

from agentstream.base.errors import CommandError, PeerError
from agentstream.base.ids import Tokens
from agentstream.base.values import dataclass
from agentstream.media.plan import SrtpPlan, SrtpSuite
from agentstream.media.sdp import Attribute, Media

SrtpUse = Literal["off", "preferred", "required"]
SrtpForm = Literal["savp", "avp"]  # how keys are offered: as RTP/SAVP, or beside RTP/AVP

LINE_LIMIT: Final = 32  # a=crypto lines that are looked at; those behind them are passed over
# In the order in which we choose among theirs: what everybody has tested first (SIP-42).
SUITES: Final[tuple[SrtpSuite, ...]] = get_args(SrtpSuite)
OFFERED: Final = SUITES[:4]  # PN-8; few enough for an INVITE that goes by UDP
_KEY_BYTES: Final[dict[SrtpSuite, int]] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
# As some wrote RFC 6188's suites before it was one.
_NAMES: Final[dict[str, SrtpSuite]] = {
    **{name: name for name in SUITES},
    "AES_CM_256_HMAC_SHA1_80": "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_256_HMAC_SHA1_32": "AES_256_CM_HMAC_SHA1_32",
}
_PLAIN: Final = {"RTP/SAVP": "RTP/AVP", "RTP/SAVPF": "RTP/AVPF"}
_SECURE: Final = {plain: secure for secure, plain in _PLAIN.items()}
PROFILES: Final = (*_SECURE, *_PLAIN)

_LINE = re.compile(r"([0-9]{1,9})[ \t]+(\S{1,64})[ \t]+inline:(\S+)((?:[ \t]+\S+)*)", re.IGNORECASE)
_LIFETIME = re.compile(r"2\^[0-9]{1,2}|[0-9]{1,20}")
# KDR=0 is what we do: keys are derived once. A window's size is the receiver's own affair.
_HARMLESS = re.compile(r"KDR=0|WSH=[0-9]{1,4}|-.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Crypto:
    """One a=crypto line that we can carry out."""

    tag: int
    name: str  # the suite as its author spells it
    suite: SrtpSuite
    key: bytes = field(repr=False)  # master key and salt

    def attribute(self) -> Attribute:
        """Return the line."""
        return Attribute("crypto", f"{self.tag} {self.name} inline:{b64encode(self.key).decode()}")


@dataclass(frozen=True, slots=True)
class Keyed:
    """What keys make of an m= line of ours."""

    profile: str
    attributes: tuple[Attribute, ...] = ()
    plan: SrtpPlan | None = None  # None: in clear


def plain(profile: str) -> str:
    """Return a profile without SRTP; one that has none, or is unknown, as it is."""
    return _PLAIN.get(profile.upper(), profile)


def is_secure(profile: str) -> bool:
    """Tell whether a profile is one of SRTP."""
    return profile.upper() in _PLAIN


def read(media: Media) -> tuple[Crypto, ...]:
    """Return the a=crypto lines that we can carry out, in their order, each tag once."""
    found: dict[int, Crypto] = {}
    lines = [each for each in media.attributes if each.name.lower() == "crypto"]
    for each in lines[:LINE_LIMIT]:
        crypto = _read(each.value or "")
        if crypto is not None:
            found.setdefault(crypto.tag, crypto)
    return tuple(found.values())


def has_lines(media: Media) -> bool:
    """Tell whether there are a=crypto lines, of whatever kind."""
    return any(each.name.lower() == "crypto" for each in media.attributes)


def fitness(media: Media, use: SrtpUse) -> int:
    """Say how well an m= line suits us, 0 best: some offer the same audio with keys and without."""
    if use == "off":
        return int(is_secure(media.profile))
    return int(not read(media))


def answered(media: Media, use: SrtpUse, before: SrtpPlan | None, tokens: Tokens | None) -> Keyed:
    """Return how their offered line is answered (PN-8); raises PeerError 488.

    With keys of theirs the answer has their profile, ours for the suite that we like best, and
    their tag (RFC 4568 section 5.1.2). Without any that we can use it is in clear, whatever profile
    they offered: an offer is refused only where SRTP is required. `before` is what was agreed so
    far: while their key stays the same, so does ours.
    """
    theirs = None if use == "off" else _best(read(media))
    if theirs is None:
        if use == "required":
            raise PeerError("SRTP is required, and the offer has no a=crypto that we can use", 488)
        return Keyed(plain(media.profile))
    is_known = before is not None and (before.suite, before.their_key) == (theirs.suite, theirs.key)
    key = before.our_key if is_known and before is not None else _fresh_key(theirs.suite, tokens)
    ours = Crypto(theirs.tag, theirs.name, theirs.suite, key)
    plan = SrtpPlan(theirs.suite, our_key=key, their_key=theirs.key)
    return Keyed(media.profile, (ours.attribute(),), plan)


def offered_use(use: SrtpUse, previous: Media | None, *, may_begin: bool) -> SrtpUse:
    """Return how SRTP is offered where keys may be offered first, or not (SIP-43).

    Keys that both ends have already may be repeated anywhere. Raises CommandError where SRTP is
    required and no key may be offered.
    """
    if use == "off" or may_begin or (previous is not None and has_lines(previous)):
        return use
    if use == "required":
        raise CommandError("SRTP is required, and keys may be offered over TLS alone (SIP-43)")
    return "off"


def offered(
    profile: str, use: SrtpUse, form: SrtpForm, previous: Media | None, tokens: Tokens | None
) -> Keyed:
    """Return how a line of ours is offered: with fresh keys, or with those agreed before.

    What was agreed in clear stays in clear (RFC 3264 section 8 keeps a line's profile).
    """
    if use == "off":
        return Keyed(plain(profile))
    if previous is not None:
        return Keyed(profile, tuple(one.attribute() for one in read(previous)))
    lines = tuple(
        Crypto(tag, suite, suite, _fresh_key(suite, tokens)).attribute()
        for tag, suite in enumerate(OFFERED, start=1)
    )
    return Keyed(_SECURE[profile] if form == "savp" else profile, lines)


def accepted(ours: Media, theirs: Media, *, is_required: bool) -> SrtpPlan | None:
    """Return the keys that their answer to our line agrees; None: in clear.

    Raises PeerError 488 when SRTP is required and the answer has no key, when its a=crypto is none
    that we offered, or when it answers with SRTP what was offered in clear.
    """
    own = {crypto.tag: crypto for crypto in read(ours)}
    if not own:
        if is_secure(theirs.profile) and not is_secure(ours.profile):
            raise PeerError(f"the answer speaks {theirs.profile}, we offered {ours.profile}", 488)
        return None
    for crypto in read(theirs):
        mine = own.get(crypto.tag)
        if mine is not None and mine.suite == crypto.suite:
            return SrtpPlan(mine.suite, our_key=mine.key, their_key=crypto.key)
    if has_lines(theirs):
        raise PeerError("the a=crypto of the answer is none that we offered", 488)
    if is_required:
        raise PeerError("SRTP is required, and the answer has no a=crypto", 488)
    return None


def settled(ours: Media, plan: SrtpPlan | None) -> tuple[str, tuple[Attribute, ...]]:
    """Return profile and attributes of our offered line once it is known what of it holds."""
    others = tuple(each for each in ours.attributes if each.name != "crypto")
    if plan is None:
        return plain(ours.profile), others
    kept = tuple(each.attribute() for each in read(ours) if each.key == plan.our_key)
    return ours.profile, (*others, *kept)


def _best(lines: Iterable[Crypto]) -> Crypto | None:
    return min(lines, key=lambda crypto: SUITES.index(crypto.suite), default=None)


def _read(value: str) -> Crypto | None:
    match = _LINE.fullmatch(value)
    suite = _NAMES.get(match[2].upper()) if match else None
    if match is None or suite is None:
        return None
    key, *others = match[3].split("|")
    if not all(_LIFETIME.fullmatch(other) for other in others[:1]) or len(others) > 1:
        return None  # an MKI, or nonsense
    if not all(_HARMLESS.fullmatch(parameter) for parameter in match[4].split()):
        return None
    try:
        decoded = b64decode(key + "=" * (-len(key) % 4), validate=True)
    except (Base64Error, ValueError):
        return None
    if len(decoded) != _KEY_BYTES[suite]:
        return None
    return Crypto(int(match[1]), match[2], suite, decoded)


def _fresh_key(suite: SrtpSuite, tokens: Tokens | None) -> bytes:
    if tokens is None:
        raise CommandError("SRTP needs fresh keys, and nobody gave a source of them")
    return bytes.fromhex(tokens.hex(_KEY_BYTES[suite]))
