//! Timestamps of a clock of 48 kHz, as Opus has, in the 8 kHz ticks that all else counts in.
//!
//! Both wrap at 32 bits, so a quotient alone would jump every day; what is divided is the distance to a packet that is
//! known in both clocks.

use crate::audio::opus::CLOCK_FACTOR;

/// Distances beyond this begin anew: half of what 32 bits can tell apart.
const REACH: i32 = 1 << 30;

/// Follows one sender's fast clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockScale {
    /// A timestamp of theirs, and ours at the same moment.
    fast: u32,
    slow: u32,
}

impl ClockScale {
    /// The timestamp in 8 kHz ticks.
    pub fn to_slow(&mut self, fast: u32) -> u32 {
        let factor = CLOCK_FACTOR as i32;
        let distance = fast.wrapping_sub(self.fast) as i32;
        let slow = self.slow.wrapping_add_signed(distance.div_euclid(factor));
        if distance.abs() >= REACH / 2 {
            // What is left of the division stays in the distance, so that nothing is lost by rounding.
            self.fast = fast.wrapping_sub(distance.rem_euclid(factor) as u32);
            self.slow = slow;
        }
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_of_20_ms_stay_steps_of_20_ms_over_every_wrap() {
        let mut clock = ClockScale::default();
        let mut fast = 4_000_000_000_u32;
        let mut before = clock.to_slow(fast);
        for _ in 0..6_000_000 {
            fast = fast.wrapping_add(960);
            let now = clock.to_slow(fast);
            assert_eq!(now.wrapping_sub(before), 160);
            before = now;
        }
    }

    proptest! {
        #[test]
        fn a_step_is_a_sixth_of_theirs(start in any::<u32>(), steps in prop::collection::vec(-9_600..960_000_i32, 1..100)) {
            let mut clock = ClockScale::default();
            let origin = clock.to_slow(start);
            let mut total = 0_i64;
            for step in steps {
                total += i64::from(step);
                let slow = clock.to_slow(start.wrapping_add(total as u32));
                let moved = i64::from(slow.wrapping_sub(origin) as i32);
                prop_assert!((moved - total.div_euclid(6)).abs() <= 1);
            }
        }
    }
}
