"""Payload types of an m= line."""

from agentstream.media.formats import Formats, format_lines, read_formats
from agentstream.media.plan import CodecPlan
from agentstream.media.sdp import Attribute, Media


def test_formats_survive_being_written() -> None:
    formats = Formats((CodecPlan(0, "PCMU"), CodecPlan(96, "G722")), dtmf=101, cn=13)
    numbers, attributes = format_lines(formats)
    assert read_formats(Media("audio", 1, "RTP/AVP", numbers, attributes=attributes)) == formats


def test_a_number_with_leading_zeros_and_a_broken_rtpmap_are_read_over() -> None:
    attributes = (
        Attribute("rtpmap", "008 PCMU/8000"),
        Attribute("rtpmap"),
        Attribute("rtpmap", "x"),
    )
    media = Media("audio", 1, "RTP/AVP", ("008", "0x"), attributes=attributes)
    assert read_formats(media).codecs == (CodecPlan(8, "PCMU"),)


def test_codecs_are_ordered_and_numbers_found() -> None:
    formats = Formats((CodecPlan(0, "PCMU"), CodecPlan(96, "PCMA")))
    assert formats.ordered(("PCMA", "PCMU")).codecs[0] == CodecPlan(96, "PCMA")
    assert formats.number_of("PCMA") == 96
    assert formats.number_of("G722") == 9
