"""Identifiers, and the one place where chance is made.

Call and stream ids are 32 lower-case hex characters (AS-69). The shape of an id that a client sends
is never validated.
"""

import secrets
from typing import NewType, Protocol

AccountSid = NewType("AccountSid", str)
CallSid = NewType("CallSid", str)
LegSid = NewType("LegSid", str)
StreamSid = NewType("StreamSid", str)
FlowSid = NewType("FlowSid", str)
RecordingSid = NewType("RecordingSid", str)
TrunkSid = NewType("TrunkSid", str)
PromptId = NewType("PromptId", str)
RequestId = NewType("RequestId", str)
# SIP's own Call-ID is always spelt in full, so that it is never taken for ours.
SipCallId = NewType("SipCallId", str)


_BYTES_AT_ONCE = 2_048  # a call takes some hundred; each question is a system call


class Tokens(Protocol):
    """Chance comes in by this door; tests hand in a counted one."""

    def hex(self, size_bytes: int = 16) -> str:
        """Return `2 * size_bytes` lower-case hex characters that nobody can guess."""


class RandomTokens:
    """Tokens from the operating system's generator, asked for many at once."""

    def __init__(self) -> None:
        self._fresh = ""
        self._used = 0

    def hex(self, size_bytes: int = 16) -> str:
        """Return `2 * size_bytes` lower-case hex characters that nobody can guess."""
        start, end = self._used, self._used + 2 * size_bytes
        if end > len(self._fresh):
            self._fresh = secrets.token_hex(max(_BYTES_AT_ONCE, size_bytes))
            start, end = 0, 2 * size_bytes
        self._used = end
        return self._fresh[start:end]


class CountedTokens:
    """Tokens that count up, for tests that must be the same every time."""

    def __init__(self) -> None:
        self._count = 0

    def hex(self, size_bytes: int = 16) -> str:
        """Return the next count, as `2 * size_bytes` hex characters."""
        self._count += 1
        return f"{self._count:0{2 * size_bytes}x}"
