"""Storage of a customer's own, to which the recordings of a leg are sent (EX-46)."""

from dataclasses import field
from typing import Literal

from agentstream.base.values import dataclass


@dataclass(frozen=True, slots=True)
class CustomerStorage:
    """Where a recording goes; its address may hold secrets too, so nothing of it is in a repr.

    https: `key` and `token` are a user and a password. s3: an access key and its secret.
    """

    kind: Literal["https", "s3"]
    url: str = field(repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    region: str = ""  # of S3; "": as the address says, else the usual one
