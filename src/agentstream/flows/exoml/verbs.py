"""What a `<Response>` can say: one frozen value for each verb, its addresses whole."""

from typing import Literal

from agentstream.base.values import dataclass
from agentstream.flows.keypad import Keys
from agentstream.flows.message import Wish
from agentstream.flows.recital import Verse

Method = Literal["GET", "POST"]
Moment = Literal["initiated", "ringing", "answered", "completed"]  # of a callee
Track = Literal["inbound", "outbound", "mixed", "both"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Where the call goes on: the next document is this one's answer."""

    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True)
class Say:
    """XR-10: speak a text."""

    verse: Verse


@dataclass(frozen=True, slots=True)
class Play:
    """XR-11: play a sound, and press keys towards the caller before."""

    verse: Verse
    digits: str = ""  # of 0123456789*#ABCD, and w for half a second


@dataclass(frozen=True, slots=True)
class Gather:
    """XR-12: take keys, after prompts if there are any."""

    action: Ask
    keys: Keys
    prompts: tuple[Verse, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """XR-13: record what the caller says."""

    wish: Wish
    action: Ask | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """Who is told of a callee, and of what."""

    to: Ask
    moments: frozenset[Moment] = frozenset({"completed"})


@dataclass(frozen=True, slots=True)
class Callee:
    """Whom a Dial calls: a number or a SIP address."""

    destination: str
    digits: str = ""  # pressed when it has answered, as those of Play
    announces: Ask | None = None  # whose Say and Play it hears before it is connected
    callback: Callback | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """XR-14: call somebody, several at once, and let the first who answers talk with the caller."""

    callees: tuple[Callee, ...]
    caller_id: str = ""  # "": the number that was called
    ring_s: int = 30
    limit_s: int = 14_400
    records: bool = False
    ends_on_star: bool = False  # the caller's * ends the talk, not the call
    action: Ask | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """XR-15: go on with another document."""

    to: Ask


@dataclass(frozen=True, slots=True)
class Hangup:
    """XR-16: end the call."""


@dataclass(frozen=True, slots=True)
class Stream:
    """XR-19: a bot that talks with the caller, or one that only listens from here on."""

    url: str
    two_way: bool = True
    name: str = ""
    track: Track = "mixed"  # of one that listens
    action: Ask | None = None  # of one that talks, when it has ended


Verb = Say | Play | Gather | Record | Dial | Redirect | Hangup | Stream


@dataclass(frozen=True, slots=True)
class Placed:
    """A verb in its document."""

    verb: Verb
    line: int  # from 1

    @property
    def place(self) -> str:
        """How a person finds it."""
        return f"line {self.line}: <{type(self.verb).__name__}>"


@dataclass(frozen=True, slots=True)
class Response:
    """One document. `remarks` is what of it was not understood, and left out."""

    verbs: tuple[Placed, ...] = ()
    remarks: tuple[str, ...] = ()
