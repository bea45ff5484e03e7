import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agentstream.store.prompt_files import PromptFiles, SoundError, sound_suffix
from agentstream.store.protocols import StoreError

WAV = b"RIFF\x24\0\0\0WAVEfmt "


@pytest.mark.parametrize(
    ("body", "suffix"),
    [
        (WAV, ".wav"),
        (b"OggS....", ".ogg"),
        (b"ID3\x04", ".mp3"),
        (b"\xff\xfb\x90", ".mp3"),
        (b"<html>", None),
        (b"", None),
        (b"\xff", None),
        (b"RIFF....AVI ", None),
    ],
)
def test_a_sound_is_told_by_its_first_bytes(body: bytes, suffix: str | None) -> None:
    assert sound_suffix(body) == suffix


async def test_a_fetched_sound_is_kept_once_by_its_content(tmp_path: Path) -> None:
    files = PromptFiles(tmp_path / "p", 1_000_000)
    one = await files.keep("https://a.example/1.wav", "audio/wav", WAV)
    two = await files.keep("https://b.example/2", "application/octet-stream", WAV)
    assert one == two
    assert one.read_bytes() == WAV


@pytest.mark.parametrize(
    ("kind", "body"), [("text/html", WAV), ("audio/wav", b"<html>"), ("", b"")]
)
async def test_what_is_no_sound_is_refused_in_words(tmp_path: Path, kind: str, body: bytes) -> None:
    files = PromptFiles(tmp_path, 1_000_000)
    with pytest.raises(SoundError, match=r"https://a\.example: not a WAV, MP3 or OGG"):  # AP-14
        await files.keep("https://a.example", kind, body)


async def test_the_sound_unused_longest_makes_room(tmp_path: Path) -> None:
    files = PromptFiles(tmp_path, 1_000)
    kept = [await files.keep("u", "audio/wav", WAV + bytes([n]) * 284) for n in range(3)]
    for age, path in zip((10, 30, 20), kept, strict=True):
        os.utime(path, (1_000 - age, 1_000 - age))
    assert files.is_there(kept[1])  # used just now
    with capture_logs() as logs:
        last = await files.keep("u", "audio/wav", WAV + b"z" * 284)
    assert [path.exists() for path in [*kept, last]] == [True, True, False, True]
    assert [log["event"] for log in logs] == ["prompts_evicted"]
    assert not files.is_there(kept[2])


async def test_a_folder_that_cannot_be_used_is_the_operators_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = PromptFiles(tmp_path / "file" / "p", 1_000)
    with pytest.raises(StoreError, match="prompt folder"):
        await files.keep("u", "audio/wav", WAV)
    with pytest.raises(StoreError, match="prompt folder"):
        await files.keep_file(tmp_path / "none", tmp_path / "x")
