"""Where events of legs can be told (LD-1, EV-52)."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls.storage import CustomerStorage
from agentstream.switch.leg_style import SOCKET, LegStyle, check_endpoint, check_storage


@pytest.mark.parametrize(
    "url",
    [
        "https://user:password@hooks.example.test/legs?k=v",
        "grpc://events.example.test",
        "grpc://127.0.0.1:9001",
        "grpcs://events.example.test:8443/",
        "wss://events.example.test/legs",
        "ws://events.example.test",
    ],
)
def test_the_scheme_chooses_how_events_go_ld_1_ev_52(url: str) -> None:
    assert check_endpoint(url, LegStyle()) == url


def test_whoever_listens_on_the_event_socket_is_no_address_ld_1_ld_9() -> None:
    assert check_endpoint("STREAM:", LegStyle()) == SOCKET


@pytest.mark.parametrize(
    ("url", "style", "says"),
    [
        ("http://hooks.example.test", LegStyle(), "http:// needs allow_plain_http"),
        ("ftp://hooks.example.test", LegStyle(), "no address of https, grpc, grpcs, wss or ws"),
        ("https://", LegStyle(), "no address of"),
        ("grpc://events.example.test/legs", LegStyle(), "is a server, without a path"),
        ("grpcs://events.example.test", LegStyle(has_grpc=False), r"install 'agentstream\[grpc\]'"),
        ("https://hooks.example.test/" + "x" * 2_048, LegStyle(), "at most 2048 are taken"),
    ],
)
def test_what_cannot_be_told_there_is_said_ld_1(url: str, style: LegStyle, says: str) -> None:
    with pytest.raises(CommandError, match=says):
        check_endpoint(url, style)


def test_plain_http_is_taken_by_setting_ev_37() -> None:
    url = "http://hooks.example.test/legs"
    assert check_endpoint(url, LegStyle(allow_plain_http=True)) == url


@pytest.mark.parametrize(
    ("storage", "says"),
    [
        (CustomerStorage("https", "http://x.example/a"), "http:// needs allow_plain_http"),
        (CustomerStorage("https", "https://"), "no address that a recording"),
        (CustomerStorage("s3", "s3://"), "no address that a recording"),
        (CustomerStorage("s3", "s3://calls?sig=s3cr3t"), "has no query and no credentials"),
        (CustomerStorage("s3", "https://me:s3cr3t@s3.example/calls"), "has no query and no cred"),
    ],
)
def test_where_no_recording_can_be_sent_is_said_without_secrets_ex_46(
    storage: CustomerStorage, says: str
) -> None:
    with pytest.raises(CommandError, match=says) as refused:
        check_storage(storage, LegStyle())
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "storage",
    [
        CustomerStorage("https", "https://me:pw@x.example/a?sig=1"),
        CustomerStorage("s3", "s3://calls/2027"),
        CustomerStorage("s3", "http://minio:9000/calls"),
    ],
)
def test_where_a_recording_can_be_sent_ex_46(storage: CustomerStorage) -> None:
    check_storage(storage, LegStyle(allow_plain_http=True))
