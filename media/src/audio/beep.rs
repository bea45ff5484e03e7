//! The beep of an answering machine: one steady tone, and quiet behind it.
//!
//! ```text
//!   … greeting ──┐  ┌──────tone──────┐
//!                └──┘ 120 ms to 3 s  └──quiet, 100 ms──▶ told
//! ```
//! Music has tones as steady as a beep, but one after the other; the quiet behind it is what tells a beep.

use std::f32::consts::TAU;

use super::network_tones::{is_network_hz, Frame, FRAME};
use super::tones::Goertzel;

const RATE_HZ: u32 = 8_000;
const LEAST_HZ: f32 = 400.0;
const MOST_HZ: f32 = 2_000.0;
/// Share of a frame's energy that its one tone must have: 9 dB of noise beside it are too much.
const LEAST_SHARE: f32 = 0.88;
/// From frame to frame the tone keeps its frequency and (2 dB) its level.
const MOST_DRIFT: f32 = 0.015;
const MOST_DRIFT_HZ: f32 = 15.0;
const MOST_STEP: f32 = 1.6;
/// Between the looks at a tone's energy.
const STEP_HZ: f32 = 15.0;
/// Frames of 20 ms.
const SHORTEST: u32 = 6;
const LONGEST: u32 = 150;
const QUIET: u32 = 5;
/// The tone may fade for so long before it is quiet.
const FADE: u32 = 3;
/// Whoever is heard behind the tone, 12 dB below it, does not speak into it.
const BEHIND: f32 = 0.06;

/// Listens for one beep after the other.
#[derive(Clone, Debug, Default)]
pub struct BeepWatch {
    tone: Option<Tone>,
    ended: Option<Ended>,
}

/// A tone of the right length has ended; frames of quiet, and of anything else, since.
#[derive(Clone, Copy, Debug)]
struct Ended {
    hz: f32,
    energy: f32,
    quiet: u32,
    other: u32,
}

#[derive(Clone, Copy, Debug)]
struct Tone {
    /// The sum over its frames: a frame alone is too short to tell low tones apart.
    hz: f32,
    energy: f32,
    frames: u32,
}

/// A beep, told when it was quiet for `ago_ms` behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beep {
    pub hz: f32,
    pub ago_ms: u64,
}

impl BeepWatch {
    /// The next 20 ms, of which it is known whether they are silence, and their single tone.
    pub fn hear(&mut self, is_silent: bool, hz: Option<f32>, energy: f32) -> Option<Beep> {
        let hz = hz.filter(|_| !is_silent);
        match (&mut self.tone, hz) {
            (Some(tone), Some(hz)) if tone.goes_on(hz, energy) => {
                tone.hz += hz;
                tone.energy = energy;
                tone.frames += 1;
                return None;
            }
            _ => self.turn(hz, energy),
        }
        if self.tone.is_some_and(|tone| tone.frames > FADE) {
            self.ended = None; // another tone follows: music
        }
        let mut ended = self.ended.take()?;
        if is_silent || energy < BEHIND * ended.energy {
            ended.quiet += 1;
        } else {
            ended.other += 1;
        }
        if ended.quiet == QUIET {
            let ago_ms = u64::from(ended.quiet + ended.other) * 20;
            return Some(Beep {
                hz: ended.hz,
                ago_ms,
            });
        }
        if ended.other <= FADE {
            self.ended = Some(ended);
        }
        None
    }

    /// One tone has ended, and perhaps another one begins.
    fn turn(&mut self, hz: Option<f32>, energy: f32) {
        let begun = hz.map(|hz| Tone {
            hz,
            energy,
            frames: 1,
        });
        if let Some(tone) = std::mem::replace(&mut self.tone, begun) {
            let hz = tone.mean_hz();
            if (SHORTEST..=LONGEST).contains(&tone.frames) && !is_network_hz(hz) {
                self.ended = Some(Ended {
                    hz,
                    energy: tone.energy,
                    quiet: 0,
                    other: 0,
                });
            }
        }
    }
}

impl Tone {
    fn mean_hz(self) -> f32 {
        self.hz / self.frames as f32
    }

    fn goes_on(&self, hz: f32, energy: f32) -> bool {
        let is_steady = (hz - self.mean_hz()).abs() <= MOST_DRIFT_HZ.max(MOST_DRIFT * hz);
        // Its first frame is cut.
        let is_level =
            self.frames == 1 || energy.max(self.energy) <= MOST_STEP * energy.min(self.energy);
        is_steady && is_level
    }
}

/// The frequency of a frame that is one tone between 400 and 2000 Hz. `energy` is its sum of squares.
///
/// Pisarenko's estimate from two autocorrelations, which white noise does not bend; then the top of the parabola through
/// the energies around it, and the share of the whole that lies there.
pub fn single_tone(frame: &Frame, energy: f32) -> Option<f32> {
    let one = lagged(frame, 1) / (FRAME - 1) as f32;
    let two = lagged(frame, 2) / (FRAME - 2) as f32;
    if one == 0.0 {
        return None;
    }
    let cosine = (two + (two * two + 8.0 * one * one).sqrt()) / (4.0 * one);
    let near_hz = cosine.clamp(-1.0, 1.0).acos() / TAU * RATE_HZ as f32;
    if !(LEAST_HZ * 0.8..=MOST_HZ * 1.1).contains(&near_hz) {
        return None;
    }
    let at = |hz: f32| Goertzel::new(hz, RATE_HZ).energy(frame);
    let (below, here, above) = (at(near_hz - STEP_HZ), at(near_hz), at(near_hz + STEP_HZ));
    let bend = below - 2.0 * here + above;
    if bend >= 0.0 || below.max(here).max(above) < 0.5 * energy {
        return None;
    }
    let hz = near_hz + (0.5 * (below - above) / bend).clamp(-2.0, 2.0) * STEP_HZ;
    let is_within = (LEAST_HZ * 0.98..=MOST_HZ * 1.02).contains(&hz);
    (is_within && at(hz) >= LEAST_SHARE * energy).then_some(hz)
}

fn lagged(frame: &Frame, lag: usize) -> f32 {
    let length = FRAME / 8 * 8 - 8;
    // Eight sums, as in `dot`; the last few samples are left out.
    let mut sums = [0.0; 8];
    for at in (0..length).step_by(8) {
        for place in 0..8 {
            sums[place] += frame[at + place] * frame[at + place + lag];
        }
    }
    sums.iter().sum::<f32>() * (FRAME - lag) as f32 / length as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::audio::network_tones::dot;
    use crate::audio::noise::ComfortNoise;

    fn tone(hz: f32, peak: f32, from: usize) -> Frame {
        std::array::from_fn(|n| peak * (TAU * hz * (from + n) as f32 / RATE_HZ as f32).sin())
    }

    fn heard(frame: &Frame) -> Option<f32> {
        single_tone(frame, dot(frame, frame))
    }

    /// Frames as letters: `t` a tone, `u` another one, `q` quiet, `s` speech.
    fn listen(frames: &str) -> Vec<(usize, u64)> {
        let mut watch = BeepWatch::default();
        let told = frames.chars().enumerate().filter_map(|(place, letter)| {
            let (is_silent, hz) = match letter {
                't' => (false, Some(1_000.0)),
                'u' => (false, Some(1_200.0)),
                'r' => (false, Some(425.0)),
                'q' => (true, None),
                _ => (false, None),
            };
            Some((place, watch.hear(is_silent, hz, 1.0)?.ago_ms))
        });
        told.collect()
    }

    #[test]
    fn a_tone_with_quiet_behind_it_is_a_beep() {
        assert_eq!(listen("sssttttttqqqqqq"), [(13, 100)]);
        assert_eq!(listen("sssqqttttttttttttssqqqqqqq"), [(23, 140)]);
    }

    #[test]
    fn short_and_endless_tones_are_none() {
        assert_eq!(listen("qqtttttqqqqqqqq"), []);
        let dial_tone = "t".repeat(151) + "qqqqqqqqqq";
        assert_eq!(listen(&dial_tone), []);
    }

    #[test]
    fn music_and_ringing_are_none() {
        assert_eq!(listen("ttttttttuuuuuuuuttttttttssssssqqqqqqq"), []);
        assert_eq!(listen(&format!("{}qqqqqqqqqq", "r".repeat(50))), []);
    }

    proptest! {
        #[test]
        fn the_frequency_of_any_tone_is_found_in_noise(
            hz in 400_f32..2_000.0, from in 0_usize..8_000, dbov in 45_u8..90, peak in 1_500_f32..20_000.0,
        ) {
            let mut noise = ComfortNoise::new(5);
            noise.describe(&[dbov]);
            let mut hiss = [0_i16; FRAME];
            noise.fill(&mut hiss);
            let mut frame = tone(hz, peak, from);
            frame.iter_mut().zip(hiss).for_each(|(sample, more)| *sample += f32::from(more));
            let found = heard(&frame);
            prop_assert!(found.is_some_and(|found| (found - hz).abs() < 0.03 * hz), "{found:?}");
        }

        #[test]
        fn two_tones_are_none(from in 0_usize..8_000, low in 500_f32..900.0, ratio in 1.2_f32..1.9) {
            let (one, other) = (tone(low, 5_000.0, from), tone(low * ratio, 5_000.0, from));
            let both: Frame = std::array::from_fn(|n| one[n] + other[n]);
            prop_assert_eq!(heard(&both), None);
        }
    }
}
