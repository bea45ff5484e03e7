"""Payload types of an m= line: which codecs, telephone-event and comfort noise it names.

Static numbers (RFC 3551 section 6) need no rtpmap; an rtpmap always wins. G.722 is announced with a
clock of 8000 although it samples at 16000 (RFC 3551 section 4.5.2), Opus as two channels of 48000
whatever is in its packets (RFC 7587 section 7); telephone events beside it have its clock, or 8000.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from agentstream.base.values import dataclass, replace
from agentstream.media.plan import CodecPlan, Encoding
from agentstream.media.sdp import Attribute, Media

DTMF_PAYLOAD_TYPE = 101  # what everybody uses, for our own offers
DTMF48_PAYLOAD_TYPE = 110  # the same, with the clock of Opus
CN_PAYLOAD_TYPE = 13
SLOW_HZ, FAST_HZ = 8_000, 48_000

# Ours for Opus is dynamic; it is what browsers and most others take.
STATIC: Final[dict[Encoding, int]] = {"PCMU": 0, "PCMA": 8, "G722": 9, "OPUS": 111}
# RFC 7587 section 6.1: telephone speech has nothing above 8 kHz; repair of lost packets is welcome.
_OPUS_PARAMETERS: Final = "maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1"

_KNOWN: Final = {
    "PCMU/8000": "PCMU",
    "PCMA/8000": "PCMA",
    "G722/8000": "G722",
    "OPUS/48000/2": "OPUS",
    "TELEPHONE-EVENT/8000": "dtmf",
    "TELEPHONE-EVENT/48000": "dtmf48",
    "CN/8000": "cn",
}
_STATIC_NAMES: Final = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "13": "CN/8000"}
_ENCODINGS: Final[dict[str, Encoding]] = {name: name for name in STATIC}
_CLOCKED: Final = {name: f"{name}/8000" for name in STATIC} | {"OPUS": "opus/48000/2"}
_RTPMAP = re.compile(r"([0-9]{1,3})[ \t]+(\S+)")
_MILLISECONDS = re.compile(r"([0-9]{1,4})(?:\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class Formats:
    """What we understand of one m= line, in its order; each codec once."""

    codecs: tuple[CodecPlan, ...] = ()
    dtmf: int | None = None
    cn: int | None = None
    dtmf48: int | None = None  # telephone events with the clock of Opus

    @property
    def events(self) -> tuple[int | None, int]:
        """Telephone events as they go beside the first codec: payload type, and clock in hertz."""
        is_opus = bool(self.codecs) and self.codecs[0].encoding == "OPUS"
        if is_opus and self.dtmf48 is not None:
            return self.dtmf48, FAST_HZ
        return self.dtmf, SLOW_HZ

    def with_needed_events(self) -> "Formats":
        """Keep the telephone events that an answer with these codecs speaks of."""
        if self.dtmf48 is None:
            return self
        has_opus = any(codec.encoding == "OPUS" for codec in self.codecs)
        has_slow = any(codec.encoding != "OPUS" for codec in self.codecs)
        return replace(
            self,
            dtmf=self.dtmf if has_slow else None,
            dtmf48=self.dtmf48 if has_opus else None,
        )

    def only(self, encodings: Iterable[Encoding]) -> "Formats":
        """Keep the codecs of these encodings."""
        wanted = set(encodings)
        kept = tuple(c for c in self.codecs if c.encoding in wanted)
        return Formats(kept, self.dtmf, self.cn, self.dtmf48)

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
    return Formats(
        tuple(codecs.values()), numbers.get("dtmf"), numbers.get("cn"), numbers.get("dtmf48")
    )


def format_lines(formats: Formats) -> tuple[tuple[str, ...], tuple[Attribute, ...]]:
    """Return the payload numbers of an m= line and the attributes that explain them."""
    named = [(codec.payload_type, _CLOCKED[codec.encoding]) for codec in formats.codecs]
    if formats.cn is not None:
        named.append((formats.cn, "CN/8000"))
    events = [(formats.dtmf, SLOW_HZ), (formats.dtmf48, FAST_HZ)]
    agreed = [(number, rate_hz) for number, rate_hz in events if number is not None]
    named += [(number, f"telephone-event/{rate_hz}") for number, rate_hz in agreed]
    attributes = [Attribute("rtpmap", f"{number} {name}") for number, name in named]
    attributes += [
        Attribute("fmtp", f"{codec.payload_type} {_OPUS_PARAMETERS}")
        for codec in formats.codecs
        if codec.encoding == "OPUS"
    ]
    # RFC 4733 section 2.5.1.1
    attributes += [Attribute("fmtp", f"{number} 0-15") for number, _ in agreed]
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
