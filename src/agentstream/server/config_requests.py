"""What flows ask servers: how those requests are made.

[requests]
signing_secret = "whsec_..."
"""

from pydantic import field_validator

from agentstream.base.errors import ConfigError
from agentstream.net.signature import signing_key
from agentstream.server.config_section import Section, Texts


class RequestsConfig(Section):
    """The requests of flows to the customers' servers."""

    signing_secret: Texts = ()  # OP-4; empty: unsigned. While it changes: the new one, the old one

    @field_validator("signing_secret")
    @classmethod
    def _are_secrets(cls, secrets: tuple[str, ...]) -> tuple[str, ...]:
        for secret in secrets:
            try:
                signing_key(secret)
            except ConfigError as error:
                raise ValueError(str(error)) from error
        return secrets

    def signing_keys(self) -> tuple[bytes, ...]:
        """Return the keys that requests are signed with."""
        return tuple(signing_key(secret) for secret in self.signing_secret)
