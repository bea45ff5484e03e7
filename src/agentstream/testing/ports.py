"""Ports for tests, outside of what the system hands out by itself (32768-60999 on Linux).

A peer that takes a moment to start finds its port still free: no outgoing connection took it.
"""

import secrets
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

HOST = "127.0.0.1"
_TRIES = 200
_PATIENCE_S = 30.0
_UDP, _TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM


def free_port(count: int = 1) -> int:
    """Return the first of so many ports in a row that are free for UDP and TCP: 25000-31999."""
    return _free_row(25_000, 7_000, count, (_UDP, _TCP))


def media_range(pairs: int) -> tuple[int, int]:
    """Return the first and last of a range of UDP ports for so many legs: 10000-24999."""
    low = _free_row(10_000, 15_000, 2 * pairs, (_UDP,))
    return low, low + 2 * pairs - 1


def await_listener(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a server that was started listens; its log says why it does not."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            assert process.poll() is None, f"it ended at its start: {log.read_text()}"
            assert time.monotonic() < deadline, f"it does not listen: {log.read_text()}"
            time.sleep(0.05)
        else:
            return


def is_open(port: int, transport: str) -> bool:
    """Tell whether a peer listens at this port by now ("udp" or "tcp"); nothing is sent to it."""
    return not _is_free(port, _UDP if transport == "udp" else _TCP)


def _free_row(low: int, size: int, count: int, kinds: Iterable[socket.SocketKind]) -> int:
    for _ in range(_TRIES):
        first = low + 2 * secrets.randbelow((size - count) // 2)
        if all(_is_free(port, kind) for port in range(first, first + count) for kind in kinds):
            return first
    raise AssertionError(f"no {count} ports in a row are free from {low} on")


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
