//! Keys that the caller presses as tones, taken out of what a bot hears (EX-43).
//!
//! ```text
//!  heard ─▶ [ frame │ frame ] ─▶ 40 ms later, as silence if a key sounds in it or in a frame beside it
//! ```
//! A key is known as one 26 ms after its beginning at the latest; until then no frame of it has gone out.

use super::tracks::Side;
use crate::audio::tones::ToneDetector;

/// Frames that wait, and that are silent before and behind a key.
const AROUND: usize = 2;

/// One frame on its way.
#[derive(Debug, Default)]
struct Frame {
    pcm: Vec<i16>,
    is_hushed: bool,
}

/// What a bot may hear of its caller.
#[derive(Debug)]
pub struct Hush {
    rate_hz: u32,
    detector: ToneDetector,
    /// The oldest goes out next; there are `AROUND` and the one that has just come.
    frames: [Frame; AROUND + 1],
    /// Frames that are still silent, behind a key.
    quiet: usize,
}

impl Hush {
    /// Before the first frame there was silence.
    pub fn new() -> Self {
        Self {
            rate_hz: 8_000,
            detector: ToneDetector::new(8_000),
            frames: Default::default(),
            quiet: 0,
        }
    }

    /// Takes a frame of 20 ms; returns the one of 40 ms ago.
    pub fn over<'a>(&'a mut self, heard: Side<'a>) -> Side<'a> {
        if heard.rate_hz != self.rate_hz {
            *self = Self {
                rate_hz: heard.rate_hz,
                detector: ToneDetector::new(heard.rate_hz),
                ..Self::new()
            };
        }
        if self.detector.sounds(heard.pcm) {
            self.quiet = AROUND + 1;
            for frame in &mut self.frames {
                frame.is_hushed = true;
            }
        }
        self.frames.rotate_left(1);
        let newest = &mut self.frames[AROUND];
        newest.pcm.clear();
        newest.pcm.extend_from_slice(heard.pcm);
        newest.is_hushed = self.quiet > 0;
        self.quiet = self.quiet.saturating_sub(1);
        let oldest = &mut self.frames[0];
        if oldest.is_hushed {
            oldest.pcm.fill(0);
        }
        oldest.pcm.resize(heard.pcm.len(), 0);
        Side {
            rate_hz: heard.rate_hz,
            pcm: &oldest.pcm,
        }
    }
}

impl Default for Hush {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tones::digit_tone;

    fn through(sound: &[i16], rate_hz: u32) -> Vec<i16> {
        let mut hush = Hush::new();
        let frame = rate_hz as usize / 50;
        let frames = sound.chunks_exact(frame);
        frames
            .flat_map(|pcm| hush.over(Side { rate_hz, pcm }).pcm.to_vec())
            .collect()
    }

    fn hum(length: usize, rate_hz: u32) -> Vec<i16> {
        let angle = |at: usize| at as f32 * std::f32::consts::TAU * 300.0 / rate_hz as f32;
        (0..length)
            .map(|at| (angle(at).sin() * 6_000.0) as i16)
            .collect()
    }

    #[test]
    fn what_holds_no_key_comes_whole_and_forty_milliseconds_later() {
        for rate_hz in [8_000, 16_000] {
            let sound = hum(rate_hz as usize, rate_hz);
            let late = rate_hz as usize / 25;
            let heard = through(&sound, rate_hz);
            assert!(heard[..late].iter().all(|&sample| sample == 0));
            assert_eq!(heard[late..], sound[..sound.len() - late]);
        }
    }

    #[test]
    fn no_sample_of_a_key_is_heard_wherever_it_begins() {
        for rate_hz in [8_000, 16_000] {
            for digit in "159D*0#".chars() {
                for begins in (0..rate_hz as usize / 50).step_by(7) {
                    for ms in [40, 65, 100, 300] {
                        let mut sound = vec![0; rate_hz as usize / 10 + begins];
                        digit_tone(digit, rate_hz, ms, &mut sound);
                        sound.resize(sound.len() + rate_hz as usize / 5, 0);
                        let heard = through(&sound, rate_hz);
                        let loudest = heard.iter().map(|sample| sample.unsigned_abs()).max();
                        assert_eq!(loudest, Some(0), "{digit} of {ms} ms at {begins}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_caller_is_heard_again_behind_a_key() {
        let mut sound = hum(8_000, 8_000);
        digit_tone('5', 8_000, 100, &mut sound);
        sound.extend(hum(8_000, 8_000));
        let heard = through(&sound, 8_000);
        let silent = heard[320..].iter().filter(|&&sample| sample == 0).count();
        assert!(silent < 8 * 240, "{silent} samples of a key of 100 ms");
        assert_eq!(
            heard[heard.len() - 1_000..],
            sound[sound.len() - 1_320..sound.len() - 320]
        );
    }
}
