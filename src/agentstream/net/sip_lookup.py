"""The names that signalling asks for, looked up one task each, and answered to the endpoint."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from agentstream.base.clock import Clock
from agentstream.base.errors import AgentStreamError
from agentstream.base.weight import Draw
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.locate import Locator
from agentstream.net.sip_dns import SystemSipDns
from agentstream.sip.flow import Hop, TransportName
from agentstream.sip.traffic import Resolved

log = logging.getLogger(__name__)

Locate = Callable[[Hop], Awaitable[tuple[Hop, ...]]]  # numeric hops in order; none: nowhere

LOOK_UP_S = 10.0  # a name that takes longer leads nowhere


class SipLookup:
    """Every look-up is answered, with no hop where the name leads nowhere."""

    def __init__(
        self, locate: Locate | None, answer: Callable[[Resolved], None], errors: Counter[str]
    ) -> None:
        self._locate = locate
        self._answer = answer
        self._errors = errors
        self._resolver: Resolver | None = None  # ours, if no other way to locate was given
        self._dns: SystemSipDns | None = None
        self._running: set[asyncio.Task[None]] = set()

    def open(
        self,
        clock: Clock,
        draw: Draw,
        transports: Sequence[TransportName],
        egress: EgressPolicy,
        trusted: frozenset[str],
    ) -> None:
        """Ask the system's servers, unless another way was given."""
        if self._locate is not None:
            return
        self._resolver = Resolver(clock=clock)
        self._dns = SystemSipDns(self._resolver, clock=clock)
        screen = Egress(egress, self._resolver, clock).addresses
        self._locate = Locator(self._dns, draw, transports, screen, trusted)

    def look_up(self, hop: Hop) -> None:
        """Begin to look a name up."""
        task = asyncio.get_running_loop().create_task(self._look_up(hop))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._resolver is not None and self._dns is not None:
            self._dns.close()
            self._resolver.close()

    async def _look_up(self, hop: Hop) -> None:
        hops: tuple[Hop, ...] = ()
        try:
            async with asyncio.timeout(LOOK_UP_S):
                if self._locate is not None:  # set by `open`
                    hops = await self._locate(hop)
        except (AgentStreamError, TimeoutError) as error:
            self._errors["lookups_failed"] += 1
            log.info("event=sip_lookup_failed hop=%s error=%s", hop, error)
        self._answer(Resolved(hop, hops))
