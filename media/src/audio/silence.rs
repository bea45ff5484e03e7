//! How long somebody has been silent, by the energy of each frame.
//!
//! ```text
//!   dBov  −26 ······ speech at its usual level (ITU-T P.56)
//!         −38 ══════ MOST: above it is sound, whatever the line hums
//!           ↕        the threshold: 6 dB above the quietest of the last seconds
//!         −50 ══════ LEAST: below it is silence, however clean the line
//!         −65 ······ comfort noise, hiss, digital silence (RFC 3389 gives such levels)
//! ```
//! A fixed level alone would take the hiss of a bad line for speech, an adaptive one alone would get used to a
//! long sound (music, a fan) and call it silence; the two bounds keep the adaptation where both are wrong least.
//! Levels are relative to a full-scale square wave, as RFC 3389 counts them.

/// −50 and −38 dBov, as mean squares of samples.
const LEAST: f32 = 10_737.0;
const MOST: f32 = 170_177.0;
/// Six decibels.
const ABOVE_FLOOR: f32 = 4.0;
/// The floor rises by 1 dB in a second, so that one loud second does not move it, and falls at once.
const RISE: f32 = 1.004_62;
/// So many frames in a row are sound: a click of the line is none, the shortest syllable has 60 ms.
const SOUND_FRAMES: u32 = 2;
const FRAME_MS: u64 = 20;

/// Watches for one silence after the other.
#[derive(Clone, Debug)]
pub struct SilenceWatch {
    timeout_ms: u64,
    silent_ms: u64,
    /// Frames above the threshold in a row.
    loud: u32,
    /// The mean square of the quietest frame, forgotten slowly.
    floor: Option<f32>,
    is_told: bool,
}

impl SilenceWatch {
    /// Tells of a silence that lasts `timeout_ms`; it begins to count now.
    pub fn new(timeout_ms: u64) -> Self {
        SilenceWatch {
            timeout_ms,
            silent_ms: 0,
            loud: 0,
            floor: None,
            is_told: false,
        }
    }

    /// The next 20 ms; how long the silence has lasted, once, when that is long enough. Sound re-arms it.
    pub fn hear(&mut self, pcm: &[i16]) -> Option<u64> {
        let is_loud = self.is_loud(pcm);
        self.loud = if is_loud { self.loud + 1 } else { 0 };
        if self.loud >= SOUND_FRAMES {
            self.silent_ms = 0;
            self.is_told = false;
            return None;
        }
        self.silent_ms += FRAME_MS;
        let is_due = !self.is_told && self.silent_ms >= self.timeout_ms;
        self.is_told |= is_due;
        is_due.then_some(self.silent_ms)
    }

    fn is_loud(&mut self, pcm: &[i16]) -> bool {
        let power = power(pcm);
        if power == 0.0 && self.floor.is_none() {
            // Before the first packet there is no line to learn from.
            return false;
        }
        let floor = self.floor.map_or(power, |floor| {
            power.min(floor.max(LEAST / ABOVE_FLOOR) * RISE)
        });
        self.floor = Some(floor);
        power > (floor * ABOVE_FLOOR).clamp(LEAST, MOST)
    }
}

/// The mean square without what is constant: some lines have an offset.
pub(super) fn power(pcm: &[i16]) -> f32 {
    let count = pcm.len().max(1) as i64;
    let (sum, squares) = pcm
        .iter()
        .map(|&sample| i64::from(sample))
        .fold((0, 0), |(sum, squares), x| (sum + x, squares + x * x));
    ((squares - sum * sum / count) / count) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::noise::ComfortNoise;

    const RATE_HZ: usize = 8_000;

    fn noise(dbov: u8, ms: usize) -> Vec<i16> {
        let mut noise = ComfortNoise::new(7);
        noise.describe(&[dbov]);
        let mut pcm = vec![0; RATE_HZ / 1_000 * ms];
        noise.fill(&mut pcm);
        pcm
    }

    /// Syllables of 200 ms with pauses of 100 ms, at `dbov` while they last.
    fn speech(dbov: f32, ms: usize) -> Vec<i16> {
        let peak = 32_768.0 * 2_f32.sqrt() * 10_f32.powf(dbov / 20.0);
        (0..RATE_HZ / 1_000 * ms)
            .map(|n| {
                let is_pause = n / 8 % 300 >= 200;
                let angle = n as f32 / RATE_HZ as f32 * std::f32::consts::TAU;
                let wave = ((angle * 140.0).sin() + (angle * 700.0).sin()) * 0.7 * peak;
                if is_pause {
                    0
                } else {
                    wave as i16
                }
            })
            .collect()
    }

    /// When (in ms) each silence was told, and how long it was.
    fn watch(watch: &mut SilenceWatch, pcm: &[i16]) -> Vec<(usize, u64)> {
        let frames = pcm.chunks(RATE_HZ / 50).enumerate();
        frames
            .filter_map(|(number, frame)| Some(((number + 1) * 20, watch.hear(frame)?)))
            .collect()
    }

    #[test]
    fn digital_silence_is_told_once() {
        let mut quiet = SilenceWatch::new(500);
        assert_eq!(watch(&mut quiet, &[0; 16_000]), [(500, 500)]);
    }

    #[test]
    fn hiss_of_any_usual_level_is_silence() {
        for dbov in [70, 60, 50, 45, 40] {
            let mut quiet = SilenceWatch::new(500);
            assert_eq!(
                watch(&mut quiet, &noise(dbov, 3_000)),
                [(500, 500)],
                "{dbov}"
            );
        }
    }

    #[test]
    fn speech_with_its_pauses_is_not_silence_whatever_its_level() {
        for dbov in [-15.0, -26.0, -35.0, -44.0] {
            let mut quiet = SilenceWatch::new(500);
            assert_eq!(watch(&mut quiet, &speech(dbov, 10_000)), [], "{dbov} dBov");
        }
    }

    #[test]
    fn speech_over_a_hissing_line_is_heard() {
        let mut pcm = speech(-26.0, 8_000);
        crate::audio::mixer::add_saturating(&mut pcm, &noise(45, 8_000));
        let mut quiet = SilenceWatch::new(500);
        assert_eq!(watch(&mut quiet, &noise(45, 400)), []);
        assert_eq!(watch(&mut quiet, &pcm), []);
        assert_eq!(watch(&mut quiet, &noise(45, 1_000)), [(500, 500)]);
    }

    #[test]
    fn sound_re_arms_it_and_a_click_does_not() {
        let mut quiet = SilenceWatch::new(200);
        let mut click = vec![0; 3_200];
        click[800..810].fill(20_000);
        assert_eq!(watch(&mut quiet, &click), [(200, 200)]);
        assert_eq!(watch(&mut quiet, &speech(-26.0, 200)), []);
        assert_eq!(watch(&mut quiet, &[0; 3_200]), [(200, 200)]);
    }

    #[test]
    fn one_long_sound_stays_sound() {
        let tone: Vec<i16> = (0..60 * RATE_HZ)
            .map(|n| ((n as f32 * 0.35).sin() * 2_000.0) as i16)
            .collect();
        assert_eq!(watch(&mut SilenceWatch::new(500), &tone), []);
    }

    #[test]
    fn a_hissing_line_is_silent_from_its_first_packet_on() {
        let mut quiet = SilenceWatch::new(500);
        assert_eq!(watch(&mut quiet, &[0; 1_600]), []);
        assert_eq!(watch(&mut quiet, &noise(42, 1_000)), [(300, 500)]);
    }

    #[test]
    fn a_line_that_begins_to_hiss_is_silent_ten_seconds_later() {
        let mut quiet = SilenceWatch::new(500);
        assert_eq!(watch(&mut quiet, &noise(70, 1_000)), [(500, 500)]);
        let told = watch(&mut quiet, &noise(45, 12_000));
        assert_eq!(told.len(), 1);
        assert!(told[0].0 < 10_000, "{told:?}");
    }

    #[test]
    fn an_offset_is_no_sound() {
        let mut quiet = SilenceWatch::new(100);
        assert_eq!(watch(&mut quiet, &[900; 1_600]), [(100, 100)]);
    }
}
