"""Texts in rows that only this house reads."""

from hypothesis import given
from hypothesis import strategies as some

from agentstream.store.secret_text import SecretTexts

OURS, OTHERS = SecretTexts(bytes(32)), SecretTexts(bytes([1] * 32))


@given(some.text(), some.text())
def test_what_is_sealed_opens_in_its_place_alone(text: str, place: str) -> None:
    sealed = OURS.seal(text, place)
    assert OURS.open(sealed, place) == text
    assert OURS.open(sealed, place + "x") is None
    assert OTHERS.open(sealed, place) is None


@given(some.text())
def test_anything_else_is_nothing(stored: str) -> None:
    assert OURS.open(stored, "here") is None
    assert OURS.open(f"sealed1:{stored}", "here") is None


def test_no_two_are_alike() -> None:
    assert OURS.seal("secret", "here") != OURS.seal("secret", "here")
    assert "secret" not in OURS.seal("secret", "here")
