//! ITU-T G.722 at 64 kbit/s: two half bands, each with adaptive differential coding.
//!
//! ```text
//!   16 kHz ─▶ QMF ─┬─ 0–4 kHz ─▶ ADPCM, 6 bits ─┐
//!                  └─ 4–8 kHz ─▶ ADPCM, 2 bits ─┴─▶ one byte per two samples:  H H L L L L L L
//!
//!   ADPCM: difference = sample − prediction;  code = where it lies on a scale `det`;  the scale grows after large codes
//!          and shrinks after small ones;  prediction = 2 poles of the past output + 6 zeros of the past differences
//! ```
//! Block names in the comments (SUBTRA, QUANTL, …) are those of the Recommendation, clause 6. All arithmetic is in
//! integers, as there, so encoder and decoder stay in step with any other implementation.

/// Decision levels of the six-bit quantizer (table 14, q6).
const DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
    1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Output levels of the six-bit inverse quantizer (QM6), by code.
const LEVELS_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// Output levels of the four-bit inverse quantizer (QM4), by the code's upper four bits; it drives the adaptation.
const LEVELS_4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
/// Output levels of the two-bit inverse quantizer (QM2), by code.
const LEVELS_2: [i32; 4] = [-7408, -1616, 7408, 1616];
/// How the lower scale's logarithm moves, by the code's upper four bits (WL of RL42).
const LOW_MOVES: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];
/// How the upper scale's logarithm moves, by code (WH of RH2).
const HIGH_MOVES: [i32; 4] = [798, -214, 798, -214];
/// 2048 · 2^(n/32): the antilogarithm of the scale's fraction (ILB).
const ANTILOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// The even coefficients of the quadrature mirror filter; the odd ones are the same, backwards (table 11).
const MIRROR: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// 16 kHz samples to bytes.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    low: Band<Low>,
    high: Band<High>,
    mirror: Mirror,
    /// The first sample of a pair whose second has not come yet.
    odd: Option<i16>,
}

impl Encoder {
    /// Appends one byte for every two samples.
    pub fn encode(&mut self, pcm: &[i16], bytes: &mut Vec<u8>) {
        bytes.reserve(pcm.len() / 2 + 1);
        for &sample in pcm {
            match self.odd.take() {
                None => self.odd = Some(sample),
                Some(first) => bytes.push(self.pair(i32::from(first), i32::from(sample))),
            }
        }
    }

    /// Learns of bytes that another encoder made, as a decoder would: what is encoded next then fits to them.
    /// `pcm` is how they sound.
    pub fn follow(&mut self, bytes: &[u8], pcm: &[i16]) {
        for &byte in bytes {
            self.low.adapt(usize::from(byte & 0x3f) >> 2);
            self.high.adapt(usize::from(byte) >> 6);
        }
        self.odd = None;
        let recent = &pcm[pcm.len().saturating_sub(2 * self.mirror.pairs.len()) & !1..];
        for pair in recent.chunks_exact(2) {
            self.mirror.push(i32::from(pair[0]), i32::from(pair[1]));
        }
    }

    fn pair(&mut self, first: i32, second: i32) -> u8 {
        self.mirror.push(first, second);
        let (even, odd) = self.mirror.sums();
        let (low, high) = ((odd + even) >> 14, (odd - even) >> 14);

        let low_code = quantize_6(saturate(low - self.low.prediction), self.low.scale);
        self.low.adapt(low_code >> 2);
        let high_code = quantize_2(saturate(high - self.high.prediction), self.high.scale);
        self.high.adapt(high_code);
        (high_code << 6 | low_code) as u8
    }
}

/// Bytes to 16 kHz samples.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    low: Band<Low>,
    high: Band<High>,
    mirror: Mirror,
}

impl Decoder {
    /// Appends two samples for every byte.
    pub fn decode(&mut self, bytes: &[u8], pcm: &mut Vec<i16>) {
        pcm.reserve(2 * bytes.len());
        for &byte in bytes {
            pcm.extend(self.pair(usize::from(byte)));
        }
    }

    fn pair(&mut self, byte: usize) -> [i16; 2] {
        let (low_code, high_code) = (byte & 0x3f, byte >> 6);
        // INVQBL, RECONS, LIMIT
        let low = limit(self.low.prediction + ((self.low.scale * LEVELS_6[low_code]) >> 15));
        self.low.adapt(low_code >> 2);
        // INVQAH, RECONS, LIMIT
        let high = limit(self.high.prediction + ((self.high.scale * LEVELS_2[high_code]) >> 15));
        self.high.adapt(high_code);

        self.mirror.push(low + high, low - high);
        let (even, odd) = self.mirror.sums();
        [saturate(odd >> 11) as i16, saturate(even >> 11) as i16]
    }
}

/// QUANTL: the six-bit code of a difference. Larger magnitudes have smaller codes; the four smallest are not used.
fn quantize_6(difference: i32, scale: i32) -> usize {
    let (is_negative, magnitude) = fold(difference);
    let rank = DECISIONS
        .iter()
        .take_while(|&&decision| magnitude >= (decision * scale) >> 12)
        .count();
    match (is_negative, rank) {
        // The two innermost negative steps come last.
        (true, 0 | 1) => 63 - rank,
        (true, _) => 33 - rank,
        (false, _) => 61 - rank,
    }
}

/// QUANTH: the two-bit code of a difference.
fn quantize_2(difference: i32, scale: i32) -> usize {
    let (is_negative, magnitude) = fold(difference);
    let is_large = magnitude >= (564 * scale) >> 12;
    match (is_negative, is_large) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

/// One's complement magnitude, so that both signs have as many steps.
fn fold(difference: i32) -> (bool, i32) {
    if difference < 0 {
        (true, !difference)
    } else {
        (false, difference)
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

/// LIMIT: the half bands have 15 bits.
fn limit(value: i32) -> i32 {
    value.clamp(-16_384, 16_383)
}

/// What tells the half bands apart.
trait Half {
    const FIRST_SCALE: i32;
    const MOST_LOG: i32;
    /// What the scale's logarithm is shifted down by when it is zero.
    const SHIFT: i32;
    /// The level and the move of the logarithm for a code.
    fn level(code: usize) -> i32;
    fn step(code: usize) -> i32;
}

#[derive(Clone, Debug, Default)]
struct Low;

impl Half for Low {
    const FIRST_SCALE: i32 = 32;
    const MOST_LOG: i32 = 18_432;
    const SHIFT: i32 = 8;

    fn level(code: usize) -> i32 {
        LEVELS_4[code]
    }

    fn step(code: usize) -> i32 {
        LOW_MOVES[code]
    }
}

#[derive(Clone, Debug, Default)]
struct High;

impl Half for High {
    const FIRST_SCALE: i32 = 8;
    const MOST_LOG: i32 = 22_528;
    const SHIFT: i32 = 10;

    fn level(code: usize) -> i32 {
        LEVELS_2[code]
    }

    fn step(code: usize) -> i32 {
        HIGH_MOVES[code]
    }
}

/// One half band's memory; encoder and decoder keep the same.
#[derive(Clone, Debug)]
struct Band<H> {
    /// s: what the next sample should be.
    prediction: i32,
    /// sz: the part of it that the zeros make.
    zeros_part: i32,
    /// det: the quantizer's scale, and its logarithm (nb).
    scale: i32,
    scale_log: i32,
    /// a1, a2: the poles, for the last two outputs (r) and partial outputs (p).
    poles: [i32; 2],
    outputs: [i32; 2],
    partials: [i32; 2],
    /// b1 … b6: the zeros, for the last six differences (d).
    zeros: [i32; 6],
    differences: [i32; 6],
    half: std::marker::PhantomData<H>,
}

impl<H: Half> Default for Band<H> {
    fn default() -> Self {
        Band {
            prediction: 0,
            zeros_part: 0,
            scale: H::FIRST_SCALE,
            scale_log: 0,
            poles: [0; 2],
            outputs: [0; 2],
            partials: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            half: std::marker::PhantomData,
        }
    }
}

impl<H: Half> Band<H> {
    /// Learns from a code (of the lower band its upper four bits) and predicts the next sample.
    fn adapt(&mut self, code: usize) {
        let difference = (self.scale * H::level(code)) >> 15;
        self.follow_scale(code);
        // PARREC, RECONS
        let partial = saturate(self.zeros_part + difference);
        let output = saturate(self.prediction + difference);
        self.move_poles(partial);
        self.move_zeros(difference);
        // DELAYA
        self.partials = [partial, self.partials[0]];
        self.outputs = [output, self.outputs[0]];
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.predict();
    }

    /// LOGSCL and SCALEL, or LOGSCH and SCALEH.
    fn follow_scale(&mut self, code: usize) {
        self.scale_log = (((self.scale_log * 127) >> 7) + H::step(code)).clamp(0, H::MOST_LOG);
        let fraction = ANTILOG[(self.scale_log >> 6) as usize & 31];
        let shift = H::SHIFT - (self.scale_log >> 11);
        let scale = if shift < 0 {
            fraction << -shift
        } else {
            fraction >> shift
        };
        self.scale = scale << 2;
    }

    /// UPPOL2 and UPPOL1: towards the sign of the correlation of the partial outputs, within what is stable.
    fn move_poles(&mut self, partial: i32) {
        let [a1, a2] = self.poles;
        let agrees = |earlier: i32| (partial < 0) == (earlier < 0);
        let coupled = saturate(a1 << 2);
        let coupled = if agrees(self.partials[0]) {
            (-coupled).min(32_767)
        } else {
            coupled
        };
        let step = if agrees(self.partials[1]) { 128 } else { -128 };
        let second = (step + (coupled >> 7) + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);

        let step = if agrees(self.partials[0]) { 192 } else { -192 };
        let most = saturate(15_360 - second);
        let first = saturate(step + ((a1 * 32_640) >> 15)).clamp(-most, most);
        self.poles = [first, second];
    }

    /// UPZERO: each towards the sign of its difference's product with the newest.
    fn move_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(self.differences) {
            let step = if (difference < 0) == (earlier < 0) {
                step
            } else {
                -step
            };
            *zero = saturate(step + ((*zero * 32_640) >> 15));
        }
    }

    /// FILTEP, FILTEZ, PREDIC
    fn predict(&mut self) {
        let part = |coefficient: i32, value: i32| (coefficient * saturate(2 * value)) >> 15;
        let poles_part =
            saturate(part(self.poles[0], self.outputs[0]) + part(self.poles[1], self.outputs[1]));
        let parts = self
            .zeros
            .iter()
            .zip(self.differences)
            .map(|(&zero, difference)| part(zero, difference));
        self.zeros_part = saturate(parts.sum());
        self.prediction = saturate(poles_part + self.zeros_part);
    }
}

/// The last 24 samples of the quadrature mirror filter, as pairs; the newest last.
#[derive(Clone, Debug, Default)]
struct Mirror {
    pairs: [(i32, i32); 12],
}

impl Mirror {
    fn push(&mut self, first: i32, second: i32) {
        self.pairs.copy_within(1.., 0);
        self.pairs[11] = (first, second);
    }

    /// The filter over the first of each pair, and, backwards, over the second.
    fn sums(&self) -> (i32, i32) {
        let first = self
            .pairs
            .iter()
            .zip(MIRROR)
            .map(|(pair, weight)| pair.0 * weight)
            .sum();
        let second = self
            .pairs
            .iter()
            .zip(MIRROR.iter().rev())
            .map(|(pair, weight)| pair.1 * weight)
            .sum();
        (first, second)
    }
}

#[cfg(test)]
mod tests;
