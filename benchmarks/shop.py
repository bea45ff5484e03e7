"""A customer's web server for the bench: answers every request with 200 at once.

    python -m benchmarks.shop --port 9095

Says `ready` and counts, in JSON lines like the native tools; stays until its standard input ends.
"""

import argparse
import asyncio
import json
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Shop(asyncio.Protocol):
    """One connection; requests are GETs without a body."""

    asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._socket = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request whose head is whole."""
        *heads, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for _ in heads:
            Shop.asked += 1
            self._socket.write(ANSWER)


async def main(port: int) -> None:
    """Serve until standard input ends; each line of it asks for the count."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Shop, "127.0.0.1", port)
    print(json.dumps({"event": "ready"}), flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"event": "report", "asked": Shop.asked}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(main(parser.parse_args().port))
