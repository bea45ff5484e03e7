"""How legs are steered from outside: what the published documents leave open, by setting."""

from typing import Final, Literal

from agentstream.base.errors import CommandError, PeerError
from agentstream.base.values import dataclass
from agentstream.calls.storage import CustomerStorage
from agentstream.net.egress import GRPC_SCHEMES, HTTP_SCHEMES, STREAM_SCHEMES, parse_url
from agentstream.net.s3_signature import s3_object

SOCKET: Final = "stream:"  # LD-1: an endpoint that is no address, but whoever listens
ENDPOINT_CHARS: Final = 2_048
_SCHEMES: Final = HTTP_SCHEMES | GRPC_SCHEMES | STREAM_SCHEMES
StateWords = Literal["as_documented", "connected", "in-progress"]
TIMER_LIMIT_S: Final = 600  # LG-39: of the three timers before the answer
CUSTOM_BYTES: Final = 1_024  # LG-39


@dataclass(frozen=True, slots=True)
class LegStyle:
    """See `[legs]` in docs/howto/configure.md."""

    flat_response: bool = True  # LG-10
    infer_network_type: bool = True  # LG-38
    time_limit_s: int = 14_400  # LG-39: the longest that may be asked for
    state_words: StateWords = "as_documented"  # LG-52
    flat_event_data: bool = False  # EV-9
    history_timestamp: Literal["object", "string"] = "object"  # LG-71
    exoml_loop_absent: Literal["once", "endless"] = "once"  # LC-5
    allow_plain_http: bool = False  # EV-37: http:// as an event endpoint
    has_grpc: bool = True  # whether its libraries are here

    def state(self, state: str, *, in_event: bool) -> str:
        """Return the word for a state of `leg_view`: reads and events differ (LC-9)."""
        if state != "connected":
            return state
        if self.state_words == "as_documented":
            return "in-progress" if in_event else "connected"
        return self.state_words


def check_storage(storage: CustomerStorage, style: LegStyle) -> None:
    """Refuse an address that no recording can be sent to; raises CommandError without secrets."""
    url = storage.url
    if url.startswith("http:") and not style.allow_plain_http:
        raise CommandError("must begin with https:// (http:// needs allow_plain_http in [legs])")
    try:
        if storage.kind == "s3":
            s3_object(url, storage.region, "")
        else:
            parse_url(url, HTTP_SCHEMES)
    except PeerError:
        raise CommandError("is no address that a recording could be sent to") from None
    if storage.kind == "s3" and ("?" in url or "@" in url):
        raise CommandError("of s3 has no query and no credentials; they are fields of their own")


def check_endpoint(url: str, style: LegStyle) -> str:
    """Return where events go (LD-1); raises CommandError that says what can be told where."""
    scheme = url.partition(":")[0].lower()
    if url.lower() == SOCKET:
        return SOCKET
    if len(url) > ENDPOINT_CHARS:
        raise CommandError(f"has {len(url)} characters, at most {ENDPOINT_CHARS} are taken")
    if scheme == "http" and not style.allow_plain_http:
        raise CommandError("must begin with https:// (http:// needs allow_plain_http in [legs])")
    if scheme in GRPC_SCHEMES and not style.has_grpc:
        raise CommandError(f"cannot be {scheme}:// here: pip install 'agentstream[grpc]'")
    try:
        target = parse_url(url, _SCHEMES)
    except PeerError:
        raise CommandError(
            f"is no address of https, grpc, grpcs, wss or ws, nor {SOCKET}"
        ) from None
    if scheme in GRPC_SCHEMES and target.target != "/":
        raise CommandError(f"is a server, without a path: {scheme}://{target.host_header}")
    return url
