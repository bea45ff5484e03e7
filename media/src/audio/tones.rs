//! DTMF tones, heard and made (ITU-T Q.23 for the frequencies, Q.24 for what a receiver must accept).
//!
//! ```text
//!            1209  1336  1477  1633 Hz       blocks of 12.75 ms that overlap by half:
//!   697 Hz     1     2     3     A             ├──1──┤
//!   770 Hz     4     5     6     B                ├──2──┤
//!   852 Hz     7     8     9     C                   ├──3──┤      four alike, 32 ms: a digit
//!   941 Hz     *     0     #     D                      ├──4──┤   three unlike: its end
//! ```

use std::f32::consts::TAU;

const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Samples between two looks at 8 kHz, 6.375 ms; each look covers two.
const HOP_AT_8K: usize = 51;
/// Looks alike that make a digit: 32 ms, which every tone of 40 ms fills wherever it begins.
const LOOKS_TO_BEGIN: u32 = 4;
/// Looks unlike that end it; shorter breaks are bridged (Q.24: 10 ms).
const LOOKS_TO_END: u32 = 3;
/// Least mean square of a look: each tone at about −40 dBm0.
const LEAST_POWER: f32 = 150.0 * 150.0;
/// Share of a look's energy that the two tones must have; 1.5 % off their frequencies they still do.
const LEAST_SHARE: f32 = 0.70;
/// The best row and column stand out from the other rows and columns by 8 dB.
const LEAST_LEAD: f32 = 6.3;
/// A column may be 8 dB above its row (the line damps high tones less than a phone lifts them), or 6 below.
const MOST_TWIST: f32 = 6.3;
const MOST_REVERSE_TWIST: f32 = 4.0;
/// Speech has harmonics, keys have not.
const MOST_HARMONIC: f32 = 0.15;

/// Levels of the made tones, −8 dBm0 and −6 dBm0: a full-scale sine is +3.14 dBm0.
const ROW_AMPLITUDE: f32 = 9_087.0;
const COLUMN_AMPLITUDE: f32 = 11_440.0;
/// The tone's edges are ramps, so that they do not click.
const RAMP_MS: u32 = 2;

/// A key press heard in the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigitHeard {
    pub digit: char,
    /// Length of the tone, exact to about 6 ms.
    pub duration_ms: u32,
}

/// Listens for DTMF tones in audio.
#[derive(Clone, Debug)]
pub struct ToneDetector {
    rate_hz: u32,
    hop: usize,
    rows: [Goertzel; 4],
    columns: [Goertzel; 4],
    row_harmonics: [Goertzel; 4],
    column_harmonics: [Goertzel; 4],
    /// Up to two hops of samples.
    block: Vec<f32>,
    candidate: Option<char>,
    looks_alike: u32,
    press: Option<Press>,
}

/// A digit that sounds.
#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    looks: u32,
    looks_unlike: u32,
}

impl ToneDetector {
    /// `rate_hz` is 8000 or 16000.
    pub fn new(rate_hz: u32) -> Self {
        let hop = HOP_AT_8K * rate_hz as usize / 8_000;
        let tuned = |hz: f32| Goertzel::new(hz, rate_hz);
        ToneDetector {
            rate_hz,
            hop,
            rows: ROWS_HZ.map(tuned),
            columns: COLUMNS_HZ.map(tuned),
            row_harmonics: ROWS_HZ.map(|hz| tuned(2.0 * hz)),
            column_harmonics: COLUMNS_HZ.map(|hz| tuned(2.0 * hz)),
            block: Vec::with_capacity(2 * hop),
            candidate: None,
            looks_alike: 0,
            press: None,
        }
    }

    /// Listens to `pcm`, cut anyhow; appends each digit whose tone has ended.
    pub fn process(&mut self, mut pcm: &[i16], heard: &mut Vec<DigitHeard>) {
        while !pcm.is_empty() {
            let (now, later) = pcm.split_at(pcm.len().min(2 * self.hop - self.block.len()));
            self.block
                .extend(now.iter().map(|&sample| f32::from(sample)));
            pcm = later;
            if self.block.len() == 2 * self.hop {
                let digit = self.look();
                self.follow(digit, heard);
                self.block.drain(..self.hop);
            }
        }
    }

    /// The digit that fills the present block.
    fn look(&self) -> Option<char> {
        let energy: f32 = self.block.iter().map(|sample| sample * sample).sum();
        if energy < LEAST_POWER * self.block.len() as f32 {
            return None;
        }
        let (row, row_energy) = self.strongest(&self.rows)?;
        let (column, column_energy) = self.strongest(&self.columns)?;
        let is_balanced = column_energy <= row_energy * MOST_TWIST
            && row_energy <= column_energy * MOST_REVERSE_TWIST;
        let is_alone = row_energy + column_energy >= LEAST_SHARE * energy;
        (is_balanced && is_alone && !self.has_harmonics(row, column, row_energy, column_energy))
            .then(|| KEYS[row][column])
    }

    /// The filter with the most energy, if the others have much less.
    fn strongest(&self, filters: &[Goertzel; 4]) -> Option<(usize, f32)> {
        let energies = filters.map(|filter| filter.energy(&self.block));
        let (best, &most) = energies
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))?;
        let is_leading = energies
            .iter()
            .enumerate()
            .all(|(other, &energy)| other == best || energy * LEAST_LEAD <= most);
        is_leading.then_some((best, most))
    }

    fn has_harmonics(
        &self,
        row: usize,
        column: usize,
        row_energy: f32,
        column_energy: f32,
    ) -> bool {
        let of_column = self.column_harmonics[column].energy(&self.block);
        // Twice a row lies so near the columns that a block this short sees some of them there.
        let of_row = self.row_harmonics[row].energy(&self.block);
        of_column > MOST_HARMONIC * column_energy
            || of_row > MOST_HARMONIC * (row_energy + column_energy)
    }

    fn follow(&mut self, digit: Option<char>, heard: &mut Vec<DigitHeard>) {
        self.looks_alike = if digit.is_some() && digit == self.candidate {
            self.looks_alike + 1
        } else {
            1
        };
        self.candidate = digit;
        if let Some(press) = &mut self.press {
            if digit == Some(press.digit) {
                // A short break belongs to the tone.
                press.looks += 1 + std::mem::take(&mut press.looks_unlike);
                return;
            }
            press.looks_unlike += 1;
            if press.looks_unlike < LOOKS_TO_END {
                return;
            }
            let Press { digit, looks, .. } = *press;
            heard.push(DigitHeard {
                digit,
                duration_ms: self.duration_ms(looks),
            });
            self.press = None;
        }
        if let Some(digit) = digit.filter(|_| self.looks_alike >= LOOKS_TO_BEGIN) {
            self.press = Some(Press {
                digit,
                looks: self.looks_alike,
                looks_unlike: 0,
            });
        }
    }

    fn duration_ms(&self, looks: u32) -> u32 {
        (looks + 1) * self.hop as u32 * 1_000 / self.rate_hz
    }
}

/// Goertzel's filter: the energy of a block at one frequency.
#[derive(Clone, Copy, Debug)]
struct Goertzel {
    /// 2 cos ω.
    coefficient: f32,
}

impl Goertzel {
    fn new(hz: f32, rate_hz: u32) -> Self {
        Goertzel {
            coefficient: 2.0 * (TAU * hz / rate_hz as f32).cos(),
        }
    }

    /// On the scale of the sum of squares: a sine of this frequency gives all its energy.
    fn energy(self, block: &[f32]) -> f32 {
        let (last, before) = block.iter().fold((0.0, 0.0), |(last, before), sample| {
            (sample + self.coefficient * last - before, last)
        });
        let power: f32 = last * last + before * before - self.coefficient * last * before;
        power * 2.0 / block.len() as f32
    }
}

/// Appends `ms` milliseconds of the digit's tone to `pcm`: `0`–`9`, `*`, `#`, `A`–`D`; anything else is silence.
pub fn digit_tone(digit: char, rate_hz: u32, ms: u32, pcm: &mut Vec<i16>) {
    let length = rate_hz / 1_000 * ms;
    let Some((row_hz, column_hz)) = frequencies(digit) else {
        pcm.resize(pcm.len() + length as usize, 0);
        return;
    };
    let ramp = (rate_hz / 1_000 * RAMP_MS) as f32;
    pcm.extend((0..length).map(|place| {
        let angle = TAU * place as f32 / rate_hz as f32;
        let edge = place.min(length - 1 - place) as f32 / ramp;
        let sound =
            ROW_AMPLITUDE * (angle * row_hz).sin() + COLUMN_AMPLITUDE * (angle * column_hz).sin();
        (sound * edge.min(1.0)).round() as i16
    }));
}

fn frequencies(digit: char) -> Option<(f32, f32)> {
    let place = KEYS.iter().flatten().position(|&key| key == digit)?;
    Some((ROWS_HZ[place / 4], COLUMNS_HZ[place % 4]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: &str = "0123456789*#ABCD";

    fn listen(rate_hz: u32, pcm: &[i16], cut: usize) -> Vec<DigitHeard> {
        let mut heard = Vec::new();
        let mut detector = ToneDetector::new(rate_hz);
        pcm.chunks(cut)
            .for_each(|part| detector.process(part, &mut heard));
        detector.process(&vec![0; rate_hz as usize / 10], &mut heard);
        heard
    }

    /// Two sines, 100 ms at 8 kHz.
    fn two_tones(row_hz: f32, column_hz: f32, row_level: f32, column_level: f32) -> Vec<i16> {
        let sample = |n: usize| {
            let angle = TAU * n as f32 / 8_000.0;
            (row_level * (angle * row_hz).sin() + column_level * (angle * column_hz).sin()) as i16
        };
        (0..800).map(sample).collect()
    }

    fn noise(seed: &mut u32) -> f32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 16) as f32 / 32_768.0 - 1.0
    }

    #[test]
    fn every_digit_is_heard_once_at_both_rates_with_its_duration() {
        for rate_hz in [8_000, 16_000] {
            let mut pcm = Vec::new();
            for digit in ALL.chars() {
                digit_tone(digit, rate_hz, 100, &mut pcm);
                pcm.resize(pcm.len() + rate_hz as usize / 20, 0);
            }
            let heard = listen(rate_hz, &pcm, 160);
            assert_eq!(
                heard.iter().map(|digit| digit.digit).collect::<String>(),
                ALL
            );
            assert!(
                heard
                    .iter()
                    .all(|digit| digit.duration_ms.abs_diff(100) <= 10),
                "{heard:?}"
            );
        }
    }

    #[test]
    fn forty_milliseconds_are_enough_and_twenty_are_not() {
        for offset in 0..102 {
            for (ms, count) in [(20, 0), (40, 1)] {
                let mut pcm = vec![0; offset];
                digit_tone('5', 8_000, ms, &mut pcm);
                assert_eq!(listen(8_000, &pcm, 160).len(), count, "{ms} ms at {offset}");
            }
        }
    }

    #[test]
    fn tones_a_little_off_are_heard_and_tones_far_off_are_not() {
        for (error, count) in [(0.985, 1), (1.015, 1), (0.93, 0), (1.07, 0)] {
            for (row_hz, column_hz) in [(697.0, 1_209.0), (941.0, 1_633.0)] {
                let pcm = two_tones(row_hz * error, column_hz * error, 5_000.0, 5_000.0);
                assert_eq!(listen(8_000, &pcm, 160).len(), count, "{row_hz} × {error}");
            }
        }
    }

    #[test]
    fn twist_is_tolerated_within_limits_only() {
        for (row_level, column_level, count) in [
            (2_500.0, 5_000.0, 1),
            (5_000.0, 3_000.0, 1),
            (1_000.0, 5_000.0, 0),
            (5_000.0, 1_500.0, 0),
        ] {
            let pcm = two_tones(770.0, 1_336.0, row_level, column_level);
            assert_eq!(
                listen(8_000, &pcm, 160).len(),
                count,
                "{row_level} {column_level}"
            );
        }
    }

    #[test]
    fn quiet_tones_and_tones_in_noise_are_heard() {
        assert_eq!(
            listen(8_000, &two_tones(852.0, 1_477.0, 250.0, 250.0), 160).len(),
            1
        );
        assert_eq!(
            listen(8_000, &two_tones(852.0, 1_477.0, 40.0, 40.0), 160).len(),
            0
        );
        let mut seed = 1;
        let noisy: Vec<i16> = two_tones(852.0, 1_477.0, 5_000.0, 5_000.0)
            .iter()
            .map(|sample| sample + (noise(&mut seed) * 1_500.0) as i16)
            .collect();
        assert_eq!(listen(8_000, &noisy, 160)[0].digit, '9');
    }

    #[test]
    fn a_break_of_ten_milliseconds_does_not_make_two_digits() {
        let mut pcm = two_tones(770.0, 1_209.0, 5_000.0, 5_000.0);
        pcm.extend([0; 60]);
        pcm.extend(two_tones(770.0, 1_209.0, 5_000.0, 5_000.0));
        let heard = listen(8_000, &pcm, 160);
        assert_eq!((heard.len(), heard[0].digit), (1, '4'));
    }

    #[test]
    fn a_minute_of_voiced_sound_and_noise_has_no_digits() {
        // Glottal pulses of a wandering pitch through two wandering formants, and bursts of noise.
        let mut seed = 7;
        let (mut pitch, mut phase) = (120.0_f32, 0.0_f32);
        let mut states = [[0.0_f32; 2]; 2];
        let mut formants = [500.0_f32, 1_500.0];
        let pcm: Vec<i16> = (0..480_000)
            .map(|n| {
                if n % 800 == 0 {
                    pitch = (pitch + noise(&mut seed) * 20.0).clamp(80.0, 300.0);
                    formants[0] = (formants[0] + noise(&mut seed) * 150.0).clamp(300.0, 1_000.0);
                    formants[1] = (formants[1] + noise(&mut seed) * 300.0).clamp(900.0, 2_500.0);
                }
                phase += pitch / 8_000.0;
                let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
                phase %= 1.0;
                let source = pulse * 2_000.0
                    + noise(&mut seed) * if n / 4_000 % 5 == 0 { 400.0 } else { 20.0 };
                let mut sound = 0.0;
                for (state, hz) in states.iter_mut().zip(formants) {
                    let radius = 0.97_f32;
                    let next = source + 2.0 * radius * (TAU * hz / 8_000.0).cos() * state[0]
                        - radius * radius * state[1];
                    *state = [next, state[0]];
                    sound += next;
                }
                sound.clamp(-32_000.0, 32_000.0) as i16
            })
            .collect();
        assert_eq!(listen(8_000, &pcm, 160), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_cut_of_the_sound_does_not_matter(cut in 1..700_usize, offset in 0..300_usize) {
            let mut pcm = vec![0; offset];
            for digit in "147*".chars() {
                digit_tone(digit, 8_000, 60, &mut pcm);
                pcm.resize(pcm.len() + 400, 0);
            }
            prop_assert_eq!(listen(8_000, &pcm, cut), listen(8_000, &pcm, 160));
        }
    }
}
