"""Encryption at rest: what was changed, cut off or written with another key is found out."""

import os
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import ConfigError
from agentstream.store.recording_seal import (
    SealedSource,
    SealError,
    SealKey,
    SealWriter,
    is_sealed,
    load_keys,
    seal,
)
from agentstream.store.recording_source import FileSource, pieces

KEY, OTHER = SealKey(b"k" * 32), SealKey(b"o" * 32)
CHUNK = 64


class Bytes:
    """A source in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, start: int, length: int) -> bytes:
        return self._content[start : start + length]

    def close(self) -> None:
        pass


def sealed(plain: bytes, key: SealKey = KEY) -> bytes:
    file = BytesIO()
    writer = SealWriter(file, key, CHUNK)
    for at in range(0, len(plain), 37):
        writer.write(plain[at : at + 37])
    writer.finish()
    return file.getvalue()


def opened(content: bytes, *keys: SealKey) -> bytes:
    source = SealedSource(Bytes(content), keys or (KEY,), "call.wav.enc")
    return source.read(0, source.size)


@cache
def a_file() -> tuple[bytes, bytes]:
    plain = os.urandom(3 * CHUNK + 10)
    return plain, sealed(plain)


@given(plain=st.binary(max_size=5 * CHUNK), start=st.integers(0, 400), length=st.integers(0, 400))
def test_any_part_can_be_read_alone(plain: bytes, start: int, length: int) -> None:
    source = SealedSource(Bytes(sealed(plain)), (KEY,), "x")
    assert source.size == len(plain)
    assert source.read(start, length) == plain[start : start + length]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_any_length_survives(size: int) -> None:
    plain = os.urandom(size)
    assert opened(sealed(plain)) == plain


def test_nothing_of_the_plain_bytes_is_in_the_file_and_no_two_files_are_alike() -> None:
    plain = b"RIFF" * 40
    first, second = sealed(plain), sealed(plain)
    assert b"RIFF" not in first
    assert first[24:] != second[24:]
    assert is_sealed(first)
    assert not is_sealed(plain)


@given(place=st.integers(0, 1_000), bit=st.integers(0, 7))
def test_one_flipped_bit_is_found_out(place: int, bit: int) -> None:
    _, content = a_file()
    broken = bytearray(content)
    broken[place % len(content)] ^= 1 << bit
    with pytest.raises(SealError, match=r"^call\.wav\.enc "):
        opened(bytes(broken))


@given(cut=st.integers(0, 1_000))
def test_a_file_that_was_cut_off_is_found_out_before_anything_is_read(cut: int) -> None:
    _, content = a_file()
    with pytest.raises(SealError):
        SealedSource(Bytes(content[: cut % len(content)]), (KEY,), "call.wav.enc")


def test_chunks_that_changed_places_are_found_out() -> None:
    _, content = a_file()
    stride = CHUNK + 16
    first, second = content[56 : 56 + stride], content[56 + stride : 56 + 2 * stride]
    with pytest.raises(SealError, match="damaged"):
        opened(content[:56] + second + first + content[56 + 2 * stride :])


def test_another_key_is_named() -> None:
    content = sealed(b"hello")
    with pytest.raises(SealError, match=f"with the key {KEY.key_id.hex()}, which is not here"):
        opened(content, OTHER)
    assert opened(content, OTHER, KEY) == b"hello"  # an old key still reads


def test_a_key_is_never_shown() -> None:
    assert repr(KEY) == f"SealKey({KEY.key_id.hex()})"


def test_a_real_file_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    plain = os.urandom(200_000)
    path = tmp_path / "r.wav.enc"
    seal([plain[:100], plain[100:]], path, KEY)
    assert [each.name for each in tmp_path.iterdir()] == ["r.wav.enc"]
    assert path.stat().st_mode & 0o777 == 0o600
    source = SealedSource(FileSource(path), (KEY,), path.name)
    assert b"".join(pieces(source)) == plain
    assert source.read(65_530, 12) == plain[65_530:65_542]
    source.close()


def write_keys(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_file_holds_the_newest_key_first(tmp_path: Path) -> None:
    path = write_keys(tmp_path / "key", f"{KEY.key.hex()}\n{OTHER.key.hex()}\n")
    assert load_keys(path) == (KEY, OTHER)


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (None, 0o600, "No such file or directory; make one: openssl rand -hex 32"),
        ("6b" * 32, 0o640, "readable by others"),
        ("6b" * 31, 0o600, "64 hexadecimal"),
        ("x" * 64, 0o600, "64 hexadecimal"),
        ("é" * 64, 0o600, "64 hexadecimal"),
        ("", 0o600, "1 to 16 lines"),
        (f"{'6b' * 32}\n" * 17, 0o600, "1 to 16 lines"),
    ],
)
def test_a_wrong_key_file_is_the_operators_to_mend(
    tmp_path: Path, text: str | None, mode: int, says: str
) -> None:
    path = tmp_path / "key"
    if text is not None:
        write_keys(path, text, mode)
    with pytest.raises(ConfigError, match=says):
        load_keys(path)
