"""Builds what keeps recordings, from the configuration: for the server, and for one command."""

import threading
from collections.abc import Callable
from typing import Literal

from agentstream.base.clock import Clock
from agentstream.base.errors import AgentStreamError
from agentstream.server.config import Config
from agentstream.store.recording_files import RecordingFiles
from agentstream.store.recording_keeper import RecordingKeeper
from agentstream.store.recording_mp3 import Mp3Folder
from agentstream.store.recording_s3 import S3Settings, S3Storage
from agentstream.store.recording_seal import load_keys
from agentstream.store.recording_shelf import RecordingShelf
from agentstream.store.recording_storage import FolderStorage
from agentstream.store.recording_urls import RecordingUrls
from agentstream.store.sql_store import SqlStore
from agentstream.store.values import Recording

RECORDINGS_FOLDER = "recordings"
MP3_FOLDER = "mp3"


class Recordings:
    """The shelf and the keeper of one process."""

    def __init__(
        self,
        config: Config,
        store: SqlStore,
        clock: Clock,
        write: Callable[[Recording], None] = lambda _: None,
    ) -> None:
        """Build both; nothing runs yet. Raises ConfigError."""
        self._is_stopping = threading.Event()
        wanted = config.recordings
        files = recording_files(config, self._is_stopping.is_set)
        urls = RecordingUrls(config.public_url, store.link_key, wanted.url_seconds, wanted.links)
        self.files = files
        self.shelf = RecordingShelf(files, urls, store.recordings, clock, write)
        self.keeper = RecordingKeeper(
            files, store, clock, wanted.keep_days, self.shelf.remember, self.shelf.is_live
        )
        self.shelf.hand_over_to(self.keeper.take)

    async def stop(self) -> None:
        """Work off what waits, for some seconds, and let go of everything."""
        await self.keeper.stop()
        self._is_stopping.set()
        await self.shelf.close()

    def counts(self) -> dict[str, int]:
        """Return the figures for metrics; see `hooks.metrics.Facts`."""
        settling, uploading = self.keeper.settling, self.keeper.uploading
        last = settling if self.files.remote is None else uploading
        return {
            "waiting": settling.waiting + uploading.waiting,
            "stored": last.done,
            "failed_attempts": settling.failures + uploading.failures,
            "encoded": self.shelf.encoded,
        }


def check_recordings(config: Config) -> tuple[Literal["ok", "error"], str]:
    """Look whether recordings can be kept as they should be; asks S3 for its bucket."""
    try:
        files = recording_files(config, lambda: False)
        if isinstance(files.remote, S3Storage):
            files.remote.check()
            files.remote.close()
    except AgentStreamError as error:
        return "error", str(error)
    where = "this folder" if files.remote is None else f"S3, bucket {config.recordings.s3_bucket}"
    how = ", encrypted" if files.keys else ""
    return "ok", f"kept in {where}{how}; links begin with {config.public_url}"


def recording_files(config: Config, is_stopping: Callable[[], bool]) -> RecordingFiles:
    """Return the files as the configuration wants them kept; raises ConfigError."""
    wanted = config.recordings
    keys = () if wanted.encryption_key_file is None else load_keys(wanted.encryption_key_file)
    remote = None
    if wanted.storage == "s3":
        settings = S3Settings(
            bucket=wanted.s3_bucket,
            prefix=wanted.s3_prefix,
            endpoint=wanted.s3_endpoint,
            region=wanted.s3_region,
            access_key=wanted.s3_access_key,
            access_secret=wanted.s3_access_secret,
        )
        remote = S3Storage(settings, is_stopping)
    mp3 = Mp3Folder(
        config.data_dir / MP3_FOLDER, wanted.mp3_cache_mb * 1_048_576, wanted.mp3_kbps, keys
    )
    folder = FolderStorage(config.data_dir / RECORDINGS_FOLDER)
    return RecordingFiles(folder, mp3, keys, remote, wanted.keep_local)
