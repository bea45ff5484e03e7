//! What sound is made of: codecs, rates, concealment, noise, tones. No packet, no clock, no thread.
//!
//! Samples are 16-bit linear mono (`i16`) everywhere; a rate is in hertz and named `rate_hz`.

pub mod answer;
pub mod beep;
pub mod codec;
pub mod g711;
pub mod g722;
pub mod loudness;
pub mod mixer;
pub mod network_tones;
pub mod noise;
pub mod opus;
pub mod payload;
pub mod plc;
pub mod resample;
pub mod silence;
pub mod tones;

pub use codec::Codec;
pub use payload::Payload;
