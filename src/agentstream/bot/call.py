"""One call, as its bot sees it: events come in, audio, marks and clears go out."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from agentstream.base.errors import CommandError, PeerError
from agentstream.bot.events import Answered, CallEnded, CallStarted, Event, read_event

PIECE_MS: Final = 200  # audio in one message: small enough for a quick `clear`, never below AS-150

_RATES_HZ: Final = {"8000": 8000, "16000": 16000, "24000": 24000}


class Call:
    """A live call. Iterate over it for events; the last one is CallEnded.

    Nothing needs pacing: the platform queues what is played and keeps time. Methods that send do
    nothing once the call is over, so a bot may finish its sentence in peace.
    """

    def __init__(self, socket: ServerConnection, started: CallStarted) -> None:
        self.started = started
        self.rate_hz = rate_of(socket.request.path if socket.request else "")
        self._socket = socket
        self._asked_rate_hz = self.rate_hz

    @property
    def call_sid(self) -> str:
        """The call's id."""
        return self.started.call_sid

    async def __aiter__(self) -> AsyncIterator[Event]:
        yield self.started
        try:
            async for message in self._socket:
                event = read_event(message)
                if isinstance(event, Answered) and event.asked == "set_rate" and event.is_accepted:
                    self.rate_hz = self._asked_rate_hz
                if event is not None:
                    yield event
                if isinstance(event, CallEnded):
                    return
        except ConnectionClosed:
            pass
        yield CallEnded("lost")

    async def play(self, pcm: bytes) -> None:
        """Queue audio for the caller: 16-bit little-endian mono at `rate_hz`, of any length.

        Raises CommandError when the bytes are not whole samples.
        """
        if len(pcm) % 2:
            raise CommandError("audio must be whole 16-bit samples, this has an odd byte")
        size = self.rate_hz * PIECE_MS // 1000 * 2
        while pcm:
            end = size if len(pcm) >= 2 * size else len(pcm)  # no small rest: AS-150
            payload = b64encode(pcm[:end]).decode("ascii")
            await self._send({"event": "media", "media": {"payload": payload}})
            pcm = pcm[end:]

    async def mark(self, name: str) -> None:
        """Ask for MarkPlayed(name) once all that was played so far has been heard."""
        await self._send({"event": "mark", "mark": {"name": name}})

    async def clear(self) -> None:
        """Drop what the caller has not heard yet: the answer to being interrupted."""
        await self._send({"event": "clear"})

    async def stop(self) -> None:
        """Ask for a graceful end: what is queued is heard (for 2 s), then the flow goes on."""
        await self._send({"event": "stop"})

    async def hang_up(
        self, *, after_mark: str = "", drain: bool = True, ask_id: str | int | None = None
    ) -> None:
        """End the call, when all that was played so far, or up to a mark, has been heard.

        Like `transfer` and `send_dtmf` it needs the setting `control_events`, and Answered follows.
        """
        body: dict[str, object] = {} if drain else {"drain": False}
        if after_mark:
            body["after_mark"] = after_mark
        await self._ask("hangup", ask_id, body)

    async def transfer(
        self, to: str = "", *, flow: str = "", ask_id: str | int | None = None
    ) -> None:
        """Hand the caller over to a number or `sip:` address, or to a flow of the account."""
        if bool(to) == bool(flow):
            raise CommandError("a transfer goes either to somebody or to a flow")
        await self._ask("transfer", ask_id, {"to": to} if to else {"flow": flow})

    async def send_dtmf(self, digits: str, *, ask_id: str | int | None = None) -> None:
        """Press keys towards the caller: at most 64 of 0-9 * # A-D."""
        await self._ask("send_dtmf", ask_id, {"digits": digits})

    async def set_rate(self, rate_hz: int, *, ask_id: str | int | None = None) -> None:
        """Go on at 8000, 16000 or 24000 Hz, in both directions, from its Answered on.

        That comes when all that was played was heard; play nothing until then. `rate_hz` of the
        call changes with it.
        """
        self._asked_rate_hz = rate_hz
        await self._ask("set_rate", ask_id, {"sample_rate": rate_hz})

    async def close(self) -> None:
        """End the stream; the flow goes on, or hangs up when it has nothing left to do."""
        await self._socket.close()

    async def _ask(self, event: str, ask_id: str | int | None, body: dict[str, object]) -> None:
        if ask_id is not None:
            body["id"] = ask_id
        await self._send({"event": event, event: body})

    async def _send(self, message: dict[str, object]) -> None:
        try:
            await self._socket.send(json.dumps({**message, "stream_sid": self.started.stream_sid}))
        except ConnectionClosed:
            return


def rate_of(path: str) -> int:
    """Return the sample rate that a request's query asks for, else 8000 (AS-141, CX-6)."""
    query = parse_qs(urlsplit(path).query)
    asked = query.get("sample-rate") or query.get("sample_rate") or [""]
    return _RATES_HZ.get(asked[-1], 8000)


async def wait_for_start(socket: ServerConnection) -> CallStarted:
    """Read up to `start`, which is the second message (AS-65). Raises PeerError."""
    for _ in range(2):
        event = read_event(await socket.recv())
        if isinstance(event, CallStarted):
            return event
    raise PeerError("`start` is not among the first two messages")
