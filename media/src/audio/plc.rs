//! Hiding lost packets by going on with what was heard, one pitch period after the other.
//!
//! ```text
//!   heard …∿∿∿∿∿∿∿∿│ lost ∿∿∿∿∿∿∿∿ ∿ ∿ · ·  │ heard again ∿∿∿∿
//!            └─P─┘ └─ the last period(s), over and over    └ 4–10 ms of both, one fading into the other
//!                       10 ms full, silent after 60 ms
//! ```
//! After the idea of ITU-T G.711 Appendix I, without its delay: the heard sound is never held back, instead the step
//! where the repetition begins is spread over a quarter period.

/// Pitch is sought from 66 to 200 Hz.
const SHORTEST_PERIOD_US: usize = 5_000;
const LONGEST_PERIOD_US: usize = 15_000;
/// The sound that must resemble itself one period earlier.
const COMPARED_US: usize = 20_000;
/// Three longest periods, and a quarter to blend with.
const HISTORY_US: usize = 50_000;
/// Full sound for so long, then a straight line down to silence.
const FULL_US: usize = 10_000;
const SILENT_US: usize = 60_000;
/// The blend on recovery grows with the gap.
const SHORTEST_BLEND_US: usize = 4_000;
const LONGEST_BLEND_US: usize = 10_000;

/// Invents sound for lost frames from the sound before.
#[derive(Clone, Debug)]
pub struct Concealer {
    rate_hz: usize,
    /// What the ear heard last, oldest first.
    history: Vec<f32>,
    /// The history when the gap began.
    source: Vec<f32>,
    /// The sound that repeats, and the place in it.
    cycle: Vec<f32>,
    place: usize,
    period: usize,
    periods: usize,
    /// The step at the beginning of the repetition, still to be spread.
    step: f32,
    /// Samples invented since the last good one.
    invented: usize,
}

impl Concealer {
    /// `rate_hz` is 8000 or 16000.
    pub fn new(rate_hz: u32) -> Self {
        let rate_hz = rate_hz as usize;
        let longest = samples(rate_hz, LONGEST_PERIOD_US);
        Concealer {
            rate_hz,
            history: vec![0.0; samples(rate_hz, HISTORY_US)],
            source: vec![0.0; samples(rate_hz, HISTORY_US)],
            cycle: Vec::with_capacity(3 * longest),
            place: 0,
            period: longest,
            periods: 1,
            step: 0.0,
            invented: 0,
        }
    }

    /// Sound arrived, of any length; its beginning is blended with the invented sound when some was.
    pub fn good(&mut self, frame: &mut [i16]) {
        if self.invented > 0 {
            let wanted = (self.invented / 2).clamp(
                samples(self.rate_hz, SHORTEST_BLEND_US),
                samples(self.rate_hz, LONGEST_BLEND_US),
            );
            let length = wanted.min(frame.len());
            for (number, sample) in frame[..length].iter_mut().enumerate() {
                let good_share = (number + 1) as f32 / (length + 1) as f32;
                let invented = self.invent();
                *sample = (f32::from(*sample) * good_share + invented * (1.0 - good_share)) as i16;
            }
            self.invented = 0;
        }
        self.remember(frame);
    }

    /// The last sound was invented: what comes next will be blended with it.
    pub fn is_inventing(&self) -> bool {
        self.invented > 0
    }

    /// Sound is missing: fills `out`, of any length.
    pub fn lost(&mut self, out: &mut [i16]) {
        if self.invented == 0 && !out.is_empty() {
            self.begin();
        }
        for sample in out.iter_mut() {
            *sample = self.invent() as i16;
        }
        self.remember(out);
    }

    fn remember(&mut self, frame: &[i16]) {
        let length = self.history.len();
        let recent = &frame[frame.len().saturating_sub(length)..];
        self.history.copy_within(recent.len().., 0);
        for (kept, &sample) in self.history[length - recent.len()..].iter_mut().zip(recent) {
            *kept = f32::from(sample);
        }
    }

    fn begin(&mut self) {
        self.period = self.find_period();
        self.periods = 1;
        let end = self.history.len();
        // Had the repetition begun a sample earlier, this would have been heard instead.
        self.step = self.history[end - 1] - self.history[end - 1 - self.period];
        self.source.copy_from_slice(&self.history);
        self.fill_cycle();
    }

    /// One more sample of the repetition.
    fn invent(&mut self) -> f32 {
        let blend = self.period / 4;
        let correction = self.step * (1.0 - self.invented as f32 / blend as f32).max(0.0);
        let sound = (self.cycle[self.place] + correction) * self.gain();
        self.place += 1;
        self.invented += 1;
        if self.place == self.cycle.len() {
            self.lengthen_cycle();
        }
        sound.clamp(f32::from(i16::MIN), f32::from(i16::MAX))
    }

    /// One period over and over buzzes: the longer the gap, the more periods take turns.
    fn lengthen_cycle(&mut self) {
        self.place = 0;
        if self.periods < 3 && self.invented >= self.periods * samples(self.rate_hz, FULL_US) {
            self.periods += 1;
            self.fill_cycle();
        }
    }

    /// The last periods of what was heard, their end blended so that it leads to their beginning.
    fn fill_cycle(&mut self) {
        let (end, length) = (self.source.len(), self.periods * self.period);
        let blend = self.period / 4;
        self.cycle.clear();
        self.cycle.extend_from_slice(&self.source[end - length..]);
        for number in 0..blend {
            let earlier_share = (number + 1) as f32 / (blend + 1) as f32;
            let earlier = self.source[end - length - blend + number];
            let sample = &mut self.cycle[length - blend + number];
            *sample += (earlier - *sample) * earlier_share;
        }
        self.place = 0;
    }

    fn gain(&self) -> f32 {
        let (full, silent) = (
            samples(self.rate_hz, FULL_US),
            samples(self.rate_hz, SILENT_US),
        );
        let left = silent.saturating_sub(self.invented.max(full));
        left as f32 / (silent - full) as f32
    }

    /// The lag at which the last 20 ms resemble themselves most: every other sample first, then exactly.
    fn find_period(&self) -> usize {
        let (shortest, longest) = (
            samples(self.rate_hz, SHORTEST_PERIOD_US),
            samples(self.rate_hz, LONGEST_PERIOD_US),
        );
        let coarse = self.best_lag((shortest..=longest).step_by(2), 2);
        let (low, high) = (
            coarse.saturating_sub(1).max(shortest),
            (coarse + 1).min(longest),
        );
        self.best_lag(low..=high, 1)
    }

    fn best_lag(&self, lags: impl Iterator<Item = usize>, stride: usize) -> usize {
        let likeness = |lag: usize| (lag, self.likeness(lag, stride));
        let best = lags.map(likeness).max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(self.period, |(lag, _)| lag)
    }

    /// Normalised correlation with the sound `lag` samples earlier.
    fn likeness(&self, lag: usize, stride: usize) -> f32 {
        let end = self.history.len();
        let start = end - samples(self.rate_hz, COMPARED_US);
        let (now, before) = (
            &self.history[start..],
            &self.history[start - lag..end - lag],
        );
        let (mut product, mut energy) = (0.0, 1.0);
        for (&x, &y) in now.iter().zip(before).step_by(stride) {
            product += x * y;
            energy += y * y;
        }
        product / energy.sqrt()
    }
}

fn samples(rate_hz: usize, us: usize) -> usize {
    rate_hz * us / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A voice-like sound: a few harmonics of `pitch_hz`.
    fn voice(pitch_hz: f32, rate_hz: u32, count: usize) -> Vec<i16> {
        let angle = std::f32::consts::TAU * pitch_hz / rate_hz as f32;
        let sample = |n: usize| {
            (1..=6)
                .map(|k| (angle * k as f32 * n as f32).sin() * 5_000.0 / k as f32)
                .sum::<f32>()
        };
        (0..count).map(|n| sample(n) as i16).collect()
    }

    fn rms(pcm: &[i16]) -> f64 {
        (pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
    }

    /// Runs frames of 20 ms through, those numbered in `lost` missing.
    fn run(rate_hz: u32, sound: &[i16], lost: &[usize]) -> Vec<i16> {
        let mut concealer = Concealer::new(rate_hz);
        let mut out = sound.to_vec();
        for (number, frame) in out.chunks_mut(rate_hz as usize / 50).enumerate() {
            if lost.contains(&number) {
                frame.fill(12_345);
                concealer.lost(frame);
            } else {
                concealer.good(frame);
            }
        }
        out
    }

    #[test]
    fn a_steady_voice_goes_on_through_a_lost_frame() {
        for rate_hz in [8_000, 16_000] {
            for pitch_hz in [80.0, 123.0, 190.0] {
                let frame = rate_hz as usize / 50;
                let sound = voice(pitch_hz, rate_hz, frame * 20);
                let out = run(rate_hz, &sound, &[10]);
                let error: Vec<i16> = (frame * 10..frame * 10 + frame / 2)
                    .map(|n| out[n] - sound[n])
                    .collect();
                let signal_to_error = 20.0 * (rms(&sound) / rms(&error)).log10();
                assert!(
                    signal_to_error > 12.0,
                    "{rate_hz} {pitch_hz}: {signal_to_error:.1} dB"
                );
                assert_eq!(out[..frame * 10], sound[..frame * 10]);
                assert_eq!(out[frame * 12..], sound[frame * 12..]);
            }
        }
    }

    #[test]
    fn no_step_is_louder_than_the_voice_itself_makes() {
        let sound = voice(110.0, 8_000, 160 * 30);
        let steepest = |pcm: &[i16]| {
            pcm.windows(2)
                .map(|w| (i32::from(w[1]) - i32::from(w[0])).abs())
                .max()
                .unwrap()
        };
        for lost in [
            &[10][..],
            &[10, 11],
            &[10, 11, 12, 13, 14],
            &[10, 12, 14, 16],
        ] {
            let out = run(8_000, &sound, lost);
            assert!(steepest(&out) <= steepest(&sound) * 3 / 2, "{lost:?}");
        }
    }

    #[test]
    fn a_long_gap_fades_to_silence_in_sixty_milliseconds() {
        let sound = voice(110.0, 8_000, 160 * 20);
        let out = run(8_000, &sound, &[10, 11, 12, 13, 14]);
        let levels: Vec<f64> = out[1_600..2_400].chunks(160).map(rms).collect();
        assert!(levels[0] > levels[1] && levels[1] > levels[2]);
        assert_eq!(levels[3..], [0.0, 0.0]);
    }

    #[test]
    fn silence_stays_silent() {
        assert_eq!(run(8_000, &[0; 1_600], &[0, 4, 5]), [0; 1_600]);
    }

    proptest! {
        #[test]
        fn any_lengths_at_any_level_are_safe(
            pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<i16>(), 0..700)), 0..20),
            is_wide in any::<bool>(),
        ) {
            let mut concealer = Concealer::new(if is_wide { 16_000 } else { 8_000 });
            for (is_lost, mut frame) in pieces {
                if is_lost { concealer.lost(&mut frame) } else { concealer.good(&mut frame) }
            }
        }
    }
}
