"""Writes down who changed what: every request that may change something and says who it is from.

request ─▶ authenticated() notes who ─▶ the route may say what came of it ─▶ answer ─▶ Change
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentstream.base.clock import Clock
from agentstream.base.ids import Tokens
from agentstream.store.audit import Change

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SCOPE: Final = "agentstream.audit"


@dataclass(slots=True)
class _Noted:
    """What is learnt of a request on its way."""

    who: str = ""
    account_sid: str = ""
    about: str = ""


class Audited:
    """Hands a `Change` to `write` for each such request; `write` must return at once."""

    def __init__(
        self, app: ASGIApp, write: Callable[[Change], None], clock: Clock, tokens: Tokens
    ) -> None:
        self._app = app
        self._write = write
        self._clock = clock
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write down what became of it."""
        if scope["type"] != "http" or scope["method"] in READING:
            await self._app(scope, receive, send)
            return
        noted, status = _Noted(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        at = self._clock.wall()
        try:
            await self._app({**scope, _SCOPE: noted}, receive, told)
        finally:
            if noted.who:  # whoever did not say who they are has changed nothing
                self._write(
                    Change(
                        sid=self._tokens.hex(16),
                        at=at,
                        account_sid=noted.account_sid,
                        who=noted.who,
                        what=f"{scope['method']} {quote(scope['path'])}",
                        outcome=str(status) if status else "broke off",
                        about=noted.about,
                    )
                )


def note_who(request: HTTPConnection, who: str, account_sid: str) -> None:
    """Say who asks."""
    noted = request.scope.get(_SCOPE)
    if isinstance(noted, _Noted):
        noted.who, noted.account_sid = who, account_sid


def note_whose(request: HTTPConnection, account_sid: str) -> None:
    """Say whose things are meant, when the operator asks."""
    noted = request.scope.get(_SCOPE)
    if isinstance(noted, _Noted):
        noted.account_sid = account_sid


def note_about(request: HTTPConnection, about: str) -> None:
    """Say what came of it, such as "call 51e0..."; never a secret."""
    noted = request.scope.get(_SCOPE)
    if isinstance(noted, _Noted):
        noted.about = about
