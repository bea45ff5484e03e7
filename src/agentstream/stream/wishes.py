"""What a bot asks of its call by control events (OP-1), and the hang-up that may wait."""

from typing import Final, assert_never

from agentstream.stream.dialects import exotel
from agentstream.stream.happenings import (
    Drain,
    Drained,
    MarkReached,
    SendText,
    SetRate,
    StreamOutput,
    Wish,
)
from agentstream.stream.life import Life, Parting, State, Wished
from agentstream.stream.messages import (
    Ask,
    AskId,
    AskRefused,
    ControlEvent,
    DigitsAsked,
    HangUpAsked,
    RateAsked,
    TransferAsked,
)

ASKS_LIMIT: Final = 1_000  # control events of one stream; later ones are refused


def asked(life: Life, ask: Ask, now_ms: int) -> list[StreamOutput]:
    """Answer, and pass on what can be done. `accepted` means: understood, and given to the call."""
    life.asks += 1
    match ask:
        case AskRefused(event=event, ask_id=ask_id, why=why):
            return [_ack(life, event, ask_id, why)]
        case HangUpAsked(ask_id=ask_id):
            return _refusal(life, "hangup", ask_id) or [
                _ack(life, "hangup", ask_id),
                *_part(life, ask, now_ms),
            ]
        case TransferAsked(ask_id=ask_id, target=target):
            refused = _refusal(life, "transfer", ask_id)
            if refused:
                return refused
            life.wished = Wished("transfer", "the bot asked for a transfer")
            return [_ack(life, "transfer", ask_id), Wish("transfer", target)]
        case DigitsAsked(ask_id=ask_id, digits=digits):
            return _refusal(life, "send_dtmf", ask_id) or [
                _ack(life, "send_dtmf", ask_id),
                Wish("send_dtmf", digits),
            ]
        case RateAsked():
            return _change_rate(life, ask)
        case _:
            assert_never(ask)


def hang_up(life: Life, why: str = "the bot asked to hang up") -> list[StreamOutput]:
    """Ask the call to end; its answer is the end of the stream."""
    life.parting = None
    life.wished = Wished("hangup", why)
    life.talk()
    return [Wish("hangup")]


def drained(life: Life, drained: Drained, now_ms: int) -> list[StreamOutput]:
    """All was heard that a hang-up waits for."""
    is_waiting = life.parting is not None and life.parting.after_mark is None
    return hang_up(life) if is_waiting else []


def after_mark(life: Life, mark: MarkReached) -> list[StreamOutput]:
    """Hang up if this was the mark that the bot wanted to be heard before."""
    life.reached.append(mark.name)
    is_due = life.parting is not None and life.parting.after_mark == mark.name
    return hang_up(life) if is_due and life.state is State.ACTIVE else []


def _part(life: Life, ask: HangUpAsked, now_ms: int) -> list[StreamOutput]:
    """Hang up, now or when the farewell was heard; a mark that came back already was heard."""
    if ask.after_mark in life.reached or not (ask.drains or ask.after_mark):
        return hang_up(life)
    life.parting = Parting(ask.after_mark, now_ms + life.profile.hangup_wait_ms)
    life.talk()
    return [] if ask.after_mark else [Drain()]


def _change_rate(life: Life, ask: RateAsked) -> list[StreamOutput]:
    """Leave it to the audio path, which answers when the rate changes."""
    refused = _refusal(life, "set_rate", ask.ask_id)
    if refused:
        return refused
    if life.audio.encoding != "pcm16":
        law = f"{life.audio.law} is always at 8000 Hz"
        return [_ack(life, "set_rate", ask.ask_id, law)]
    if life.is_changing_rate:
        return [_ack(life, "set_rate", ask.ask_id, "another change waits for what is queued")]
    life.is_changing_rate = True
    return [SetRate(ask.rate_hz, _ack(life, "set_rate", ask.ask_id).text)]


def _refusal(life: Life, event: ControlEvent, ask_id: AskId) -> list[StreamOutput]:
    """Return a refusal; nothing when the wish can be passed on."""
    if life.asks > ASKS_LIMIT:
        why = f"a stream has at most {ASKS_LIMIT} control events"
        return [_ack(life, event, ask_id, why)]
    if (life.parting or life.has_wished("hangup")) and event != "send_dtmf":
        return [_ack(life, event, ask_id, "the call is being hung up")]
    return []


def _ack(life: Life, event: ControlEvent, ask_id: AskId, refusal: str = "") -> SendText:
    return SendText(exotel.write_ack(life.order, life.profile, event, ask_id, refusal))
