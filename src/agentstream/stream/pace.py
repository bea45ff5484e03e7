"""Tells a wrong sample rate by how fast a bot's audio comes (US-3).

A bot that keeps time sends as many bytes per second as its audio has: 16 kHz on a stream of 8 kHz
comes at twice real time, steadily, and its caller hears a slow, deep voice. Bursts and pauses,
which are fine (AS-125, AS-158), are not steady.
"""

from typing import Final

from agentstream.stream.messages import Audio

WINDOW_MS: Final = 600
GAP_MS: Final = 1_500  # nothing for so long: a pause, what comes then is judged anew
LIVE_STRETCH_MS: Final = 4_000  # of steady audio, before a live bot is told

# What bots send by mistake, in bytes per millisecond.
_KINDS: Final = {
    "µ-law at 8000 Hz": 8.0,
    "16-bit PCM at 8000 Hz": 16.0,
    "16-bit PCM at 16000 Hz": 32.0,
    "16-bit PCM at 24000 Hz": 48.0,
    "16-bit PCM at 44100 Hz": 88.2,
    "16-bit PCM at 48000 Hz": 96.0,
}
# Bots that keep time are a little early: some send each 100 ms after 90.
_LOWEST, _HIGHEST = 0.96, 1.15
# How much the pace of a steady bot changes from window to window.
_SPREAD: Final = 1.08


class Pace:
    """Watches one stream. `note` is given all bytes so far, once a second or with each message."""

    def __init__(self, audio: Audio, stretch_ms: int = LIVE_STRETCH_MS) -> None:
        self._audio = audio
        self._stretch_ms = stretch_ms
        self._last: tuple[int, int] | None = None  # ms, bytes
        self._start = (0, 0)  # of the window
        self._slowest = self._fastest = 0.0  # window of this stretch, in bytes per millisecond
        self._steady_ms = 0

    def note(self, at_ms: int, total_bytes: int) -> str:
        """Return what is wrong, each time a stretch of it is long enough; else nothing."""
        last, self._last = self._last, (at_ms, total_bytes)
        if last is None or at_ms - last[0] > GAP_MS:
            self._start, self._steady_ms = self._last, 0
            return ""
        elapsed_ms = at_ms - self._start[0]
        if elapsed_ms < WINDOW_MS:
            return ""
        per_ms = (total_bytes - self._start[1]) / elapsed_ms
        self._start = self._last
        self._slowest = min(self._slowest, per_ms)
        self._fastest = max(self._fastest, per_ms)
        if not self._steady_ms or self._fastest > self._slowest * _SPREAD:
            self._slowest = self._fastest = per_ms
            self._steady_ms = 0
        self._steady_ms += elapsed_ms
        if self._steady_ms < self._stretch_ms:
            return ""
        self._steady_ms = 0
        return self._judge(per_ms)

    def _judge(self, per_ms: float) -> str:
        if _is_near(self._audio.bytes_per_ms, per_ms):
            return ""
        near = [kind for kind, own in _KINDS.items() if _is_near(own, per_ms)]
        if not near:
            return ""
        kind = min(near, key=lambda one: abs(per_ms - _KINDS[one]))
        factor = _KINDS[kind] / self._audio.bytes_per_ms
        sound = "slow and deep" if factor > 1 else "fast and high"
        return (
            f"the audio comes steadily at {factor:.3g} times the pace of {_named(self._audio)}: "
            f"is it {kind}? The caller hears it {sound}"
        )


def _is_near(own: float, per_ms: float) -> bool:
    return _LOWEST * own <= per_ms <= _HIGHEST * own


def _named(audio: Audio) -> str:
    kind = "16-bit PCM" if audio.encoding == "pcm16" else audio.law
    return f"{kind} at {audio.rate_hz} Hz"
