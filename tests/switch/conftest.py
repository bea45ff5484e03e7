from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentstream.testing.board import Board, open_board
from agentstream.testing.bridged_board import BridgedBoard, open_bridged


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    async with open_board(tmp_path) as opened:
        yield opened


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[BridgedBoard]:
    """Legs of calls of their own, and the register of bridges."""
    async with open_bridged(tmp_path) as opened:
        yield opened
