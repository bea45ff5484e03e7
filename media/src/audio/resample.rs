//! From one sample rate to another.

/// A stateful converter; the result does not depend on how the input is cut.
#[derive(Clone, Debug)]
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    phase: u32,
}

impl Resampler {
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        Resampler {
            from_hz,
            to_hz,
            phase: 0,
        }
    }

    /// Appends the converted samples of `input` to `out`.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        for &sample in input {
            while self.phase < self.to_hz {
                out.push(sample);
                self.phase += self.from_hz;
            }
            self.phase -= self.to_hz;
        }
    }
}
