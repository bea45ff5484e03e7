"""Secrets do not survive in messages that are kept, and everything else does."""

import string

from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip.redact import redact

SECRET = st.text(string.ascii_letters + string.digits + "+/", min_size=12, max_size=40).map(
    "Zq9{}".format  # else it may be a word of the message
)
BLANKS = st.sampled_from(["", " ", "\t", "  ", "\r\n ", "\r\n\t"])
NAMES = st.sampled_from(["Authorization", "proxy-authorization", "PROXY-AUTHORIZATION"])
ENDS = st.sampled_from(["\r\n", "\n"])

INVITE = (
    "INVITE sip:1000@192.0.2.1 SIP/2.0\r\n"
    'Authorization: Digest username="ann", realm="trunk.example", nonce="n1", uri="sip:x",'
    ' response="0123456789abcdef0123456789abcdef", cnonce="c0ffee", qop=auth, nc=00000001\r\n'
    "Content-Type: application/sdp\r\n"
    "\r\n"
    "v=0\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20\r\n"
    "a=sendrecv\r\n"
)


def test_a_digest_keeps_its_user_and_realm_and_loses_its_response_sd_5() -> None:
    """SD-5: a wrong user can be seen, a password cannot be guessed from it."""
    kept = redact(INVITE.encode()).decode()
    assert 'username="ann", realm="trunk.example", nonce="n1"' in kept
    assert f'response="{"*" * 32}", cnonce="******", qop=auth' in kept


def test_a_crypto_line_keeps_its_suite_and_loses_its_keys_sd_5() -> None:
    """RFC 4568 section 9.1."""
    kept = redact(INVITE.encode()).decode()
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 ***" in kept
    assert "d0Rm" not in kept
    assert "inline" not in kept
    assert kept.endswith("a=sendrecv\r\n")


def test_keys_of_every_kind_are_taken_out_of_a_description() -> None:
    """RFC 4568, RFC 4567, RFC 8866 section 5.12; a header that only looks like one stays."""
    key, long = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd", "c" * 62 + "=="
    message = (
        "INVITE sip:a@b SIP/2.0\r\nSubject: a=crypto:1 inline:mine\r\n\r\nv=0\r\n"
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20 KDR=0\r\n"
        f"A=CRYPTO:2 x INLINE:{long}\r\na=crypto:3 {key}\r\nk=base64:{key}\r\n"
        f"a=key-mgmt:mikey {key}\r\na=sendrecv\r\n"
    )
    shown = redact(message.encode()).decode()
    assert key not in shown
    assert long not in shown
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 *" in shown
    assert shown.endswith(f"a=key-mgmt:***** {'*' * len(key)}\r\na=sendrecv\r\n")
    assert shown.startswith(message[:60])


def test_a_message_without_secrets_stays_as_it_is() -> None:
    plain = (
        b"INVITE sip:ann@192.0.2.1:5060;transport=udp SIP/2.0\r\nTo: <sip:bob@[::1]:5060>\r\n\r\n"
    )
    assert redact(plain) == plain


@given(
    secret=SECRET, name=NAMES, blank=BLANKS, scheme=st.sampled_from(["Basic", "Bearer", "", "X"])
)
def test_credentials_of_any_scheme_are_starred(
    secret: str, name: str, blank: str, scheme: str
) -> None:
    text = f"BYE sip:x SIP/2.0\r\n{name}{blank.strip(chr(13) + chr(10))}:{blank} {scheme} {secret}"
    message = f"{text}\r\nCSeq: 1 BYE\r\n\r\n".encode()
    kept = redact(message)
    assert secret.encode() not in kept
    assert len(kept) == len(message)
    assert kept.endswith(b"CSeq: 1 BYE\r\n\r\n")


@given(
    secret=SECRET,
    param=st.sampled_from(["response", "cnonce", "RESPONSE", "auts", "password", "x"]),
    quoted=st.booleans(),
    blank=BLANKS,
    cut=st.integers(0, 20),
)
def test_whatever_a_digest_holds_beside_its_names_is_starred(
    secret: str, param: str, quoted: bool, blank: str, cut: int
) -> None:
    """A message that was cut in its middle as well."""
    value = f'"{secret}"' if quoted else secret
    text = (
        f'REGISTER sip:x SIP/2.0\r\nAuthorization: Digest realm="r",{blank} {param}={value}, nc=1'
    )
    message = text.encode()[: len(text) - cut] if cut < 8 else text.encode()
    assert secret.encode() not in redact(message)


@given(secret=SECRET, tag=st.integers(0, 10**9), end=ENDS, suite=st.booleans())
def test_keys_of_media_are_starred(secret: str, tag: int, end: str, suite: bool) -> None:
    """RFC 4568, RFC 4567, RFC 8866 section 5.12, RFC 8839 section 5.4."""
    named = "AEAD_AES_256_GCM " if suite else ""
    lines = (
        f"a=crypto:{tag} {named}inline:{secret}|2^20|1:4 KDR=1",
        f"a=crypto:{secret}",
        f"a=key-mgmt:mikey {secret}",
        f"k=base64:{secret}",
        f"a=ice-pwd:{secret}",
    )
    for line in lines:
        message = f"SIP/2.0 200 OK{end}{end}v=0{end}{line}{end}a=sendrecv{end}".encode()
        kept = redact(message)
        assert secret.encode() not in kept, line
        assert len(kept) == len(message)
        assert kept.endswith(f"a=sendrecv{end}".encode())


@given(secret=SECRET)
def test_passwords_in_addresses_are_starred(secret: str) -> None:
    kept = redact(
        f"INVITE sip:ann:{secret}@host SIP/2.0\r\nTo: <sips:b:{secret}@h>\r\n\r\n".encode()
    )
    assert secret.encode() not in kept


def test_keys_that_were_pressed_are_starred() -> None:
    """They may be a PIN: INFO in both of its usual forms."""
    head = b"INFO sip:x SIP/2.0\r\nContent-Type: application/dtmf%s\r\nCSeq: 1 INFO\r\n\r\n"
    assert redact(head % b"-relay" + b"Signal=7\r\nDuration=160\r\n").endswith(
        b"Signal=*\r\nDuration=160\r\n"
    )
    assert redact(head % b"" + b"7").endswith(b"\r\n\r\n*")


@given(st.binary(max_size=2_000))
def test_any_bytes_come_back_in_their_length(data: bytes) -> None:
    kept = redact(data)
    assert len(kept) == len(data)
    assert redact(kept) == kept
