"""SDP as values: what is read, what is kept, what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.media import sdp

CAPTURES = sorted((Path(__file__).parent.parent / "wire" / "sdp").glob("*.sdp"))
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"


def read(path: Path) -> str:
    return path.read_bytes().decode()


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_capture_is_read_and_written_back_as_the_same_value(path: Path) -> None:
    session = sdp.parse(read(path))
    assert sdp.parse(sdp.format_session(session)) == session
    assert session.media


def test_a_whole_description_becomes_a_value() -> None:
    text = (
        "v=0\r\no=ana 5 7 IN IP4 192.0.2.1\r\ns=a call\r\ni=ignored\r\nc=IN IP4 192.0.2.1/127\r\n"
        "b=AS:64\r\nt=0 0\r\na=tool:x\r\na=ice-lite\r\nm=audio 4000/2 RTP/AVP 0 8\r\n"
        "c=IN IP6 2001:db8::1\r\nb=TIAS:1\r\na=ptime: 20\r\na=odd:\r\n"
    )
    assert sdp.parse(text) == sdp.Session(
        origin=sdp.Origin("ana", "5", "7", "192.0.2.1"),
        name="a call",
        address="192.0.2.1",
        bandwidths=("AS:64",),
        times=("0 0",),
        attributes=(sdp.Attribute("tool", "x"), sdp.Attribute("ice-lite")),
        media=(
            sdp.Media(
                "audio",
                4000,
                "RTP/AVP",
                ("0", "8"),
                address="2001:db8::1",
                bandwidths=("TIAS:1",),
                attributes=(sdp.Attribute("ptime", "20"), sdp.Attribute("odd", "")),
                port_count=2,
            ),
        ),
    )


def test_attributes_are_found_by_name() -> None:
    media = sdp.Media("audio", 1, "RTP/AVP", ("0",), attributes=(sdp.Attribute("x"),))
    assert media.has("x")
    assert media.value("x") is None
    assert not media.has("y")


def test_a_missing_name_and_time_and_bare_line_feeds_are_forgiven() -> None:
    session = sdp.parse("v=0\no=- 1 1 IN IP4 192.0.2.1\ns= \n\n")
    assert (session.name, session.times) == ("-", ("0 0",))


def test_a_host_name_may_stand_in_a_connection_line() -> None:
    session = sdp.parse(HEAD + "c=IN IP4 media.example.net\r\n")
    assert sdp.parse(sdp.format_session(session)) == session


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o=- 1 1 IN IP4 192.0.2.1\r\n",
        "v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
        "v=0\r\n",
        "v=0\r\no=- 1 1 IN IP4\r\n",
        "v=0\r\no=- x 1 IN IP4 192.0.2.1\r\n",
        "v=0\r\no=- 1 -1 IN IP4 192.0.2.1\r\n",
        "v=0\r\no=- 1 1 ATM NSAP 1\r\n",
        HEAD + "nonsense\r\n",
        HEAD + "A=b\r\n",
        HEAD + "s=a\0b\r\n",
        HEAD + "s=a\rb\r\n",
        HEAD + "c=IN IP4\r\n",
        HEAD + "c=IN IP5 192.0.2.1\r\n",
        HEAD + "a=\r\n",
        HEAD + "a=:value\r\n",
        HEAD + "a=na me:value\r\n",
        HEAD + "m=audio 1 RTP/AVP\r\n",
        HEAD + "m=audio 65536 RTP/AVP 0\r\n",
        HEAD + "m=audio -1 RTP/AVP 0\r\n",
        HEAD + "m=audio ٣ RTP/AVP 0\r\n",
        HEAD + "m=audio 1/0 RTP/AVP 0\r\n",
        HEAD + "m=audio 1/x RTP/AVP 0\r\n",
        HEAD + "a=x\r\n" * (sdp.ATTRIBUTE_LIMIT + 1),
        HEAD + "m=audio 1 RTP/AVP 0\r\n" * (sdp.MEDIA_LIMIT + 1),
        HEAD + "s=" + "x" * sdp.SIZE_LIMIT,
    ],
)
def test_what_is_not_a_description_is_the_far_ends_error(text: str) -> None:
    with pytest.raises(PeerError) as caught:
        sdp.parse(text)
    assert caught.value.status == 400


def test_as_many_media_and_attributes_as_allowed_are_read() -> None:
    text = HEAD + "a=x\r\n" * sdp.ATTRIBUTE_LIMIT + "m=audio 1 RTP/AVP 0\r\n" * sdp.MEDIA_LIMIT
    session = sdp.parse(text)
    assert len(session.attributes) == sdp.ATTRIBUTE_LIMIT
    assert len(session.media) == sdp.MEDIA_LIMIT


lines = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(HEAD.splitlines() + CAPTURES[0].read_text().splitlines()),
        st.builds("{}={}".format, st.sampled_from("vosctmabipx"), st.text(max_size=20)),
    ),
    max_size=12,
)


@given(start=st.sampled_from(["", HEAD]), rest=lines)
def test_any_text_is_a_value_that_survives_writing_or_a_peer_error(
    start: str, rest: list[str]
) -> None:
    try:
        session = sdp.parse(start + "\r\n".join(rest))
    except PeerError:
        return
    assert sdp.parse(sdp.format_session(session)) == session


@given(st.sampled_from(CAPTURES), st.integers(0, 600), st.text(max_size=3))
def test_a_capture_with_any_spot_replaced_is_a_value_or_a_peer_error(
    path: Path, at: int, text: str
) -> None:
    whole = read(path)
    try:
        session = sdp.parse(whole[:at] + text + whole[at + len(text) :])
    except PeerError:
        return
    assert replace(sdp.parse(sdp.format_session(session))) == session
