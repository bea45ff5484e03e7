//! Changes the rate of a sound that comes in 20 ms frames, or leaves it as it is.

use crate::audio::resample::Resampler;

/// A resampler that is made when it is needed and made anew when a rate changes.
#[derive(Default)]
pub struct Converter {
    resampler: Option<(u32, u32, Resampler)>,
    out: Vec<i16>,
}

impl Converter {
    /// No rates yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next frame at `to_hz`; exactly 20 ms long when the frame was.
    pub fn convert<'a>(&'a mut self, from_hz: u32, to_hz: u32, frame: &'a [i16]) -> &'a [i16] {
        if from_hz == to_hz {
            self.resampler = None;
            return frame;
        }
        let fits =
            matches!(&self.resampler, Some((from, to, _)) if (*from, *to) == (from_hz, to_hz));
        if !fits {
            self.resampler = Some((from_hz, to_hz, Resampler::new(from_hz, to_hz)));
        }
        self.out.clear();
        if let Some((_, _, resampler)) = &mut self.resampler {
            resampler.process(frame, &mut self.out);
        }
        self.out
            .resize(frame.len() * to_hz as usize / from_hz as usize, 0);
        &self.out
    }

    /// Something of the last frames is still inside.
    pub fn is_converting(&self) -> bool {
        self.resampler.is_some()
    }
}

impl std::fmt::Debug for Converter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Converter").finish_non_exhaustive()
    }
}
