//! The adaptive jitter buffer: when each packet is played, so that few come too late and none waits long.
//!
//! ```text
//!   packets ──▶ ░░ sorted by sequence ░░ ──▶ the beat takes 20 ms
//!                                  cursor ▲ timestamp of the next sample to be made
//!
//!   slack of a packet = the beat that will need it − its arrival;   negative: it came too late
//!        late │··│
//!   ──────────┼──▁▂▅█▅▃▂▁▁────────▶ slack of the last 256 packets
//!             0  └ the 1st percentile is kept between 0 (+ the configured least delay) and 23 ms
//! ```
//! One number thus serves jitter, drift and a path that changes: below the band a frame is inserted, above it one is
//! dropped. On a steady network the first packet waits for the next beat and so do all others: no extra delay.
//!
//! All times are the kernel's time of arrival and the time when a beat was due. That we came late to a beat is
//! therefore never taken for the network's jitter; what we skipped altogether is skipped here as well.

mod upkeep;

use super::queue::{Entry, Kind, Queue};
use super::report::{Arrival, Counters, Step};
use super::spread::{Beat, Spread, FRAME_US};
use super::timeline::{Place, Timeline, TICK_US};
use super::Packet;
use crate::audio::Codec;

/// Ticks of the RTP clock in one beat.
pub(super) const FRAME_TICKS: i64 = 160;
/// Fewer packets than this do not justify dropping sound; the last ones of two seconds must agree.
const SHRINK_AFTER: usize = 50;
const CALM_PACKETS: usize = 100;
/// When the beat itself jumped, so few packets tell that a frame is too much.
const SHRINK_AFTER_JUMP: usize = 3;
const JUMP_US: i64 = 1_500;
/// A drop must leave this much more slack than an insertion would ask for, or they would alternate. The phase lock
/// keeps a margin of 2 ms, which must be wider.
const HYSTERESIS_US: i64 = 500;
/// Beats between two looks at the spread.
const REVIEW_BEATS: u32 = 10;
/// Beats between two drops of sound that is not quiet; and when packets wait longer than they ever may.
const DROP_PAUSE_BEATS: u32 = 10;
const URGENT_PAUSE_BEATS: u32 = 2;
/// After so many ticks of silence or concealment a late packet begins a new talk spurt.
const IDLE_TICKS: i64 = 800;
/// So many packets in a row, all late: it is our clock that is wrong.
const LATE_RUN_LIMIT: u32 = 5;
/// Late packets closer together than this are one burst.
const BURST_US: u64 = 5_000;
/// Sound may wait this much longer than the configured most before the oldest is thrown away.
const OVERFLOW_MS: i64 = 500;

/// Nothing was heard yet.
const UNHEARD: i64 = i64::MIN / 2;

pub(super) struct JitterBuffer {
    least_us: i64,
    most_us: i64,
    timeline: Option<Timeline>,
    entries: Queue,
    spread: Spread,
    beat: Beat,
    /// Timestamp of the next sample to be made.
    cursor: i64,
    /// Timestamp after the last sample that was really heard.
    heard_until: i64,
    /// The packet heard last, and its ticks.
    last_sequence: i64,
    last_ticks: i64,
    hold_until_us: u64,
    /// When the last packet that was too late for its beat arrived.
    late_us: u64,
    late_run: u32,
    /// The sender's clock less that of arrival, of the first packet of the run.
    late_run_us: i64,
    /// Ticks thrown away since the last beat because too many packets waited.
    discarded_ticks: i64,
    /// The beat jumped: what is too much goes at once.
    is_jump: bool,
    /// Frames to insert (positive) or to drop (negative).
    plan: i64,
    /// Packets wait longer than the configured most.
    is_too_deep: bool,
    counters: Counters,
}

impl JitterBuffer {
    pub(super) fn new(least_ms: u32, most_ms: u32) -> Self {
        JitterBuffer {
            least_us: i64::from(least_ms) * 1_000,
            most_us: i64::from(most_ms.max(least_ms)) * 1_000,
            timeline: None,
            entries: Queue::default(),
            spread: Spread::new(),
            beat: Beat::default(),
            cursor: 0,
            heard_until: UNHEARD,
            last_sequence: -1,
            last_ticks: FRAME_TICKS,
            hold_until_us: 0,
            late_us: 0,
            late_run: 0,
            late_run_us: 0,
            discarded_ticks: 0,
            is_jump: false,
            plan: 0,
            is_too_deep: false,
            counters: Counters::default(),
        }
    }

    /// Takes a packet in. `ready_ticks` of sound are made already and wait for the next beat.
    pub(super) fn arrive(
        &mut self,
        packet: &Packet<'_>,
        kind: Kind,
        arrival_us: u64,
        ready_ticks: i64,
    ) -> Arrival {
        let is_clocked = matches!(kind, Kind::Audio(_) | Kind::Noise);
        let Some(timeline) = &mut self.timeline else {
            if kind == Kind::Other {
                return Arrival::Suspect;
            }
            self.begin(packet, arrival_us);
            self.insert(0, 0, kind, packet);
            return Arrival::Restarted(0);
        };
        match timeline.place(packet, is_clocked, arrival_us) {
            Place::Duplicate => {
                self.counters.duplicates += 1;
                Arrival::Duplicate
            }
            Place::Suspect => Arrival::Suspect,
            Place::Anew if kind == Kind::Other => Arrival::Suspect,
            Place::Anew => self.splice(packet, kind, arrival_us),
            Place::Here {
                sequence,
                timestamp,
            } => {
                if let Kind::Audio(codec) = kind {
                    self.measure(timestamp, arrival_us, ready_ticks);
                    let end = timestamp + codec.ticks(packet.payload) as i64;
                    if self.is_too_late(sequence, timestamp, end, ready_ticks) {
                        let lead_us = timestamp * TICK_US - arrival_us as i64;
                        return self.late(packet, kind, arrival_us, sequence, lead_us);
                    }
                    self.late_run = 0;
                }
                self.insert(sequence, timestamp, kind, packet);
                Arrival::Kept(timestamp)
            }
        }
    }

    /// The beat that was due at `due_us`: every 20 ms, before the steps of its frame. Returns how many beats
    /// were skipped before it; the caller then calls [`skip`](Self::skip).
    pub(super) fn beat(&mut self, due_us: u64) -> i64 {
        let later_us = self.beat.strike(due_us);
        let skipped = ((later_us + FRAME_US / 2).div_euclid(FRAME_US)).max(0);
        let moved_us = later_us - skipped * FRAME_US;
        self.spread.shift(moved_us);
        self.is_jump |= moved_us.abs() >= JUMP_US;
        if self.is_jump || self.beat.count() % REVIEW_BEATS == 0 {
            self.review();
        }
        let is_held = due_us < self.hold_until_us;
        let discarded = std::mem::take(&mut self.discarded_ticks);
        if skipped == 0 || is_held || self.timeline.is_none() {
            return 0;
        }
        // What the overflow threw away meanwhile is part of what was skipped.
        let known = (discarded / FRAME_TICKS).min(skipped);
        self.shift(known * FRAME_TICKS);
        skipped - known
    }

    /// Passes over `ticks` of the stream: their time has gone by without a beat.
    pub(super) fn skip(&mut self, ticks: i64) {
        let until = self.cursor + ticks;
        while self
            .entries
            .front()
            .is_some_and(|front| front.end() <= until)
        {
            if let Some(front) = self.entries.pop_front() {
                self.counters.dropped_ticks += (front.end() - self.cursor).max(0) as u64;
                self.cursor = self.cursor.max(front.end());
                self.last_sequence = front.sequence;
                self.recycle(front);
            }
        }
        self.cursor = until;
        if self.heard_until != UNHEARD {
            self.heard_until = until;
        }
    }

    /// What to make next, at most `need_ticks` when it is not a packet.
    pub(super) fn step(&mut self, due_us: u64, need_ticks: i64) -> Step {
        while let Some(front) = self
            .entries
            .front()
            .filter(|_| due_us >= self.hold_until_us)
        {
            let gap = if front.kind == Kind::Other {
                0
            } else {
                front.timestamp - self.cursor
            };
            if gap > 0 {
                let is_lost = front.sequence > self.last_sequence + 1;
                let ticks = gap.min(need_ticks);
                self.cursor += ticks;
                return if is_lost {
                    Step::Missing(ticks as usize)
                } else {
                    Step::Silence(ticks as usize)
                };
            }
            if let Some(step) = self.play_front() {
                return step;
            }
        }
        // While the first packet is held back, time stands still.
        if due_us >= self.hold_until_us {
            self.cursor += need_ticks;
        }
        Step::Empty(need_ticks as usize)
    }

    /// Whether the beat due at `due_us` finds nothing although the far end talked until now: its packet is late, or
    /// it has paused.
    pub(super) fn is_starved(&self, due_us: u64) -> bool {
        self.entries.is_empty()
            && self.timeline.is_some()
            && self.cursor == self.heard_until
            && due_us >= self.hold_until_us
    }

    /// Gives back a payload's memory.
    pub(super) fn recycle(&mut self, entry: Entry) {
        self.entries.recycle(entry);
    }

    /// The codec of the next packet, if its turn has come.
    pub(super) fn due_codec(&self) -> Option<Codec> {
        let front = self
            .entries
            .front()
            .filter(|front| front.timestamp <= self.cursor)?;
        match front.kind {
            Kind::Audio(codec) => Some(codec),
            _ => None,
        }
    }

    /// Whether a frame should be made up now, to wait longer for packets. The caller then must.
    pub(super) fn inserts(&mut self) -> bool {
        let inserts = self.plan > 0;
        if inserts {
            self.plan -= 1;
            self.shift(FRAME_TICKS);
            self.counters.inserted_ticks += FRAME_TICKS as u64;
        }
        inserts
    }

    /// Whether packets wait longer than they need to.
    pub(super) fn wants_drop(&self) -> bool {
        self.plan < 0
    }

    /// Whether a frame of sound may be dropped now: always when it is quiet, now and then when it is not.
    pub(super) fn may_drop(&self, is_quiet: bool) -> bool {
        let pause = if self.is_too_deep {
            URGENT_PAUSE_BEATS
        } else {
            DROP_PAUSE_BEATS
        };
        let is_rested = self.is_jump || self.beat.count() % pause == 0;
        self.plan < 0 && (is_quiet || is_rested)
    }

    /// The caller dropped a frame of sound.
    pub(super) fn dropped(&mut self) {
        self.plan += 1;
        self.is_jump = false;
        // What came before the calm asks for no delay any more.
        self.spread.keep(CALM_PACKETS);
        self.shift(-FRAME_TICKS);
        self.counters.dropped_ticks += FRAME_TICKS as u64;
    }

    /// Skips frames of silence that the plan wants dropped; nobody hears it.
    pub(super) fn skip_silence(&mut self) {
        let silence = match self.entries.front() {
            Some(front) if front.sequence == self.last_sequence + 1 => {
                front.timestamp - self.cursor
            }
            _ => 0,
        };
        let frames = (silence / FRAME_TICKS).min(-self.plan);
        for _ in 0..frames.max(0) {
            self.cursor += FRAME_TICKS;
            self.dropped();
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// How long the middle packet waits.
    pub(super) fn depth_ms(&self) -> u32 {
        self.spread
            .quantiles()
            .map_or(0, |(_, median_us)| (median_us.max(0) / 1_000) as u32)
    }

    fn begin(&mut self, packet: &Packet<'_>, arrival_us: u64) {
        self.timeline = Some(Timeline::begin(packet, arrival_us, 0, 0));
        self.hold_until_us = arrival_us + self.least_us as u64;
        self.cursor = 0;
        self.heard_until = UNHEARD;
        self.last_sequence = -1;
    }

    /// Another stream, or another clock: it goes on right after what is known of the old one.
    fn splice(&mut self, packet: &Packet<'_>, kind: Kind, arrival_us: u64) -> Arrival {
        let timestamp = self
            .entries
            .back()
            .map_or(self.cursor, |last| last.end().max(self.cursor));
        let Some(timeline) = &mut self.timeline else {
            return Arrival::Suspect;
        };
        let sequence = timeline.splice(packet, arrival_us, timestamp);
        if self.entries.is_empty() {
            self.last_sequence = sequence - 1;
            self.heard_until = self.cursor;
        }
        self.spread.clear();
        self.plan = 0;
        self.is_jump = false;
        self.late_run = 0;
        self.counters.restarts += 1;
        self.insert(sequence, timestamp, kind, packet);
        Arrival::Restarted(timestamp)
    }

    fn measure(&mut self, timestamp: i64, arrival_us: u64, ready_ticks: i64) {
        let Some(next_us) = self.beat.next_us() else {
            return self.forget_the_unheard();
        };
        let beats = (timestamp - (self.cursor - ready_ticks)).div_euclid(FRAME_TICKS);
        // While the first packet is held back, the beats do not count.
        let held = self
            .hold_until_us
            .saturating_sub(next_us)
            .div_ceil(FRAME_US as u64) as i64;
        let need_us = next_us as i64 + (held + beats) * FRAME_US;
        let slack_us = need_us - arrival_us as i64;
        // What came late in one burst was held up once; it counts once.
        let is_burst = arrival_us.saturating_sub(self.late_us) < BURST_US;
        if slack_us >= self.least_us || !is_burst {
            self.spread.record(slack_us);
        }
        if slack_us < self.least_us {
            self.late_us = arrival_us;
        }
    }

    /// Nobody takes sound yet: keep only the newest, so that the first beat plays what is said then.
    fn forget_the_unheard(&mut self) {
        let keep = 1 + (self.least_us / FRAME_US) as usize;
        while self.entries.len() >= keep {
            self.discard_front();
        }
    }

    fn is_too_late(&mut self, sequence: i64, timestamp: i64, end: i64, ready_ticks: i64) -> bool {
        if sequence > self.last_sequence && end > self.cursor {
            return false;
        }
        if self.heard_until == UNHEARD {
            // The first packets came in the wrong order.
            self.last_sequence = self.last_sequence.min(sequence - 1);
        }
        self.review();
        let is_unheard = timestamp >= self.heard_until && sequence > self.last_sequence;
        let is_idle = self.cursor - self.heard_until >= IDLE_TICKS;
        if !is_unheard || !(is_idle || self.plan > 0) {
            return true;
        }
        // All since was made up: go back to this packet. What was made up is the insertion.
        let back_ticks = (self.cursor - ready_ticks - timestamp).max(0);
        self.counters.inserted_ticks += if is_idle { 0 } else { back_ticks as u64 };
        self.cursor = timestamp;
        self.shift(back_ticks);
        self.plan = 0;
        false
    }

    fn late(
        &mut self,
        packet: &Packet<'_>,
        kind: Kind,
        arrival_us: u64,
        sequence: i64,
        lead_us: i64,
    ) -> Arrival {
        self.counters.late += 1;
        if self.late_run == 0 {
            self.late_run_us = lead_us;
        }
        self.late_run += 1;
        // After a stall the packets come in one burst, each less late than the one before.
        let is_constant = lead_us <= self.late_run_us + FRAME_US;
        if self.late_run >= LATE_RUN_LIMIT && is_constant {
            return self.splice(packet, kind, arrival_us);
        }
        if sequence > self.last_sequence {
            self.account(sequence, self.cursor);
            self.counters.lost += 1;
        }
        Arrival::Late
    }
}
