"""Calls somebody, and greets them while the bot is still connecting.

A bot's socket takes a second or two to open. Until then the caller hears a greeting, and not
silence: on `leg_answered` the stream and the greeting are started together, on `stream_started` the
greeting is stopped. Each event is acknowledged first; what follows from it is asked for afterwards.

    export AGENTSTREAM_URL=http://127.0.0.1:8080/v2/accounts/ACCOUNT_SID
    export AGENTSTREAM_KEY=... AGENTSTREAM_TOKEN=...
    python greet_while_connecting.py 09876500001 08040000002 wss://bot.example.net/ws

The server must be allowed to tell events without TLS: `allow_plain_http = true` in `[legs]`.
"""

import base64
import json
import os
import queue
import sys
import threading
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError

GREETING = "Hello! One moment, please: I am connecting you to our assistant."


class Legs:
    """The Legs API of one account."""

    def __init__(self, url: str, key: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._credentials = base64.b64encode(f"{key}:{token}".encode()).decode()

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for something; return what is told of it."""
        request = urllib.request.Request(  # noqa: S310  (the server of whoever starts this)
            f"{self._url}/{path}",
            json.dumps(body).encode(),
            {
                "Authorization": f"Basic {self._credentials}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (as above)
            data: dict[str, Any] = json.load(answer)["response"]["data"]
        return data

    def act(self, leg_sid: str, action: str, **body: object) -> None:
        """Let a leg do one thing, unless it has ended meanwhile (409)."""
        try:
            self.post(f"legs/{leg_sid}/actions/{action}", body)
        except HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise


class Greeter:
    """Receives the events of legs, and says what happens next."""

    def __init__(self, legs: Legs, bot_url: str, greeting: str = GREETING, port: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self._legs = legs
        self._bot_url = bot_url
        self._greeting = greeting
        self._seen: set[str] = set()
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._pool = ThreadPoolExecutor(4)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/legs"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def call(self, contact_uri: str, exophone: str) -> str:
        """Dial somebody; return the leg."""
        leg = self._legs.post(
            "legs",
            {
                "contact_uri": contact_uri,
                "exophone": exophone,
                "leg_event_endpoint": self.url,
            },
        )
        return str(leg["leg_sid"])

    def run(self) -> None:
        """Act on events until the leg has ended."""
        while (event := self._waiting.get(timeout=120)) is not None:
            self.events.append(event)
            self._react(event["event_name"], event["data"]["leg_sid"])

    def close(self) -> None:
        """Receive nothing any more."""
        self._server.shutdown()
        self._server.server_close()
        self._pool.shutdown()

    def _react(self, name: str, leg_sid: str) -> None:
        print(name, flush=True)
        match name:
            case "leg_answered":
                # Together: neither waits for the other.
                stream = {"direction": "bidirectional", "url": self._bot_url}
                asked = [
                    self._pool.submit(self._legs.act, leg_sid, "start_stream", **stream),
                    self._pool.submit(self._legs.act, leg_sid, "start_say", text=self._greeting),
                ]
                for one in asked:
                    one.result()
            case "stream_started":
                self._legs.act(leg_sid, "stop_say")
            case "stream_failed_to_start" | "stream_stopped":
                self._legs.act(leg_sid, "hangup")
            case "leg_terminated" | "leg_failed_to_create":
                self._waiting.put(None)
            case _:
                pass

    def _take(self, event: dict[str, Any]) -> None:
        # An event may come twice: when its acknowledgement was lost, or came too late.
        if event["event_sid"] not in self._seen:
            self._seen.add(event["event_sid"])
            self._waiting.put(event)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            """Takes one event: acknowledged within the second that there is."""

            protocol_version = "HTTP/1.1"  # so that the connection stays for the next one

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                take(event)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing of requests."""

        return Handler


def main() -> None:
    """Call whom the command line names."""
    contact_uri, exophone, bot_url = sys.argv[1:]
    legs = Legs(*(os.environ[f"AGENTSTREAM_{name}"] for name in ("URL", "KEY", "TOKEN")))
    greeter = Greeter(legs, bot_url)
    greeter.call(contact_uri, exophone)
    greeter.run()
    greeter.close()


if __name__ == "__main__":
    main()
