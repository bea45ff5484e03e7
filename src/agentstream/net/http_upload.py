"""PUT of a file that is read piece by piece, through the one door that HTTP out has."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import field

import httpcore
import httpx

from agentstream.base.values import dataclass
from agentstream.net.egress import Target
from agentstream.net.http_client import USER_AGENT, HttpClient, HttpError

ANSWER_BYTES = 65_536  # of a refusal, which is read so that the connection can be used again


@dataclass(frozen=True, slots=True)
class Upload:
    """What is sent where. Redirects are not followed: the body would have to be sent again."""

    target: Target
    size: int  # bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout_ms: int = 60_000  # for all of it


async def put(
    web: HttpClient, upload: Upload, body: AsyncIterator[bytes], allow: tuple[str, ...] = ()
) -> int:
    """Send a file; returns the HTTP status, whatever it is.

    `allow` is the account's own list. Raises HttpError, EgressError or DnsError (each a PeerError).
    """
    target, seconds = upload.target, upload.timeout_ms / 1000
    fields = {
        "Host": target.host_header,
        "User-Agent": USER_AGENT,
        "Content-Type": upload.content_type,
        "Content-Length": str(upload.size),
    }
    if target.authorization:
        fields["Authorization"] = target.authorization
    fields |= dict(upload.headers)
    limits = {"connect": seconds, "read": seconds, "write": seconds, "pool": seconds}
    request = httpx.Request(
        "PUT", target.url(), headers=fields, content=body, extensions={"timeout": limits}
    )
    shown = shown_url(target)
    try:
        async with asyncio.timeout(seconds):
            return await _status(web, request, allow)
    except TimeoutError as error:
        raise HttpError(f"{shown}: not taken in {upload.timeout_ms} ms") from error
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise HttpError(f"{shown}: {str(error) or type(error).__name__}") from error


def shown_url(target: Target) -> str:
    """Return where a file is, for people: without credentials, and without a query, which signs."""
    return target.url().partition("?")[0]


async def _status(web: HttpClient, request: httpx.Request, allow: tuple[str, ...]) -> int:
    transport = await web.transport(allow)
    response = await transport.handle_async_request(request)
    try:
        count = 0
        async for piece in response.aiter_raw():
            count += len(piece)
            if count > ANSWER_BYTES:
                break
    finally:
        await response.aclose()
    return response.status_code
