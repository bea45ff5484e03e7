"""Mutated SIP messages: the parser gives a value or PeerError, never anything else, and is quick.

`python -m fuzz.fuzz_sip --count 1000000 --seed 1`; the corpus is tests/wire/sip. A message that
fails is written to build/fuzz and the exit code is 1.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentstream.base.errors import PeerError
from agentstream.sip.headers import parse_name_addr_list, parse_reasons, parse_via_list
from agentstream.sip.message import BadRequestError, Message, Request
from agentstream.sip.uri import parse_uri
from agentstream.sip.wire import Ping, StreamParser, encode, parse_datagram

ROOT = Path(__file__).parents[1]
SLOW_MS = 50.0
RUNS = [b" ", b"\t", b"0", b"a", b";a", b"\\", b'"', b"<", b",", b"\r\n ", b"%41", b"\r\nl:"]
PIECES = [
    b"\r\n", b"\r", b"\n", b"\0", b" ", b"\t", b":", b";", b",", b"<", b">", b'"', b"\\", b"@",
    b"%", b"%00", b"\xff", b"\xc3\xa9", b"=", b"?", b"[", b"]", b"sip:", b"SIP/2.0", b"z9hG4bK",
    b"Content-Length: 1\r\n", b"\r\n ", b"-1", b"4294967296", b"99999999999999999999", b"tag",
    b";tag=", b";;", b",,", b"<sip:a@b>",
]  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    parsed: int = 0
    refused: int = 0
    slowest_ms: float = 0.0


def corpus() -> list[bytes]:
    """Return the captured messages, in a fixed order."""
    return [path.read_bytes() for path in sorted((ROOT / "tests/wire/sip").glob("*.sip"))]


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """Yield `count` mutated messages; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - mutants must come again
    seeds = corpus()
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 6)):
            _mutate(data, seeds, chance)
        yield bytes(data)


def check(data: bytes) -> Message | None:
    """Parse, read what is typed, and write again; return None when refused."""
    stream = StreamParser()
    for frame in (*stream.feed(data[:100]), *stream.feed(data[100:])):
        if not isinstance(frame, bytes | Ping | PeerError):
            raise TypeError(frame)
    try:
        message = parse_datagram(data)
    except BadRequestError as error:
        answer = error.response("ours")
        if answer is not None:
            encode(answer)
        return None
    except PeerError:
        return None
    _read(message)
    again = parse_datagram(encode(message))
    if again.body != message.body or again.cseq != message.cseq:
        raise ValueError("not the same after encoding")
    return message


def run(count: int, seed: int) -> Tally:
    """Check `count` mutants; raises what the parser should not raise, or TimeoutError when slow."""
    tally = Tally()
    for data in mutants(count, seed):
        started = time.process_time()  # what others run meanwhile does not count
        try:
            message = check(data)
        except Exception:
            _keep(data)
            raise
        took_ms = (time.process_time() - started) * 1000
        if (
            took_ms > SLOW_MS
        ):  # a collection of garbage may have come between; a slow one stays slow
            took_ms = min(_took_ms(data) for _ in range(3))
        if took_ms > SLOW_MS:
            _keep(data)
            raise TimeoutError(f"{took_ms:.0f} ms for one message")
        tally.slowest_ms = max(tally.slowest_ms, took_ms)
        tally.parsed += message is not None
        tally.refused += message is None
    return tally


def _took_ms(data: bytes) -> float:
    started = time.process_time()
    check(data)
    return (time.process_time() - started) * 1000


def _mutate(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    at = chance.randint(0, len(data))
    span = chance.choice((1, 1, 2, 4, 16, 200))
    match chance.randint(0, 7):
        case 7 if chance.random() < 0.2:
            data[at:at] = chance.choice(RUNS) * chance.choice((100, 3_000, 16_000))
        case 0:
            data[at:at] = chance.choice(PIECES)
        case 1:
            del data[at : at + span]
        case 2:
            data[at : at + span] = chance.choice(PIECES)
        case 3:
            data[at:at] = data[at : at + span] * chance.choice((1, 2, 50))
        case 4:
            data[at : at + 1] = bytes((chance.randrange(256),))
        case 5:
            other = chance.choice(seeds)
            data[at:] = other[chance.randint(0, len(other)) :]
        case _:
            lines = bytes(data).split(b"\r\n")
            first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[first], lines[second] = lines[second], lines[first]
            data[:] = b"\r\n".join(lines)


def _read(message: Message) -> None:
    """Read everything that the parser has promised to be readable, and what it has not."""
    _ = (message.call_id, message.cseq, message.from_tag, message.to_tag, message.top_via)
    headers = message.headers
    parse_via_list(headers.all("Via"))
    parse_name_addr_list(headers.all("Route") + headers.all("Record-Route"))
    if isinstance(message, Request):
        parse_uri(message.uri)
    for text in (message.from_addr.uri, message.to_addr.uri):
        try:
            parse_uri(text)
        except PeerError:
            continue
    try:
        parse_reasons(headers.all("Reason"))
    except PeerError:
        return


def _keep(data: bytes) -> None:
    folder = ROOT / "build" / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failed.sip").write_bytes(data)


def main() -> int:
    """Run from the command line; 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="how many messages")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same messages")
    options = parser.parse_args()
    started = time.perf_counter()
    tally = run(options.count, options.seed)
    spent_s = time.perf_counter() - started
    sys.stdout.write(
        f"{options.count} messages, seed {options.seed}: {tally.parsed} read, "
        f"{tally.refused} refused, "
        f"slowest {tally.slowest_ms:.1f} ms, {spent_s / options.count * 1e6:.0f} us each\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
