"""Says each kept event of a call in one sentence for a person."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

from agentstream.server.explain.cast import (
    Body,
    Cast,
    Happening,
    number,
    part,
    seconds,
    short,
    text,
)

Tone = Literal["", "good", "warning"]
Said = tuple[str, str] | tuple[str, str, Tone] | None

# What other sentences say already, or the tables at the end.
_SILENT: Final = frozenset({"stream_opened", "stream_counted", "leg_counted"})


def say(each: Happening, cast: Cast) -> Said:
    """Return who, what and how good that is; None for what needs no sentence."""
    if each.kind in _SILENT:
        return None
    sentence = _SENTENCES.get(each.kind)
    return sentence(each, cast) if sentence else ("note", _unknown(each))


def _call_started(each: Happening, cast: Cast) -> Said:
    body = each.body
    verb = "is called for" if body.get("direction") == "outbound" else "calls"
    forwarded = text(body, "forwarded_from")
    by = f", forwarded by {forwarded}" if forwarded else ""
    return "call", f"{text(body, 'from')} {verb} {text(body, 'to')}{by}"


def _media_stopped(each: Happening, cast: Cast) -> Said:
    who, quiet = cast.leg(each.body), seconds(number(each.body, "silent_ms"))
    if not each.body.get("ever_flowed", True):
        return "line", f"no audio ever came from {who}, for {quiet}", "warning"
    return "line", f"no audio from {who} for {quiet}", "warning"


def _leg_dialled(each: Happening, cast: Cast) -> Said:
    shown = text(each.body, "caller_id")
    return "leg", f"dials {cast.leg(each.body)}" + (f", shown {shown}" if shown else "")


def _leg_ringing(each: Happening, cast: Cast) -> Said:
    early = " and sends early media" if each.body.get("has_early_media") else ""
    return "leg", f"{cast.leg(each.body)} rings{early}"


def _leg_up(each: Happening, cast: Cast) -> Said:
    dialled_ms = cast.dialled_ms.get(text(each.body, "leg_sid"))
    after = f" after {seconds(each.at_ms - dialled_ms)}" if dialled_ms is not None else ""
    return "leg", f"{cast.leg(each.body)} answers{after}", "good"


def _leg_gone(each: Happening, cast: Cast) -> Said:
    body = each.body
    why = text(body, "text") or text(body, "cause").replace("-", " ")
    cast.gone.add(text(body, "leg_sid"))
    talk_ms = number(body, "talk_ms")
    talked = f", {seconds(talk_ms)} of talk" if talk_ms else ""
    is_usual = talk_ms > 0 or text(body, "cause") in {"normal", "canceled"}
    return "leg", f"{cast.leg(body)} is gone{talked}: {why}", "" if is_usual else "warning"


def _road_failed(each: Happening, cast: Cast) -> Said:
    body = each.body
    status, outcome = number(body, "sip_status"), text(body, "outcome")
    said = f"{status} {text(body, 'text')}".strip() if status else text(body, "text")
    what = {
        "full": f"passes {text(body, 'road')} over: {said}",
        "silent": f"tried {text(body, 'road')}: no answer at all",
        "unreachable": f"tried {text(body, 'road')}: no way there ({said})",
    }.get(outcome, f"tried {text(body, 'road')}: {said}")
    after = "" if outcome == "full" else f" after {number(body, 'elapsed_ms'):,} ms"
    onward = f", then {text(body, 'after')}" if text(body, "after") else ""
    return "leg", f"{what}{after}{onward}", "warning"


def _leg_told(each: Happening, cast: Cast) -> Said:
    error = each.body.get("error")
    said = f"{cast.leg(each.body)}: {text(each.body, 'name')}"
    if not isinstance(error, dict):
        return "leg", said
    return "leg", f"{said}, {text(error, 'message')}", "warning"


def _bridge_asked(each: Happening, cast: Cast) -> Said:
    body, who = each.body, cast.leg(each.body)
    bridge = text(body, "bridge_sid")
    if text(body, "wish") == "decline":
        return "leg", f"{who} cannot join bridge {bridge}: {text(body, 'text')}", "warning"
    if text(body, "wish") == "join":
        return "leg", f"{who} asks to be let into bridge {bridge}"
    where = f"bridge {bridge}" if bridge else f"the bridge of leg {text(body, 'other_sid')}"
    return "leg", f"{who} asks to {text(body, 'mode')} in {where}"


def _digit(each: Happening, cast: Cast) -> Said:
    digit, held = text(each.body, "digit"), number(each.body, "duration_ms")
    return "line", f"{cast.leg(each.body)} presses {digit or 'a key'} ({held} ms)"


def _request_started(each: Happening, cast: Cast) -> Said:
    body = each.body
    what = f"{text(body, 'purpose')}: {text(body, 'method')} {text(body, 'url')}"
    answer = cast.answered.get(text(body, "request_id"))
    if answer is None:
        return "web", f"{what} → no answer was waited for", ""
    said, tone = _answer(answer)
    return "web", f"{what} → {said}", tone


def _request_finished(each: Happening, cast: Cast) -> Said:
    if text(each.body, "request_id") in cast.asked:
        return None  # said where it began
    said, tone = _answer(each.body)
    return "web", f"{text(each.body, 'purpose')} → {said}", tone


def _answer(body: Body) -> tuple[str, Tone]:
    status, attempts = number(body, "status"), number(body, "attempts")
    took = f"in {number(body, 'elapsed_ms'):,} ms"
    if attempts > 1:
        took += f", {attempts} attempts"
    if not status:
        return f"failed {took}: {text(body, 'error')}", "warning"
    if status < 400:
        return f"{status} {took}", ""
    excerpt = short(text(body, "excerpt"))
    return f"{status} {took}" + (f": {excerpt}" if excerpt else ""), "warning"


def _bot_asked(each: Happening, cast: Cast) -> Said:
    value = text(each.body, "value")
    wish = text(each.body, "action").replace("_", " ")
    return "bot", f"{cast.bot(each.body)} asks: {wish}" + (f" {value}" if value else "")


def _prompt_finished(each: Happening, cast: Cast) -> Said:
    error = text(each.body, "error")
    if error:
        return "flow", f"the prompt could not be played: {error}", "warning"
    return "flow", "prompt played" if each.body.get("completed") else "prompt stopped"


def _stream_requested(each: Happening, cast: Cast) -> Said:
    way = "" if each.body.get("two_way", True) else ", one way"
    return "bot", f"dials {cast.bot(each.body)}{way}: {text(each.body, 'url')}"


def _stream_failed(each: Happening, cast: Cast) -> Said:
    body = each.body
    status = f", HTTP {number(body, 'http_status')}" if number(body, "http_status") else ""
    where = f"attempt {number(body, 'attempt')} failed ({text(body, 'phase')}{status})"
    return "bot", f"{where}: {text(body, 'detail')}", "warning"


def _stream_connected(each: Happening, cast: Cast) -> Said:
    body = each.body
    phases = [(name, number(body, f"{name.lower()}_ms")) for name in ("DNS", "TCP", "TLS")]
    phases.append(("upgrade", number(body, "upgrade_ms")))
    parts = ", ".join(f"{name} {took_ms}" for name, took_ms in phases)
    attempt = number(body, "attempt")
    again = f" on attempt {attempt}" if attempt > 1 else ""
    total = sum(took_ms for _, took_ms in phases)
    return "bot", f"{cast.bot(body)} is connected{again} in {total} ms ({parts})"


def _stream_held(each: Happening, cast: Cast) -> Said:
    requested_ms = cast.requested_ms.get(text(each.body, "stream_sid"), each.at_ms)
    spared = seconds(each.at_ms - requested_ms)
    return "bot", f"{cast.bot(each.body)} waits for the answer: {spared} of silence spared", "good"


def _bot_spoke(each: Happening, cast: Cast) -> Said:
    sid = text(each.body, "stream_sid")
    if sid in cast.has_spoken:
        return "bot", f"{cast.bot(each.body)} speaks"
    cast.has_spoken.add(sid)
    connected_ms = cast.connected_ms.get(sid)
    if connected_ms is None:
        return "bot", f"{cast.bot(each.body)} speaks for the first time", "good"
    waited = each.at_ms - connected_ms
    return "bot", f"first sound of {cast.bot(each.body)}, {waited:,} ms after it connected", "good"


def _mark(each: Happening, cast: Cast) -> Said:
    how = "dropped by a clear" if each.body.get("cleared") else "reached"
    return "bot", f"mark {short(text(each.body, 'name'))} {how}"


def _cleared(each: Happening, cast: Cast) -> Said:
    dropped = seconds(number(each.body, "dropped_ms"))
    return "bot", f"{cast.bot(each.body)} clears: {dropped} of speech unheard"


def _stream_finished(each: Happening, cast: Cast) -> Said:
    body = each.body
    outcome = part(body, "outcome")
    counted = cast.counted.get(text(body, "stream_sid"), {})
    status, by = text(outcome, "status"), text(outcome, "disconnected_by")
    ended = {"user": "the caller had gone", "bot": "the bot closed"}.get(by, "it was closed")
    detail = text(outcome, "detailed_status")
    why = text(outcome, "error") or detail or ended
    cast.told.add(why)
    code = number(counted, "close_code")
    connected_ms = cast.connected_ms.get(text(body, "stream_sid"))
    after = f" after {seconds(each.at_ms - connected_ms)}" if connected_ms is not None else ""
    parts = [f"stream to {cast.bot(body)} {status}{after}: {why}"]
    if code:
        parts.append(f"close code {code}")
    stats = part(counted, "stats")
    if stats:
        sent, got = number(stats, "media_sent"), number(stats, "media_received")
        parts.append(f"{sent:,} audio messages to it and {got:,} from it")
    return "bot", ", ".join(parts), "warning" if status == "failed" else ""


def _recording_finished(each: Happening, cast: Cast) -> Said:
    error, took = text(each.body, "error"), seconds(number(each.body, "duration_ms"))
    if error:
        return "flow", f"the recording broke off after {took}: {error}", "warning"
    return "flow", f"{took} were recorded"


def _applet_left(each: Happening, cast: Cast) -> Said:
    body = each.body
    way, to = text(body, "exit"), text(body, "to")
    by = f"by {way}" if way else "as the call ends"
    onward = f" to {to}" if to else "" if not way else ", which leads nowhere"
    reason = "" if text(body, "reason") in cast.told else text(body, "reason")
    tone: Tone = "warning" if "failure" in way else ""
    return (
        "flow",
        f"leaves {text(body, 'applet')} {by}{onward}" + (f": {reason}" if reason else ""),
        tone,
    )


def _applet_noted(each: Happening, cast: Cast) -> Said:
    tone: Tone = "warning" if each.body.get("is_trouble") else ""
    return "flow", text(each.body, "text"), tone


def _call_ended(each: Happening, cast: Cast) -> Said:
    after_ms = number(each.body, "ended_ms") - number(each.body, "hung_up_ms")
    has_outlived_first = cast.first_leg in cast.gone  # BR-9
    since = f"{cast.legs[cast.first_leg]} left" if has_outlived_first else "the hang-up"
    return "call", f"over, {after_ms:,} ms after {since}: {text(each.body, 'status')}"


def _events_dropped(each: Happening, cast: Cast) -> Said:
    return "note", f"{number(each.body, 'count'):,} more events were not kept", "warning"


def _unknown(each: Happening) -> str:
    pairs = [
        f"{name}={short(str(value))}"
        for name, value in each.body.items()
        if not name.endswith(("_sid", "_id")) and isinstance(value, str | int | float) and value
    ]
    return " ".join((each.kind.replace("_", " "), *pairs))


def _transfer_started(each: Happening, cast: Cast) -> Said:
    whom, to = cast.leg(each.body), text(each.body, "destination")
    if each.body.get("by_far_end"):
        return "leg", f"{whom} asks for a transfer to {to}"
    return "leg", f"{whom} is to be transferred to {to}"


def _transfer_finished(each: Happening, cast: Cast) -> Said:
    outcome, status = text(each.body, "outcome"), number(each.body, "status")
    whom, to = cast.leg(each.body), text(each.body, "destination")
    if outcome in ("referred", "bridged"):
        how = "calls it by itself" if outcome == "referred" else "was dialled and bridged"
        who = whom if outcome == "referred" else to
        return "leg", f"the transfer of {whom} to {to} is done: {who} {how}"
    why = text(each.body, "text") or f"SIP {status}"
    return "leg", f"the transfer of {whom} to {to} is {outcome}: {why}", "warning"


def _answer_judged(each: Happening, cast: Cast) -> Said:
    who = {"human": "a person", "machine": "a machine"}.get(text(each.body, "result"), "not known")
    after = seconds(number(each.body, "elapsed_ms"))
    return "line", f"who answered at {cast.leg(each.body)}: {who}, after {after}"


def _srtp_agreed(each: Happening, cast: Cast) -> Said:
    suite, leg = text(each.body, "suite"), cast.leg(each.body)
    if not suite:
        return "line", f"audio of {leg} goes on in clear", "warning"
    if each.body.get("is_readable"):
        return "line", f"audio of {leg} is encrypted ({suite}), its keys were sent in clear"
    return "line", f"audio of {leg} is encrypted ({suite})", "good"


def _srtp_refused(each: Happening, cast: Cast) -> Said:
    refused = number(each.body, "rejected") + number(each.body, "replayed")
    said = f"{refused:,} datagrams to {cast.leg(each.body)} were not authentic, and not heard"
    if not each.body.get("ever_accepted"):
        said += "; none was so far: the two ends hardly have the same keys"
    return "line", said, "warning"


_SENTENCES: Final[Mapping[str, Callable[[Happening, Cast], Said]]] = {
    "call_started": _call_started,
    "call_answered": lambda each, cast: ("call", "answered", "good"),
    "media_began": lambda each, cast: ("line", f"first audio from {cast.leg(each.body)}"),
    "media_stopped": _media_stopped,
    "silence_heard": lambda each, cast: (
        "line",
        f"{cast.leg(each.body)} is silent for {seconds(number(each.body, 'silent_ms'))}",
    ),
    "answer_judged": _answer_judged,
    "beep_heard": lambda each, cast: (
        "line",
        f"the machine at {cast.leg(each.body)} has beeped",
    ),
    "leg_dialled": _leg_dialled,
    "leg_ringing": _leg_ringing,
    "leg_up": _leg_up,
    "leg_gone": _leg_gone,
    "leg_told": _leg_told,
    "road_failed": _road_failed,
    "bridge_asked": _bridge_asked,
    "transfer_started": _transfer_started,
    "transfer_finished": _transfer_finished,
    "leg_replaced": lambda each, cast: (
        "leg",
        f"{cast.leg(each.body, 'by_sid')} has the place of {cast.leg(each.body)} from now on",
    ),
    "legs_bridged": lambda each, cast: (
        "leg",
        f"{cast.leg(each.body)} and {cast.leg(each.body, 'other_sid')} hear each other",
    ),
    "leg_held": lambda each, cast: ("leg", f"{cast.leg(each.body)} is on hold and hears music"),
    "leg_unheld": lambda each, cast: ("leg", f"{cast.leg(each.body)} is on hold no more"),
    "legs_unbridged": lambda each, cast: (
        "leg",
        f"{cast.leg(each.body)} and {cast.leg(each.body, 'other_sid')} do not any more",
    ),
    "digit_received": _digit,
    "request_started": _request_started,
    "request_finished": _request_finished,
    "errand_done": _request_finished,
    "bot_asked": _bot_asked,
    "prompt_began": lambda each, cast: ("flow", "prompt begins", "good"),
    "prompt_finished": _prompt_finished,
    "stream_requested": _stream_requested,
    "stream_attempt_failed": _stream_failed,
    "stream_connected": _stream_connected,
    "stream_held": _stream_held,
    "bot_spoke": _bot_spoke,
    "mark_echoed": _mark,
    "playout_cleared": _cleared,
    "rate_changed": lambda each, cast: (
        "bot",
        f"{cast.bot(each.body)} goes on at {number(each.body, 'rate_hz')} Hz, as it asked",
    ),
    "stream_warned": lambda each, cast: ("bot", text(each.body, "text"), "warning"),
    "stream_finished": _stream_finished,
    "source_learnt": lambda each, cast: (
        "line",
        f"audio of {cast.leg(each.body)} comes from {text(each.body, 'address')}",
    ),
    "srtp_agreed": _srtp_agreed,
    "srtp_refused": _srtp_refused,
    "srtp_not_taken": lambda each, cast: (
        "line",
        f"{cast.leg(each.body)} refused encrypted audio ({number(each.body, 'status')}): "
        "dialled again in clear",
    ),
    "recording_began": lambda each, cast: ("flow", f"{cast.leg(each.body)} is being recorded"),
    "recording_finished": _recording_finished,
    "applet_entered": lambda each, cast: (
        "flow",
        f"enters {text(each.body, 'applet')} ({text(each.body, 'type')})",
    ),
    "applet_left": _applet_left,
    "applet_noted": _applet_noted,
    "call_hung_up": lambda each, cast: ("call", text(each.body, "text")),
    "call_ended": _call_ended,
    "events_dropped": _events_dropped,
}
