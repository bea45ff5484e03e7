"""How events reach gRPC servers (LD-1 to LD-6).

[legs.grpc]
cleartext_hosts = ["events"]     # else grpc:// is TLS, but on this machine
certificate = "/etc/agentstream/client.crt"
key = "/etc/agentstream/client.key"
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from agentstream.net.leg_events_v1 import METHOD
from agentstream.server.config_section import HostEntries, Section


class GrpcConfig(Section):
    """gRPC as a way for events; a certificate is always checked, whatever [egress] says."""

    method: str = Field(default=METHOD, pattern=r"^/[A-Za-z_][\w.]*/[A-Za-z_]\w*$")  # LD-3
    cleartext_hosts: HostEntries = ()  # LD-1: names, "*.name", addresses and networks
    certificate: Path | None = None  # LD-6: of ours, which a server may ask for
    key: Path | None = None
    channels: int = Field(default=128, ge=1, le=1_000)
    # LD-3: a receiver's own contract, from protoc --include_imports --descriptor_set_out, and where
    # each field of its request comes from: {"event.id" = "event_sid"}.
    descriptor: Path | None = None
    mapping: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        if (self.descriptor is None) != (not self.mapping):
            raise ValueError("descriptor and mapping belong together")
        return self

    @property
    def has_files(self) -> bool:
        """Whether there are files whose mistakes are told at the start."""
        return self.certificate is not None or self.descriptor is not None
