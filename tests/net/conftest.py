"""An authority for TLS tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentstream.testing.certificates import Authority


@pytest.fixture
def new_authority(tmp_path: Path) -> Callable[[str], Authority]:
    """Make authorities, each in its own folder."""
    return lambda name: Authority.found(tmp_path / name)


@pytest.fixture
def authority(new_authority: Callable[[str], Authority]) -> Authority:
    """One authority."""
    return new_authority("authority")
