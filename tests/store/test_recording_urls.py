"""Links to recordings: signed and expiring; nothing of one can be changed (OP-4, RC-1, RC-4)."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.calls.commands import AudioKind
from agentstream.store.key_hash import link_key
from agentstream.store.recording_urls import RecordingUrls, Verdict

NOW = 1_800_000_000
SID = "57e0c0ffee0000000000000000000001"
OTHER = "57e0c0ffee0000000000000000000002"
URLS = RecordingUrls("https://voice.example.net/", b"k" * 32, seconds=60)


def parts(url: str) -> tuple[str, str, str]:
    split = urlsplit(url)
    query = parse_qs(split.query)
    return split.path, query["expires"][0], query["signature"][0]


def judge(
    sid: str = SID,
    kind: AudioKind = "mp3",
    now_s: int = NOW,
    later_s: int = 0,
    urls: RecordingUrls = URLS,
) -> Verdict:
    """Judge the link to SID.mp3 as if it had been asked for so."""
    _, expires, signature = parts(URLS.url_for(SID, NOW))
    return urls.check(sid, kind, str(int(expires) + later_s), signature, now_s)


def test_a_link_names_the_recording_its_end_and_a_signature_op_4() -> None:
    path, expires, signature = parts(URLS.url_for(SID, NOW))
    assert URLS.url_for(SID, NOW).startswith("https://voice.example.net/recordings/")
    assert (path, expires) == (f"/recordings/{SID}.mp3", str(NOW + 60))
    assert len(signature) == 64
    assert judge() == "good"


def test_a_link_works_until_its_time_is_over() -> None:
    assert judge(now_s=NOW + 60) == "good"
    assert judge(now_s=NOW + 61) == "expired"


def test_a_link_opens_one_recording_in_one_form_until_one_time() -> None:
    assert judge(sid=OTHER) == "wrong"
    assert judge(kind="wav") == "wrong"
    assert judge(later_s=1) == "wrong"
    assert judge(now_s=NOW + 61, later_s=3_600) == "wrong"
    assert judge(urls=RecordingUrls("https://voice.example.net", b"K" * 32)) == "wrong"


@pytest.mark.parametrize("expires", ["", "soon", "-1", "1e9", "\uff19" * 10, "9" * 12, "1 "])
def test_an_expiry_that_is_no_time_is_wrong_even_if_it_is_signed(expires: str) -> None:
    signature = URLS._signature(SID, "mp3", expires)
    assert URLS.check(SID, "mp3", expires, signature, NOW) == "wrong"


@given(signature=st.text(), expires=st.text())
def test_nobody_guesses_a_signature(signature: str, expires: str) -> None:
    assert URLS.check(SID, "mp3", expires, signature, NOW) == "wrong"


@given(place=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_one_changed_digit_is_enough(place: int, digit: str) -> None:
    _, expires, signature = parts(URLS.url_for(SID, NOW))
    changed = signature[:place] + digit + signature[place + 1 :]
    verdict = URLS.check(SID, "mp3", expires, changed, NOW)
    assert verdict == ("good" if changed == signature else "wrong")


def test_a_link_may_be_given_another_time_and_form() -> None:
    """CD-1: a link for some minutes only."""
    _, expires, signature = parts(URLS.url_for(SID, NOW, "wav", seconds=300))
    assert expires == str(NOW + 300)
    assert URLS.check(SID, "wav", expires, signature, NOW) == "good"


@pytest.mark.parametrize("links", ["basic", "open"])
def test_links_may_be_without_a_signature(links: str) -> None:
    urls = RecordingUrls("http://127.0.0.1:8080/voice", b"k", links=links)  # type: ignore[arg-type]
    assert urls.url_for(SID, NOW) == f"http://127.0.0.1:8080/voice/recordings/{SID}.mp3"


def test_the_key_of_links_is_not_the_secret() -> None:
    secret = b"s" * 32
    assert link_key(secret) not in {secret, link_key(b"t" * 32)}
    assert len(link_key(secret)) == 32
