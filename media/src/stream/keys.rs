//! Keys as tones in what a bot hears (BX-5): they come as events, and some bots know only tones.

use std::collections::VecDeque;

use super::tracks::Side;
use crate::audio::tones::digit_tone;

/// Keys that wait for their turn; more are lost.
const WAITING: usize = 32;
/// Q.24: what is shorter is not recognised. What is longer keeps the caller from being heard.
const SHORTEST_MS: u32 = 60;
const LONGEST_MS: u32 = 1_000;
/// The silence behind a tone, without which two keys alike are one.
const GAP_MS: u32 = 60;
const SILENCE: char = ' ';

/// The keys of one stream.
#[derive(Debug, Default)]
pub struct Keys {
    waiting: VecDeque<(char, u32)>,
    tone: Vec<i16>,
    sounded: usize,
    frame: Vec<i16>,
}

impl Keys {
    /// Lets a key sound next.
    pub fn press(&mut self, digit: char, ms: u32) {
        if self.waiting.len() < WAITING {
            let ms = ms.clamp(SHORTEST_MS, LONGEST_MS);
            self.waiting.push_back((digit, ms));
        }
    }

    /// The frame; while a key sounds, its tone instead.
    pub fn over<'a>(&'a mut self, heard: Side<'a>) -> Side<'a> {
        if self.sounded == self.tone.len() {
            let Some((digit, ms)) = self.waiting.pop_front() else {
                return heard;
            };
            self.tone.clear();
            self.sounded = 0;
            digit_tone(digit, heard.rate_hz, ms, &mut self.tone);
            digit_tone(SILENCE, heard.rate_hz, GAP_MS, &mut self.tone);
        }
        let rest = &self.tone[self.sounded..];
        let now = &rest[..rest.len().min(heard.pcm.len())];
        self.sounded += now.len();
        self.frame.clear();
        self.frame.extend_from_slice(now);
        self.frame.resize(heard.pcm.len(), 0);
        Side {
            rate_hz: heard.rate_hz,
            pcm: &self.frame,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tones::{DigitHeard, ToneDetector};

    fn heard(keys: &mut Keys, frames: usize) -> Vec<i16> {
        let pcm = [7; 160];
        let side = Side {
            rate_hz: 8000,
            pcm: &pcm,
        };
        (0..frames)
            .flat_map(|_| keys.over(side).pcm.to_vec())
            .collect()
    }

    #[test]
    fn keys_sound_one_after_the_other_in_place_of_the_caller() {
        let mut keys = Keys::default();
        for digit in "155#".chars() {
            keys.press(digit, 100);
        }
        let sound = heard(&mut keys, 60);
        let mut found = Vec::new();
        ToneDetector::new(8000).process(&sound, &mut found);
        let digits: String = found.iter().map(|heard| heard.digit).collect();
        assert_eq!(digits, "155#");
        let is_right = |heard: &DigitHeard| (90..=112).contains(&heard.duration_ms);
        assert!(found.iter().all(is_right), "{found:?}");
        assert_eq!(
            sound[..640].iter().filter(|&&sample| sample == 7).count(),
            0
        );
        assert_eq!(sound[4 * 8 * 160..], [7; 28 * 160], "then the caller again");
    }

    #[test]
    fn nothing_is_changed_without_a_key_and_few_keys_wait() {
        let mut keys = Keys::default();
        assert_eq!(heard(&mut keys, 3), [7; 480]);
        for _ in 0..99 {
            keys.press('1', 1);
        }
        let sound = heard(&mut keys, 32 * 6 + 1);
        assert_eq!(
            sound[32 * 6 * 160..],
            [7; 160],
            "32 of 60 ms, as much between them"
        );
    }
}
