"""Two legs per call, bridged in the media engine: what the server does for two people, without SIP.

`python -m benchmarks.bridge_host --calls N --port FIRST` opens 2N legs on the even ports from
FIRST, bridges neighbours, and says `ready`. On `report` it says what was counted; it ends with its
input.
"""

import argparse
import json
import resource
import sys

from agentstream import _media
from agentstream.media.plan import CodecPlan, EnginePlan, RemotePlan, RtpLegPlan

HOST = "127.0.0.1"
UNKNOWN_PORT = 9  # discard: where the callers are is learnt from their packets


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description="Bridge calls in the media engine.")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ports = range(options.port, options.port + 4 * options.calls)
    engine = _media.Engine(EnginePlan(HOST, ports[0], ports[-1]))
    legs = [
        engine.open_rtp_leg(RtpLegPlan(f"{side}{number}", group=str(number)))
        for number in range(options.calls)
        for side in "ab"
    ]
    for leg in legs:
        leg.connect(RemotePlan(HOST, UNKNOWN_PORT, (CodecPlan(0, "PCMU"),)))
    for one, other in zip(legs[::2], legs[1::2], strict=True):
        one.bridge(other)
    say("ready")
    for line in sys.stdin:
        if line.strip() == "report":
            say("report", engine.stats().as_dict())
    engine.close()


def say(event: str, body: dict[str, int | float | str] | None = None) -> None:
    """Write one JSON line."""
    print(json.dumps({"event": event} | (body or {})), flush=True)


if __name__ == "__main__":
    main()
