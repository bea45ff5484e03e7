"""agentstream recordings list, get, delete, prune: without a server, on the same files."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from agentstream.base.clock import SystemClock
from agentstream.base.ids import AccountSid, RecordingSid
from agentstream.server.check import check_all
from agentstream.server.cli import app
from agentstream.server.cli_common import run
from agentstream.server.config import Config
from agentstream.server.config_recordings import RecordingsConfig
from agentstream.server.recordings import check_recordings, recording_files
from agentstream.store.sql_store import open_store
from agentstream.store.values import Recording
from agentstream.testing import sound
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.records import a_recording

pytestmark = pytest.mark.integration
DATA = Path("agentstream-data")
Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run one command in a folder of its own; `code` is the exit code that is expected."""
    monkeypatch.chdir(tmp_path)
    Path("key").write_text("5a" * 32)
    Path("key").chmod(0o600)
    Path("agentstream.toml").write_text(
        '[recordings]\nencryption_key_file = "key"\npublic_url = "https://voice.example.net"\n'
    )

    def asked(*words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, ("recordings", *words))
        assert result.exit_code == code, result.output
        return result

    return asked


def record(sid: str, days_ago: int = 0) -> bytes:
    """Leave a recording as the server would; returns its WAV."""
    noise = np.random.default_rng(7).normal(size=16_000) * 3_000
    folder = DATA / "recordings"
    folder.mkdir(parents=True, exist_ok=True)
    wav = sound.write_wav(folder / f"{sid}.wav", noise, 8_000).read_bytes()
    config = Config(recordings=RecordingsConfig(encryption_key_file=Path("key")))
    settled = recording_files(config, lambda: False).settle(RecordingSid(sid))
    assert settled is not None
    row = a_recording(
        sid,
        "c1",
        created_at=SystemClock().wall() - timedelta(days=days_ago),
        account_sid=AccountSid("greenleaf1"),
        path=settled.path,
        duration_ms=settled.duration_ms,
        is_encrypted=True,
    )

    async def write() -> None:
        store = await open_store(DATA)
        if await store.accounts.find("greenleaf1") is None:
            await store.accounts.create("Green Leaf", "greenleaf1")
        await store.calls.write([row])
        await store.close()

    run(write())
    return wav


def row_of(sid: str) -> Recording:
    async def read() -> Recording | None:
        store = await open_store(DATA)
        try:
            return await store.recordings.find(RecordingSid(sid))
        finally:
            await store.close()

    found = run(read())
    assert found is not None
    return found


def test_recordings_are_shown_with_their_links(ask: Ask) -> None:
    assert "nothing was recorded yet" in ask("list").stdout
    record("r1")
    record("r2", days_ago=3)
    assert "2.0 s" in ask("list").stdout
    rows = json.loads(ask("list", "--json", "--account", "greenleaf1").stdout)
    assert [row["sid"] for row in rows] == ["r1", "r2"]
    assert rows[0]["url"].startswith("https://voice.example.net/recordings/r1.mp3?expires=")
    assert json.loads(ask("list", "--json", "--call", "c9").stdout) == []


def test_a_recording_is_taken_out_decrypted(ask: Ask) -> None:
    wav = record("r1")
    assert os.listdir(DATA / "recordings") == ["r1.wav.enc"]
    assert "out.wav: 32044 bytes" in ask("get", "r1", "--output", "out.wav").stdout
    assert Path("out.wav").read_bytes() == wav
    mp3 = ask("get", "r1", "--mp3").stdout_bytes
    assert mp3[0] == 0xFF
    assert len(mp3) == pytest.approx(8_000, rel=0.1)


def test_a_deleted_recording_is_gone_and_known(ask: Ask) -> None:
    record("r1")
    ask("get", "r1", "--mp3")
    assert "r1 is deleted" in ask("delete", "r1").stdout
    assert os.listdir(DATA / "recordings") == os.listdir(DATA / "mp3") == []
    assert (row_of("r1").state, row_of("r1").duration_ms) == ("deleted", 2_000)
    assert "r1 is deleted, and its file is not here" in ask("get", "r1", code=1).stderr


def test_what_is_too_old_is_pruned(ask: Ask) -> None:
    record("old", days_ago=40)
    record("young", days_ago=20)
    assert "for ever" in ask("prune", code=1).stderr
    assert "1 recordings deleted, older than 30 days" in ask("prune", "--keep-days", "30").stdout
    assert os.listdir(DATA / "recordings") == ["young.wav.enc"]
    with Path("agentstream.toml").open("a") as file:
        file.write("keep_days = 10\n")
    assert "1 recordings deleted, older than 10 days" in ask("prune").stdout


@pytest.mark.parametrize("words", [("get", "none"), ("delete", "none"), ("get", "../x")])
def test_what_is_not_there_is_one_clear_line(ask: Ask, words: tuple[str, ...]) -> None:
    assert ask(*words, code=1).stderr == f"error: no recording {words[1]}\n"


def test_a_wrong_key_is_one_clear_line(ask: Ask) -> None:
    record("r1")
    Path("key").write_text("5b" * 32)
    result = ask("get", "r1", "--output", "out.wav", code=1)
    assert result.stderr.startswith("error: r1.wav.enc was encrypted with the key ")
    assert result.stderr.count("\n") == 1
    Path("key").unlink()
    assert "openssl rand -hex 32" in ask("list", code=2).stderr


def test_the_check_tells_where_recordings_go(tmp_path: Path) -> None:
    config = Config(data_dir=tmp_path)
    assert check_recordings(config) == (
        "ok",
        "kept in this folder; links begin with http://127.0.0.1:8080",
    )
    assert "recordings" in {finding.name for finding in check_all(config)}
    endpoint = f"http://{HOST}:{free_port()}"
    down = RecordingsConfig(
        storage="s3", s3_bucket="b", s3_endpoint=endpoint, s3_access_key="k", s3_access_secret="s"
    )
    verdict, text = check_recordings(config.model_copy(update={"recordings": down}))
    assert verdict == "error"
    assert "Could not connect" in text
