from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentstream.testing.board import Board, open_board


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    async with open_board(tmp_path) as opened:
        yield opened
