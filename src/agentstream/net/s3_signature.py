"""Signatures of requests to S3 and what speaks it: AWS Signature Version 4, for one whole body.

canonical request ─sha256─▶ string to sign ─▶ HMAC under a key of the day, the region and "s3"

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

import hashlib
import hmac
import re
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote

from agentstream.base.values import dataclass, replace
from agentstream.net.egress import HTTP_SCHEMES, Target, parse_url

USUAL_REGION: Final = "us-east-1"
_ALGORITHM = "AWS4-HMAC-SHA256"
_AMAZON = re.compile(r"(?:^|\.)s3[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com$")
_SIGNED = "host;x-amz-content-sha256;x-amz-date"


@dataclass(frozen=True, slots=True)
class S3Key:
    """Who signs, and where the bucket is."""

    access_key: str
    secret: str
    region: str

    def __repr__(self) -> str:
        return f"S3Key({self.region})"


def s3_path(path: str) -> str:
    """Return a path as S3 signs it: each byte but the unreserved ones encoded, once."""
    return quote(unquote(path), safe="/-_.~")


def s3_headers(
    method: str, target: Target, body_sha256: str, key: S3Key, at: datetime
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a request at a moment in UTC; its path is an `s3_path`, no query."""
    moment = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{key.region}/s3/aws4_request"
    request = "\n".join(
        (
            method,
            target.target,
            "",
            f"host:{target.host_header}",
            f"x-amz-content-sha256:{body_sha256}",
            f"x-amz-date:{moment}",
            "",
            _SIGNED,
            body_sha256,
        )
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, moment, scope, digest))
    secret = f"AWS4{key.secret}".encode()
    for part in (*scope.split("/"), text):
        secret = hmac.digest(secret, part.encode(), "sha256")
    credential = f"Credential={key.access_key}/{scope}"
    signed = f"{_ALGORITHM} {credential}, SignedHeaders={_SIGNED}, Signature={secret.hex()}"
    return (
        ("Authorization", signed),
        ("X-Amz-Content-Sha256", body_sha256),
        ("X-Amz-Date", moment),
    )


def s3_object(url: str, region: str, name: str) -> tuple[Target, str]:
    """Return where an object goes, and the region that signs; raises EgressError.

    `url` is s3://BUCKET/PREFIX at Amazon, or http(s) with the bucket in its host or its path. The
    object is `name` below it, unless the address itself ends like a sound file.
    """
    if url.startswith("s3://"):
        region = region or USUAL_REGION
        bucket, _, path = url.removeprefix("s3://").partition("/")
        host = f"s3.{region}.amazonaws.com"
        # A certificate for *.s3.REGION.amazonaws.com holds for one label more, not for two.
        is_label = "." not in bucket
        url = f"https://{bucket}.{host}/{path}" if is_label else f"https://{host}/{bucket}/{path}"
    target = parse_url(url, HTTP_SCHEMES)
    found = _AMAZON.search(target.host)
    region = region or (found["region"] if found else USUAL_REGION)
    path = target.target.partition("?")[0]
    if not path.endswith((".mp3", ".wav")):
        path = f"{path.rstrip('/')}/{name}"
    return replace(target, target=s3_path(path), user="", password=""), region
