"""Payload types of an m= line: which codecs, telephone-event and comfort noise it names.

Static numbers (RFC 3551 section 6) need no rtpmap; an rtpmap always wins. G.722 is announced with a
clock of 8000 although it samples at 16000 (RFC 3551 section 4.5.2).
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from agentstream.base.values import dataclass, replace
from agentstream.media.plan import CodecPlan, Encoding
from agentstream.media.sdp import Attribute, Media

DTMF_PAYLOAD_TYPE = 101  # what everybody uses, for our own offers
CN_PAYLOAD_TYPE = 13

STATIC: Final[dict[Encoding, int]] = {"PCMU": 0, "PCMA": 8, "G722": 9}

_KNOWN: Final = {
    "PCMU/8000": "PCMU",
    "PCMA/8000": "PCMA",
    "G722/8000": "G722",
    "TELEPHONE-EVENT/8000": "dtmf",  # a 48000 variant goes with Opus; ours always has 8000 as well
    "CN/8000": "cn",
}
_STATIC_NAMES: Final = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "13": "CN/8000"}
_ENCODINGS: Final[dict[str, Encoding]] = {"PCMU": "PCMU", "PCMA": "PCMA", "G722": "G722"}
_RTPMAP = re.compile(r"([0-9]{1,3})[ \t]+(\S+)")
_MILLISECONDS = re.compile(r"([0-9]{1,4})(?:\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Formats:
    """What we understand of one m= line, in its order; each codec once."""

    codecs: tuple[CodecPlan, ...] = ()
    dtmf: int | None = None
    cn: int | None = None

    def only(self, encodings: Iterable[Encoding]) -> "Formats":
        """Keep the codecs of these encodings."""
        wanted = set(encodings)
        kept = tuple(c for c in self.codecs if c.encoding in wanted)
        return Formats(kept, self.dtmf, self.cn)

    def ordered(self, encodings: tuple[Encoding, ...]) -> "Formats":
        """Keep the codecs of these encodings, in the order given here."""
        kept = self.only(encodings).codecs
        return replace(
            self, codecs=tuple(sorted(kept, key=lambda codec: encodings.index(codec.encoding)))
        )

    def number_of(self, encoding: Encoding) -> int:
        """Return the payload type that this line gives an encoding, else the static one."""
        return next(
            (c.payload_type for c in self.codecs if c.encoding == encoding), STATIC[encoding]
        )


def read_formats(media: Media) -> Formats:
    """Read the formats and rtpmaps of an m= line; what we do not know is left out."""
    maps = [each.value or "" for each in media.attributes if each.name == "rtpmap"]
    return _formats(media.formats, tuple(maps))


@lru_cache(256)  # a carrier names the same ones in every call
def _formats(listed: tuple[str, ...], maps: tuple[str, ...]) -> Formats:
    names = _STATIC_NAMES | {
        match[1].lstrip("0") or "0": match[2] for each in maps if (match := _RTPMAP.fullmatch(each))
    }
    codecs: dict[Encoding, CodecPlan] = {}
    numbers: dict[str, int] = {}
    for number in (int(text) for text in listed if re.fullmatch("[0-9]{1,3}", text)):
        known = _KNOWN.get(names.get(str(number), "").upper().removesuffix("/1"))
        if number > 127 or known is None:
            continue
        if known in _ENCODINGS:
            encoding = _ENCODINGS[known]
            codecs.setdefault(encoding, CodecPlan(number, encoding))
        else:
            numbers.setdefault(known, number)
    return Formats(tuple(codecs.values()), numbers.get("dtmf"), numbers.get("cn"))


def format_lines(formats: Formats) -> tuple[tuple[str, ...], tuple[Attribute, ...]]:
    """Return the payload numbers of an m= line and the attributes that explain them."""
    named = [(codec.payload_type, f"{codec.encoding}/8000") for codec in formats.codecs]
    if formats.cn is not None:
        named.append((formats.cn, "CN/8000"))
    if formats.dtmf is not None:
        named.append((formats.dtmf, "telephone-event/8000"))
    attributes = [Attribute("rtpmap", f"{number} {name}") for number, name in named]
    if formats.dtmf is not None:
        attributes.append(Attribute("fmtp", f"{formats.dtmf} 0-15"))  # RFC 4733 section 2.5.1.1
    return tuple(str(number) for number, _ in named), tuple(attributes)


def choose_ptime_ms(media: Media, own_ms: int) -> int:
    """Return the packet time to send: what they ask for, else ours, never above their maxptime.

    The result is 10 to 60 in steps of 10; nonsense in either attribute is taken as absent.
    """
    wanted = _milliseconds(media.value("ptime")) or own_ms
    limit = _milliseconds(media.value("maxptime")) or 60
    return max(10, min(wanted, limit, 60) // 10 * 10)


def _milliseconds(value: str | None) -> int:
    match = _MILLISECONDS.fullmatch(value or "")
    return int(match[1]) if match else 0
