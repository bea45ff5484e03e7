//! The jitter buffer's upkeep: what waits, what is thrown away, what was lost, and how deep it should be.

use super::super::queue::Kind;
use super::super::report::Step;
use super::super::spread::FRAME_US;
use super::super::timeline::TICK_US;
use super::super::Packet;
use super::{
    JitterBuffer, CALM_PACKETS, FRAME_TICKS, HYSTERESIS_US, OVERFLOW_MS, SHRINK_AFTER,
    SHRINK_AFTER_JUMP,
};

impl JitterBuffer {
    pub(super) fn insert(
        &mut self,
        sequence: i64,
        timestamp: i64,
        kind: Kind,
        packet: &Packet<'_>,
    ) {
        let is_reordered = self.entries.insert(sequence, timestamp, kind, packet);
        self.counters.reordered += u64::from(is_reordered);
        let limit_ticks = (self.most_us / 1_000 + OVERFLOW_MS) * 8;
        while self.entries.is_full()
            || (self.entries.len() > 1 && self.waiting_ticks() > limit_ticks)
        {
            self.discard_front();
        }
    }

    /// The header of the packet that comes next, if it will be played by the beat after it as a whole: nothing waits,
    /// nothing is missing, and no delay is to be made up or caught up.
    pub(in super::super) fn expects(&self) -> Option<Packet<'static>> {
        let timeline = self.timeline.as_ref()?;
        let place = (self.last_sequence, self.cursor - FRAME_TICKS);
        let is_even = self.entries.is_empty() && timeline.newest_place() == place;
        let is_heard = self.cursor == self.heard_until && self.last_ticks == FRAME_TICKS;
        let is_calm = self.plan == 0 && !self.is_jump && self.least_us == 0;
        let newest = timeline.newest();
        (is_even && is_heard && is_calm).then(|| Packet {
            sequence: newest.sequence.wrapping_add(1),
            timestamp: newest.timestamp.wrapping_add(FRAME_TICKS as u32),
            ..newest
        })
    }

    /// The packet that was expected came in the 20 ms before the beat due at `due_us`, which played it: what `arrive`,
    /// `beat` and `step` would have done.
    pub(in super::super) fn passed(&mut self, arrival_us: u64, due_us: u64) {
        if let Some(timeline) = &mut self.timeline {
            timeline.advance(FRAME_TICKS as u32, arrival_us);
        }
        self.late_run = 0;
        // A slack between none and one frame asks neither for more delay nor for less: no review is needed.
        self.spread.record(due_us as i64 - arrival_us as i64);
        self.beat.strike(due_us);
        self.last_sequence += 1;
        self.cursor += FRAME_TICKS;
        self.heard_until = self.cursor;
    }

    /// The timestamp of the next sample to be made.
    pub(in super::super) fn cursor(&self) -> i64 {
        self.cursor
    }

    pub(super) fn waiting_ticks(&self) -> i64 {
        self.entries
            .back()
            .map_or(0, |last| last.end() - self.cursor)
    }

    pub(super) fn discard_front(&mut self) {
        let Some(front) = self.entries.pop_front() else {
            return;
        };
        let ticks = (front.end() - self.cursor).max(0);
        self.counters.dropped_ticks += ticks as u64;
        self.cursor += ticks;
        self.discarded_ticks += ticks;
        self.shift(-ticks);
        self.last_sequence = front.sequence;
        self.recycle(front);
    }

    /// Takes the packet whose turn has come; `None` when nothing of it is left to play.
    pub(super) fn play_front(&mut self) -> Option<Step> {
        let entry = self.entries.pop_front()?;
        let ticks = entry.end() - entry.timestamp;
        self.account(entry.sequence, entry.timestamp);
        if let Kind::Audio(_) = entry.kind {
            let skip = (self.cursor - entry.timestamp).max(0);
            if skip >= ticks {
                self.recycle(entry);
                return None;
            }
            self.last_ticks = ticks;
            self.cursor = entry.end();
            self.heard_until = self.cursor;
            return Some(Step::Play {
                entry,
                skip_ticks: skip as usize,
            });
        }
        self.heard_until = self.heard_until.max(self.cursor);
        Some(Step::Play {
            entry,
            skip_ticks: 0,
        })
    }

    /// Books what is missing between the packet heard last and `sequence` at `timestamp`.
    pub(super) fn account(&mut self, sequence: i64, timestamp: i64) {
        let missing = (sequence - self.last_sequence - 1).max(0);
        let gap = (timestamp - self.heard_until).clamp(0, missing * self.last_ticks);
        self.counters.lost += missing as u64;
        self.counters.concealed_ticks += gap as u64;
        self.last_sequence = self.last_sequence.max(sequence);
    }

    pub(super) fn shift(&mut self, ticks: i64) {
        self.spread.shift(ticks * TICK_US);
    }

    pub(super) fn review(&mut self) {
        let Some((low_us, median_us)) = self.spread.quantiles() else {
            return;
        };
        let room = (self.most_us - median_us) / FRAME_US;
        let calm_us = self.spread.least(CALM_PACKETS).unwrap_or(low_us);
        let spare_us = calm_us - self.least_us - HYSTERESIS_US;
        let enough = if self.is_jump {
            SHRINK_AFTER_JUMP
        } else {
            SHRINK_AFTER
        };
        let over_us = median_us - self.most_us;
        self.is_too_deep = over_us > 0;
        self.plan = if self.is_too_deep {
            -(over_us + FRAME_US - 1) / FRAME_US
        } else if low_us < self.least_us {
            let short = (self.least_us - low_us + FRAME_US - 1) / FRAME_US;
            short.min(room).max(0)
        } else if self.spread.count() >= enough && spare_us >= FRAME_US {
            -(spare_us / FRAME_US)
        } else {
            0
        };
        self.is_jump &= self.plan < 0;
    }
}
