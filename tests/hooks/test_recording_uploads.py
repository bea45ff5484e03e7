"""Recordings that go to a customer's own storage, over real HTTP and to real S3 servers (EX-46)."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.ids import AccountSid, CallSid, LegSid, RecordingSid
from agentstream.calls.commands import AudioKind
from agentstream.calls.events import LegTold
from agentstream.calls.storage import CustomerStorage
from agentstream.hooks import recording_uploads
from agentstream.hooks.recording_uploads import RecordingUploads, UploadRules
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.http_client import HttpClient
from agentstream.store.recording_files import RecordingFiles
from agentstream.store.recording_mp3 import Mp3Folder
from agentstream.store.recording_shelf import RecordingShelf
from agentstream.store.recording_storage import FolderStorage
from agentstream.store.recording_urls import RecordingUrls
from agentstream.switch.feed import Fact
from agentstream.testing import sound
from agentstream.testing.certificates import Authority, serving
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.records import a_recording
from agentstream.testing.s3_server import KEY, SECRET, S3Server, running_s3, why_no_s3s
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
MINE = AccountSid("GreenLeaf1")
CALL, LEG = CallSid("call1"), LegSid("leg1")
OURS = "http://house/recordings/r1.mp3?signature=x"
QUICK = UploadRules(retry_ms=(1, 1), timeout_ms=2_000)


@dataclass
class Post:
    """The uploads of one node, and what they told."""

    uploads: RecordingUploads
    shelf: RecordingShelf
    store: MemoryStore
    told: list[LegTold] = field(default_factory=list)

    async def record(self, sid: str = "r1") -> bytes:
        """Leave a recording; returns its WAV."""
        await self.store.calls.write([a_recording(sid, call_sid="call1", account_sid=MINE)])
        noise = np.random.default_rng(7).normal(size=8_000) * 3_000
        return sound.write_wav(self.shelf.path_for(RecordingSid(sid)), noise, 8_000).read_bytes()

    def begin(self, storage: CustomerStorage | None, kind: AudioKind, sid: str = "r1") -> None:
        if storage is not None:
            self.shelf.promise(RecordingSid(sid), kind, storage)

    def available(self, sid: str = "r1") -> None:
        data = ("status", "completed"), ("recording_sid", sid), ("url", OURS), ("duration_ms", 1)
        self.happens(LegTold(CALL, LEG, "recording_available", "a1", "mine", 0, data))

    def happens(self, event: LegTold) -> None:
        clock = SystemClock()
        self.uploads.hear(Fact(CALL, MINE, clock.now_ms(), clock.wall(), event))

    async def send(self, storage: CustomerStorage, kind: AudioKind = "wav") -> LegTold:
        """Let a recording be made and sent; returns what was told of it."""
        self.begin(storage, kind)
        self.available()
        await until(lambda: not self.uploads.waiting)
        return self.told[-1]


@asynccontextmanager
async def post(
    folder: Path, rules: UploadRules = QUICK, ca_file: str | None = None, mode: Any = "open"
) -> AsyncIterator[Post]:
    (folder / "recordings").mkdir()
    mp3 = Mp3Folder(folder / "mp3", 10_000_000, 32)
    files = RecordingFiles(FolderStorage(folder / "recordings"), mp3)
    store, clock, resolver = MemoryStore(), SystemClock(), Resolver()
    urls = RecordingUrls("http://house", b"k" * 32)
    shelf = RecordingShelf(files, urls, store.recordings, clock)
    web = HttpClient(Egress(EgressPolicy(mode), resolver), ca_file=ca_file)
    told: list[LegTold] = []

    def take(fact: Fact) -> None:
        assert isinstance(fact.event, LegTold)
        told.append(fact.event)

    uploads = RecordingUploads(web, take, lambda _: (), clock, rules)
    uploads.attach(shelf)
    yield Post(uploads, shelf, store, told)
    await uploads.stop(0)
    await web.close()
    await shelf.close()
    resolver.close()


@pytest.fixture
async def shop() -> AsyncIterator[Customer]:
    async with customer() as running:
        running.answers["/calls"] = Reply(201)
        yield running


@pytest.fixture(params=["moto", "s3s"], scope="module")
def s3(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    if request.param == "s3s" and (why := why_no_s3s()):
        pytest.skip(why)
    with running_s3(tmp_path_factory.mktemp(request.param), kind=request.param) as server:
        yield server


async def test_a_recording_is_put_where_its_action_said_before_it_is_told_of_ex_46(
    tmp_path: Path, shop: Customer
) -> None:
    async with post(tmp_path) as here:
        wav = await here.record()
        here.happens(LegTold(CALL, LEG, "recording_stopped"))
        told = await here.send(CustomerStorage("https", shop.url("/calls?sig=s3cr3t"), "me", "pw"))
        assert [one.name for one in here.told] == ["recording_stopped", "recording_available"]
        assert dict(told.data) == {
            "status": "completed",
            "recording_sid": "r1",
            "url": shop.url("/calls"),
            "duration_ms": 1,
        }
        assert (told.action_sid, told.custom) == ("a1", "mine")
        (asked,) = shop.requests
        assert (asked.method, asked.body, asked.raw_query) == ("PUT", wav, "sig=s3cr3t")
        assert asked.headers["content-type"] == "audio/wav"
        assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()
        assert here.uploads.counts.sent == 1


async def test_an_mp3_is_sent_and_named_where_its_folder_is_given_ex_22_ex_46(
    tmp_path: Path, shop: Customer
) -> None:
    shop.answers["/calls/r1.mp3"] = Reply(200)
    rules = UploadRules(auth="headers", header_names=("X-Key", "X-Token"))
    async with post(tmp_path, rules) as here:
        await here.record()
        told = await here.send(CustomerStorage("https", shop.url("/calls/"), "me", "pw"), "8.mp3")
        assert dict(told.data)["url"] == shop.url("/calls/r1.mp3")
        (asked,) = shop.requests
        assert asked.headers["content-type"] == "audio/mpeg"
        assert len(asked.body) == pytest.approx(1_000, rel=0.2)  # a second at 8 kbit/s
        assert (asked.headers["x-key"], asked.headers["x-token"]) == ("me", "pw")
        assert "authorization" not in asked.headers


async def test_a_recording_goes_over_tls_to_a_server_that_is_who_it_says_ex_46(
    tmp_path: Path,
) -> None:
    authority = Authority.found(tmp_path / "authority")
    tls = serving(authority.issue("127.0.0.1"))
    storage_answers = Reply(204)
    async with customer(tls, calls=storage_answers) as shop:
        storage = CustomerStorage("https", shop.url("/calls", "https"), "me", "pw")
        (tmp_path / "trusts").mkdir()
        (tmp_path / "doubts").mkdir()
        async with post(tmp_path / "trusts", ca_file=authority.ca_file) as here:
            wav = await here.record()
            assert (await here.send(storage)).name == "recording_available"
            assert shop.requests[0].body == wav
        async with post(tmp_path / "doubts") as here:
            await here.record()
            told = await here.send(storage)
            assert told.name == "recording_failed_to_upload"
            assert told.error is not None
            assert "certificate" in told.error.description.lower()


async def test_a_recording_is_an_object_of_the_customers_bucket_ex_46(
    tmp_path: Path, s3: S3Server
) -> None:
    bucket = s3.fresh_bucket()
    url = f"{bucket.endpoint}/{bucket.bucket}/calls of 2027".replace(" ", "%20")
    async with post(tmp_path) as here:
        wav = await here.record()
        told = await here.send(CustomerStorage("s3", url, KEY, SECRET))
        assert told.error is None
        assert dict(told.data)["url"] == f"{url}/r1.wav"
        assert bucket.keys() == ["calls of 2027/r1.wav"]
        assert bucket.body("calls of 2027/r1.wav") == wav


async def test_a_wrong_secret_is_told_without_it_ex_46(tmp_path: Path) -> None:
    if why := why_no_s3s():
        pytest.skip(why)
    with running_s3(tmp_path / "s3", kind="s3s") as s3:
        url = f"{s3.endpoint}/{s3.bucket}"
        async with post(tmp_path) as here:
            await here.record()
            told = await here.send(CustomerStorage("s3", url, KEY, "s3cr3t"))
            assert told.name == "recording_failed_to_upload"
            assert told.error is not None
            assert "answered 403" in told.error.description
            assert "s3cr3t" not in repr(told)
            assert here.uploads.counts.failed_attempts == 0, "again would be the same"


async def test_what_may_pass_is_tried_again_ex_46(tmp_path: Path, shop: Customer) -> None:
    statuses = iter((503, 429, 200))
    shop.answers["/calls"] = lambda _: Reply(next(statuses))
    async with post(tmp_path) as here:
        wav = await here.record()
        told = await here.send(CustomerStorage("https", shop.url("/calls")))
        assert told.name == "recording_available"
        assert [one.body for one in shop.requests] == [wav, wav, wav]
        assert here.uploads.counts.failed_attempts == 2
        assert "authorization" not in shop.requests[0].headers


@pytest.mark.parametrize(
    ("reply", "attempts", "why"),
    [
        (Reply(500), 3, "answered 500"),
        (Reply(403), 1, "answered 403"),
        (Reply(302, headers=(("Location", "/else"),)), 1, "answered 302"),
        (Reply(200, delay_ms=5_000), 3, "not taken in 300 ms"),
    ],
)
async def test_what_does_not_pass_is_told_ex_46_ex_47(
    tmp_path: Path, shop: Customer, reply: Reply, attempts: int, why: str
) -> None:
    shop.answers["/calls"] = reply
    async with post(tmp_path, UploadRules(retry_ms=(1, 1), timeout_ms=300)) as here:
        await here.record()
        told = await here.send(CustomerStorage("https", shop.url("/calls?sig=s3cr3t"), "", "pw"))
        assert told.name == "recording_failed_to_upload"
        assert dict(told.data) == {"recording_sid": "r1", "url": OURS, "duration_ms": 1}
        assert told.error is not None
        assert told.error.code == 1043
        assert why in told.error.description
        assert "s3cr3t" not in repr(told)
        assert len(shop.requests) == attempts
        assert here.uploads.counts.failed == 1


async def test_an_address_that_must_not_be_reached_is_not_ex_46(
    tmp_path: Path, shop: Customer
) -> None:
    async with post(tmp_path, mode="closed") as here:
        await here.record()
        told = await here.send(CustomerStorage("https", shop.url("/calls")))
        assert told.error is not None
        assert "egress policy does not allow" in told.error.description
        assert shop.requests == []


async def test_a_recording_that_is_too_large_or_lost_is_not_sent_ex_46(
    tmp_path: Path, shop: Customer
) -> None:
    storage = CustomerStorage("https", shop.url("/calls"))
    async with post(tmp_path, UploadRules(max_bytes=10_000, retry_ms=(1,))) as here:
        told = await here.send(storage)
        assert told.error is not None
        assert "is not here" in told.error.description
        await here.record()
        told = await here.send(storage)
        assert told.error is not None
        assert "the limit is 10000" in told.error.description
        assert shop.requests == []


async def test_too_many_that_wait_are_refused_at_once_ex_46(tmp_path: Path, shop: Customer) -> None:
    gate = asyncio.Event()

    async def slow(_: Asked) -> Reply:
        await gate.wait()
        return Reply(200)

    shop.answers["/calls"] = slow
    async with post(tmp_path, UploadRules(waiting=3, at_once=2)) as here:
        for sid in ("r1", "r2", "r3", "r4"):
            await here.record(sid)
            here.begin(CustomerStorage("https", shop.url("/calls")), "wav", sid)
            here.available(sid)
        assert [one.name for one in here.told] == ["recording_failed_to_upload"]
        await shop.until_asked("/calls")
        await asyncio.sleep(0)
        assert len(shop.requests) == 1, "of two at once, one account has one"
        gate.set()
        await until(lambda: not here.uploads.waiting)
        assert here.uploads.counts.sent == 3


async def test_what_is_not_sent_when_the_server_stops_is_told_ex_46(
    tmp_path: Path, shop: Customer
) -> None:
    shop.answers["/calls"] = Reply(200, delay_ms=60_000)
    async with post(tmp_path, UploadRules(timeout_ms=60_000)) as here:
        await here.record()
        here.begin(CustomerStorage("https", shop.url("/calls")), "wav")
        here.available()
        await shop.until_asked("/calls")
        await here.uploads.stop(1)
        (told,) = here.told
        assert told.error is not None
        assert told.error.description == recording_uploads.STOPPED


async def test_recordings_of_the_house_are_told_of_at_once_ex_33(tmp_path: Path) -> None:
    async with post(tmp_path) as here:
        here.begin(None, "mp3")
        here.available()
        assert dict(here.told[0].data)["url"] == OURS
        here.begin(CustomerStorage("https", "https://x.example/"), "mp3")
        broken = LegTold(CALL, LEG, "recording_failed_to_upload", data=(("recording_sid", "r1"),))
        here.happens(broken)  # it broke off: there is nothing to send
        assert here.told[1] == broken
        assert here.uploads.waiting == 0


def test_no_secret_is_in_what_a_storage_shows() -> None:
    storage = CustomerStorage("https", "https://a:s3cr3t@x.example/?k=s3cr3t", "s3cr3t", "s3cr3t")
    assert "s3cr3t" not in repr(storage)
