"""What the checker finds in a bot's messages: AS-156, US-3, US-5."""

import json
import math
import struct
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.stream.lint import Finding, Lint, is_ulaw_like
from agentstream.stream.messages import Audio

SID = "s1"


def media(data: bytes, **others: object) -> str:
    body = {"payload": b64encode(data).decode()}
    return json.dumps({"event": "media", "stream_sid": SID, "media": body, **others})


def tone(samples: int) -> bytes:
    values = [int(9000 * math.sin(n / 7)) for n in range(samples)]
    return struct.pack(f"<{samples}h", *values)


def findings_of(*messages: str | bytes) -> dict[str, Finding]:
    lint = Lint(SID, Audio())
    for message in messages:
        lint.hear(message, 100)
    return {finding.about: finding for finding in lint.findings()}


def test_a_well_behaved_bot_has_no_findings() -> None:
    lint = Lint(SID, Audio())
    for at_ms in range(0, 2_000, 200):
        lint.hear(media(tone(1600)), at_ms)
    lint.hear('{"event":"mark","stream_sid":"s1","mark":{"name":"a"}}', 2_000)
    lint.hear('{"event":"clear","stream_sid":"s1"}', 2_000)
    assert lint.findings() == ()
    assert (lint.audio_ms, lint.first_audio_ms) == (2_000, 0)


def test_sizes_are_noted_not_judged_as156() -> None:
    lint = Lint(SID, Audio())
    for size in (640, 4_096, 100_320):
        lint.hear(media(bytes(size)), 0)
    assert [f.severity for f in lint.findings()] == ["note"] * 3


def test_a_bot_that_says_nothing_is_warned_us5() -> None:
    assert findings_of()["US-5"].severity == "warning"


@pytest.mark.parametrize(
    ("message", "about", "severity"),
    [
        (media(bytes(3200)).encode(), "AS-5", "warning"),
        ("hello", "AS-115", "error"),
        ("[1]", "AS-115", "error"),
        ('{"event":"media","media":{"Payload":"AAAA"}}', "US-5", "error"),
        ('{"event":"media"}', "US-5", "error"),
        ('{"event":"media","media":{"payload":"*"}}', "AS-157", "error"),
        ('{"event":"mark","mark":{}}', "AS-111", "error"),
        ('{"event":"hangup"}', "AS-106", "warning"),
        ('{"event":"clear","streamSid":"s1"}', "US-5", "warning"),
        ('{"event":"clear","stream_sid":"s2"}', "AS-114", "warning"),
        ('{"Event":"clear"}', "US-5", "warning"),
    ],
)
def test_what_would_fail_is_found_us5(message: str | bytes, about: str, severity: str) -> None:
    assert findings_of(media(tone(1600)), message)[about].severity == severity


def test_audio_at_twice_real_time_has_another_rate_us3() -> None:
    lint = Lint(SID, Audio(), stretch_ms=1_800)
    for at_ms in range(0, 2_000, 100):
        lint.hear(media(tone(1600)), at_ms)
    (finding,) = lint.findings()
    assert finding.about == "US-3"
    assert "16000 Hz" in finding.text


def test_a_burst_is_no_other_rate_us3_as158() -> None:
    lint = Lint(SID, Audio())
    for at_ms in range(20):
        lint.hear(media(tone(1600)), at_ms)
    assert lint.findings() == ()


def test_control_events_are_known_where_they_are_allowed_op1() -> None:
    lint = Lint(SID, Audio(), has_controls=True)
    lint.hear('{"event":"hangup"}', 0)
    assert lint.news() == []


def test_news_are_told_once() -> None:
    lint = Lint(SID, Audio())
    lint.hear('{"Event":"clear"}', 0)
    assert [finding.about for finding in lint.news()] == ["US-5"]
    lint.hear('{"Event":"clear"}', 0)
    assert lint.news() == []
    lint.hear("x", 0)
    assert [finding.about for finding in lint.news()] == ["AS-115"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["event", "Event", "media", "mark", "stream_sid", "streamSid"])
EVENTS = st.sampled_from(["media", "mark", "clear"])


@given(st.dictionaries(KEYS, JSON | EVENTS | st.dictionaries(st.just("payload"), JSON)))
def test_whatever_a_bot_sends_is_a_finding_at_most_op12(message: dict[str, object]) -> None:
    lint = Lint(SID, Audio())
    for _ in range(4):
        lint.hear(json.dumps(message), 0)
    lint.news()
    lint.findings()


def test_findings_have_a_bound() -> None:
    lint = Lint(SID, Audio())
    for number in range(99):
        lint.hear(f'{{"event":"e{number}"}}', 0)
    assert len(lint.news()) == 32


def test_mulaw_streams_have_no_rules_of_size_and_may_sound_like_mulaw_as144() -> None:
    lint = Lint(SID, Audio("mulaw"))
    lint.hear(media(bytes(801)), 0)
    assert lint.audio_ms == 100
    assert lint.findings() == ()


def ulaw(sample: int) -> int:
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude + 132, 32_635)
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


def test_mulaw_where_pcm_is_due_is_noise_us5() -> None:
    pcm = tone(1600)
    data = bytes(ulaw(sample) for (sample,) in struct.iter_unpack("<h", pcm))
    assert is_ulaw_like(data)
    assert findings_of(media(data * 2))["US-5"].severity == "error"
    lint = Lint(SID, Audio())
    for _ in range(3):
        lint.hear(media(data[:513]), 0)
    assert [finding.about for finding in lint.news()] == ["US-5"], "a live bot is told as well"
    assert not is_ulaw_like(pcm)
    assert not is_ulaw_like(bytes(3200))
    assert not is_ulaw_like(struct.pack("<4h", 0, -1, 1, 0) * 400)
