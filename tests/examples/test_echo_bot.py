"""The echo bot on nothing but websockets: what CL-7 sends."""

import asyncio
import json
import runpy
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "echo_bot.py"))


async def test_media_comes_back_as_it_was_with_marks_and_the_rest_is_answered_cl7() -> None:
    sent: list[dict[str, Any]] = [
        {"event": "connected"},
        {"event": "start", "sequence_number": "1", "stream_sid": "s", "start": {"call_sid": "c"}},
    ]
    media = [
        {"chunk": str(n), "timestamp": str(n * 100 - 100), "payload": "AQI="} for n in range(1, 11)
    ]
    sent += [{"event": "media", "stream_sid": "s", "media": body} for body in media]
    sent += [
        {"event": "mark", "stream_sid": "s", "mark": {"name": "echo_10"}},
        {"event": "dtmf", "stream_sid": "s", "dtmf": {"digit": "5", "duration": "100"}},
        {"event": "clear", "stream_sid": "s"},
        {"event": "stop", "stream_sid": "s", "stop": {"reason": "callended"}},
    ]
    async with serve(EXAMPLE["answer"], "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as socket, asyncio.timeout(5):
            for message in sent:
                await socket.send(json.dumps(message))
            heard = [json.loads(await socket.recv()) for _ in range(14)]
    assert heard[0] == {"event": "connected"}
    assert [message["media"] for message in heard[1:11]] == media
    assert heard[11:] == [
        {"event": "mark", "stream_sid": "s", "mark": {"name": "echo_10"}},
        {"event": "dtmf", "stream_sid": "s", "dtmf": {"digit": "5", "duration": "100"}},
        {"event": "clear", "stream_sid": "s"},
    ]
