"""Links to recordings: whoever has one may listen, until it expires (OP-4, RC-1, RC-4).

https://voice.example.net/recordings/SID.mp3?expires=1800604800&signature=5f0c...   or .8.mp3, .wav

signature   HMAC-SHA256 of "SID.mp3", a line feed and the expiry, in hex; the key is made from the
            server's secret, so links of another server, or from before a new secret, are wrong
expires     seconds since 1970, UTC
"""

import hashlib
import hmac
from typing import Literal

from agentstream.calls.commands import AudioKind

LinkKind = Literal["signed", "basic", "open"]
Verdict = Literal["good", "wrong", "expired"]

_EXPIRY_DIGITS = 11


class RecordingUrls:
    """Makes links and checks them; time comes in as whole seconds since 1970.

    `links` "signed": as above. "basic": without a signature, so only an API key opens them.
    "open": without a signature, and whoever knows the sid may listen.
    """

    def __init__(
        self, base: str, key: bytes, seconds: int = 604_800, links: LinkKind = "signed"
    ) -> None:
        self.links = links
        self._base = base.rstrip("/")
        self._key = key
        self._seconds = seconds

    def url_for(
        self, sid: str, now_s: int, kind: AudioKind = "mp3", seconds: int | None = None
    ) -> str:
        """Return the link to a recording, whether it is there yet or not."""
        url = f"{self._base}/recordings/{sid}.{kind}"
        if self.links != "signed":
            return url
        expires = str(now_s + (self._seconds if seconds is None else seconds))
        return f"{url}?expires={expires}&signature={self._signature(sid, kind, expires)}"

    def check(self, sid: str, kind: AudioKind, expires: str, signature: str, now_s: int) -> Verdict:
        """Judge a link's query; how long it takes does not depend on where a signature differs."""
        wanted = self._signature(sid, kind, expires)
        if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
            return "wrong"
        if not (expires.isascii() and expires.isdecimal() and len(expires) <= _EXPIRY_DIGITS):
            return "wrong"
        return "good" if now_s <= int(expires) else "expired"

    def _signature(self, sid: str, kind: AudioKind, expires: str) -> str:
        text = f"{sid}.{kind}\n{expires}".encode("utf-8", "replace")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
