"""Legs that hear each other in the media engine: what the server does for people, without SIP.

`python -m benchmarks.bridge_host --bridges N --port FIRST` opens 2N legs on the even ports from
FIRST, bridges neighbours, and says `ready`; with `--parties P`, P legs each, every one linked with
every other. On `report` it says what was counted; it ends with its input.
"""

import argparse
import json
import resource
import sys
from itertools import permutations

from agentstream import _media
from agentstream.media.plan import CodecPlan, EnginePlan, RemotePlan, RtpLegPlan

HOST = "127.0.0.1"
UNKNOWN_PORT = 9  # discard: where the callers are is learnt from their packets


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description="Bridge calls in the media engine.")
    parser.add_argument("--bridges", type=int, required=True)
    parser.add_argument("--parties", type=int, default=2)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = range(options.port, options.port + 2 * options.parties * options.bridges)
    engine = _media.Engine(EnginePlan(HOST, ports[0], ports[-1]))
    for number in range(options.bridges):
        legs = [
            engine.open_rtp_leg(RtpLegPlan(f"{side}-{number}", group=str(number)))
            for side in range(options.parties)
        ]
        for leg in legs:
            leg.connect(RemotePlan(HOST, UNKNOWN_PORT, (CodecPlan(0, "PCMU"),)))
        join(legs)
    say("ready")
    for line in sys.stdin:
        if line.strip() == "report":
            say("report", engine.stats().as_dict())
    engine.close()


def join(legs: list[_media.Leg]) -> None:
    """Let each hear all others: two by a bridge, more by links."""
    if len(legs) == 2:
        legs[0].bridge(legs[1])
        return
    for one, other in permutations(legs, 2):
        one.hear(other)


def say(event: str, body: dict[str, int | float | str] | None = None) -> None:
    """Write one JSON line."""
    print(json.dumps({"event": event} | (body or {})), flush=True)


if __name__ == "__main__":
    main()
