"""Schemathesis reads /openapi.json of a running server, and asks for everything in it, oddly."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from agentstream.server.callee import Manners
from agentstream.testing.calls_api import ACCOUNT_SID, CALLER_ID, CallsApi, calls_api
from agentstream.testing.node import scripted_phone
from agentstream.testing.ports import HOST

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(90)]
PROGRAM = Path(sys.executable).with_name("schemathesis")
STREAM = "/v1/live"  # never ends, and tests/api/test_live.py reads it
LIMIT_S = 60
FREE = {"calls_per_minute": 0, "reads_per_minute": 0, "numbers_per_minute": 0}
# Whatever URL or address it thinks of, nothing leaves this machine.
HERE = {"mode": "closed", "deny": ["0.0.0.0/0", "::/0"]}


async def attack(api: CallsApi, folder: Path, call_sid: str) -> dict[str, Any]:
    """Run it over the three kinds of tests; returns its report."""
    settings, report = folder / "schemathesis.toml", folder / "report.json"
    known = {"account_sid": ACCOUNT_SID, "call_sid": call_sid, "exophone_sid": "918040000002"}
    lines = "".join(f'{name} = "{value}"\n' for name, value in known.items())
    settings.write_text(f"[parameters]\n{lines}")
    program = await asyncio.create_subprocess_exec(
        PROGRAM,
        *("--config-file", settings, "run", f"http://{HOST}:{api.port}/openapi.json"),
        *("--auth", f"{api.key.key}:{api.key.token}", "--exclude-path", STREAM),
        *("--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "10", "--seed", "5531", "--generation-database", "none"),
        *("--request-timeout", "5", "--continue-on-failure", "--no-shrink", "--no-color"),
        *("--report", "json", "--report-json-path", report),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            said, _ = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    assert program.returncode == 0, said.decode()
    found: dict[str, Any] = json.loads(report.read_text())
    return found


async def test_no_request_that_the_document_allows_or_forbids_is_a_5xx(tmp_path: Path) -> None:
    async with (
        scripted_phone(Manners(status=486)) as (phone, address),
        calls_api(
            tmp_path / "node",
            address,
            calls=20,
            api=FREE,
            egress=HERE,
            dial={"sip_addresses": False},
        ) as api,
    ):
        form = {"From": "09876500001", "To": "09876500002", "CallerId": CALLER_ID}
        first = (await api.client.post("Calls/connect.json", data=form)).json()["Call"]["Sid"]
        document = (await api.client.get(f"http://{HOST}:{api.port}/openapi.json")).json()
        report = await attack(api, tmp_path, first)
        ready = await api.client.get(f"http://{HOST}:{api.port}/ready")
    operations = sum(len(operations) for operations in document["paths"].values())
    assert report["operations"]["tested"] == operations - 1
    assert ready.status_code == 200, "it takes calls as before"
    assert len(phone.invited) > 10, "some of them were good enough to call somebody"
