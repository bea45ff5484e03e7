"""The gRPC contract of leg and bridge events (LD-2): the .proto, and the code made of it.

`scripts/protos` makes the code anew; a test fails when it was forgotten.
"""

from importlib.resources import files
from typing import Final

METHOD: Final = "/agentstream.legs.v1.LegEvents/TriggerCallbackEvent"


def proto() -> str:
    """Return the text of the contract, for whoever makes a server of it."""
    return (files(__package__) / "leg_events.proto").read_text()
