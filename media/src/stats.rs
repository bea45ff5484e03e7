//! Figures that people read: the quality of a call, and latencies.

use crate::audio::Codec;

/// R of a perfect narrow-band call with all other defaults of ITU-T G.107 (Ro − Is).
const BEST_R: f32 = 93.2;
/// Packet-loss robustness of G.711 with concealment under random loss (G.113 Appendix I).
const ROBUSTNESS: f32 = 25.1;
/// Delay from which talkers begin to collide, in milliseconds.
const TALK_OVER_MS: f32 = 177.3;

/// Mean opinion score (1.0–4.5), by the E-model of ITU-T G.107 in its usual simplified form.
///
/// `loss` is a fraction 0–1 of packets, `one_way_ms` the network's delay, `jitter_buffer_ms` ours.
///
/// ```text
/// R   = 93.2 − Id − Ie,eff                                     clamped to 0–100
/// Id  = 0.024·d + 0.11·(d − 177.3) when d > 177.3              d = mouth to ear, ms
/// Ie,eff = Ie + (95 − Ie)·Ppl / (Ppl + Bpl)                    Ppl in percent, G.107 eq. 7-29 with BurstR = 1
/// MOS = 1 + 0.035·R + R·(R − 60)·(100 − R)·7·10⁻⁶              G.107 Annex B
/// ```
/// All codecs here have Ie = 0. G.722 sounds better than G.711; on this narrow-band scale it scores alike.
pub fn mos(codec: Codec, loss: f32, one_way_ms: f32, jitter_buffer_ms: f32) -> f32 {
    // Half a packet waits in each codec; G.722's filters add 1.5 ms (22 samples at 16 kHz).
    let codec_ms = match codec {
        Codec::Pcmu | Codec::Pcma => 20.0,
        Codec::G722 => 21.5,
        // It looks 6.5 ms ahead.
        Codec::Opus => 26.5,
    };
    let delay_ms = one_way_ms.max(0.0) + jitter_buffer_ms.max(0.0) + codec_ms;
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let by_delay = 0.024 * delay_ms + 0.11 * (delay_ms - TALK_OVER_MS).max(0.0);
    let by_loss = 95.0 * percent / (percent + ROBUSTNESS);
    let r = (BEST_R - by_delay - by_loss).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

/// Sub-buckets per power of two: a value is known to an eighth.
const STEPS: usize = 8;
/// Up to 2^32 µs, more than an hour.
const BUCKETS: usize = STEPS * 30;

/// Counts of latencies in buckets that grow with the value: 1 KB, and no allocation ever.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: [u32; BUCKETS],
    count: u64,
    max_us: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Histogram {
            buckets: [0; BUCKETS],
            count: 0,
            max_us: 0,
        }
    }

    /// Counts one latency.
    pub fn record(&mut self, us: u64) {
        let bucket = &mut self.buckets[bucket(us)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The latency that the fraction `share` (0–1) of all stays within, at most an eighth too high; 0 when empty.
    pub fn percentile_us(&self, share: f64) -> u64 {
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (number, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return last_of(number).min(self.max_us);
            }
        }
        self.max_us
    }

    pub fn p50_us(&self) -> u64 {
        self.percentile_us(0.50)
    }

    pub fn p99_us(&self) -> u64 {
        self.percentile_us(0.99)
    }

    /// Adds another's counts to these.
    pub fn merge(&mut self, other: &Histogram) {
        for (bucket, count) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket = bucket.saturating_add(count);
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Values below 8 have a bucket each; above, the three bits after the leading one choose.
fn bucket(us: u64) -> usize {
    let us = us.min(u64::from(u32::MAX)) as usize;
    if us < STEPS {
        return us;
    }
    let octave = us.ilog2() as usize - 3;
    (octave + 1) * STEPS + ((us >> octave) & (STEPS - 1))
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let octave = bucket / STEPS - 1;
    let first = (STEPS + bucket % STEPS) << octave;
    (first + (1 << octave) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clean_call_scores_what_the_e_model_says() {
        // R = 93.2 − 0.024 × 20 = 92.72.
        assert!((mos(Codec::Pcmu, 0.0, 0.0, 0.0) - 4.40).abs() < 0.01);
        // R = 93.2 − 95 × 5 / 30.1 − 0.024 × 100 = 75.0.
        assert!((mos(Codec::Pcma, 0.05, 60.0, 20.0) - 3.83).abs() < 0.02);
    }

    #[test]
    fn loss_and_delay_only_make_it_worse_and_the_scale_has_ends() {
        let scores: Vec<f32> = (0..=100)
            .map(|percent| mos(Codec::G722, percent as f32 / 100.0, 50.0, 20.0))
            .collect();
        assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]));
        assert!(mos(Codec::Pcmu, 0.0, 400.0, 0.0) < mos(Codec::Pcmu, 0.0, 150.0, 0.0));
        assert_eq!(mos(Codec::Pcmu, 1.0, 5_000.0, 0.0), 1.0);
        assert!((1.0..=4.5).contains(&mos(Codec::Pcmu, f32::NEG_INFINITY, -9.0, -9.0)));
    }

    #[test]
    fn percentiles_of_a_known_set() {
        let mut histogram = Histogram::new();
        assert_eq!(
            (histogram.p50_us(), histogram.p99_us(), histogram.max_us()),
            (0, 0, 0)
        );
        (1..=1_000).for_each(|us| histogram.record(us));
        assert!((500..=563).contains(&histogram.p50_us()));
        assert!((990..=1_000).contains(&histogram.p99_us()));
        assert_eq!((histogram.max_us(), histogram.count()), (1_000, 1_000));
        let mut sum = Histogram::new();
        sum.merge(&histogram);
        sum.record(u64::MAX);
        assert_eq!((sum.max_us(), sum.count()), (u64::MAX, 1_001));
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bucket(us in 0..u64::from(u32::MAX)) {
            let number = bucket(us);
            prop_assert!(number < BUCKETS);
            prop_assert!(us <= last_of(number));
            prop_assert!(number == 0 || us > last_of(number - 1));
        }
    }
}
