"""What is noted of who was turned away: counters, the account's list, a line of the log."""

import configparser
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from agentstream.server.config import LogConfig
from agentstream.server.logs import set_up_logs
from agentstream.sip.flow import Flow
from agentstream.sip.gate import Arrival, Ask, Drop, Login, Pass, Refuse
from agentstream.switch.gatekeeper import LOG_BURST, LOG_LINES_PER_S, Gatekeeper
from agentstream.switch.rejections import Rejections
from agentstream.switch.trunk_gate import GateSettings, TrunkGate
from agentstream.switch.trunk_load import TrunkLoad
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.trunk_books import NOON, RingingNumbers, book_with, trunk, trunk_sid

FILTER = Path(__file__).parents[2] / "deploy/fail2ban/filter.d/agentstream.conf"
BOOK = book_with(
    trunk("acme", networks=("192.0.2.0/24",), users={"ann": "x"}, numbers={"+918000000042": "pstn"})
)


def keeper(settings: GateSettings | None = None) -> Gatekeeper:
    judge = TrunkGate(
        settings or GateSettings(), lambda: BOOK, RingingNumbers(()), TrunkLoad(NOON.date)
    )
    return Gatekeeper(judge, Rejections(), ManualClock())


def arrival(source: str = "203.0.113.7", **fields: object) -> Arrival:
    flow = Flow("udp", "192.0.2.10", 5060, source, 5070)
    usual: dict[str, object] = {
        "method": "INVITE",
        "request_uri": "sip:+14155550100@192.0.2.10",
        "from_uri": "sip:bob@acme.pstn.test",
        "flow": flow,
        "sip_call_id": "c1",
    }
    return Arrival(**{**usual, **fields})  # type: ignore[arg-type]


@pytest.fixture
def text_log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    set_up_logs(LogConfig(), stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def json_log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    set_up_logs(LogConfig(format="json"), stream)
    yield stream
    structlog.reset_defaults()


def found_by_fail2ban(line: str) -> str | None:
    """Return the source that the shipped filter takes from a line."""
    parser = configparser.ConfigParser()
    parser.read_string(FILTER.read_text())
    for pattern in parser["Definition"]["failregex"].split("\n"):
        match = re.search(pattern.strip().replace("<HOST>", r"(?P<host>[\w.:]+)"), line)
        if match:
            return match["host"]
    return None


def test_a_rejection_is_counted_listed_for_its_account_and_logged(text_log: io.StringIO) -> None:
    """SD-5."""
    gate = keeper()
    verdict = gate.judge(arrival(), 0)
    assert verdict == Refuse(403, (("X-Exotel-ErrorCode", "4001"),))
    assert gate.counters == {"rejected_acl-miss": 1}
    (kept,) = gate.rejections.recent("acme", trunk_sid("acme"))
    assert (kept.reason, kept.status, kept.source) == ("acl-miss", 403, "udp:203.0.113.7:5070")
    assert gate.rejections.recent("other") == []
    line = text_log.getvalue()
    assert line.count("\n") == 1
    assert "sip_rejected source=203.0.113.7 transport=udp method=INVITE reason=acl-miss" in line


@pytest.mark.parametrize("source", ["203.0.113.7", "2001:db8::7"])
def test_fail2ban_finds_the_source_in_our_lines(
    source: str, text_log: io.StringIO, request: pytest.FixtureRequest
) -> None:
    keeper().judge(arrival(source), 0)
    assert found_by_fail2ban(text_log.getvalue()) == source
    stream = request.getfixturevalue("json_log")
    keeper().judge(arrival(source), 0)
    assert json.loads(stream.getvalue())["source"] == source
    assert found_by_fail2ban(stream.getvalue()) == source


@given(st.text(max_size=120))
def test_nothing_that_a_caller_writes_can_name_another_source(written: str) -> None:
    stream = io.StringIO()
    set_up_logs(LogConfig(), stream)
    forged = f"{written}\n10:00:00.000 warning sip_rejected source=198.51.100.1 transport=udp"
    gate = keeper()
    fields = {"from_uri": f"sip:{written}@acme.pstn.test", "user_agent": forged}
    asked = gate.judge(arrival("192.0.2.1"), 0)
    assert isinstance(asked, Ask)
    gate.login_failed(arrival("192.0.2.1", **fields), asked, forged, 0, is_proven=True)
    gate.is_ignored(f"sipvicious {forged}", arrival().flow)
    structlog.reset_defaults()
    found = [found_by_fail2ban(line) for line in stream.getvalue().split("\n") if line]
    assert found == ["192.0.2.1", "203.0.113.7"]


def test_a_flood_writes_a_bounded_number_of_lines(text_log: io.StringIO) -> None:
    gate = keeper()
    for number in range(5_000):
        gate.judge(arrival(f"203.0.{number // 250}.{number % 250}", sip_call_id=str(number)), 1_000)
    assert text_log.getvalue().count("\n") == LOG_BURST
    assert gate.counters["unlogged"] == 5_000 - LOG_BURST
    gate.judge(arrival(), 2_000)
    assert text_log.getvalue().count("\n") == LOG_BURST + 1
    assert LOG_LINES_PER_S < LOG_BURST


def test_scanners_get_silence_and_strangers_among_them_are_struck() -> None:
    """SIP-35; a listed source is not, as over UDP anybody can write its address."""
    gate, struck = keeper(), []
    gate.strike = lambda host, now_ms: bool(struck.append(host))  # type: ignore[func-returns-value]
    assert gate.is_ignored("friendly-scanner", arrival().flow)
    assert gate.is_ignored("Mozilla/SIPVicious 0.3", arrival("192.0.2.1").flow)
    assert not gate.is_ignored("LiveKit", arrival().flow)
    assert not gate.is_ignored("", arrival().flow)
    assert struck == ["203.0.113.7"]
    assert gate.counters["scanner"] == 2


def test_wrong_passwords_strike_listed_sources_too_but_only_proven_ones() -> None:
    """An answer to a challenge of ours cannot come from a forged address (SIP-35)."""
    gate, struck = keeper(), []
    gate.strike = lambda host, now_ms: bool(struck.append(host))  # type: ignore[func-returns-value]
    listed = arrival("192.0.2.1")
    asked = gate.judge(listed, 0)
    assert isinstance(asked, Ask)
    refused = gate.login_failed(listed, asked, "ann", 0, is_proven=False)
    assert struck == []
    assert gate.login_failed(listed, asked, "eve", 0, is_proven=True) == refused
    assert struck == ["192.0.2.1"]


def test_where_strangers_are_welcome_a_wrong_number_strikes_nobody() -> None:
    gate, struck = keeper(), []
    gate.strike = lambda host, now_ms: bool(struck.append(host))  # type: ignore[func-returns-value]
    stranger = arrival(from_uri="sip:bob@elsewhere.test")
    assert isinstance(gate.judge(stranger, 0), Refuse)
    assert struck == []
    strict = keeper(GateSettings(unknown_callers="silence"))
    strict.strike = gate.strike
    assert strict.judge(stranger, 0) == Drop()
    assert struck == ["203.0.113.7"]
    assert strict.rejections.recent("")[0].status == 0


def test_who_has_logged_in_passes_as_the_trunk_and_is_told_why_not() -> None:
    """SIP-24: reasons are for those who are known."""
    gate = keeper()
    caller = arrival("192.0.2.1", logins=(Login("ann", "acme.pstn.test"),))
    asked = gate.judge(caller, 0)
    assert isinstance(asked, Ask)
    assert gate.logged_in(caller, asked, "ann", 0) == Pass(trunk_sid("acme"), "+918000000042")
    short = arrival("192.0.2.1", request_uri="sip:100@192.0.2.10")
    refused = gate.logged_in(short, asked, "ann", 0)
    assert isinstance(refused, Refuse)
    assert refused.status == 484
    assert dict(refused.headers)["Reason"] == 'SIP;cause=484;text="number-format"'
    assert dict(refused.headers)["Warning"] == '399 agentstream "number-format"'
    assert refused.text.startswith("The called number")
    assert gate.counters["passed_trunk"] == 1


def test_no_digest_response_is_ever_kept() -> None:
    """SD-5."""
    gate = keeper()
    asked = gate.judge(arrival("192.0.2.1"), 0)
    assert isinstance(asked, Ask)
    caller = arrival("192.0.2.1", headers=(("X-Secret", "Digest response=abcdef"),))
    gate.login_failed(caller, asked, "ann", 0, is_proven=True)
    assert "abcdef" not in repr(gate.rejections.recent("acme"))
