"""Takes what is secret out of a SIP message before it is kept or shown; its length stays.

Same-length stars keep Content-Length and every offset true, so that a packet made of it is whole.
Gone are digest responses and other credentials, keys of SRTP (RFC 4568 section 9.1, RFC 4567), `k=`
lines (RFC 8866 section 5.12), passwords of ICE and of URIs, and keys pressed by INFO.
"""

import re
from typing import Final

_LINE: Final = rb"(?im)(?:^|(?<=[\r\n]))"
_FOLDED: Final = rb"(?:\r?\n[ \t][^\r\n]*)*"  # RFC 3261 section 7.3.1
_CREDENTIALS: Final = re.compile(
    _LINE + rb"((?:(?:proxy-)?authorization|authentication-info)[ \t]*:)([^\r\n]*" + _FOLDED + rb")"
)
_VALUE: Final = rb'(?:"[^"\\\r\n]*"|[^",\s]+)'
_PARAM: Final = rb"[a-z]+[ \t]*=[ \t]*" + _VALUE
_DIGEST: Final = re.compile(
    rb"\s*digest\s+" + _PARAM + rb"(?:\s*(?:,\s*)+" + _PARAM + rb")*\s*", re.IGNORECASE
)
_PAIR: Final = re.compile(rb"([a-z]+)([ \t]*=[ \t]*)(" + _VALUE + rb")", re.IGNORECASE)
# What tells a wrong user, realm or nonce from a wrong password, and gives none of it away.
_SHOWN: Final = frozenset(
    (b"username", b"realm", b"nonce", b"uri", b"algorithm", b"qop", b"nc", b"opaque")
)
# The suite of a=crypto stays, its keys do not.
_CRYPTO: Final = re.compile(
    _LINE
    + rb"(a=crypto:[ \t]*\d{0,9}[ \t]*(?:(?:AES|F8|AEAD|SEED|ARIA)_[A-Z0-9_]{1,40}(?=[ \t]))?)"
    rb"([^\r\n]*)"
)
_SECRET_LINES: Final = re.compile(
    _LINE + rb"(a=key-mgmt:|a=ice-pwd:|k=|signal[ \t]*=)([^\r\n]*" + _FOLDED + rb")"
)
_KEY_BODY: Final = re.compile(
    rb"(?is)(\ncontent-type[ \t]*:[ \t]*application/dtmf[ \t]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n)(.*)"
)
_PASSWORD: Final = re.compile(rb"(?i)(sips?:[^@:;>\s\"]{0,256}:)([^@>\s]{0,512})(?=@)")


def _without_credentials(found: re.Match[bytes]) -> bytes:
    head, value = found.group(1), found.group(2)
    if _DIGEST.fullmatch(value):
        return head + _PAIR.sub(_without_proof, value)
    return head + _starred(value)


def _without_proof(found: re.Match[bytes]) -> bytes:
    name, equals, value = found.groups()
    if name.lower() in _SHOWN:
        return name + equals + value
    return name + equals + _starred(value)


def _without_rest(found: re.Match[bytes]) -> bytes:
    return found.group(1) + _starred(found.group(2))


def _starred(text: bytes) -> bytes:
    """Star everything but blanks, quotes and line ends: what stands around stays readable."""
    return re.sub(rb'[^\s"]', b"*", text)


# Each with what must be there, in lower case, before it is worth a search.
_RULES: Final = (
    ((b"authorization", b"authentication-info"), _CREDENTIALS, _without_credentials),
    ((b"a=crypto:",), _CRYPTO, _without_rest),
    ((b"a=key-mgmt:", b"a=ice-pwd:", b"k=", b"signal"), _SECRET_LINES, _without_rest),
    ((b"application/dtmf",), _KEY_BODY, _without_rest),
)


def redact(message: bytes) -> bytes:
    """Return the message with stars where secrets stood: same length, same lines."""
    lower = message.lower()
    for words, pattern, change in _RULES:
        if any(word in lower for word in words):
            message = pattern.sub(change, message)
    return _PASSWORD.sub(_without_rest, message)
