"""Storages do the same, whether they are a folder or a real S3-compatible server."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentstream.base.ids import RecordingSid
from agentstream.store.protocols import StoreError
from agentstream.store.recording_s3 import PART_BYTES, S3Settings, S3Storage
from agentstream.store.recording_source import FileSource, pieces
from agentstream.store.recording_storage import (
    FolderStorage,
    RecordingStorage,
    StoredName,
    is_sid,
)
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.s3_server import S3Server

pytestmark = pytest.mark.integration
PLAIN = StoredName(RecordingSid("r1"), is_sealed=False)
SEALED = StoredName(RecordingSid("r1"), is_sealed=True)


@pytest.fixture(params=["folder", "moto", "s3s"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordingStorage]:
    if request.param == "folder":
        (tmp_path / "kept").mkdir()
        yield FolderStorage(tmp_path / "kept")
    else:
        process: S3Server = request.getfixturevalue(f"{request.param}_process")
        made = S3Storage(process.fresh_bucket().settings("calls/2027/"))
        yield made
        made.close()


def a_file(tmp_path: Path, size: int = 1_000) -> tuple[Path, bytes]:
    content = os.urandom(size)
    path = tmp_path / "source.bin"
    path.write_bytes(content)
    return path, content


def test_what_is_put_can_be_read_in_parts_and_forgotten(
    storage: RecordingStorage, tmp_path: Path
) -> None:
    path, content = a_file(tmp_path)
    storage.put(PLAIN, path)
    source = storage.open(PLAIN)
    assert source is not None
    assert source.size == 1_000
    assert b"".join(pieces(source)) == content
    assert source.read(100, 50) == content[100:150]
    assert source.read(990, 50) == content[990:]
    assert source.read(1_000, 5) == b""
    source.close()
    source.close()
    storage.delete(PLAIN)
    assert storage.open(PLAIN) is None
    storage.delete(PLAIN)  # once more is nothing


def test_names_are_told_apart_and_listed(storage: RecordingStorage, tmp_path: Path) -> None:
    path, _ = a_file(tmp_path)
    other = StoredName(RecordingSid("r2"), is_sealed=False)
    for name in (PLAIN, SEALED, other):
        storage.put(name, path)
    assert sorted(storage.names()) == [PLAIN, SEALED, other]
    storage.delete(PLAIN)
    assert sorted(storage.names()) == [SEALED, other]
    assert storage.place(SEALED).endswith("/r1.wav.enc")


def test_what_is_put_again_replaces(storage: RecordingStorage, tmp_path: Path) -> None:
    storage.put(PLAIN, a_file(tmp_path)[0])
    path, content = a_file(tmp_path, 10)
    storage.put(PLAIN, path)
    source = storage.open(PLAIN)
    assert source is not None
    assert source.read(0, 100) == content
    source.close()


def test_a_folder_lists_recordings_only_and_clears_what_a_crash_left(tmp_path: Path) -> None:
    for name in ("r1.wav", "r2.wav.enc", "r3.wav.part", ".r4.wav.enc.tmp", "notes.txt", "a b.wav"):
        (tmp_path / name).touch()
    folder = FolderStorage(tmp_path)
    assert [str(name) for name in sorted(folder.names())] == ["r1.wav", "r2.wav.enc"]
    folder.clear_left_over()
    assert not (tmp_path / ".r4.wav.enc.tmp").exists()
    assert (tmp_path / "r3.wav.part").exists()


def test_an_open_file_outlives_its_name(tmp_path: Path) -> None:
    path, content = a_file(tmp_path)
    source = FileSource(path)
    path.unlink()
    assert source.read(0, 2_000) == content
    source.close()


@pytest.mark.parametrize("text", ["", "../x", "a/b", "a.wav", "x" * 65, "a b", "é", "a\n"])
def test_what_could_lead_out_of_the_folder_is_no_sid(text: str) -> None:
    assert not is_sid(text)


def test_a_long_recording_is_sent_in_parts(s3: S3Server, tmp_path: Path) -> None:
    size = 2 * PART_BYTES + 12_345
    path, content = a_file(tmp_path, size)
    storage = S3Storage(s3.settings())
    storage.put(SEALED, path)
    head = s3.client.head_object(Bucket=s3.bucket, Key="r1.wav.enc")
    assert head["ETag"].strip('"').endswith("-3")  # S3's mark of an object in three parts
    source = storage.open(SEALED)
    assert source is not None
    assert source.size == size
    assert source.read(PART_BYTES - 5, 10) == content[PART_BYTES - 5 : PART_BYTES + 5]
    storage.close()


def test_an_upload_is_given_up_when_the_server_stops(moto: S3Server, tmp_path: Path) -> None:
    seen: list[int] = []

    def is_stopping() -> bool:
        seen.append(1)
        return len(seen) > 3

    path, _ = a_file(tmp_path, 3 * PART_BYTES)
    storage = S3Storage(moto.settings(), is_stopping)
    with pytest.raises(StoreError, match="given up"):
        storage.put(PLAIN, path)
    assert moto.keys() == []
    uploads = moto.client.list_multipart_uploads(Bucket=moto.bucket).get("Uploads", [])
    assert uploads == []  # nothing half is left to be paid for
    storage.close()


def test_an_object_that_was_replaced_is_not_read_on(moto: S3Server, tmp_path: Path) -> None:
    storage = S3Storage(moto.settings())
    storage.put(PLAIN, a_file(tmp_path)[0])
    source = storage.open(PLAIN)
    storage.put(PLAIN, a_file(tmp_path)[0])
    assert source is not None
    with pytest.raises(StoreError, match=r"PreconditionFailed|412"):
        source.read(0, 10)
    storage.close()


def test_a_bucket_that_is_not_there_is_a_clear_error(s3: S3Server, tmp_path: Path) -> None:
    settings = S3Settings("nowhere", "", s3.endpoint, "us-east-1", "key", "very-secret")
    storage = S3Storage(settings)
    for work in (storage.check, lambda: storage.put(PLAIN, a_file(tmp_path)[0])):
        with pytest.raises(StoreError, match="recordings in S3: ") as caught:
            work()
        assert "very-secret" not in str(caught.value)
    assert "very-secret" not in repr(settings)
    storage.close()
    good = S3Storage(s3.settings())
    good.check()
    good.close()


def test_a_server_that_checks_signatures_takes_ours_and_no_other(
    s3s_process: S3Server, tmp_path: Path
) -> None:
    settings = s3s_process.fresh_bucket().settings()
    good, bad = S3Storage(settings), S3Storage(replace(settings, access_secret="not-this"))
    good.put(PLAIN, a_file(tmp_path)[0])
    with pytest.raises(StoreError, match="SignatureDoesNotMatch"):
        bad.put(PLAIN, a_file(tmp_path)[0])
    for storage in (good, bad):
        storage.close()


def test_a_server_that_is_down_is_a_store_error(tmp_path: Path) -> None:
    endpoint = f"http://{HOST}:{free_port()}"
    storage = S3Storage(S3Settings("b", "", endpoint, "us-east-1", "k", "s"))
    with pytest.raises(StoreError, match="Could not connect"):
        storage.open(PLAIN)
    with pytest.raises(StoreError):
        list(storage.names())
    storage.close()
