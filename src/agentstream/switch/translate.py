"""Says in a call's words what signalling and the audio path report."""

from agentstream import _media
from agentstream.base.ids import LegSid, PromptId
from agentstream.calls import reports
from agentstream.calls.causes import Cause, Party, explain, from_signalling
from agentstream.sip import reports as sip

_DTMF_TYPES = ("application/dtmf-relay", "application/dtmf")
_QUOTED = 200  # characters of what a far end says that go into a call record
_PARTIES = {"local": Party.SYSTEM, "network": Party.NETWORK}


def leg_ended(leg_sid: LegSid, ended: sip.Ended, far_end: Party) -> reports.LegEnded:
    """Say why a SIP call ended, in a sentence of ours; what the far end said is quoted in it."""
    cause = from_signalling(ended.status, ended.q850)
    party = _PARTIES.get(ended.by, far_end)
    if ended.by == "network":
        cause = Cause.SIGNALLING_LOST
    text = ended.text
    if ended.by == "remote" and text:
        text = f'{explain(cause, party)} It said: "{text[:_QUOTED]}".'
    status = ended.status if ended.by == "remote" else 0
    return reports.LegEnded(leg_sid, cause, party, text, status)


def read_dtmf_info(content_type: str, body: str) -> tuple[str, int] | None:
    """Read a digit and its milliseconds from an INFO; None when it holds none.

    `application/dtmf-relay` has lines `Signal=5` and `Duration=160`; `application/dtmf` is the
    digit alone. Some senders number star 10 and hash 11.
    """
    if content_type.split(";")[0].strip().lower() not in _DTMF_TYPES:
        return None
    digit, duration_ms = body.strip(), 100
    for line in body.splitlines():
        name, _, value = (part.strip() for part in line.partition("="))
        if name.lower() == "signal":
            digit = value
        elif name.lower() == "duration" and value.isascii() and value.isdecimal():
            duration_ms = min(int(value[:6]), 60_000)
    digit = {"10": "*", "11": "#"}.get(digit, digit).upper()
    if len(digit) != 1 or digit not in "0123456789*#ABCD":
        return None
    return digit, duration_ms


def leg_report(event: _media.Event) -> reports.Report | None:
    """Translate what the audio path says of a leg itself; None for what concerns no call."""
    leg_sid = LegSid(event.leg_sid)
    match event:
        case _media.MediaStarted(direction="in"):
            return reports.MediaFlowing(leg_sid)
        case _media.RtpTimeout():
            return reports.MediaLost(leg_sid, event.silent_ms, event.ever_received)
        case _media.Digit():
            in_audio = event.source == "inband"
            return reports.DigitPressed(leg_sid, event.digit, event.duration_ms, in_audio)
        case _media.AnswerJudged():
            return reports.AnswererKnown(leg_sid, event.result, event.elapsed_ms, event.reason)
        case _media.BeepHeard():
            return reports.Beeped(leg_sid, event.elapsed_ms)
        case _media.PlayFinished():
            return reports.PromptEnded(PromptId(event.prompt_id), event.completed, event.error)
        case _:
            return None
