"""What SRTP costs: the CPU of legs with keys over that of the same legs in clear, in turns.

    python -m benchmarks.srtp --legs 200 --seconds 8 --rounds 3

Two media engines talk over loopback, each leg of one with one of the other; the CPU of one process
is read. Nothing else happens on these legs, so that a real call, which has a bot or a recording
beside it, sees less of the difference. `--relay` bridges the legs in pairs: packets pass on the
shortest way there is, and are opened and sealed with other keys.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence

from agentstream import _media
from agentstream.media.plan import (
    CodecPlan,
    EnginePlan,
    RemotePlan,
    RtpLegPlan,
    SrtpPlan,
    SrtpSuite,
)

WARM_S = 2.0


def keys(number: int, suite: SrtpSuite, *, is_far: bool) -> SrtpPlan:
    """Return the keys of a leg, seen from either end."""
    size = {"AEAD_AES_128_GCM": 28, "AEAD_AES_256_GCM": 44}.get(suite, 46 if "256" in suite else 30)
    one, other = (random.Random(2 * number + side).randbytes(size) for side in (0, 1))
    return SrtpPlan(suite, other, one) if is_far else SrtpPlan(suite, one, other)


class Side:
    """One engine and its legs."""

    def __init__(self, legs: int) -> None:
        for _ in range(50):
            low = random.randrange(20_000, 30_000, 2)
            plan = EnginePlan("127.0.0.1", low, low + 2 * legs + 1, workers=1, port_rest_ms=0)
            try:
                self.engine = _media.Engine(plan)
            except _media.MediaError:
                continue
            self.legs = [
                self.engine.open_rtp_leg(RtpLegPlan(str(number), group=str(number // 2)))
                for number in range(legs)
            ]
            return
        raise SystemExit("no free ports")

    @property
    def ports(self) -> list[int]:
        """Where the legs listen."""
        return [leg.rtp_port for leg in self.legs]

    def connect(self, ports: Sequence[int], suite: SrtpSuite | None, *, is_far: bool) -> None:
        """Let every leg talk with the leg at its port."""
        for number, (leg, port) in enumerate(zip(self.legs, ports, strict=True)):
            plan = keys(number, suite, is_far=is_far) if suite else None
            leg.connect(RemotePlan("127.0.0.1", port, (CodecPlan(0, "PCMU"),), srtp=plan))

    def relay(self) -> None:
        """Bridge the legs in pairs."""
        for one, other in zip(self.legs[::2], self.legs[1::2], strict=True):
            one.bridge(other)


def far_end(legs: int, suite: SrtpSuite | None) -> None:
    """Be the telephones until input ends."""
    side = Side(legs)
    sys.stdout.write(json.dumps(side.ports) + "\n")
    sys.stdout.flush()
    side.connect(json.loads(sys.stdin.readline()), suite, is_far=True)
    sys.stdin.read()
    side.engine.close()


def measure(legs: int, seconds: float, suite: SrtpSuite | None, *, relays: bool) -> float:
    """Return CPU milliseconds per leg and second."""
    command = [sys.executable, "-m", "benchmarks.srtp", "--far", "--legs", str(legs)]
    far = subprocess.Popen(
        command + (["--suite", suite] if suite else []),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert far.stdin is not None
    assert far.stdout is not None
    side = Side(legs)
    ports = json.loads(far.stdout.readline())
    far.stdin.write(json.dumps(side.ports) + "\n")
    far.stdin.flush()
    side.connect(ports, suite, is_far=False)
    if relays:
        side.relay()
    time.sleep(WARM_S)
    before, began = time.process_time(), time.monotonic()
    time.sleep(seconds)
    used_ms = 1_000 * (time.process_time() - before) / (time.monotonic() - began) / legs
    packets = side.engine.stats().packets_received
    far.communicate(timeout=20)
    side.engine.close()
    if packets < 45 * legs * (seconds + WARM_S) * 0.9:
        raise SystemExit(f"only {packets} packets came: the machine is too busy to measure")
    return used_ms


def main() -> None:
    """Measure in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--suite", default="")
    parser.add_argument("--relay", action="store_true")
    parser.add_argument("--far", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.far:
        far_end(asked.legs, asked.suite or None)
        return
    suite: SrtpSuite = asked.suite or "AES_CM_128_HMAC_SHA1_80"
    ratios: list[float] = []
    for _ in range(asked.rounds):
        plain = measure(asked.legs, asked.seconds, None, relays=asked.relay)
        sealed = measure(asked.legs, asked.seconds, suite, relays=asked.relay)
        ratios.append(sealed / plain)
        line = f"plain {plain:.3f} ms, {suite} {sealed:.3f} ms per leg and second: {ratios[-1]:.2f}"
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"ratio {sorted(ratios)[len(ratios) // 2]:.2f}\n")


if __name__ == "__main__":
    main()
