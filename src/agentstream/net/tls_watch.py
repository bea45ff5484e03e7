"""Renewed certificates are taken up while calls go on: files are looked at, and SIGHUP asks for it.

A new file that does not serve is refused with an error and the old one stays. A pair of files is
taken only once both have stopped to change, as whoever renews them writes one after the other.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from agentstream.base.errors import ConfigError
from agentstream.net.tls import Tls

LOOK_S = 5.0
SOON_S = 14 * 86_400
_DAY_S = 86_400

log = logging.getLogger(__name__)


class CertificateWatch:
    """Looks after the contexts of one node; `run` is its task."""

    def __init__(
        self, tls: Tls, look_s: float = LOOK_S, unix_s: Callable[[], float] = time.time
    ) -> None:
        self.reloads = 0
        self.failures = 0
        self._tls = tls
        self._look_s = look_s
        self._unix_s = unix_s
        self._asked = asyncio.Event()
        self._seen = self._refused = self._stamps()
        self._warned_s = 0.0

    def ask(self) -> None:
        """Read every file again now, changed or not."""
        self._asked.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._warn()
            try:
                async with asyncio.timeout(self._look_s):
                    await self._asked.wait()
            except TimeoutError:
                await self.look()
            else:
                self._asked.clear()
                await self._reload(force=True)

    async def look(self) -> None:
        """Take up files that have changed and are settled; called every few seconds."""
        stamps = await asyncio.to_thread(self._stamps)
        is_settled, self._seen = stamps == self._seen, stamps
        if is_settled and stamps != self._refused:
            self._refused = stamps  # each state of the files is told once
            await self._reload(force=False)

    def expires_in_s(self) -> dict[str, int]:
        """Return how long each certificate is still valid, by its file; negative: over."""
        now_s = self._unix_s()
        return {file: int(ends_s - now_s) for file, ends_s in self._tls.expiries().items()}

    async def _reload(self, *, force: bool) -> None:
        try:
            is_new = await asyncio.to_thread(self._tls.reload, force=force)
        except ConfigError as error:
            self.failures += 1
            log.error("event=certificates_refused kept=old error=%s", error)  # noqa: TRY400
            return
        if is_new:
            self.reloads += 1
            self._warned_s = 0.0
            log.info("event=certificates_reloaded files=%d", len(self._tls.expiries()))

    def _warn(self) -> None:
        """Tell once a day of what ends within 14 days."""
        now_s = self._unix_s()
        if self._warned_s and now_s - self._warned_s < _DAY_S:
            return
        self._warned_s = now_s
        for file, left_s in self.expires_in_s().items():
            if left_s < SOON_S:
                days = left_s // _DAY_S
                log.warning("event=certificate_expires_soon file=%s days_left=%d", file, days)

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        try:
            return self._tls.stamps()
        except ConfigError:
            return ()  # a file is missing; the attempt to read them will say which
