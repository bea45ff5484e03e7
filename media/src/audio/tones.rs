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
/// Looks alike that are taken for a key before it is known to be one: 19 ms.
const LOOKS_TO_DOUBT: u32 = 2;
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
        while let Some(digit) = self.next_look(&mut pcm) {
            self.follow(digit, heard);
        }
    }

    /// Listens to `pcm`, cut anyhow; whether a key, or what will be one, sounds in it.
    pub fn sounds(&mut self, mut pcm: &[i16]) -> bool {
        let (mut is_key, mut heard) = (false, Vec::new());
        while let Some(digit) = self.next_look(&mut pcm) {
            self.follow(digit, &mut heard);
            is_key |= digit.is_some() && self.looks_alike >= LOOKS_TO_DOUBT;
        }
        is_key
    }

    /// Takes samples until a block is full, and tells what fills it; None when there are no more.
    fn next_look(&mut self, pcm: &mut &[i16]) -> Option<Option<char>> {
        if self.block.len() == 2 * self.hop {
            self.block.drain(..self.hop);
        }
        let (now, later) = pcm.split_at(pcm.len().min(2 * self.hop - self.block.len()));
        self.block
            .extend(now.iter().map(|&sample| f32::from(sample)));
        *pcm = later;
        (self.block.len() == 2 * self.hop).then(|| self.look())
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
pub(super) struct Goertzel {
    /// 2 cos ω.
    coefficient: f32,
}

impl Goertzel {
    pub(super) fn new(hz: f32, rate_hz: u32) -> Self {
        Goertzel {
            coefficient: 2.0 * (TAU * hz / rate_hz as f32).cos(),
        }
    }

    /// On the scale of the sum of squares: a sine of this frequency gives all its energy.
    pub(super) fn energy(self, block: &[f32]) -> f32 {
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
mod tests;
