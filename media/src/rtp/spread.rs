//! How early packets come: the slack of the last few seconds, and the beat it is measured against.

/// One beat.
pub(super) const FRAME_US: i64 = 20_000;
/// Packets whose slack is remembered: five seconds at 20 ms.
const WINDOW: usize = 256;
/// A beat further than this from where it was due begins a new rhythm.
const BEAT_SLIP_US: u64 = 10_000;
/// Without a beat for so long nobody is listening.
const BEAT_LOST_US: u64 = 100_000;

/// The slack of the last packets, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    /// Each less the shift at its time, so that a shift moves all of them at once.
    slack_us: [i64; WINDOW],
    count: usize,
    next: usize,
    shift_us: i64,
}

impl Spread {
    pub(super) fn new() -> Self {
        Spread {
            slack_us: [0; WINDOW],
            count: 0,
            next: 0,
            shift_us: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.next = 0;
    }

    pub(super) fn record(&mut self, slack_us: i64) {
        self.slack_us[self.next] = slack_us - self.shift_us;
        self.next = (self.next + 1) % WINDOW;
        self.count = WINDOW.min(self.count + 1);
    }

    /// Everything is played `us` later than it would have been.
    pub(super) fn shift(&mut self, us: i64) {
        self.shift_us += us;
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The slack that 99 % of the packets have at least, and the median.
    pub(super) fn quantiles(&self) -> Option<(i64, i64)> {
        let mut window = self.slack_us;
        let sorted = &mut window[..self.count];
        if sorted.is_empty() {
            return None;
        }
        sorted.sort_unstable();
        let at = |index: usize| sorted[index] + self.shift_us;
        Some((at(sorted.len() / 100), at(sorted.len() / 2)))
    }
}

/// The rhythm of the beats, smoothed: a thread that wakes a little late moves no packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beat {
    due_us: Option<u64>,
    count: u32,
}

impl Beat {
    pub(super) fn strike(&mut self, now_us: u64) {
        self.count = self.count.wrapping_add(1);
        let expected = self.due_us.unwrap_or(now_us);
        self.due_us = Some(if expected.abs_diff(now_us) > BEAT_SLIP_US {
            now_us + FRAME_US as u64
        } else {
            // An eighth of the difference is believed.
            (expected * 7 + now_us) / 8 + FRAME_US as u64
        });
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// When the next beat after `arrival_us` comes; `None` when no beats come.
    pub(super) fn next_us(&self, arrival_us: u64) -> Option<u64> {
        let due_us = self
            .due_us
            .filter(|due_us| arrival_us < due_us + BEAT_LOST_US)?;
        // A beat that is overdue is still to come: the packet is in time for it.
        Some(due_us.max(arrival_us))
    }
}
