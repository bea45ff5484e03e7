//! Comfort noise (RFC 3389): the far end is silent and says how loud its silence is.

/// White noise at the level that a comfort-noise packet gives.
///
/// The reflection coefficients (RFC 3389 §3.2) would colour it; they are ignored: below −40 dBov, in
/// telephone band and for a bot's ear, level is all that matters.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    state: u32,
    /// Largest sample of the uniform noise.
    peak: i32,
}

impl ComfortNoise {
    /// Silent until described. The seed only makes legs differ.
    pub fn new(seed: u32) -> Self {
        ComfortNoise {
            state: seed | 1,
            peak: 0,
        }
    }

    /// RFC 3389 §3.1: the first byte is the level in −dBov, 0 (loudest) to 127; no byte is silence.
    pub fn describe(&mut self, payload: &[u8]) {
        let level = payload.first().map_or(127, |byte| byte & 0x7f);
        // 0 dBov is the power of a full-scale square wave; uniform noise has √3 × its RMS as peak.
        let peak = 32_768.0 * 3_f32.sqrt() * 10_f32.powf(-f32::from(level) / 20.0);
        self.peak = (peak.round() as i32).min(i32::from(i16::MAX));
    }

    /// Fills `out` with noise at the described level.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            let signed = (self.next() >> 16) as i32 - 0x8000;
            *sample = ((signed * self.peak) >> 15) as i16;
        }
    }

    /// Marsaglia's xorshift32.
    fn next(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 17;
        self.state ^= self.state << 5;
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_dbov(pcm: &[i16]) -> f64 {
        let power: f64 = pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len() as f64;
        10.0 * (power / 32_768_f64.powi(2)).log10()
    }

    #[test]
    fn the_noise_has_the_level_that_was_described() {
        for level in [20_u8, 40, 60] {
            let mut noise = ComfortNoise::new(7);
            noise.describe(&[level, 0x55]);
            let mut pcm = [0; 8_000];
            noise.fill(&mut pcm);
            assert!((level_dbov(&pcm) + f64::from(level)).abs() < 1.0, "{level}");
        }
    }

    #[test]
    fn noise_without_a_description_is_silence_and_any_level_is_safe() {
        let mut noise = ComfortNoise::new(0);
        let mut pcm = [1; 160];
        noise.fill(&mut pcm);
        assert_eq!(pcm, [0; 160]);
        noise.describe(&[]);
        noise.fill(&mut pcm);
        noise.describe(&[0x80]);
        noise.fill(&mut pcm);
        assert!(pcm.iter().any(|&s| s.unsigned_abs() > 10_000));
    }
}
