//! Adding voices.

/// Samples of 20 ms at the highest rate.
const MOST_SAMPLES: usize = 320;

/// Adds `more` to `pcm`, sample by sample, clipped to 16 bits. The shorter of the two decides how many.
pub fn add_saturating(pcm: &mut [i16], more: &[i16]) {
    for (sample, &other) in pcm.iter_mut().zip(more) {
        *sample = sample.saturating_add(other);
    }
}

/// Voices of one frame, added up before they are clipped: their order makes no difference, and two loud ones that
/// cancel out do no harm to a third.
#[derive(Debug)]
pub struct Sum([i32; MOST_SAMPLES]);

impl Sum {
    /// Nobody speaks.
    pub fn new() -> Self {
        Sum([0; MOST_SAMPLES])
    }

    /// Adds a voice: 20 ms, or less, at the rate of the others.
    pub fn add(&mut self, pcm: &[i16]) {
        for (sum, &sample) in self.0.iter_mut().zip(pcm) {
            *sum += i32::from(sample);
        }
    }

    /// Adds the voices to `pcm`, which is one of them, and clips the whole to 16 bits.
    pub fn add_to(&self, pcm: &mut [i16]) {
        for (sample, &sum) in pcm.iter_mut().zip(&self.0) {
            let whole = sum + i32::from(*sample);
            *sample = whole.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}

impl Default for Sum {
    fn default() -> Self {
        Sum::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loud_voices_clip_and_do_not_wrap() {
        let mut pcm = [30_000, -30_000, 100, 7];
        add_saturating(&mut pcm, &[10_000, -10_000, -300]);
        assert_eq!(pcm, [i16::MAX, i16::MIN, -200, 7]);
    }

    #[test]
    fn a_sum_is_clipped_once_whatever_the_order() {
        let voices: [&[i16]; 3] = [
            &[30_000, -30_000, 5],
            &[10_000, -10_000, 6],
            &[-20_000, 9, 7],
        ];
        let wanted = [20_000, i16::MIN, 18];
        for first in 0..3 {
            let mut pcm = voices[first].to_vec();
            let mut sum = Sum::new();
            for other in 1..3 {
                sum.add(voices[(first + other) % 3]);
            }
            sum.add_to(&mut pcm);
            assert_eq!(pcm, wanted);
        }
    }
}
