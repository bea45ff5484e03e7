//! How early packets come: the slack of the last few seconds, and the beat it is measured against.

/// One beat.
pub(super) const FRAME_US: i64 = 20_000;
/// Packets whose slack is remembered: five seconds at 20 ms.
const WINDOW: usize = 256;
/// So many late packets in a window justify no delay.
const ACCIDENTS: usize = 2;
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

    /// The slack that 99 % of the packets have at least, and the median. Two late packets may be accidents.
    pub(super) fn quantiles(&self) -> Option<(i64, i64)> {
        let mut window = [0; WINDOW];
        let slacks = &mut window[..self.count];
        slacks
            .iter_mut()
            .zip(self.latest())
            .for_each(|(slot, us)| *slot = us);
        let last = slacks.len().checked_sub(1)?;
        let rank = (slacks.len() / 100).max((last / 2).min(ACCIDENTS));
        let low_us = *slacks.select_nth_unstable(rank).1;
        let median_us = *slacks.select_nth_unstable(slacks.len() / 2).1;
        Some((low_us, median_us))
    }

    /// The least slack of the last `packets`.
    pub(super) fn least(&self, packets: usize) -> Option<i64> {
        self.latest().take(packets).min()
    }

    /// Forgets all but the last `packets`.
    pub(super) fn keep(&mut self, packets: usize) {
        self.count = self.count.min(packets);
    }

    /// Newest first.
    fn latest(&self) -> impl Iterator<Item = i64> + '_ {
        let (newer, older) = self.slack_us.split_at(self.next);
        let all = newer.iter().rev().chain(older.iter().rev());
        all.take(self.count).map(|us| us + self.shift_us)
    }
}

/// The rhythm of the beats: when each was due, not when a busy machine came to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beat {
    next_us: Option<u64>,
    count: u32,
}

impl Beat {
    /// A beat that was due at `due_us`; returns how much later that is than one frame after the last one.
    pub(super) fn strike(&mut self, due_us: u64) -> i64 {
        self.count = self.count.wrapping_add(1);
        let expected_us = self.next_us.replace(due_us + FRAME_US as u64);
        expected_us.map_or(0, |us| due_us as i64 - us as i64)
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// When the next beat is due; `None` before the first.
    pub(super) fn next_us(&self) -> Option<u64> {
        self.next_us
    }
}
