"""Phones that register with us, as values: who may, for how long, and where each is (SIP-37)."""

from collections.abc import Callable

from agentstream.base.values import dataclass
from agentstream.sip.flow import Flow


@dataclass(frozen=True, slots=True)
class Registrant:
    """Who may register: its key is the trunk's sid, its secret HA1 (`digest.to_stored`)."""

    key: str
    user: str
    realm: str
    ha1: str

    def __repr__(self) -> str:
        return f"Registrant({self.key!r}, {self.user!r}, {self.realm!r})"


# By user and host of To; None: nobody of ours.
FindRegistrant = Callable[[str, str], Registrant | None]


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """Who may, for how long, and how many."""

    find: FindRegistrant
    min_expires_s: int = 60
    max_expires_s: int = 3_600
    nat_expires_s: int = 60  # over UDP from behind a NAT, whose memory is short
    bindings_each: int = 10
    bindings: int = 10_000  # of all
    algorithms: tuple[str, ...] = ("MD5",)


@dataclass(frozen=True, slots=True)
class Binding:
    """Where one phone is. Call it at `contact`, by `flow`, with `path` as Route (RFC 3327)."""

    contact: str
    flow: Flow
    path: tuple[str, ...]
    until_ms: int
    call_id: str
    cseq: int
    instance: str = ""  # RFC 5626
