"""Real S3-compatible servers for tests, each a process on loopback with one empty bucket.

moto     knows much of S3 and believes every signature
s3s-fs   keeps files in a folder, and checks signatures

with running_s3(folder) as s3:
    storage = S3Storage(s3.settings())
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agentstream.store.recording_s3 import S3Settings
from agentstream.testing.ports import HOST, await_listener, free_port

Kind = Literal["moto", "s3s"]
_S3S = Path(__file__).parents[3] / "build" / "peers" / "bin" / "s3s-fs"
KEY, SECRET = "AKIATESTTESTTESTTEST", "not-a-secret"


@dataclass
class S3Server:
    """A running server and the names to reach it by."""

    endpoint: str
    bucket: str
    _clients: list[Any] = field(default_factory=list)

    def settings(self, prefix: str = "") -> S3Settings:
        """Return what a storage needs to know."""
        return S3Settings(self.bucket, prefix, self.endpoint, "us-east-1", KEY, SECRET)

    @property
    def client(self) -> Any:  # noqa: ANN401  (boto3's client has no type)
        """Return a plain client, to look behind a storage's back."""
        import boto3

        if not self._clients:
            self._clients.append(
                boto3.session.Session().client(
                    "s3",
                    endpoint_url=self.endpoint,
                    region_name="us-east-1",
                    aws_access_key_id=KEY,
                    aws_secret_access_key=SECRET,
                )
            )
        return self._clients[0]

    def keys(self) -> list[str]:
        """Return every key of the bucket."""
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [str(each["Key"]) for each in found]

    def body(self, key: str) -> bytes:
        """Return what an object holds."""
        content: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def fresh_bucket(self) -> "S3Server":
        """Return the same server with a bucket of its own."""
        bucket = f"recordings-{secrets.token_hex(4)}"
        self.client.create_bucket(Bucket=bucket)
        return S3Server(self.endpoint, bucket, self._clients)

    def close(self) -> None:
        """Close the plain client."""
        for client in self._clients:
            client.close()


def why_no_s3s() -> str:
    """Return why s3s-fs cannot be run here; "" when it can."""
    return "" if _S3S.exists() else "s3s-fs is not installed (`make system` does it)"


@contextmanager
def running_s3(folder: Path, port: int = 0, kind: Kind = "moto") -> Iterator[S3Server]:
    """Run a server while the block runs; what it says is in `s3.log` of the folder."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    if kind == "s3s":
        (folder / "objects").mkdir(exist_ok=True)
        command = [str(_S3S), "--host", HOST, "--port", str(port), str(folder / "objects")]
        command += ["--access-key", KEY, "--secret-key", SECRET]
    with (folder / "s3.log").open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: S603  (our own words)
    server = S3Server(f"http://{HOST}:{port}", "")
    try:
        await_listener(port, process, folder / "s3.log")
        yield server.fresh_bucket()
    finally:
        server.close()
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
