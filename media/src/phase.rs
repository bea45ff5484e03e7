//! The phase lock: a leg's 20 ms beat follows the far end's packet clock.
//!
//! ```text
//!  packets   │p      │p      │p          each waits a little for the next beat
//!  beats       │b      │b      │b        MARGIN_US after the latest of them
//! ```
//! Too early a beat finds no packet, too late a beat adds delay. At first the beat jumps once; later it
//! moves by 1 ms, and seldom: two ends that follow each other never agree, and must not hunt each other
//! faster than two clocks drift apart.

/// A beat every 20 ms.
const BEAT_US: i64 = 20_000;
/// How long the latest packets should wait for the beat: as long as a busy machine's timers are late once in
/// a thousand times, so that such a packet is not missed.
const MARGIN_US: i64 = 3_500;
/// Packets before the first jump.
const FIRST_PACKETS: usize = 6;
/// Packets per later decision: one second at 20 ms.
const WINDOW: usize = 50;
/// Windows between two moves: 1 ms in 8 s is 125 ppm, more than the drift of a bad clock.
const REST_WINDOWS: u32 = 8;
/// No move while the latest packets wait within this of the margin.
const TOO_SHORT_US: i64 = -700;
const TOO_LONG_US: i64 = 900;
/// With a wider spread there is no clock to follow; the jitter buffer does the work.
const WIDEST_US: i64 = 9_000;

/// Watches how long packets wait for the beat, and advises by how much to move it.
#[derive(Debug, Default)]
pub struct PhaseLock {
    /// How much longer than the margin each packet waited, on the circle of one beat.
    waits_us: Vec<i64>,
    settled: bool,
    rest: u32,
}

impl PhaseLock {
    /// A lock that may jump once.
    pub fn new() -> Self {
        Self::default()
    }

    /// The far end has another clock now: it may jump again.
    pub fn unsettle(&mut self) {
        self.waits_us.clear();
        self.settled = false;
        self.rest = 0;
    }

    /// A packet arrived this long before the beat that fetched it was due.
    pub fn note(&mut self, wait_us: i64) {
        if self.waits_us.len() < WINDOW {
            let circled = (wait_us - MARGIN_US + BEAT_US / 2).rem_euclid(BEAT_US) - BEAT_US / 2;
            self.waits_us.push(circled);
        }
    }

    /// Whole milliseconds to add to the time of the next beat: -10 to 10 at first, later -1 to 1.
    pub fn advise_ms(&mut self) -> i64 {
        let wanted = if self.settled { WINDOW } else { FIRST_PACKETS };
        if self.waits_us.len() < wanted {
            return 0;
        }
        let excess = self.excess_us();
        self.waits_us.clear();
        let Some(excess) = excess else {
            return 0;
        };
        if !std::mem::replace(&mut self.settled, true) {
            return (-excess as f64 / 1000.0).round() as i64;
        }
        self.rest = self.rest.saturating_sub(1);
        if self.rest > 0 || (TOO_SHORT_US..=TOO_LONG_US).contains(&excess) {
            return 0;
        }
        self.rest = REST_WINDOWS;
        -excess.signum()
    }

    /// How much longer than the margin the latest packets wait; `None` when there is no clock to follow.
    fn excess_us(&self) -> Option<i64> {
        // Relative to one packet, so that a cluster across the circle's seam stays together.
        let anchor = self.waits_us[0];
        let near = |wait: &i64| (wait - anchor + BEAT_US / 2).rem_euclid(BEAT_US) - BEAT_US / 2;
        let mut offsets: Vec<i64> = self.waits_us.iter().map(near).collect();
        offsets.sort_unstable();
        // Two packets in a window may be accidents.
        let skip = if offsets.len() >= WINDOW { 2 } else { 0 };
        let (low, high) = (offsets[skip], offsets[offsets.len() - 1 - skip]);
        if high - low > WIDEST_US {
            return None;
        }
        Some((anchor + low + BEAT_US / 2).rem_euclid(BEAT_US) - BEAT_US / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets every 20 ms with some jitter; returns how long the last second's packets waited.
    fn run(seconds: usize, first_us: i64, jitter_us: i64) -> (i64, i64, Vec<i64>) {
        let mut lock = PhaseLock::new();
        let (mut beat, mut moves, mut waits) = (0_i64, Vec::new(), Vec::new());
        for index in 0..seconds as i64 * 50 {
            let arrival = first_us + index * BEAT_US + (index * 7919) % (jitter_us + 1);
            while beat <= arrival {
                beat += BEAT_US;
            }
            waits.push(beat - arrival);
            lock.note(beat - arrival);
            let shift = lock.advise_ms();
            if shift != 0 {
                moves.push(shift);
            }
            beat += shift * 1000;
        }
        let last = &waits[waits.len() - 40..];
        (
            *last.iter().min().unwrap(),
            *last.iter().max().unwrap(),
            moves,
        )
    }

    #[test]
    fn steady_packets_are_fetched_three_to_four_milliseconds_after_they_came() {
        for first_us in (0..20_000).step_by(700) {
            let (least, most, moves) = run(4, first_us, 0);
            assert!(
                (2_800..=4_500).contains(&least) && most < 4_500,
                "{first_us}: {least} {most}"
            );
            assert!(moves.len() <= 2, "{moves:?}");
        }
    }

    #[test]
    fn jitter_is_waited_for() {
        for first_us in (0..20_000).step_by(900) {
            let (least, most, moves) = run(12, first_us, 4_000);
            assert!(
                least >= 2_300 && most <= 9_300,
                "{first_us}: {least} {most} {moves:?}"
            );
        }
    }

    #[test]
    fn after_the_jump_it_moves_by_one_millisecond_at_most() {
        let (_, _, moves) = run(20, 13_000, 6_000);
        assert!(moves[1..].iter().all(|shift| shift.abs() == 1), "{moves:?}");
    }
}
