"""A leg that is up, for tests of what can be done with it."""

import pytest

from agentstream.testing.leg_world import LegWorld


@pytest.fixture
def world() -> LegWorld:
    world = LegWorld()
    world.up()
    return world
