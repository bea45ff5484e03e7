"""Email: one script for each way through it (AP-58)."""

import pytest
from pydantic import ValidationError

from agentstream.calls.commands import Mail, SendMail
from agentstream.flows.applet import CommandRefused, Leave
from agentstream.flows.applets.email import EmailSettings
from agentstream.testing.applets import new_context, visit

DESK = "desk@greenleaf.example"


def test_a_letter_is_sent_and_nobody_waits() -> None:
    settings = EmailSettings(
        to=[DESK, "{CustomField}"], subject="A call from {From}", text="At {DateTime}\nto {To}"
    )
    assert settings.leaves_at_once()
    script, _ = visit(settings, new_context("a@b.example"))
    sent = script.take(SendMail)
    text = "At 2027-02-16 15:56:26\nto +918040000002"
    assert sent.mail == Mail((DESK, "a@b.example"), "A call from +919876500001", text)
    script.expect(Leave())
    script.feed(CommandRefused(sent, "no mail server"))
    script.expect_nothing()
    assert script.machine.wake(5) == []


@pytest.mark.parametrize("value", ["", "nobody", "a@b, c@d", "a@b\r\nBcc: c@d", "<a@b>"])
def test_a_value_that_is_no_address_receives_nothing(value: str) -> None:
    settings = EmailSettings(to=[DESK, "{CustomField}"], subject="a", text="b")
    script, _ = visit(settings, new_context(value))
    assert script.take(SendMail).mail.to == (DESK,)
    script, _ = visit(
        EmailSettings(to=["{CustomField}"], subject="a", text="b"), new_context(value)
    )
    script.expect(Leave(reason="no letter was sent: there is no address in 'to'"))


def test_a_value_cannot_begin_a_header_of_its_own() -> None:
    settings = EmailSettings(to=[DESK], subject="Order {CustomField}", text="b")
    script, _ = visit(settings, new_context("7\r\nBcc: c@d"))
    assert script.take(SendMail).mail.subject == "Order 7 Bcc: c@d"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"to": []}, "at least 1"),
        ({"to": [DESK] * 21}, "at most 20"),
        ({"to": ["{Foo}"]}, "is no variable"),
        ({"subject": ""}, "at least 1 character"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        EmailSettings.model_validate({"to": [DESK], "subject": "a", "text": "b", **fields})
