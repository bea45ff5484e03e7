"""What a soak has seen of each direction, of its recordings and of the server; the table of it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.kept_sound import Kept
from benchmarks.server import Usage
from benchmarks.tools import Report
from rich.console import Console
from rich.table import Table

LEAST_LIKENESS = 0.99  # of a recording: a frame that came too late for its beat is covered up
SETTLING = 25  # frames of it that may be covered beside those, as lines settle: half a second
LENGTH_SLACK_MS = 2_500  # of a recording beside the time its call was up


@dataclass(frozen=True, slots=True)
class Direction:
    """One half of the calls: the reports of who called and of who was called."""

    name: str
    caller: Report
    called: Report
    foreign_drops: int  # packets that the kernel dropped before the tools read them

    @property
    def set_up(self) -> int:
        """Calls that were answered."""
        return int(self.caller["sip"]["answered"])

    @property
    def failed(self) -> int:
        """Calls that were refused, never answered, or ended by somebody else than their caller."""
        sip = self.caller["sip"]
        return int(sip["failed"] + sip["hung_up_by_server"])

    @property
    def gaps(self) -> tuple[int, int]:
        """Sequence numbers that never came, at the called and at the caller."""
        return self.called["rtp"]["sequence_gaps"], self.caller["rtp"]["sequence_gaps"]

    @property
    def lost(self) -> int:
        """Packets that we lost: those that a tool's own full socket lost are not ours."""
        return max(0, sum(self.gaps) - self.foreign_drops)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return what the table says of it."""
        rtp, heard, sip = self.caller["rtp"], self.called["rtp"], self.caller["sip"]
        return [
            ("calls set up", f"{self.set_up}"),
            ("… failed, or not ended by their caller", f"{self.failed}"),
            ("… INVITE to 200, p50 and p99", _ms(sip["setup"])),
            ("RTP packets said by callers", f"{rtp['packets_sent']:,}"),
            ("… heard by the called", f"{heard['packets']:,}"),
            ("… heard by callers", f"{rtp['packets_received']:,}"),
            ("packets missing at the called, at the callers", f"{self.gaps[0]}, {self.gaps[1]}"),
            ("… of them dropped by the kernel at the tools' sockets", f"{self.foreign_drops}"),
            ("packets sent over 5 ms late, of all", f"{rtp['late_5ms_share']:.4%}"),
            ("frames too late for their beat, covered up: there", f"{heard['marks_missing']}"),
            ("… and back", f"{max(0, rtp['echo_missing'] - heard['marks_missing'])}"),
            ("frames blended with their neighbours", f"{self.altered}"),
            ("mouth to ear and back, p50 and p99", _ms(rtp["mouth_to_ear"])),
        ]

    @property
    def altered(self) -> int:
        """Frames that are not what was said, as a jitter buffer that catches up makes them."""
        return int(self.called["rtp"]["altered_frames"] + self.caller["rtp"]["echo_altered"])


@dataclass(frozen=True, slots=True)
class Recordings:
    """What the node recorded, and what is in it."""

    wanted: int
    expected_ms: int  # at least: how long the calls talked
    channels: dict[str, list[Kept]] = field(default_factory=dict)  # by file; left, right

    @property
    def lengths_ms(self) -> list[int]:
        """Return the length of each."""
        return sorted(both[0].length_ms for both in self.channels.values()) or [0]

    @property
    def likenesses(self) -> list[float]:
        """Return the share of what was said, for each channel of each."""
        found = sorted(one.likeness for both in self.channels.values() for one in both)
        return found or [0.0]

    @property
    def unlike(self) -> list[str]:
        """Name those that hold too little of what was said."""
        return [
            name
            for name, both in self.channels.items()
            if any(one.whole < LEAST_LIKENESS * one.said - SETTLING or not one.said for one in both)
        ]

    @property
    def short(self) -> list[str]:
        """Name those that are shorter than their call."""
        least = self.expected_ms - LENGTH_SLACK_MS
        return [name for name, both in self.channels.items() if both[0].length_ms < least]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return what the table says of them."""
        lengths, likenesses = self.lengths_ms, self.likenesses
        said = sum(one.said for both in self.channels.values() for one in both)
        whole = sum(one.whole for both in self.channels.values() for one in both)
        return [
            ("recordings, of calls", f"{len(self.channels)} of {self.wanted}"),
            (
                "… length: shortest, median, longest",
                " · ".join(
                    f"{ms / 1000:.2f} s"
                    for ms in (lengths[0], statistics.median(lengths), lengths[-1])
                ),
            ),
            ("… likeness to what was said: least, median", _shares(likenesses)),
            ("… frames not there in every sample, of all", f"{said - whole} of {said:,}"),
        ]


@dataclass(frozen=True, slots=True)
class Soak:
    """All of a run."""

    directions: Sequence[Direction]
    recordings: Recordings
    usage: tuple[Usage, Usage]  # as the window began and ended
    drops: int  # packets that the kernel dropped at the server's sockets

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return what the table says of the server."""
        before, after = self.usage
        share = (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)
        return [
            ("packets dropped by the kernel at our sockets", f"{self.drops}"),
            ("CPU of the server, of one core", f"{share:.0%}"),
            ("memory as all were up, at the end", f"{before.rss_mb:.0f} MB, {after.rss_mb:.0f} MB"),
        ]


def failures(soak: Soak, calls: int) -> list[str]:
    """Return in sentences what a soak must not show."""
    found = []
    for one in soak.directions:
        if one.failed or one.set_up < calls:
            reasons = one.caller["sip"]["failures"]
            found.append(
                f"{one.name}: {one.set_up} of {calls} calls, {one.failed} failed {reasons}"
            )
        if one.lost:
            found.append(f"{one.name}: {one.lost} packets lost by us")
    if soak.drops:
        found.append(f"the kernel dropped {soak.drops} packets at our sockets")
    recordings = soak.recordings
    if len(recordings.channels) != recordings.wanted or recordings.short:
        short = ", ".join(recordings.short[:5])
        found.append(f"recordings: {len(recordings.channels)}, too short: {short or 'none'}")
    if recordings.unlike:
        found.append(f"recordings that are not what was said: {', '.join(recordings.unlike[:5])}")
    return found


def print_soak(console: Console, soak: Soak, title: str) -> None:
    """Print the table."""
    table = Table(title=title)
    for column in ("", "measure", "value"):
        table.add_column(column, justify="right" if column == "value" else "left")
    sections = [(one.name, one.rows) for one in soak.directions]
    sections += [("recordings", soak.recordings.rows), ("the server", soak.rows)]
    for name, rows in sections:
        for number, (measure, value) in enumerate(rows):
            table.add_row("" if number else name, measure, value)
        table.add_section()
    console.print(table)


def _ms(samples: Report) -> str:
    return f"{samples['p50_ms']:.1f} ms, {samples['p99_ms']:.1f} ms"


def _shares(sorted_shares: Sequence[float]) -> str:
    return f"{sorted_shares[0]:.3%}, {statistics.median(sorted_shares):.3%}"
