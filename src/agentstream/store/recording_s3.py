"""Recordings in S3, or in a server that speaks it (MinIO, Ceph, Garage ...), by boto3.

A file is one object, `PREFIX` + name; long ones are sent in parts of 8 MiB, one at a time. Each
read is a ranged request of its own, so nothing is held open between them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from agentstream.base.errors import ConfigError
from agentstream.base.ids import RecordingSid
from agentstream.store.protocols import StoreError
from agentstream.store.recording_source import Source
from agentstream.store.recording_storage import StoredName, is_sid

PART_BYTES = 8_388_608
CONNECTIONS = 8
_CONNECT_S, _READ_S, _ATTEMPTS = 5, 20, 2  # what waits longer is tried again later by the shelf
_ABSENT = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the objects are. Empty credentials: those of the environment or of the machine."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""  # "": Amazon's own
    region: str = ""
    access_key: str = ""
    access_secret: str = ""

    def __repr__(self) -> str:
        return f"S3Settings(bucket={self.bucket!r}, endpoint={self.endpoint!r})"


class S3Storage:
    """See `RecordingStorage`."""

    kind = "s3"

    def __init__(
        self, settings: S3Settings, is_stopping: Callable[[], bool] = lambda: False
    ) -> None:
        """Make the client, which asks nothing yet; raises ConfigError without boto3.

        An upload is given up when `is_stopping` becomes true.
        """
        try:
            import boto3
            from boto3.s3.transfer import TransferConfig
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise ConfigError(
                "recordings.storage is s3, which needs boto3: pip install 'agentstream[s3]'"
            ) from error
        self._settings = settings
        self._is_stopping = is_stopping
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
        )
        wanted = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
            # Other servers than Amazon's know bucket names in paths only, and no newer checksums.
            s3={"addressing_style": "path" if settings.endpoint else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        try:
            self._client: Any = boto3.session.Session().client(
                "s3",
                endpoint_url=settings.endpoint or None,
                region_name=settings.region or None,
                aws_access_key_id=settings.access_key or None,
                aws_secret_access_key=settings.access_secret or None,
                config=wanted,
            )
        except (ValueError, BotoCoreError) as error:
            raise ConfigError(f"recordings in S3: {error}") from error

    def place(self, name: StoredName) -> str:
        """Return where a file is, for people."""
        return f"s3://{self._settings.bucket}/{self._key(name)}"

    def check(self) -> None:
        """Ask for the bucket; raises StoreError with what the server said."""
        with _translated():
            self._client.head_bucket(Bucket=self._settings.bucket)

    def put(self, name: StoredName, path: Path) -> None:
        """Upload a file, whole or not at all."""

        def on_bytes(_count: int) -> None:
            if self._is_stopping():
                raise StoreError("recordings in S3: the upload was given up, we stop")

        with _translated(), path.open("rb") as file:
            self._client.upload_fileobj(
                file,
                self._settings.bucket,
                self._key(name),
                ExtraArgs={"ContentType": _content_type(name)},
                Callback=on_bytes,
                Config=self._transfer,
            )

    def open(self, name: StoredName) -> Source | None:
        """Ask for a file's size; None when it is not there."""
        key = self._key(name)
        with _translated():
            answer = self._try(self._client.head_object, Key=key)
            if answer is None:
                return None
            return _S3Source(self._client, self._settings.bucket, key, answer)

    def delete(self, name: StoredName) -> None:
        """Forget a file, if it is there."""
        with _translated():
            self._try(self._client.delete_object, Key=self._key(name))

    def names(self) -> Iterator[StoredName]:
        """Return every recording under the prefix."""
        pages = self._client.get_paginator("list_objects_v2")
        with _translated():
            for page in pages.paginate(Bucket=self._settings.bucket, Prefix=self._settings.prefix):
                for each in page.get("Contents", ()):
                    name = PurePosixPath(each["Key"].removeprefix(self._settings.prefix))
                    sid, dot, rest = str(name).partition(".")
                    if is_sid(sid) and dot and rest in {"wav", "wav.enc"}:
                        yield StoredName(RecordingSid(sid), rest == "wav.enc")

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def _key(self, name: StoredName) -> str:
        return f"{self._settings.prefix}{name}"

    def _try(self, ask: Callable[..., Any], **arguments: str) -> Any:  # noqa: ANN401  (boto3's own)
        from botocore.exceptions import ClientError

        try:
            return ask(Bucket=self._settings.bucket, **arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return None
            raise


class _S3Source:
    """One object; each read is a request."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401  (boto3's client has no type)
        bucket: str,
        key: str,
        head: dict[str, Any],
    ) -> None:
        self._client = client
        self._place = {"Bucket": bucket, "Key": key, "IfMatch": str(head["ETag"])}
        self._size = int(head["ContentLength"])

    @property
    def size(self) -> int:
        return self._size

    def read(self, start: int, length: int) -> bytes:
        end = min(start + length, self._size) - 1
        if end < start:
            return b""
        with _translated():
            answer = self._client.get_object(**self._place, Range=f"bytes={start}-{end}")
            body: bytes = answer["Body"].read()
        return body

    def close(self) -> None:
        """Have nothing open."""


def _content_type(name: StoredName) -> str:
    return "application/octet-stream" if name.is_sealed else "audio/wav"


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what boto3 raises into StoreError; no message of it holds credentials."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise StoreError(f"recordings in S3: {error}") from error
