"""Two hundred callees over a trunk, called by the example as its own program: every sum agrees."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from agentstream.testing.calls_api import ACCOUNT_SID, CALLER_ID, FLOW_NAME, CallsApi, calls_api
from agentstream.testing.ports import HOST
from agentstream.testing.scripted_callee import scripted_callee

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(90)]
EXAMPLE = Path(__file__).parents[2] / "examples" / "campaign.py"
EACH = 40
PEOPLE = ("answers", "busy", "rings", "voicemail", "unknown")
LIMIT_S = 60


def who(user: str) -> str:
    """Return who has this number: people of each kind, one after the other."""
    return PEOPLE[int(user[-4:]) % len(PEOPLE)]


async def run_campaign(api: CallsApi, numbers: Path) -> tuple[int, dict[str, object]]:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        str(numbers),
        *("--api", f"http://{HOST}:{api.port}"),
        *("--account", ACCOUNT_SID, "--caller-id", CALLER_ID, "--flow", FLOW_NAME),
        *("--rate", "10", "--ring-seconds", "3", "--call-seconds", "20", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "AGENTSTREAM_KEY": api.key.key, "AGENTSTREAM_TOKEN": api.key.token},
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            said, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode is not None
    return program.returncode, json.loads(said)


async def test_outcomes_and_callbacks_of_two_hundred_calls_add_up_cb_3_cb_8_cb_9_cc_61(
    tmp_path: Path,
) -> None:
    numbers = tmp_path / "numbers.csv"
    count = EACH * len(PEOPLE)
    rows = "".join(f"somebody,0987651{index:04}\n" for index in range(count))
    numbers.write_text(f"name,number\n{rows}")
    async with (
        scripted_callee(who) as callee,
        calls_api(
            tmp_path / "node", f"{HOST}:{callee.port}", calls=60, api={"calls_per_minute": 0}
        ) as api,
    ):
        code, said = await run_campaign(api, numbers)
        listed = (await api.client.get("Calls.json", params={"PageSize": 1})).json()
    assert said["differences"] == []
    assert code == 0
    assert said["numbers"] == count
    assert said["outcomes"] == {
        "answered": 2 * EACH,
        "busy": EACH,
        "no answer": EACH,
        "failed": EACH,
        "not placed": 0,
        "not told": 0,
    }
    # Who is busy, unknown or a voicemail has not rung.
    assert said["callbacks"] == {"ringing": 2 * EACH, "answered": 2 * EACH, "terminal": count}
    assert said["duplicates"] == 0
    assert listed["Metadata"]["Total"] == count
    assert len(callee.calls) == count, "everybody was called once"
    assert not callee.live
