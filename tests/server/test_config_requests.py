"""What may be said of the requests that flows make."""

import pytest

from agentstream.base.errors import ConfigError
from agentstream.server.config import as_toml
from agentstream.server.config_sources import load_config

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
NAME = "AGENTSTREAM_REQUESTS__SIGNING_SECRET"


def test_requests_are_signed_with_one_secret_or_with_several_op_4() -> None:
    assert load_config(environ={}).requests.signing_keys() == ()
    assert len(load_config(environ={NAME: SECRET}).requests.signing_keys()) == 1
    two = load_config(environ={NAME: f"{OTHER}, {SECRET}"}).requests.signing_keys()
    assert two[0] == bytes(range(24))
    assert len(two) == 2


def test_a_secret_is_neither_shown_nor_repeated_in_a_mistake() -> None:
    shown = as_toml(load_config(environ={NAME: SECRET}).shown())
    assert SECRET[6:] not in shown
    assert 'signing_secret = "***"' in shown
    with pytest.raises(ConfigError, match=f"{NAME}.*write it as whsec_") as caught:
        load_config(environ={NAME: "whsec_hunter2"})
    assert "hunter2" not in str(caught.value)
