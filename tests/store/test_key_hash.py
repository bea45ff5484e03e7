import threading
from pathlib import Path

import pytest

from agentstream.base.errors import ConfigError
from agentstream.base.ids import RandomTokens
from agentstream.store.key_hash import is_token, load_secret, token_hash
from agentstream.store.sql_store import open_store


def test_the_secret_is_made_once_and_only_for_us_to_read(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    first = load_secret(path, RandomTokens())
    assert load_secret(path, RandomTokens()) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first) == 32
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    path, found = tmp_path / "secret.key", []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        found.append(load_secret(path, RandomTokens()))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [("ab" * 32, 0o644, "chmod 600"), ("zz", 0o600, "hexadecimal"), ("abcd", 0o600, "at least 32")],
)
def test_a_secret_that_is_no_secret_stops_the_start(
    tmp_path: Path, text: str, mode: int, says: str
) -> None:
    path = tmp_path / "secret.key"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=says):
        load_secret(path, RandomTokens())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"secret\.key"):
        load_secret(tmp_path / "file" / "secret.key", RandomTokens())


def test_a_hash_knows_its_token_and_its_secret() -> None:
    hashed = token_hash(b"k" * 32, "token")
    assert is_token(b"k" * 32, "token", hashed)
    assert not is_token(b"k" * 32, "Token", hashed)
    assert not is_token(b"j" * 32, "token", hashed)
    assert "token" not in hashed


async def test_the_database_holds_no_token(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    key = await store.accounts.create_key((await store.accounts.create("One")).sid)
    await store.close()
    names = ("agentstream.db", "agentstream.db-wal")
    content = b"".join((tmp_path / n).read_bytes() for n in names if (tmp_path / n).exists())
    assert key.key.encode() in content
    assert key.token.encode() not in content
