"""Requests are signed as Standard Webhooks says (OP-4)."""

import base64

import pytest

from agentstream.base.errors import ConfigError
from agentstream.net.signature import signature_headers, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_example_of_the_specification_has_its_signature_op_4() -> None:
    headers = signature_headers(
        [signing_key(SECRET)],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_a_secret_changes_each_key_signs() -> None:
    headers = signature_headers([b"n" * 24, b"o" * 24], "m", 1, b"")
    new, old = headers["webhook-signature"].split(" ")
    assert [new] == signature_headers([b"n" * 24], "m", 1, b"")["webhook-signature"].split(" ")
    assert new != old


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hunter2",
        "whsec_",
        "whsec_aGVsbG8=",
        "whsec_no base64 at all!",
        SECRET[6:],
        "whsec_Ã¤",
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_what_is_no_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ConfigError, match="write it as whsec_ and 24 to 64 bytes") as caught:
        signing_key(secret)
    assert len(secret) < 8 or secret not in str(caught.value)
