"""Who asks: over httpx, waiting or with `await`."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from agentstream.base.errors import AgentStreamError
from agentstream.client.sent import Ask, Sent

T = TypeVar("T")
TIMEOUT_S: Final = 15.0  # the server answers an order within ten seconds (CC-38)


class RefusedError(AgentStreamError):
    """The server did not do it; the text is its sentence. `status` is HTTP's."""

    def __init__(self, status: int, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s  # when it says so (429, 503)


class Client:
    """Asks, and waits for the answer; a context manager."""

    def __init__(
        self,
        address: str,
        account_sid: str,
        key: str,
        token: str,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Take the server's address, such as https://voice.example.net, and an API key."""
        self._account_sid = account_sid
        self._http = httpx.Client(
            base_url=address, auth=(key, token), timeout=TIMEOUT_S, transport=transport
        )

    def ask(self, wanted: Ask[T]) -> T:
        """Ask; raises RefusedError, or an httpx.HTTPError when no answer came."""
        sent = wanted.request(self._account_sid)
        return wanted.read(_told(self._http.send(_request(self._http, sent))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()


class AsyncClient:
    """The same for asyncio."""

    def __init__(
        self,
        address: str,
        account_sid: str,
        key: str,
        token: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the server's address, such as https://voice.example.net, and an API key."""
        self._account_sid = account_sid
        self._http = httpx.AsyncClient(
            base_url=address, auth=(key, token), timeout=TIMEOUT_S, transport=transport
        )

    async def ask(self, wanted: Ask[T]) -> T:
        """Ask; raises RefusedError, or an httpx.HTTPError when no answer came."""
        sent = wanted.request(self._account_sid)
        return wanted.read(_told(await self._http.send(_request(self._http, sent))))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()


def _request(http: httpx.Client | httpx.AsyncClient, sent: Sent) -> httpx.Request:
    headers = {"Idempotency-Key": sent.idempotency_key} if sent.idempotency_key else {}
    return http.build_request(
        sent.method,
        sent.path,
        params=dict(sent.query) or None,
        data=None if sent.body is None else dict(sent.body),
        json=None if sent.json is None else dict(sent.json),
        headers=headers,
    )


def _told(response: httpx.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.is_success and isinstance(answer, dict) and not _is_refused_inside(answer):
        return answer
    after = response.headers.get("Retry-After", "")
    retry_after_s = int(after) if after.isascii() and after.isdecimal() else None
    raise RefusedError(_status(response, answer), _sentence(response, answer), retry_after_s)


def _is_refused_inside(answer: object) -> bool:
    """Tell whether the answer is a refusal in a success, as of a duplicate trunk (TR-25)."""
    match answer:
        case {"response": {"status": "failure"}}:
            return True
        case _:
            return False


def _status(response: httpx.Response, answer: object) -> int:
    match answer:
        case {"response": {"status": "failure", "code": int(code)}}:
            return code
        case _:
            return response.status_code


def _sentence(response: httpx.Response, answer: object) -> str:
    match answer:
        case {"RestException": {"Message": str(message)}}:
            return message
        case {"response": {"error_data": {"description": str(description)}}}:
            return description
        case _:
            return f"the answer is {response.status_code} {response.reason_phrase}, without a word"
