"""Whose packets are kept: of all calls, of some numbers or trunks; else of those asked for."""

from collections.abc import Sequence

from pydantic import Field

from agentstream.base.phone import normalise
from agentstream.server.config_section import Section, Texts
from agentstream.switch.captures import CaptureLimits, CaptureWish

CAPTURES_FOLDER = "captures"  # in the data folder


class CapturesConfig(Section):
    """Captured audio lies on the disk as it was sent: keep it no longer than needed."""

    all: bool = False
    numbers: Texts = ()  # of either party, in any form
    trunks: Texts = ()  # sids of accounts' trunks, names of the operator's
    max_seconds: int = Field(default=600, ge=1, le=86_400)  # of one leg
    max_mb: int = Field(default=16, ge=1, le=1_024)  # of one leg
    max_files: int = Field(default=1_000, ge=1, le=100_000)  # full: no new capture begins
    keep_days: int = Field(default=7, ge=0, le=36_500)  # 0: for ever

    def wish(self, country_code: str) -> CaptureWish:
        """Return which calls are captured from their beginning."""
        return CaptureWish(
            self.all,
            frozenset(normalise(number, country_code) for number in self.numbers),
            frozenset(_lower(self.trunks)),
        )

    def limits(self) -> CaptureLimits:
        """Return the bounds."""
        return CaptureLimits(self.max_mb * 1_048_576, self.max_seconds * 1_000, self.max_files)


def _lower(names: Sequence[str]) -> list[str]:
    return [name.lower() for name in names]
