"""Junk for a SIP listener, at a steady rate from few addresses or many.

    python -m benchmarks.flood --server 127.0.0.1:9060 --rate 5000 --seconds 30 --sources 4

Every address is 127.X.Y.Z. A quarter each: bytes that are no SIP, a broken INVITE, a scanner's
OPTIONS, a call to a dear number. Prints how many were sent, as one line of JSON.
"""

import argparse
import json
import resource
import socket
import time

JUNK = (
    b"\x00\xff" * 40,
    b"INVITE sip:a SIP/2.0\r\n\r\n",
    b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK%d\r\n"
    b"From: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: o%d\r\n"
    b"CSeq: 1 OPTIONS\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n",
    b"INVITE sip:00972595000000@127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK%d\r\n"
    b"From: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: i%d\r\n"
    b"CSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
)
BATCH_S = 0.002


def flood(server: tuple[str, int], rate: int, seconds: float, sources: int) -> int:
    """Send junk; returns how many messages the kernel took."""
    outs = [_socket(number) for number in range(sources)]
    sent = wanted = 0
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        while wanted < passed * rate:
            junk = JUNK[wanted % len(JUNK)]
            text = junk % (wanted, wanted) if b"%d" in junk else junk
            try:
                outs[(wanted // len(JUNK)) % sources].sendto(text, server)
                sent += 1
            except OSError:  # its own buffer is full: that one is not sent
                pass
            wanted += 1
        time.sleep(BATCH_S)
    for out in outs:
        out.close()
    return sent


def _socket(number: int) -> socket.socket:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.bind((f"127.{64 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}", 0))
    out.setblocking(False)
    return out


def main() -> None:
    """Read the arguments and send."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--sources", type=int, default=4)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, _, port = options.server.rpartition(":")
    sent = flood((host, int(port)), options.rate, options.seconds, options.sources)
    print(json.dumps({"sent": sent}), flush=True)


if __name__ == "__main__":
    main()
