//! DTMF tones: heard and made (ITU-T Q.23, Q.24).

/// A key press heard in the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigitHeard {
    pub digit: char,
    pub duration_ms: u32,
}

/// Listens for DTMF tones in audio.
#[derive(Clone, Debug)]
pub struct ToneDetector {}

impl ToneDetector {
    /// `rate_hz` is 8000 or 16000.
    pub fn new(_rate_hz: u32) -> Self {
        ToneDetector {}
    }

    /// Listens to `pcm`; appends each digit whose tone has ended.
    pub fn process(&mut self, _pcm: &[i16], _heard: &mut Vec<DigitHeard>) {}
}

/// Appends `ms` milliseconds of the digit's tone to `pcm`; an unknown digit is silence.
pub fn digit_tone(_digit: char, rate_hz: u32, ms: u32, pcm: &mut Vec<i16>) {
    pcm.resize(pcm.len() + (rate_hz / 1000 * ms) as usize, 0);
}
