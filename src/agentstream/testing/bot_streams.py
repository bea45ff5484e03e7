"""Scripts for a `BotStream`: one order, any settings, and what was sent to the bot.

script = talking(control_events=True)
script.feed(said("hangup", drain=False))
assert sent(script) == [...]
"""

import json
from dataclasses import dataclass, replace
from typing import Any

from agentstream.stream.bot_stream import BotStream
from agentstream.stream.happenings import (
    Begin,
    BotSaid,
    CloseSocket,
    Connect,
    Opened,
    SendText,
    StreamFinished,
    StreamInput,
    StreamOutput,
    StreamResult,
)
from agentstream.stream.life import State
from agentstream.stream.messages import StreamOrder
from agentstream.stream.profile import WireProfile
from agentstream.testing.script import Script

URL = "wss://bots.example.net/ws"
ORDER = StreamOrder("s" * 32, "c" * 32, "greenleaf1", URL, "+919876500001", "+918040000002")

StreamScript = Script[StreamInput, StreamOutput]


def stream(url: str = URL, *, two_way: bool = True, **settings: Any) -> StreamScript:  # noqa: ANN401 - any setting
    """Return a stream that has not begun."""
    order = replace(ORDER, url=url, two_way=two_way)
    return Script(BotStream(order, WireProfile.from_mapping(settings)), now_ms=1_000)


def talking(url: str = URL, *, two_way: bool = True, **settings: Any) -> StreamScript:  # noqa: ANN401
    """Return a stream whose bot is there; what led to it was taken."""
    script = stream(url, two_way=two_way, **settings)
    script.feed(Begin(), Opened())
    assert state_of(script) is State.ACTIVE
    script.take_all()
    return script


class Steps:
    """A stream whose answers are looked at step by step."""

    def __init__(self, url: str = URL, *, two_way: bool = True, **settings: Any) -> None:  # noqa: ANN401
        self.script = stream(url, two_way=two_way, **settings)

    @property
    def machine(self) -> BotStream:
        """The stream itself."""
        assert isinstance(self.script.machine, BotStream)
        return self.script.machine

    def feed(self, happening: StreamInput) -> list[StreamOutput]:
        """Let something happen; return what follows."""
        self.script.feed(happening)
        return self.script.take_all()

    def wait(self, ms: int) -> list[StreamOutput]:
        """Let time pass; return what follows."""
        self.script.wait(ms)
        return self.script.take_all()

    def talking(self) -> "Steps":
        """Let the bot be there."""
        self.feed(Begin())
        self.feed(Opened())
        assert self.machine.state is State.ACTIVE
        return self


def finished(outputs: list[StreamOutput]) -> StreamResult:
    """Return the result, which must be told last."""
    last = outputs[-1]
    assert isinstance(last, StreamFinished), outputs
    return last.result


def connected(outputs: list[StreamOutput]) -> Connect:
    """Return the order to dial, which must be told last."""
    last = outputs[-1]
    assert isinstance(last, Connect), outputs
    return last


def stop_reason(outputs: list[StreamOutput]) -> str:
    """Return why the bot is told to stop, in the last text to it."""
    close = next(each for each in outputs if isinstance(each, CloseSocket))
    assert close.last_text is not None
    reason: str = json.loads(close.last_text.replace("\x01", "9"))["stop"]["reason"]
    return reason


def state_of(script: StreamScript) -> State:
    """Return where the stream stands."""
    assert isinstance(script.machine, BotStream)
    return script.machine.state


@dataclass(frozen=True)
class Counted:
    """Counters of a socket that has closed."""

    media_received: int = 0
    payloads_small: int = 0
    payloads_misaligned: int = 0
    payloads_undecodable: int = 0
    media_dropped_in_ms: int = 0
    played_ms: int = 0


def said(event: str, **body: object) -> BotSaid:
    """Return a message of the bot."""
    return BotSaid(json.dumps({"event": event, event: body}))


def sent(script: StreamScript) -> list[dict[str, Any]]:
    """Take every answer; return the messages to the bot among them."""
    texts = [answer.text for answer in script.take_all() if isinstance(answer, SendText)]
    return [json.loads(text.replace("\x01", "5")) for text in texts]


def result_of(script: StreamScript) -> StreamResult:
    """Take every answer; return the result, which must be among them."""
    return script.skip_to(StreamFinished).result
