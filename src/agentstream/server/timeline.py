"""A call as a person reads it: one line for each fact, with the milliseconds since it began."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentstream._media import LegStats, StreamStats
from agentstream.calls import events
from agentstream.calls.transfer_words import TransferFinished, TransferStarted
from agentstream.switch import feed

_WHO = {"call": "cyan", "flow": "blue", "bot": "magenta", "line": "green", "warn": "yellow"}


def describe(event: events.Event | feed.Note) -> tuple[str, str] | None:
    """Return who and what, or None for facts that only fill the table at the end."""
    if isinstance(event, feed.Note):
        return _describe_note(event)
    match event:
        case events.CallStarted(setup=setup):
            return "call", f"{setup.from_number} calls {setup.to_number}"
        case events.CallAnswered():
            return "call", "answered"
        case events.MediaBegan():
            return "line", "the first audio arrives"
        case events.MediaStopped(silent_ms=silent_ms):
            return "warn", f"no audio from the caller for {silent_ms / 1000:.0f} s"
        case events.AppletEntered(applet=applet, type=kind):
            return "flow", f"enters {applet} ({kind})"
        case events.AppletLeft(applet=applet, exit=exit_name, to=to):
            way = f"by {exit_name}" if exit_name else "because the call ended"
            return "flow", f"leaves {applet} {way}" + (f" to {to}" if to else "")
        case events.CallHungUp(text=text):
            return "call", text
        case events.CallEnded(record=record):
            return "call", f"over: {record.status}, {record.talk_ms / 1000:.1f} s of talk"
        case _:
            return _describe_parts(event)


def _describe_parts(event: events.Event) -> tuple[str, str] | None:
    match event:
        case events.DigitReceived(digit=digit, duration_ms=duration_ms):
            return "line", f"key {digit} ({duration_ms} ms)"
        case events.StreamRequested():
            return "bot", "the bot is dialled"
        case events.StreamHeld():
            return "bot", "connected ahead, the bot waits for the answer"
        case events.StreamFinished(outcome=outcome):
            why = outcome.error or f"ended by {outcome.disconnected_by}"
            return "bot", f"stream {outcome.status}: {why}"
        case events.PromptFinished(completed=completed, error=error):
            return "flow", error or ("prompt played" if completed else "prompt stopped")
        case events.RecordingFinished(duration_ms=duration_ms, error=error):
            return "flow", error or f"{duration_ms / 1000:.1f} s were recorded"
        case _:
            return _describe_others(event)


def _describe_others(event: events.Event) -> tuple[str, str] | None:
    """Say what happens beside the caller's own leg."""
    match event:
        case events.RequestStarted(purpose=purpose, method=method, url=url):
            return "flow", f"{purpose} asks {method} {url}"
        case events.RequestFinished(purpose=purpose, status=status, elapsed_ms=ms, error=error):
            return "flow", f"{purpose} is answered {error or status} after {ms} ms"
        case events.LegDialled(destination=destination):
            return "line", f"{destination} is dialled"
        case events.LegRinging(has_early_media=early):
            return "line", "it rings" + (", with audio" if early else "")
        case events.LegUp():
            return "line", "it is answered"
        case events.LegGone(text=text, cause=cause):
            return "line", f"that party is gone: {text or cause.value}"
        case events.LegsBridged():
            return "line", "the two hear each other"
        case events.SilenceHeard(silent_ms=silent_ms):
            return "line", f"silence for {silent_ms / 1000:.1f} s"
        case _:
            return _describe_answer(event)


def _describe_answer(event: events.Event) -> tuple[str, str] | None:
    """Say who answered, who went over to whom, and what an applet wants to be known."""
    match event:
        case events.AppletNoted(text=text, is_trouble=is_trouble):
            return "warn" if is_trouble else "flow", text
        case events.AnswerJudged(result=result, elapsed_ms=elapsed_ms):
            return "line", f"answered by: {result}, known after {elapsed_ms / 1000:.1f} s"
        case events.BeepHeard(elapsed_ms=elapsed_ms):
            return "line", f"the machine's beep, {elapsed_ms / 1000:.1f} s after the answer"
        case TransferStarted(destination=destination, by_far_end=by_far_end):
            return (
                "line",
                f"a transfer to {destination}, by {'the far end' if by_far_end else 'us'}",
            )
        case TransferFinished(outcome=outcome, status=status, text=text):
            return "line", f"the transfer is {outcome} ({status}) {text}".rstrip()
        case _:
            return None


def _describe_note(note: feed.Note) -> tuple[str, str] | None:
    match note:
        case feed.StreamConnected():
            phases = f"dns {note.dns_ms}, tcp {note.tcp_ms}, tls {note.tls_ms}"
            return "bot", f"connected ({phases}, upgrade {note.upgrade_ms} ms)"
        case feed.StreamAttemptFailed(attempt=attempt, phase=phase, detail=detail):
            return "warn", f"attempt {attempt} to reach the bot failed ({phase}): {detail}"
        case feed.RoadFailed(road=road, text=text, elapsed_ms=elapsed_ms, after=after):
            onward = f", then {after}" if after else ""
            return "warn", f"tried {road}: {note.sip_status or ''} {text} ({elapsed_ms} ms){onward}"
        case feed.BotSpoke():
            return "bot", "the bot speaks"
        case feed.MarkEchoed(name=name, cleared=cleared):
            return "bot", f"mark {name} " + ("dropped by clear" if cleared else "reached")
        case feed.PlayoutCleared(dropped_ms=dropped_ms):
            return "bot", f"clear: {dropped_ms} ms of speech dropped unheard"
        case feed.RateChanged(rate_hz=rate_hz):
            return "bot", f"goes on at {rate_hz} Hz, as the bot asked"
        case feed.StreamWarned(text=text):
            return "warn", text
        case _:
            return _describe_line(note)


def _describe_line(note: feed.Note) -> tuple[str, str] | None:
    match note:
        case feed.SourceLearnt(address=address):
            return "line", f"audio comes from {address}"
        case feed.SrtpAgreed(suite=""):
            return "line", "audio goes on in clear"
        case feed.SrtpAgreed(suite=suite, is_readable=is_readable):
            keys = ", its keys were sent in clear" if is_readable else ""
            return "line", f"audio is encrypted ({suite}{keys})"
        case feed.SrtpRefused(rejected=rejected, replayed=replayed, ever_accepted=ever_accepted):
            why = "" if ever_accepted else ": the two ends hardly have the same keys"
            return "warn", f"{rejected + replayed} datagrams were not authentic{why}"
        case feed.SrtpNotTaken(status=status):
            return "line", f"encrypted audio was refused ({status}), dialled again in clear"
        case _:
            return None


class Timeline:
    """Prints facts as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._zero_ms: int | None = None

    def take(self, fact: feed.Fact) -> None:
        """Print one fact of a call."""
        said = describe(fact.event)
        if self._zero_ms is None:
            self._zero_ms = fact.at_ms
        if said is not None:
            self.say(fact.at_ms, *said)

    def say(self, at_ms: int, who: str, what: str) -> None:
        """Print a line of somebody else at a time of the same clock."""
        since = at_ms - (self._zero_ms if self._zero_ms is not None else at_ms)
        line = Text(f"{since:7d} ms  ", style="dim")
        line.append(f"{who:<5} ", style=_WHO.get(who, "white"))
        line.append(what)
        self._console.print(line, soft_wrap=True)


def leg_rows(stats: LegStats) -> list[tuple[str, str]]:
    """Return what a table says of a leg."""
    return [
        ("codec", stats.codec),
        ("encrypted", stats.srtp or "no"),
        ("packets received / sent", f"{stats.packets_received} / {stats.packets_sent}"),
        ("lost / late / concealed", _loss(stats)),
        ("jitter", f"{stats.jitter_ms:.1f} ms (max {stats.jitter_max_ms:.1f})"),
        ("MOS (E-model)", f"{stats.mos:.2f}"),
        ("frames sent more than 5 ms late", str(stats.frames_late_5ms)),
    ]


def _loss(stats: LegStats) -> str:
    return f"{stats.packets_lost} / {stats.packets_late} / {stats.concealed_ms} ms"


def stream_rows(stats: StreamStats) -> list[tuple[str, str]]:
    """Return what a table says of a stream."""
    first = f"{stats.first_audio_ms} ms" if stats.first_audio_ms >= 0 else "never"
    return [
        ("first bot audio after connect", first),
        ("audio messages to / from the bot", f"{stats.media_sent} / {stats.media_received}"),
        ("bot audio heard", f"{stats.played_ms / 1000:.1f} s"),
        ("marks / clears / underruns", f"{stats.marks} / {stats.clears} / {stats.underruns}"),
        ("line → bot, p50 / p99", _pair(stats.rtp_to_ws_p50_ms, stats.rtp_to_ws_p99_ms)),
        ("bot → line, p50 / p99", _pair(stats.ws_to_rtp_p50_ms, stats.ws_to_rtp_p99_ms)),
        ("clear → silence, longest", f"{stats.clear_to_silence_max_ms:.1f} ms"),
    ]


def _pair(low: float, high: float) -> str:
    return f"{low:.1f} / {high:.1f} ms"


def table(title: str, rows: list[tuple[str, str]]) -> Table:
    """Return a table of names and values."""
    made = Table(title=title, show_header=False, title_justify="left", min_width=60)
    made.add_column(style="dim")
    made.add_column(justify="right")
    for row in rows:
        made.add_row(*row)
    return made
