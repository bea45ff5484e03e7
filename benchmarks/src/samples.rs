//! Measured values and their percentiles.

use serde_json::{json, Value};

/// Durations in microseconds, all kept: a run has at most some millions.
#[derive(Debug, Default, Clone)]
pub struct Samples(Vec<i32>);

impl Samples {
    pub fn add(&mut self, us: i64) {
        self.0
            .push(us.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32);
    }

    pub fn extend(&mut self, other: &Samples) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_slice(&self) -> &[i32] {
        &self.0
    }

    /// The value that `share` (0 to 1) of all stay within, in microseconds; 0 when there is none.
    pub fn percentile(&mut self, share: f64) -> i32 {
        if self.0.is_empty() {
            return 0;
        }
        let last = self.0.len() - 1;
        let rank = ((self.0.len() as f64 * share).ceil() as usize)
            .saturating_sub(1)
            .min(last);
        *self.0.select_nth_unstable(rank).1
    }

    /// Count, median, p99, p99.9 and maximum, in milliseconds.
    pub fn report(&mut self) -> Value {
        let ms = |us: i32| f64::from(us) / 1000.0;
        json!({
            "count": self.len(),
            "p50_ms": ms(self.percentile(0.5)),
            "p99_ms": ms(self.percentile(0.99)),
            "p999_ms": ms(self.percentile(0.999)),
            "max_ms": ms(self.percentile(1.0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentile(0.99), 0);
        (1..=1000).rev().for_each(|us| samples.add(us));
        let at = |samples: &mut Samples, share| samples.percentile(share);
        assert_eq!(at(&mut samples, 0.5), 500);
        assert_eq!(at(&mut samples, 0.99), 990);
        assert_eq!(at(&mut samples, 1.0), 1000);
    }
}
