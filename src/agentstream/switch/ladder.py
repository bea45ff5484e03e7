"""The ladder of a call: its kept messages as steps between parties, with what each SDP said.

Reads only what a message shows; one that is cut or broken is still a step. Times are milliseconds
since the first message.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.media import sdp
from agentstream.sip.kept import Address, KeptCall, KeptDialog, KeptMessage

US: Final = "agentstream"
_STATUS: Final = re.compile(rb"SIP/2\.0 (\d{3})(?: ([^\r\n]*))?")
_METHOD: Final = re.compile(rb"([A-Z]{1,32}) (\S+) SIP/2\.0")
_FIELD: Final = re.compile(rb"\r?\n([A-Za-z-]+)[ \t]*:[ \t]*([^\r\n]*)")
_NAMES: Final = {"0": "PCMU", "3": "GSM", "8": "PCMA", "9": "G722", "13": "CN", "18": "G729"}
_DIRECTIONS: Final = ("sendonly", "recvonly", "inactive")
_SHOWN: Final = 200  # characters of a header, in a step
_FORMATS: Final = 12  # of an m= line, in a step


@dataclass(frozen=True, slots=True)
class SdpFacts:
    """What a description said of its audio."""

    address: str
    port: int
    codecs: tuple[str, ...]
    direction: str = "sendrecv"
    is_encrypted: bool = False  # SRTP: by its profile, a=crypto or a fingerprint

    def __str__(self) -> str:
        crypto = "SRTP" if self.is_encrypted else "no crypto"
        where = f"{self.address}:{self.port}"
        return f"{' '.join(self.codecs) or 'no codec'}, {where}, {self.direction}, {crypto}"


@dataclass(frozen=True, slots=True)
class Step:
    """One message as a step of the ladder."""

    at_ms: float
    leg_sid: str
    sip_call_id: str
    sender: str  # a party
    receiver: str
    label: str  # "INVITE", "180 Ringing"
    cseq: str  # "1 INVITE"
    is_ours: bool
    is_repeat: bool  # byte for byte what was there before (RFC 3261 section 17)
    sdp: SdpFacts | None
    why: str  # Reason, Warning: what they tell of a cause
    message: KeptMessage

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        head = self.label[:3]
        return int(head) if head.isdigit() else 0

    @property
    def method(self) -> str:
        """The method, of a response that of its request."""
        return self.cseq.rpartition(" ")[2]

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        message, said = self.message, self.sdp
        return {
            "at_ms": self.at_ms,
            "at_us": message.at_us,
            "leg_sid": self.leg_sid,
            "sip_call_id": self.sip_call_id,
            "from": self.sender,
            "to": self.receiver,
            "label": self.label,
            "cseq": self.cseq,
            "is_ours": self.is_ours,
            "is_repeat": self.is_repeat,
            "transport": message.transport,
            "local": shown(message.local),
            "remote": shown(message.remote),
            "sdp": None
            if said is None
            else {
                "address": said.address,
                "port": said.port,
                "codecs": list(said.codecs),
                "direction": said.direction,
                "encrypted": said.is_encrypted,
            },
            "why": self.why,
            "bytes": message.size,
            "is_cut": message.is_cut,
            "message": text_of(message),
        }


@dataclass(frozen=True, slots=True)
class Ladder:
    """All steps of a call. `parties` from left to right: who called, we, whom we called."""

    parties: tuple[str, ...]
    steps: tuple[Step, ...]
    dropped: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "parties": list(self.parties),
            "messages": [step.as_json() for step in self.steps],
            "dropped": self.dropped,
        }


def ladder_of(call: KeptCall) -> Ladder:
    """Draw the ladder of a call's messages."""
    messages = call.messages
    began_us = messages[0][1].at_us if messages else 0
    seen: set[tuple[str, bool, bytes]] = set()
    steps = []
    for dialog, message in messages:
        key = (dialog.sip_call_id, message.is_ours, message.data)
        steps.append(_step(dialog, message, began_us, is_repeat=key in seen))
        seen.add(key)
    return Ladder(
        tuple(_parties(steps)), tuple(steps), sum(dialog.dropped for dialog in call.dialogs)
    )


def text_of(message: KeptMessage) -> str:
    """Return a message as text, line by line; what is no UTF-8 is replaced."""
    text = message.data.decode("utf-8", "replace").replace("\r\n", "\n")
    plain = "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
    return f"{plain}\n[cut: {message.size} bytes]" if message.is_cut else plain


def shown(address: Address) -> str:
    """Return an address as people write it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def sdp_facts(body: str) -> SdpFacts | None:
    """Return what a description says of its first audio; None when there is none to read."""
    try:
        session = sdp.parse(body)
    except PeerError:
        return None
    audio = next((media for media in session.media if media.kind == "audio"), None)
    if audio is None:
        return None
    names = dict(_rtpmaps(audio))
    codecs = (names.get(number, _NAMES.get(number, number)) for number in audio.formats[:_FORMATS])
    flags = {attribute.name for attribute in (*session.attributes, *audio.attributes)}
    own = {attribute.name for attribute in audio.attributes}
    direction = next((name for name in _DIRECTIONS if name in own), None)
    if direction is None and "sendrecv" not in own:
        direction = next((name for name in _DIRECTIONS if name in flags), None)
    is_encrypted = "SAVP" in audio.profile or bool(flags & {"crypto", "fingerprint"})
    address = audio.address or session.address or session.origin.address
    return SdpFacts(address, audio.port, tuple(codecs), direction or "sendrecv", is_encrypted)


def _rtpmaps(audio: sdp.Media) -> Iterator[tuple[str, str]]:
    for attribute in audio.attributes:
        if attribute.name == "rtpmap" and attribute.value:
            number, _, name = attribute.value.partition(" ")
            yield number, name.strip().partition("/")[0]


def _step(dialog: KeptDialog, message: KeptMessage, began_us: int, *, is_repeat: bool) -> Step:
    head, blank, body = message.data.partition(b"\r\n\r\n")
    if not blank:
        head, _, body = message.data.partition(b"\n\n")
    fields = _fields(head)
    far = shown(message.remote)
    kind = fields.get("content-type", fields.get("c", "")).lower()
    has_sdp = bool(body) and ("sdp" in kind or "multipart" in kind or not kind)
    return Step(
        at_ms=(message.at_us - began_us) / 1000,
        leg_sid=dialog.leg_sid,
        sip_call_id=dialog.sip_call_id,
        sender=US if message.is_ours else far,
        receiver=far if message.is_ours else US,
        label=_label(head),
        cseq=fields.get("cseq", ""),
        is_ours=message.is_ours,
        is_repeat=is_repeat,
        sdp=_sdp_in(body) if has_sdp else None,
        why="; ".join(fields[name] for name in ("reason", "warning") if name in fields)[:_SHOWN],
        message=message,
    )


def _sdp_in(body: bytes) -> SdpFacts | None:
    text = body.decode("utf-8", "replace")
    start = text.find("v=0")  # one part of several may be the description
    return sdp_facts(text[start:].partition("\n--")[0]) if start >= 0 else None


def _fields(head: bytes) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(head):
        fields.setdefault(name.decode().lower(), value.decode("utf-8", "replace").strip())
    return fields


def _label(head: bytes) -> str:
    if found := _STATUS.match(head):
        reason = (found[2] or b"").decode("utf-8", "replace")[:_SHOWN]
        return f"{found[1].decode()} {reason}".strip()
    if found := _METHOD.match(head):
        return found[1].decode()
    return "?"


def _parties(steps: list[Step]) -> Iterator[str]:
    """Yield who called us, then we, then whom we called: each by the first message."""
    callers: dict[str, None] = {}
    callees: dict[str, None] = {}
    for step in steps:
        far = step.receiver if step.is_ours else step.sender
        if far not in callers and far not in callees:
            (callees if step.is_ours else callers)[far] = None
    yield from callers
    yield US
    yield from callees
