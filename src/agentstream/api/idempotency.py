"""A request that is sent again under the same key has the first one's result (OC-6, LG-42).

claimed ─▶ made ─▶ kept                        the first one
not claimed ─▶ its result, or a wait for it    all others, in any process on the database
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from agentstream.api.errors import ApiError
from agentstream.api.forms import Form
from agentstream.base.clock import Clock
from agentstream.store.first_results import KEY_CHARS, FirstResult, FirstResults, KeyedRequest
from agentstream.store.protocols import StoreError

HEADER: Final = "Idempotency-Key"
BUSY_MS: Final = 15_000  # how long the first one may take: a call is on its way in 10 s (CC-38)
PAUSE_MS: Final = 50  # between two looks at first; then longer
PAUSE_LIMIT_MS: Final = 500
_UNKNOWN: Final = (
    "was used before, and what became of that request is not known: see whether it was done, and"
    " use another key"
)
T = TypeVar("T")
_log = structlog.get_logger("api")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What is made, and how its result is written down."""

    name: str  # at most 16 characters
    form: TypeAdapter[T]


class Once:
    """Lets each keyed request be done once; `counts` says what became of those that came."""

    def __init__(self, rows: FirstResults, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self.counts: Counter[str] = Counter()

    async def make(
        self, kind: Kind[T], request: KeyedRequest, make: Callable[[], Awaitable[T]]
    ) -> T:
        """Return what `make` gives, or gave for this key.

        What fails is not kept: it may be tried again. Raises ApiError 422 when the key belongs to
        another request, 409 when the first one's result cannot be had, and StoreError.
        """
        left_ms, pause_ms = BUSY_MS, PAUSE_MS
        while not await self._rows.claim(request):
            found = await self._rows.find(request)  # None: it has failed since
            if found and found.fingerprint != request.fingerprint:
                raise self._refusal(422, "mismatched", "was used before, with other parameters")
            if found and found.result is not None:
                return self._again(kind, found.result)
            if left_ms <= 0 or (found and self._is_lost(found)):
                raise self._refusal(409, "unknown", _UNKNOWN)
            await asyncio.sleep(pause_ms / 1000)
            left_ms, pause_ms = left_ms - pause_ms, min(2 * pause_ms, PAUSE_LIMIT_MS)
            request = replace(request, at=self._clock.wall())
        return await self._made(kind, request, make)

    async def _made(
        self, kind: Kind[T], request: KeyedRequest, make: Callable[[], Awaitable[T]]
    ) -> T:
        try:
            made = await make()
        except BaseException:  # also one that is given up: its call is not dialled either
            self.counts["failed"] += 1
            await asyncio.shield(self._write(self._rows.release(request), request))
            raise
        self.counts["first"] += 1
        written = kind.form.dump_json(made).decode()
        await self._write(self._rows.keep(request, written), request)
        return made

    async def _write(self, write: Awaitable[None], request: KeyedRequest) -> None:
        """Write down how it ended; it has happened, so a database that fails now changes nothing.

        Its row stays as it was claimed, and whoever sends the request again is told 409.
        """
        try:
            await write
        except StoreError as error:
            self.counts["not_kept"] += 1
            _log.warning("first_result_not_kept", kind=request.kind, error=str(error))

    def _again(self, kind: Kind[T], result: str) -> T:
        try:
            found = kind.form.validate_json(result)
        except ValidationError as error:
            _log.error("first_result_unreadable", kind=kind.name, errors=error.error_count())
            raise self._refusal(
                409, "unknown", "was answered by another release, whose words are not known here"
            ) from None
        self.counts["repeated"] += 1
        return found

    def _is_lost(self, found: FirstResult) -> bool:
        return (self._clock.wall() - found.at).total_seconds() * 1000 > BUSY_MS

    def _refusal(self, status: int, counted: str, why: str) -> ApiError:
        self.counts[counted] += 1
        return ApiError(status, f"This {HEADER} {why}")


def check_key(key: str) -> None:
    """Raise ApiError 400 for a key that cannot be kept."""
    if len(key) > KEY_CHARS:
        raise ApiError(400, f"{HEADER} has more than {KEY_CHARS} characters")
    if not key.isprintable():
        raise ApiError(400, f"{HEADER} has characters that cannot be printed")


def fingerprint(form: Form) -> str:
    """Return what tells two requests apart; the order of their fields does not."""
    text = "\n".join(f"{name}={values!r}" for name, values in sorted(form.values.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
