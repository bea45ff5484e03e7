"""A request that is sent again under the same key has the first one's result (OC-6).

In memory: the keys of a day, of this process, and no more than so many; a restart forgets them.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from agentstream.api.errors import ApiError
from agentstream.api.forms import Form
from agentstream.base.clock import Clock
from agentstream.base.ids import AccountSid

HEADER: Final = "Idempotency-Key"
KEY_CHARS: Final = 255
KEPT_MS: Final = 86_400_000
RESULTS_LIMIT: Final = 10_000  # of one account; the oldest is forgotten
ACCOUNTS_LIMIT: Final = 1_000  # whose results are kept; the one that asked longest ago goes
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    fingerprint: str
    until_ms: int
    result: "asyncio.Future[T]"


class FirstResults(Generic[T]):
    """The results by account and key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: OrderedDict[AccountSid, OrderedDict[str, _Kept[T]]] = OrderedDict()

    async def once(
        self, account_sid: AccountSid, key: str, form: Form, make: Callable[[], Awaitable[T]]
    ) -> T:
        """Return what `make` gives, or gave for this key; without a key it is always made.

        What fails is not kept: it may be tried again. Raises ApiError 422 when the key belongs to
        another request.
        """
        if not key:
            return await make()
        if len(key) > KEY_CHARS:
            raise ApiError(400, f"{HEADER} has more than {KEY_CHARS} characters")
        kept, print_ = self._of(account_sid), fingerprint(form)
        found = kept.get(key)
        if found is not None:
            if found.fingerprint != print_:
                raise ApiError(422, f"This {HEADER} was used before, with other parameters")
            return await asyncio.shield(found.result)
        return await self._made(kept, key, print_, make)

    async def _made(
        self,
        kept: "OrderedDict[str, _Kept[T]]",
        key: str,
        print_: str,
        make: Callable[[], Awaitable[T]],
    ) -> T:
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        kept[key] = _Kept(print_, self._clock.now_ms() + KEPT_MS, result)
        if len(kept) > RESULTS_LIMIT:
            kept.popitem(last=False)
        try:
            made = await make()
        except BaseException as error:
            kept.pop(key, None)
            is_ours = isinstance(error, Exception)
            result.set_exception(error if is_ours else ApiError(409, "The first request broke off"))
            result.exception()  # nobody may be waiting for it
            raise
        result.set_result(made)
        return made

    def _of(self, account_sid: AccountSid) -> "OrderedDict[str, _Kept[T]]":
        kept = self._accounts.setdefault(account_sid, OrderedDict())
        self._accounts.move_to_end(account_sid)
        if len(self._accounts) > ACCOUNTS_LIMIT:
            self._accounts.popitem(last=False)
        now_ms = self._clock.now_ms()
        while kept and next(iter(kept.values())).until_ms <= now_ms:
            kept.popitem(last=False)
        return kept


def fingerprint(form: Form) -> str:
    """Return what tells two requests apart; the order of their fields does not."""
    text = "\n".join(f"{name}={values!r}" for name, values in sorted(form.values.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
