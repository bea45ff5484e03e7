"""Signatures of S3: the same as botocore's, and where objects go."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.net.egress import EgressError, parse_url
from agentstream.net.s3_signature import S3Key, s3_headers, s3_object, s3_path

NOW = datetime(2027, 1, 12, 10, 4, 7, tzinfo=UTC)
SHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="?#\\%"))


def by_botocore(url: str, key: S3Key) -> str:
    """Return the signature of botocore for the same request."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    auth: Any = S3SigV4Auth(Credentials(key.access_key, key.secret), "s3", key.region)
    request: Any = AWSRequest("PUT", url)
    request.headers["X-Amz-Date"] = f"{NOW:%Y%m%dT%H%M%SZ}"
    request.headers["X-Amz-Content-SHA256"] = SHA
    request.context["timestamp"] = f"{NOW:%Y%m%dT%H%M%SZ}"
    text = auth.string_to_sign(request, auth.canonical_request(request))
    signature: str = auth.signature(text, request)
    return signature


@given(path=PATHS, secret=SECRETS)
def test_a_signature_is_that_of_botocore_ex_46(path: str, secret: str) -> None:
    encoded = s3_path(f"/bucket/{path}")
    url = f"https://s3.example.test:9000{encoded}"
    key = S3Key("AKIATEST", secret, "ap-south-1")
    headers = dict(s3_headers("PUT", parse_url(url), SHA, key, NOW))
    assert headers["X-Amz-Date"] == "20270112T100407Z"
    assert headers["Authorization"].rpartition("=")[2] == by_botocore(url, key)
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date," in headers["Authorization"]


@given(path=PATHS)
def test_a_path_that_is_encoded_is_not_encoded_again(path: str) -> None:
    assert s3_path(s3_path(path)) == s3_path(path)


def test_no_secret_is_in_what_a_key_shows() -> None:
    assert "s3cr3t" not in repr(S3Key("AKIA", "s3cr3t", "us-east-1"))


@pytest.mark.parametrize(
    ("url", "region", "place", "signs"),
    [
        ("s3://calls", "", "https://calls.s3.us-east-1.amazonaws.com/r1.mp3", "us-east-1"),
        (
            "s3://calls/2027/",
            "ap-south-1",
            "https://calls.s3.ap-south-1.amazonaws.com/2027/r1.mp3",
            "ap-south-1",
        ),
        (
            "s3://calls.acme.example/a b",
            "",
            "https://s3.us-east-1.amazonaws.com/calls.acme.example/a%20b/r1.mp3",
            "us-east-1",
        ),
        (
            "https://calls.s3.eu-central-1.amazonaws.com",
            "",
            "https://calls.s3.eu-central-1.amazonaws.com/r1.mp3",
            "eu-central-1",
        ),
        (
            "https://s3-us-west-2.amazonaws.com/calls/hello.mp3",
            "",
            "https://s3-us-west-2.amazonaws.com/calls/hello.mp3",
            "us-west-2",
        ),
        ("http://minio:9000/calls/%41/", "x", "http://minio:9000/calls/A/r1.mp3", "x"),
    ],
)
def test_where_an_object_goes_ex_46(url: str, region: str, place: str, signs: str) -> None:
    url = url.replace(" ", "%20")
    target, signer = s3_object(url, region, "r1.mp3")
    assert (target.url(), signer) == (place, signs)


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "ftp://x/y", "s3://-x/y"])
def test_what_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(EgressError):
        s3_object(url, "", "r1.mp3")
