"""One attempt to tell a customer's server something, and what came of it."""

from typing import Protocol

from agentstream.base.errors import AgentStreamError
from agentstream.calls.commands import HttpRequest
from agentstream.net.egress import mask_secrets
from agentstream.switch.ports import WebAnswer


class Sender(Protocol):
    """The way out; `net.http_client` is one."""

    async def send(
        self, question: HttpRequest, *, allow: tuple[str, ...], message_id: str
    ) -> WebAnswer:
        """Ask once; raises an AgentStreamError when no answer came."""


async def post(
    web: Sender, request: HttpRequest, *, allow: tuple[str, ...], message_id: str, error_chars: int
) -> tuple[int, str]:
    """Return the status, 0 if no answer came, and what went wrong, "" when it was taken."""
    try:
        answer = await web.send(request, allow=allow, message_id=message_id)
    except AgentStreamError as error:
        # What a receiver's garbage put there, PostgreSQL would not keep.
        return 0, mask_secrets(str(error)).replace("\0", "")[:error_chars]
    is_taken = 200 <= answer.status < 300
    return answer.status, "" if is_taken else f"it answered {answer.status}"
