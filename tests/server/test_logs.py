import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from agentstream.server.config import LogConfig
from agentstream.server.logs import mask_text, set_up_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def text() -> io.StringIO:
    stream = io.StringIO()
    set_up_logs(LogConfig(), stream)
    return stream


def test_one_event_is_one_line_with_its_call_first(text: io.StringIO) -> None:
    structlog.get_logger().info("call_ended", cause="normal", text="all is\nwell", call_sid="51e0")
    line = text.getvalue()
    assert line.count("\n") == 1
    assert (
        line[12:].rstrip() == r' info    call_ended call_sid=51e0 cause=normal text="all is\nwell"'
    )


def test_an_exception_stays_on_the_line_too(text: io.StringIO) -> None:
    try:
        int("odd")
    except ValueError:
        structlog.get_logger().exception("task_failed", call_sid="51e0")
    assert text.getvalue().count("\n") == 1
    assert "ValueError: invalid literal" in text.getvalue()


def test_json_lines_are_json() -> None:
    stream = io.StringIO()
    set_up_logs(LogConfig(format="json", level="debug"), stream)
    structlog.get_logger().debug("tick", call_sid="1", count=3, more={"to": "+918040000002"})
    line = json.loads(stream.getvalue())
    assert list(line)[:4] == ["timestamp", "level", "event", "call_sid"]
    assert line["count"] == 3
    assert "8040000002" not in stream.getvalue()


def test_secrets_show_nowhere(text: io.StringIO) -> None:
    structlog.get_logger().warning(
        "odd",
        api_token="hunter2",
        password="hunter2",
        url="wss://me:hunter2@bot.example/ws?token=hunter2&x=1",
        detail="sent Authorization: Basic aHVudGVyMjpodW50ZXIy then left",
        extra={"url": "https://me:hunter2@h/"},
    )
    line = text.getvalue()
    assert "hunter2" not in line
    assert "aHVudGVyMj" not in line
    assert "bot.example" in line
    assert "x=1" in line


def test_numbers_keep_only_their_ends(text: io.StringIO) -> None:
    structlog.get_logger().info("call_started", source="+919876500001", uri="sip:08040000002@h")
    line = text.getvalue()
    assert "source=+9198******01" in line
    assert "sip:0804*****02@h" in line


def test_ids_and_addresses_are_no_numbers() -> None:
    for plain in (
        "51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7",
        "udp:192.168.100.200:5060",
        "in 1234567 ms",
        "2027-01-12",
    ):
        assert mask_text(plain) == plain


def test_masking_of_numbers_can_be_switched_off() -> None:
    assert mask_text("from +919876500001", mask_numbers=False) == "from +919876500001"


@given(st.text(max_size=80))
def test_masking_takes_any_text(text: str) -> None:
    assert isinstance(mask_text(text), str)


def test_logs_of_libraries_come_the_same_way(text: io.StringIO) -> None:
    logging.getLogger("library").warning("to %s", "wss://a:hunter2@h/")
    logging.getLogger("library").info("not shown")
    line = text.getvalue()
    assert line.count("\n") == 1
    assert "logger=library" in line
    assert "hunter2" not in line


def test_what_is_below_the_level_is_not_said(text: io.StringIO) -> None:
    structlog.get_logger().debug("tick")
    assert text.getvalue() == ""


def test_forms_that_cannot_be_read_fill_no_log(text: io.StringIO) -> None:
    parser = MultipartParser(b"x")
    with pytest.raises(MultipartParseError):
        parser.write(b"--x\r\nbad\rheader")
    assert text.getvalue() == ""
