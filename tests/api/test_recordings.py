"""Recordings over HTTP: links that work, and what is told of recordings (OP-4, RC-4, US-17)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from structlog.testing import capture_logs

from agentstream.api.app import create_app
from agentstream.api.doors import Doors, RecordingDoor
from agentstream.api.live import LiveHub
from agentstream.base.clock import SystemClock
from agentstream.base.ids import AccountSid, CallSid, RecordingSid
from agentstream.store import recording_shelf
from agentstream.store.recording_files import RecordingFiles
from agentstream.store.recording_keeper import RecordingKeeper
from agentstream.store.recording_mp3 import Mp3Folder
from agentstream.store.recording_seal import SealKey
from agentstream.store.recording_shelf import RecordingShelf
from agentstream.store.recording_storage import FolderStorage
from agentstream.store.recording_urls import LinkKind, RecordingUrls
from agentstream.store.values import NewKey, Recording
from agentstream.switch.feed import Feed
from agentstream.testing import sound
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.records import a_recording

pytestmark = pytest.mark.integration
MINE = AccountSid("GreenLeaf1")
LIST = "/v1/Accounts/GreenLeaf1/Recordings"


@dataclass
class Library:
    """A site with a shelf."""

    client: httpx.AsyncClient
    store: MemoryStore
    shelf: RecordingShelf
    files: RecordingFiles
    key: NewKey
    other: NewKey

    @property
    def auth(self) -> tuple[str, str]:
        return self.key.key, self.key.token

    def link(self, sid: str, kind: Any = "mp3", later_s: int = 0) -> str:
        return self.shelf.urls.url_for(sid, self.shelf.now_s() + later_s, kind)

    def record(self, sid: str, seconds: float = 1.0) -> bytes:
        noise = np.random.default_rng(7).normal(size=int(8_000 * seconds)) * 3_000
        path = self.shelf.path_for(RecordingSid(sid))
        return sound.write_wav(path, noise, 8_000).read_bytes()

    async def ready(self, sid: str, seconds: float = 1.0, **changes: Any) -> bytes:
        """Leave a recording with its row; returns its WAV."""
        await self.row(sid, **{"duration_ms": int(seconds * 1_000), **changes})
        return self.record(sid, seconds)

    async def row(self, sid: str, **changes: Any) -> Recording:
        known = {"call_sid": "c1", "account_sid": MINE, "sha256": f"hash{sid}", **changes}
        row = a_recording(sid, **known)
        await self.store.calls.write([row])
        return row


@pytest.fixture
def links() -> LinkKind:
    return "signed"


@pytest.fixture
def keys() -> tuple[SealKey, ...]:
    return ()


@pytest.fixture
async def library(
    tmp_path: Path, links: LinkKind, keys: tuple[SealKey, ...], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Library]:
    monkeypatch.setattr(recording_shelf.RecordingShelf.find, "__defaults__", (20,))
    (tmp_path / "recordings").mkdir()
    mp3 = Mp3Folder(tmp_path / "mp3", 10_000_000, 32, keys)
    files = RecordingFiles(FolderStorage(tmp_path / "recordings"), mp3, keys)
    store, clock, hub = MemoryStore(), SystemClock(), LiveHub(Feed())
    urls = RecordingUrls("http://house", b"k" * 32, 600, links)
    shelf = RecordingShelf(files, urls, store.recordings, clock)
    keeper = RecordingKeeper(files, store, clock, on_settled=shelf.remember)
    accounts = [await store.accounts.create(sid, sid=sid) for sid in (MINE, "other")]
    made = [await store.accounts.create_key(account.sid) for account in accounts]
    doors = Doors(
        accounts=store.accounts,
        live=hub,
        why_not_ready=lambda: "",
        metrics=lambda: b"",
        active_streams=lambda _sid: 0,
        operator_token="op-token",
        recordings=RecordingDoor(shelf, store.recordings, keeper.delete),
    )
    transport = httpx.ASGITransport(create_app(doors), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
        yield Library(client, store, shelf, files, *made)
    await keeper.stop(0)
    await shelf.close()
    hub.close()


@pytest.mark.parametrize(("kind", "kbps"), [("mp3", 32), ("8.mp3", 8), ("32.mp3", 32)])
async def test_a_link_gives_the_mp3_of_a_recording(library: Library, kind: str, kbps: int) -> None:
    """AP-66, PT-20, EX-22: the address in `Stream[RecordingUrl]` is an MP3, without an account."""
    await library.ready("r1", 10)
    answer = await library.client.get(library.link("r1", kind))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
    assert answer.headers["content-disposition"] == f'inline; filename="r1.{kind}"'
    assert (answer.headers["accept-ranges"], answer.content[0]) == ("bytes", 0xFF)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert len(answer.content) == pytest.approx(kbps * 1_250, rel=0.1)


async def test_a_link_gives_the_wav_as_it_was_recorded(library: Library) -> None:
    wav = await library.ready("r1", 20)
    answer = await library.client.get(library.link("r1", "wav"))
    assert (answer.status_code, answer.content) == (200, wav)
    assert answer.headers["content-type"] == "audio/wav"
    upper = library.link("r1", "wav").replace("/recordings/r1.wav", "/RECORDINGS/R1.WAV")
    assert (await library.client.get(upper)).content == wav  # CC-5


@pytest.mark.parametrize("kind", ["wav", "mp3"])
async def test_a_player_can_seek(library: Library, kind: str) -> None:
    """RC-4: range requests."""
    await library.ready("r1", 20)
    link = library.link("r1", kind)
    whole = (await library.client.get(link)).content
    part = await library.client.get(link, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole[1_000:2_000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(whole)}"
    assert part.headers["content-length"] == "1000"
    end = await library.client.get(link, headers={"Range": "bytes=-10"})
    assert end.content == whole[-10:]
    beyond = await library.client.get(link, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    same = {"Range": "bytes=0-9", "If-Range": part.headers["etag"]}
    assert (await library.client.get(link, headers=same)).status_code == 206
    changed = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert (await library.client.get(link, headers=changed)).content == whole


async def test_head_tells_the_same_without_the_sound(library: Library) -> None:
    await library.ready("r1")
    link = library.link("r1")
    head, whole = await library.client.head(link), await library.client.get(link)
    assert (head.status_code, head.content) == (200, b"")
    names = ("content-length", "content-type", "etag", "accept-ranges")
    assert [head.headers[name] for name in names] == [whole.headers[name] for name in names]


async def test_a_link_that_was_changed_opens_nothing(library: Library) -> None:
    await library.ready("r1")
    await library.ready("r2")
    link = library.link("r1")
    for changed in (
        link.replace("r1", "r2"),
        link.replace(".mp3", ".wav"),
        link.replace("expires=1", "expires=2"),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.partition("&")[0] + "&signature=",
    ):
        answer = await library.client.get(changed)
        assert answer.status_code == 403, changed
        assert answer.json()["RestException"]["Status"] == 403


async def test_a_link_expires(library: Library) -> None:
    await library.ready("r1")
    answer = await library.client.get(library.link("r1", later_s=-601))
    assert answer.status_code == 410
    assert "expired" in answer.text


async def test_an_api_key_opens_its_own_recordings_only(library: Library) -> None:
    """RC-4, and accounts never hear each other."""
    wav = await library.ready("r1")
    get = library.client.get
    assert (await get("/recordings/r1.wav")).status_code == 401
    assert (await get("/recordings/r1.wav", auth=library.auth)).content == wav
    assert (await get("/recordings/r1.wav", auth=("operator", "op-token"))).content == wav
    theirs = await get("/recordings/r1.wav", auth=(library.other.key, library.other.token))
    unknown = await get("/recordings/r9.wav", auth=(library.other.key, library.other.token))
    assert (theirs.status_code, theirs.content) == (404, unknown.content)


@pytest.mark.parametrize("sid", ["none", "..%2f..%2fsecret", "a%00b", "x" * 65])
async def test_what_is_not_there_is_404(library: Library, sid: str) -> None:
    assert (await library.client.get(f"/recordings/{sid}.wav", auth=library.auth)).status_code in {
        404,
    }
    signed = await library.client.get(library.link("none"))
    assert signed.status_code == 404


@pytest.mark.parametrize("links", ["open"])
async def test_links_may_be_open_to_all(library: Library) -> None:
    wav = await library.ready("r1")
    assert "?" not in library.link("r1")
    assert (await library.client.get("/recordings/r1.wav")).content == wav


@pytest.mark.parametrize("links", ["basic"])
async def test_links_may_need_an_api_key(library: Library) -> None:
    wav = await library.ready("r1")
    assert "?" not in library.link("r1", "wav")
    assert (await library.client.get(library.link("r1", "wav"))).status_code == 401
    answer = await library.client.get(library.link("r1", "wav"), auth=library.auth)
    assert answer.content == wav


async def test_a_receiver_that_asks_at_once_waits_for_the_file(library: Library) -> None:
    """US-17: the file becomes whole while the client waits."""
    row = a_recording("r1", "c1", state="recording", account_sid=MINE)
    library.shelf.begun(row)
    find = library.shelf.find

    async def patient(sid: str) -> Recording | None:
        return await find(sid, 10_000)

    library.shelf.find = patient  # type: ignore[assignment, method-assign]
    asking = asyncio.create_task(library.client.get(library.link("r1", "wav")))
    while not library.shelf._waiters:  # noqa: ASYNC110  (nothing tells that it waits)
        await asyncio.sleep(0.001)
    wav = library.record("r1")
    library.shelf.finished(RecordingSid("r1"), 1_000, "")
    answer = await asking
    assert (answer.status_code, answer.content) == (200, wav)


async def test_who_comes_too_early_is_told_when_to_come_again(library: Library) -> None:
    library.shelf.begun(a_recording("r1", "c1", state="recording", account_sid=MINE))
    answer = await library.client.get(library.link("r1"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert "not ready yet" in answer.text


async def test_an_mp3_that_takes_long_is_made_meanwhile(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await library.ready("r1", 60)
    monkeypatch.setattr(recording_shelf, "ENCODE_WAIT_MS", 0)
    answer = await library.client.get(library.link("r1"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    monkeypatch.undo()
    assert (await library.client.get(library.link("r1"))).status_code == 200


async def test_what_broke_off_was_deleted_or_lost_has_an_answer_of_its_own(
    library: Library,
) -> None:
    await library.row("failed", state="failed", error="/data/recordings/failed.wav: disk full")
    await library.row("deleted", state="deleted", path="")
    await library.row("lost")
    answers = {
        sid: await library.client.get(library.link(sid)) for sid in ("failed", "deleted", "lost")
    }
    assert {sid: answer.status_code for sid, answer in answers.items()} == {
        "failed": 404,
        "deleted": 410,
        "lost": 404,
    }
    assert "/data" not in answers["failed"].text  # where we keep things is nobody's business


@pytest.mark.parametrize("keys", [(SealKey(b"k" * 32),)])
async def test_an_encrypted_recording_is_served_plain_and_a_damaged_one_not_at_all(
    library: Library,
) -> None:
    wav = await library.ready("r1", 20, is_encrypted=True)
    await asyncio.to_thread(library.files.settle, RecordingSid("r1"))
    assert (await library.client.get(library.link("r1", "wav"))).content == wav
    part = await library.client.get(
        library.link("r1", "wav"), headers={"Range": "bytes=65000-70000"}
    )
    assert part.content == wav[65_000:70_001]
    path = library.files.folder.folder / "r1.wav.enc"
    path.write_bytes(path.read_bytes()[:-1])
    with capture_logs() as logs:
        answer = await library.client.get(library.link("r1", "wav"))
    assert answer.status_code == 503
    assert "r1.wav.enc" not in answer.text
    assert [log["event"] for log in logs] == ["recording_unreadable"]


async def test_recordings_are_listed_page_by_page(library: Library) -> None:
    start = a_recording("x", "c").created_at
    for number in range(5):
        at = start + timedelta(seconds=number)
        await library.row(f"r{number}", created_at=at, call_sid=CallSid(f"c{number % 2}"))
    await library.row("theirs", account_sid=AccountSid("other"))
    first = await library.client.get(f"{LIST}?PageSize=2", auth=library.auth)
    page = first.json()
    assert [each["Sid"] for each in page["Recordings"]] == ["r4", "r3"]
    rest: list[str] = []
    while page["Metadata"]["NextPageUri"]:
        page = (await library.client.get(page["Metadata"]["NextPageUri"], auth=library.auth)).json()
        rest += [each["Sid"] for each in page["Recordings"]]
    assert rest == ["r2", "r1", "r0"]
    of_call = await library.client.get(f"{LIST}.json?CallSid=c1", auth=library.auth)
    assert [each["Sid"] for each in of_call.json()["Recordings"]] == ["r3", "r1"]
    nested = "/v1/Accounts/GreenLeaf1/Calls/c1/Recordings"
    assert (await library.client.get(nested, auth=library.auth)).json()[
        "Recordings"
    ] == of_call.json()["Recordings"]


async def test_a_recording_is_told_with_a_link_that_works(library: Library) -> None:
    wav = await library.ready("r1", leg_sid="l1", channels="stereo", size_bytes=16_044)
    told = (await library.client.get(f"{LIST}/r1", auth=library.auth)).json()["Recording"]
    link = told.pop("RecordingUrl")
    assert told == {
        "Sid": "r1",
        "AccountSid": "GreenLeaf1",
        "CallSid": "c1",
        "LegSid": "l1",
        "DateCreated": "2027-01-12T10:05:05.500+00:00",
        "Status": "ready",
        "Duration": 1,
        "DurationMs": 1_000,
        "Channels": 2,
        "Size": 16_044,
        "Sha256": "hashr1",
        "Uri": "/v1/Accounts/GreenLeaf1/Recordings/r1",
    }
    assert (await library.client.get(link)).status_code == 200
    assert (await library.client.get(library.link("r1", "wav"))).content == wav


async def test_a_recording_can_be_deleted_once_and_for_all(library: Library) -> None:
    await library.ready("r1")
    assert (await library.client.get(library.link("r1"))).status_code == 200
    assert (await library.client.delete(f"{LIST}/r1", auth=library.auth)).status_code == 204
    assert (await library.client.get(library.link("r1"))).status_code == 410
    assert (await library.client.get(library.link("r1", "wav"))).status_code == 410
    told = (await library.client.get(f"{LIST}/r1", auth=library.auth)).json()["Recording"]
    assert (told["Status"], told["RecordingUrl"]) == ("deleted", None)
    assert (await library.client.delete(f"{LIST}/r1", auth=library.auth)).status_code == 204


async def test_a_recording_that_is_being_made_cannot_be_deleted(library: Library) -> None:
    row = await library.row("r1", state="recording")
    library.shelf.begun(row)
    answer = await library.client.delete(f"{LIST}/r1", auth=library.auth)
    assert answer.status_code == 409


async def test_accounts_see_and_delete_only_their_own(library: Library) -> None:
    await library.ready("r1")
    theirs = (library.other.key, library.other.token)
    other = "/v1/Accounts/other/Recordings"
    assert (await library.client.get(other, auth=theirs)).json()["Recordings"] == []
    for method in ("GET", "DELETE"):
        assert (await library.client.request(method, f"{other}/r1", auth=theirs)).status_code == 404
        assert (await library.client.request(method, f"{LIST}/r1", auth=theirs)).status_code == 401
        assert (await library.client.request(method, f"{LIST}/r1")).status_code == 401
    assert (await library.client.get(library.link("r1"))).status_code == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("PageSize=0", "PageSize"),
        ("PageSize=101", "PageSize"),
        ("After=x", "After: take it from NextPageUri"),
        ("After=1-../x", "After"),
        ("After=" + "9" * 200, "After"),
    ],
)
async def test_a_wrong_query_names_the_field(library: Library, query: str, says: str) -> None:
    answer = await library.client.get(f"{LIST}?{query}", auth=library.auth)
    assert answer.status_code == 400
    assert says in answer.json()["RestException"]["Message"]


async def test_a_house_without_recordings_has_none(site: Any) -> None:
    assert (await site.client.get("/recordings/r1.mp3")).status_code == 404


async def test_a_row_of_another_state_does_not_hide_a_live_one(library: Library) -> None:
    row = await library.row("r1", state="recording")
    library.shelf.begun(row)
    library.record("r1")
    library.shelf.finished(RecordingSid("r1"), 1_000, "")
    assert (await library.client.get(library.link("r1", "wav"))).status_code == 200
    assert await library.store.recordings.find(RecordingSid("r1")) == replace(row)
