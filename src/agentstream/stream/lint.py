"""What a bot's messages would break, here or on the hosted service; pure, fed one by one."""

import json
from base64 import b64decode
from collections import Counter
from typing import Any, Final, Literal

from agentstream.base.values import dataclass
from agentstream.stream.dialects.exotel import CONTROLS
from agentstream.stream.messages import Audio
from agentstream.stream.pace import LIVE_STRETCH_MS, Pace

SMALL_BYTES: Final = 3_200  # AS-150
LARGE_BYTES: Final = 100_000
STEP_BYTES: Final = 320
HEARD_LEAST: Final = 3  # payloads, before a live bot is told what kind of audio they are

_KNOWN_EVENTS: Final = {"media", "mark", "clear", "stop", "connected", "dtmf"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know. `about` is the dossier's id; "error": the bot will not be heard."""

    severity: Literal["error", "warning", "note"]
    about: str
    text: str


class Lint:
    """Collects findings about the messages of one bot.

    `stretch_ms` is how long audio must come at a wrong pace before that is told (US-3).
    """

    def __init__(
        self,
        stream_sid: str,
        audio: Audio,
        *,
        has_controls: bool = False,
        stretch_ms: int = LIVE_STRETCH_MS,
    ) -> None:
        self.media_count = 0
        self.audio_bytes = 0
        self.first_audio_ms: int | None = None
        self._stream_sid = stream_sid
        self._audio = audio
        self._known = _KNOWN_EVENTS | (CONTROLS.keys() if has_controls else set())
        self._pace = Pace(audio, stretch_ms)
        self._told = 0
        self._small = self._large = self._misaligned = 0
        self._ulaw_like = 0
        self._findings: dict[str, Finding] = {}

    @property
    def audio_ms(self) -> int:
        """How long the bot's audio lasts on the line."""
        return self.audio_bytes // self._audio.bytes_per_ms

    def hear(self, message: str | bytes, at_ms: int) -> None:
        """Take one message of the bot, `at_ms` after the stream opened."""
        if isinstance(message, bytes):
            self._note("warning", "AS-5", "the bot sends binary frames; the wire is text")
        try:
            values = json.loads(message)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            self._note("error", "AS-115", "the bot sends texts that are no JSON objects")
            return
        self._keys(values)
        event = values.get("event", values.get("Event"))
        if event == "media":
            self._media(values.get("media"), at_ms)
        elif event == "mark":
            mark = values.get("mark")
            if not isinstance(mark, dict) or not isinstance(mark.get("name"), str):
                self._note("error", "AS-111", "`mark` without a text under mark.name")
        elif not isinstance(event, str) or event not in self._known:
            self._note("warning", "AS-106", f"event {str(event)[:40]!r} means nothing here")

    def findings(self) -> tuple[Finding, ...]:
        """Return all that was found, worst first."""
        self._sizes()
        if self.media_count == 0:
            self._note("warning", "US-5", "the bot sent no audio: does it wait for another event?")
        order = ("error", "warning", "note")
        return tuple(sorted(self._findings.values(), key=lambda f: order.index(f.severity)))

    def news(self) -> list[Finding]:
        """Return what messages showed since the last time, of which the payloads may be cut."""
        if self.media_count >= HEARD_LEAST:
            self._kind()
        found = list(self._findings.values())[self._told :]
        self._told += len(found)
        return found

    def _keys(self, values: dict[str, Any]) -> None:
        if "event" not in values:
            self._note(
                "warning", "US-5", "no key `event` in small letters: the hosted service is strict"
            )
        if "streamSid" in values and "stream_sid" not in values:
            self._note("warning", "US-5", "`streamSid` instead of `stream_sid`: not documented")
        sid = values.get("stream_sid", values.get("streamSid"))
        if sid is not None and sid != self._stream_sid:
            self._note("warning", "AS-114", "the bot sends another stream_sid than it was given")

    def _media(self, media: object, at_ms: int) -> None:
        payload = media.get("payload") if isinstance(media, dict) else None
        if not isinstance(payload, str):
            self._note("error", "US-5", "`media` without a text under media.payload")
            return
        try:
            data = b64decode(payload, validate=True)
        except ValueError:
            self._note("error", "AS-157", "media.payload is not standard base64")
            return
        self.media_count += 1
        self.audio_bytes += len(data)
        if self.first_audio_ms is None:
            self.first_audio_ms = at_ms
        is_off_pace = self._pace.note(at_ms, self.audio_bytes)
        if is_off_pace:
            self._note("warning", "US-3", is_off_pace)
        if self._audio.encoding != "pcm16":
            return
        self._small += len(data) < SMALL_BYTES
        self._large += len(data) > LARGE_BYTES
        self._misaligned += len(data) % STEP_BYTES != 0
        self._ulaw_like += is_ulaw_like(data)

    def _sizes(self) -> None:
        """AS-150, AS-156; nothing is documented for µ-law and A-law."""
        for count, text in (
            (self._small, f"are below {SMALL_BYTES} bytes; the hosted service may drop these"),
            (self._large, f"are above {LARGE_BYTES} bytes; the hosted service may time out"),
            (self._misaligned, f"are no multiple of {STEP_BYTES} bytes; others hear gaps there"),
        ):
            if count:
                text = f"{count} of {self.media_count} payloads {text}"
                self._note("note", "AS-156", text)
        self._kind()

    def _kind(self) -> None:
        if self._ulaw_like * 2 > self.media_count:
            text = (
                "the audio looks like µ-law or A-law; this stream is 16-bit PCM, it would be noise"
            )
            self._note("error", "US-5", text)

    def _note(self, severity: Literal["error", "warning", "note"], about: str, text: str) -> None:
        if len(self._findings) < 32:
            self._findings.setdefault(text, Finding(severity, about, text))


def is_ulaw_like(data: bytes) -> bool:
    """Tell whether bytes that should be 16-bit PCM look like µ-law or A-law.

    With one byte per sample, even and odd bytes are spread alike. In PCM the odd bytes are the high
    halves: they lie close to 0x00 and 0xFF, the low halves do not.
    """
    low, high = _spread(data[::2]), _spread(data[1::2])
    is_alike = sum(map(min, low, high)) > 0.75 * sum(high)
    is_loud = sum(high[4:12]) > 0.15 * sum(high)
    return len(data) >= STEP_BYTES and is_alike and is_loud


def _spread(data: bytes) -> list[int]:
    """Count bytes by their upper half."""
    counts = Counter(byte >> 4 for byte in data)
    return [counts[nibble] for nibble in range(16)]
