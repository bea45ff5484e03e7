//! From one sample rate to another: a polyphase windowed-sinc filter.
//!
//! ```text
//!   input at `from`  x[i-T+1] … x[i-1] x[i] │ (not there yet)
//!                        ·        ·     ·      dot product with the coefficients of the output's phase
//!   output k lies between the inputs, at k·M/L:   i = ⌊k·M/L⌋, phase = k·M mod L
//! ```
//! The filter spans 48 samples of the lower of the two rates and passes what that rate can carry: flat to 0.41 of it
//! (3.3 kHz at 8 kHz), down by more than 60 dB from 0.5. Group delay is 24 samples of the lower rate: 3 ms when one side
//! is 8 kHz, 1.5 ms when both are 16 kHz or more.

use std::f64::consts::PI;

/// The filter's span in samples of the lower rate.
const SPAN: usize = 48;
/// The middle of the filter's slope, as a fraction of the lower rate; the slope ends at one half.
const CUTOFF: f64 = 0.459;
/// Kaiser's β for a stop band of 65 dB.
const KAISER_BETA: f64 = 6.2;
/// Sums kept apart, so that the compiler may use vector registers.
const LANES: usize = 8;

/// Outputs of one phase that are made at once: each in its own lane of the vector registers.
const BLOCK: usize = 16;
/// With more inputs per cycle than this, blocks do not pay.
const MOST_STREAMS: usize = 6;

/// Converts one stream of samples. The result does not depend on how the input is cut.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// The ratio in lowest terms: L outputs for M inputs.
    l: usize,
    m: usize,
    taps: usize,
    /// For each phase its `taps` coefficients, in the order of the input.
    coefficients: Vec<f32>,
    /// The inputs that the next output may still need, oldest first.
    history: Vec<f32>,
    /// The history dealt out to M streams, so that neighbours in a stream are what neighbouring cycles need.
    dealt: Vec<f32>,
    /// The next output's phase, 0 to L − 1.
    phase: usize,
}

impl Resampler {
    /// Rates in hertz, 4000–192000. The larger L and M the larger the table: 8000 and 16000 make 96 coefficients,
    /// 11025 and 16000 make 31 thousand.
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        let divisor = gcd(from_hz, to_hz);
        let (l, m) = ((to_hz / divisor) as usize, (from_hz / divisor) as usize);
        let taps = (SPAN * from_hz as usize)
            .div_ceil(from_hz.min(to_hz) as usize)
            .next_multiple_of(LANES);
        let coefficients = if l == m {
            Vec::new()
        } else {
            design(l, m, taps)
        };
        // Before the first sample there was silence.
        Resampler {
            l,
            m,
            taps,
            coefficients,
            history: vec![0.0; taps - 1],
            dealt: Vec::new(),
            phase: 0,
        }
    }

    /// Appends the converted samples of `input` to `out`: after n inputs there have been ⌈n·L/M⌉ outputs.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        if self.l == self.m {
            out.extend_from_slice(input);
            return;
        }
        self.history
            .extend(input.iter().map(|&sample| f32::from(sample)));
        out.reserve(input.len() * self.l / self.m + 1);
        let mut start = 0;
        if self.m <= MOST_STREAMS && self.phase == 0 {
            start = self.process_blocks(out);
        }
        let dot = if self.m <= MOST_STREAMS {
            dot_in_order
        } else {
            dot_in_lanes
        };
        while let Some(inputs) = self.history.get(start..start + self.taps) {
            let coefficients = &self.coefficients[self.phase * self.taps..][..self.taps];
            out.push(to_sample(dot(inputs, coefficients)));
            self.phase += self.m;
            start += self.phase / self.l;
            self.phase %= self.l;
        }
        self.history.drain(..start);
    }

    /// Makes as many whole blocks of cycles as the history allows; returns how many inputs they used up.
    fn process_blocks(&mut self, out: &mut Vec<i16>) -> usize {
        let (l, m) = (self.l, self.m);
        let reach = self.taps + (l - 1) * m / l;
        let cycles = (self.history.len() + m).saturating_sub(reach) / m;
        let blocks = cycles / BLOCK;
        if blocks == 0 {
            return 0;
        }
        let length = self.deal();
        for block in 0..blocks {
            let at = out.len();
            out.resize(at + BLOCK * l, 0);
            for place in 0..l {
                let row = &self.coefficients[place * m % l * self.taps..][..self.taps];
                let first = place * m / l;
                let sums = weigh(&self.dealt[block * BLOCK..], length, m, first, row);
                let slots = out[at + place..].iter_mut().step_by(l);
                slots
                    .zip(sums)
                    .for_each(|(slot, sum)| *slot = to_sample(sum));
            }
        }
        blocks * BLOCK * m
    }

    /// Deals the history out; returns the length of one stream.
    fn deal(&mut self) -> usize {
        let length = self.history.len().div_ceil(self.m);
        self.dealt.clear();
        for stream in 0..self.m {
            let samples = self.history[stream..].iter().step_by(self.m);
            self.dealt.extend(samples);
            self.dealt.resize((stream + 1) * length, 0.0);
        }
        length
    }
}

/// One phase's outputs of a block of cycles; its first input is number `first` of the first cycle.
fn weigh(dealt: &[f32], length: usize, m: usize, first: usize, row: &[f32]) -> [f32; BLOCK] {
    let mut sums = [0.0; BLOCK];
    let (mut stream, mut cycle) = (first, 0);
    for coefficient in row {
        let inputs = &dealt[stream * length + cycle..][..BLOCK];
        for lane in 0..BLOCK {
            sums[lane] += inputs[lane] * coefficient;
        }
        stream += 1;
        if stream == m {
            (stream, cycle) = (0, cycle + 1);
        }
    }
    sums
}

/// The same sum as a lane of `weigh` makes, to the last bit: a cut must not be heard.
fn dot_in_order(inputs: &[f32], coefficients: &[f32]) -> f32 {
    inputs
        .iter()
        .zip(coefficients)
        .fold(0.0, |sum, (x, c)| sum + x * c)
}

/// Largest common divisor, by Euclid.
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

/// The coefficients of all phases. Each phase sums to one, so that a constant stays constant.
fn design(l: usize, m: usize, taps: usize) -> Vec<f32> {
    // Cycles per input sample.
    let cutoff = CUTOFF * (l as f64 / m as f64).min(1.0);
    let half = taps as f64 / 2.0;
    let mut coefficients = Vec::with_capacity(l * taps);
    for phase in 0..l {
        let weights: Vec<f64> = (0..taps)
            // Oldest input first; `age` counts inputs back from the output's own instant.
            .map(|tap| (taps - 1 - tap) as f64 + phase as f64 / l as f64)
            .map(|age| sinc(2.0 * cutoff * (age - half)) * kaiser((age - half) / half))
            .collect();
        let sum: f64 = weights.iter().sum();
        coefficients.extend(weights.iter().map(|weight| (weight / sum) as f32));
    }
    coefficients
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// Kaiser's window over −1 to 1.
fn kaiser(x: f64) -> f64 {
    bessel_i0(KAISER_BETA * (1.0 - x * x).max(0.0).sqrt()) / bessel_i0(KAISER_BETA)
}

/// The modified Bessel function of order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    (1..40).fold(1.0, |sum, k| {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum + term
    })
}

fn dot_in_lanes(inputs: &[f32], coefficients: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (x, c) in inputs
        .chunks_exact(LANES)
        .zip(coefficients.chunks_exact(LANES))
    {
        for lane in 0..LANES {
            sums[lane] += x[lane] * c[lane];
        }
    }
    sums.iter().sum()
}

/// Rounded and clipped; the shift makes truncation round to nearest without a call.
fn to_sample(value: f32) -> i16 {
    ((value + 32_768.5) as i32 - 32_768).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAIRS: [(u32, u32); 14] = [
        (8_000, 16_000),
        (16_000, 8_000),
        (8_000, 24_000),
        (24_000, 8_000),
        (16_000, 24_000),
        (24_000, 16_000),
        (44_100, 8_000),
        (48_000, 8_000),
        (22_050, 8_000),
        (11_025, 8_000),
        (32_000, 16_000),
        (44_100, 16_000),
        (11_025, 16_000),
        (48_000, 16_000),
    ];

    fn sine(hz: f64, rate_hz: u32, count: usize) -> Vec<i16> {
        let angle = 2.0 * PI * hz / f64::from(rate_hz);
        (0..count)
            .map(|n| ((angle * n as f64).sin() * 16_000.0).round() as i16)
            .collect()
    }

    fn convert(from_hz: u32, to_hz: u32, input: &[i16]) -> Vec<i16> {
        let mut out = Vec::new();
        Resampler::new(from_hz, to_hz).process(input, &mut out);
        out
    }

    fn rms(pcm: &[i16]) -> f64 {
        (pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len() as f64).sqrt()
    }

    /// Amplitude at one frequency.
    fn amplitude(pcm: &[i16], hz: f64, rate_hz: u32) -> f64 {
        let angle = 2.0 * PI * hz / f64::from(rate_hz);
        let (re, im) = pcm
            .iter()
            .enumerate()
            .fold((0.0, 0.0), |(re, im), (n, &s)| {
                let (sin, cos) = (angle * n as f64).sin_cos();
                (re + f64::from(s) * cos, im + f64::from(s) * sin)
            });
        re.hypot(im) * 2.0 / pcm.len() as f64
    }

    #[test]
    fn a_tone_in_the_band_keeps_its_level_and_frequency() {
        for (from_hz, to_hz) in PAIRS {
            for hz in [300.0, 1_000.0, 3_200.0] {
                let out = convert(from_hz, to_hz, &sine(hz, from_hz, from_hz as usize));
                let steady = &out[to_hz as usize / 10..][..to_hz as usize / 2];
                let decibels = 20.0 * (amplitude(steady, hz, to_hz) / 16_000.0).log10();
                assert!(
                    decibels.abs() < 0.2,
                    "{from_hz} to {to_hz}, {hz} Hz: {decibels:.2} dB"
                );
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_sixty_decibels_down() {
        for (from_hz, to_hz) in PAIRS {
            let half = f64::from(from_hz.min(to_hz)) / 2.0;
            if from_hz > to_hz {
                for hz in [half * 1.01, half * 1.1, half * 1.4] {
                    let out = convert(
                        from_hz,
                        to_hz,
                        &sine(hz.min(f64::from(from_hz) * 0.49), from_hz, from_hz as usize),
                    );
                    let decibels = 20.0
                        * (rms(&out[to_hz as usize / 10..to_hz as usize / 2]) / 11_314.0).log10();
                    assert!(
                        decibels < -60.0,
                        "{from_hz} to {to_hz}, {hz} Hz: {decibels:.1} dB"
                    );
                }
            } else {
                let hz = half * 0.8;
                let out = convert(from_hz, to_hz, &sine(hz, from_hz, from_hz as usize));
                let image = amplitude(
                    &out[to_hz as usize / 10..][..to_hz as usize / 2],
                    2.0 * half - hz,
                    to_hz,
                );
                assert!(image < 16.0, "{from_hz} to {to_hz}: image {image:.1}");
            }
        }
    }

    #[test]
    fn the_group_delay_is_twenty_four_samples_of_the_lower_rate() {
        for (from_hz, to_hz) in [
            (8_000, 16_000),
            (16_000, 8_000),
            (24_000, 8_000),
            (16_000, 24_000),
        ] {
            let mut input = vec![0; from_hz as usize / 10];
            input[0] = 30_000;
            let out = convert(from_hz, to_hz, &input);
            let peak = out
                .iter()
                .enumerate()
                .max_by_key(|(_, sample)| **sample)
                .unwrap()
                .0;
            let delay = peak as f64 / f64::from(to_hz) * f64::from(from_hz.min(to_hz));
            assert!((delay - 24.0).abs() <= 1.0, "{from_hz} to {to_hz}: {delay}");
        }
    }

    #[test]
    fn equal_rates_change_nothing_and_loud_sound_clips() {
        let input = sine(440.0, 8_000, 500);
        assert_eq!(convert(8_000, 8_000, &input), input);
        let square: Vec<i16> = (0..800)
            .map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN })
            .collect();
        let out = convert(8_000, 16_000, &square);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn any_cut_gives_the_same_sound_and_the_exact_count(
            pair in prop::sample::select(PAIRS.to_vec()),
            cuts in prop::collection::vec(0..400_usize, 1..20),
            seed in any::<u32>(),
        ) {
            let total: usize = cuts.iter().sum();
            let input: Vec<i16> = (0..total as u32)
                .map(|n| (n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 16) as i16)
                .collect();
            let (mut resampler, mut out, mut rest) = (Resampler::new(pair.0, pair.1), Vec::new(), &input[..]);
            for cut in cuts {
                let (now, later) = rest.split_at(cut);
                resampler.process(now, &mut out);
                rest = later;
            }
            prop_assert_eq!(out.len(), (total * pair.1 as usize).div_ceil(pair.0 as usize));
            prop_assert_eq!(out, convert(pair.0, pair.1, &input));
        }
    }
}
