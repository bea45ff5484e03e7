//! What of a line's sound is the voice of who speaks into it, by the energy of each frame.
//!
//! ```text
//!   dBov  ── loudest voice so far ──────────────┐
//!                                               │ 17 dB: softer ones are others in the room
//!         ══ the highest of these three ════════╧══ above it is voice
//!         ── 6 dB above the line's noise, the quietest frame of the last seconds
//!         ── the threshold that was asked for
//! ```
//! Levels are relative to a full-scale square wave; powers are mean squares of samples.

const RANGE: f32 = 0.02;
const ABOVE_NOISE: f32 = 4.0;
/// The noise rises by 1 dB in a second, so that one long word is none, and falls at once.
const RISE: f32 = 1.004_62;
/// Of the first frame no more than this (−30 dBov) is taken for noise: it may be somebody's first word.
const FIRST_NOISE: f32 = 1_073_742.0;
/// Whoever is 9 dB louder than all before is who is listened to.
const LEAP: f32 = 8.0;
/// The loudest is forgotten by 2 dB in a second.
const FADE: f32 = 0.990_8;

/// Compares each frame of 20 ms with those before it.
#[derive(Clone, Debug)]
pub struct Loudness {
    threshold: f32,
    loudest: f32,
    before: f32,
    noise: Option<f32>,
}

impl Loudness {
    /// Below the threshold everything is silence.
    pub fn new(threshold_dbov: f32) -> Self {
        Loudness {
            threshold: 32_768.0 * 32_768.0 * 10_f32.powf(threshold_dbov / 10.0),
            loudest: 0.0,
            before: 0.0,
            noise: None,
        }
    }

    /// Whether a frame is silence, whatever else is in it; then it is taken note of.
    pub fn is_quiet(&mut self, power: f32) -> bool {
        let is_quiet = power <= self.threshold.max(RANGE * self.loudest);
        if is_quiet {
            self.remember(power);
        }
        is_quiet
    }

    /// A frame that is not quiet: whether it is voice, and whether all that was heard before was not.
    pub fn note(&mut self, power: f32) -> (bool, bool) {
        let steady = power.min(self.before); // a click is not loud for two frames
        let noise = self.remember(power);
        if power <= ABOVE_NOISE * noise {
            return (false, false);
        }
        let is_leap = self.loudest > 0.0 && steady > LEAP * self.loudest;
        self.loudest = self.loudest.max(steady);
        (true, is_leap)
    }

    /// Returns the noise so far.
    fn remember(&mut self, power: f32) -> f32 {
        self.before = power;
        self.loudest *= FADE;
        if power == 0.0 && self.noise.is_none() {
            return 0.0; // before the first packet there is no line to learn from
        }
        let risen = |noise: f32| power.min(noise.max(self.threshold / ABOVE_NOISE) * RISE);
        let noise = self.noise.map_or(power.min(FIRST_NOISE), risen);
        self.noise = Some(noise);
        noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mean square.
    fn power(dbov: f32) -> f32 {
        32_768.0 * 32_768.0 * 10_f32.powf(dbov / 10.0)
    }

    /// Frames of these levels; the last one's answer.
    fn after(levels: impl IntoIterator<Item = f32>) -> (bool, bool) {
        let mut loudness = Loudness::new(-42.0);
        let mut told = (false, false);
        for dbov in levels {
            told = match loudness.is_quiet(power(dbov)) {
                true => (false, false),
                false => loudness.note(power(dbov)),
            };
        }
        told
    }

    #[test]
    fn what_rises_above_the_noise_is_voice() {
        assert_eq!(after([-60.0, -25.0]), (true, false));
        assert_eq!(after([-20.0]), (true, false));
        assert_eq!(after([-33.0, -33.5, -25.0]), (true, false));
        assert_eq!(after([-33.0, -33.5, -28.0]), (false, false));
        assert_eq!(after([-60.0, -43.0]), (false, false));
    }

    #[test]
    fn noise_is_what_was_there_from_the_first_packet_on() {
        assert_eq!(after([-28.0; 400]), (false, false));
        let zeros = [f32::NEG_INFINITY; 10];
        assert_eq!(after(zeros.into_iter().chain([-28.0; 40])), (false, false));
    }

    #[test]
    fn music_that_sets_in_is_not_noise() {
        let music = [-60.0; 10].into_iter().chain([-25.0; 100]);
        assert_eq!(after(music), (true, false));
    }

    #[test]
    fn those_behind_who_speaks_are_not_heard() {
        assert_eq!(after([-60.0, -20.0, -20.0, -60.0, -39.0]), (false, false));
        assert_eq!(after([-60.0, -20.0, -20.0, -60.0, -32.0]), (true, false));
    }

    #[test]
    fn somebody_much_nearer_is_who_is_listened_to() {
        let murmur = [-60.0, -38.0, -38.0, -60.0];
        assert_eq!(
            after(murmur.into_iter().chain([-20.0, -20.0])),
            (true, true)
        );
        assert_eq!(after(murmur.into_iter().chain([-20.0])), (true, false));
        assert_eq!(
            after(murmur.into_iter().chain([-31.0, -31.0])),
            (true, false)
        );
    }
}
