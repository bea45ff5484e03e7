"""Keys in SDP: which a=crypto lines are read, and that no repr shows them."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.media import sdp
from agentstream.media.crypto import LINE_LIMIT, SUITES, Crypto, read
from agentstream.media.plan import RemotePlan, SrtpPlan

KEY = b64encode(bytes(range(30))).decode()
LONG = b64encode(bytes(range(46))).decode()


def lines(*values: str) -> sdp.Media:
    """An m= line with these a=crypto lines."""
    attributes = tuple(sdp.Attribute("crypto", value) for value in values)
    return sdp.Media("audio", 4000, "RTP/SAVP", ("0",), attributes=attributes)


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576",
        f"1\tAES_CM_128_HMAC_SHA1_80  inline:{KEY}|2^48 KDR=0 WSH=128 -X=1",
        f"1 aes_cm_128_hmac_sha1_80 INLINE:{KEY}",
    ],
)
def test_a_line_is_read_with_what_asks_for_nothing(value: str) -> None:
    """RFC 4568 section 9: lifetime, KDR=0, window size, and what may be ignored."""
    (crypto,) = read(lines(value))
    assert (crypto.tag, crypto.suite, crypto.key) == (1, SUITES[0], bytes(range(30)))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "x AES_CM_128_HMAC_SHA1_80 inline:" + KEY,
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 {KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} FEC_ORDER=FEC_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNHEARD_OF",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-4]}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{LONG}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + "!" * 40,
    ],
)
def test_a_line_that_cannot_be_carried_out_is_passed_over(value: str) -> None:
    """SIP-42: other suites, MKI, several keys, parameters that change the packets."""
    assert read(lines(value)) == ()
    good = f"2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"
    assert [crypto.tag for crypto in read(lines(value, good))] == [2]


def test_padding_may_be_left_out_and_the_old_names_of_rfc_6188_are_known() -> None:
    (crypto,) = read(lines(f"7 AES_CM_256_HMAC_SHA1_80 inline:{LONG.rstrip('=')}"))
    assert (crypto.suite, crypto.key) == ("AES_256_CM_HMAC_SHA1_80", bytes(range(46)))
    assert crypto.attribute().value == f"7 AES_CM_256_HMAC_SHA1_80 inline:{LONG}"


def test_of_one_tag_the_first_line_counts_and_there_is_a_bound() -> None:
    first, second = (f"1 {suite} inline:{KEY}" for suite in SUITES[:2])
    assert [crypto.suite for crypto in read(lines(first, second))] == [SUITES[0]]
    many = [f"{tag} {SUITES[0]} inline:{KEY}" for tag in range(1, 100)]
    assert len(read(lines(*many))) == LINE_LIMIT


@given(st.text(max_size=200))
def test_any_text_is_a_line_or_none(value: str) -> None:
    assert len(read(lines(value))) <= 1


@given(tag=st.integers(0, 999_999_999), suite=st.sampled_from(SUITES), key=st.binary(min_size=46))
def test_what_is_written_is_read(tag: int, suite: str, key: bytes) -> None:
    sizes = dict(zip(SUITES, (30, 30, 46, 46, 28, 44), strict=True))
    crypto = Crypto(tag, suite, suite, key[: sizes[suite]])  # type: ignore[arg-type, index]
    assert read(lines(crypto.attribute().value or "")) == (crypto,)


def test_keys_are_in_no_repr() -> None:
    media = lines(f"1 {SUITES[0]} inline:{KEY}")
    plan = SrtpPlan(SUITES[0], bytes(range(30)), bytes(30))
    shown = repr((media, read(media), plan, RemotePlan("192.0.2.1", 4000, (), srtp=plan)))
    assert KEY not in shown
    assert "x00" not in shown
    assert SUITES[0] in shown
