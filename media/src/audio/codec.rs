//! The codecs of a call behind one face: payload bytes to samples and back.

use super::{g711, g722, opus};

/// A codec that a call may negotiate. All but Opus use an RTP clock of 8000 Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law, 64 kbit/s, 8 kHz; RTP payload type 0.
    Pcmu,
    /// G.711 A-law, 64 kbit/s, 8 kHz; RTP payload type 8.
    Pcma,
    /// G.722 at 64 kbit/s, 16 kHz; RTP payload type 9.
    G722,
    /// Opus at some 32 kbit/s, wideband; its payload type is dynamic and its RTP clock 48 kHz.
    Opus,
}

impl Codec {
    /// Samples per second of the sound itself.
    pub const fn rate_hz(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma => 8_000,
            // RFC 3551 §4.5.2: it samples at 16 kHz although its RTP clock says 8000.
            Codec::G722 => 16_000,
            Codec::Opus => opus::RATE_HZ,
        }
    }

    /// 8 kHz ticks that a payload lasts; 0 when it cannot be one.
    pub fn ticks(self, payload: &[u8]) -> usize {
        match self {
            Codec::Opus => opus::ticks(payload),
            // One byte per tick.
            _ => payload.len(),
        }
    }

    /// Whether what a payload sounds like depends on those before it: it must be decoded in its turn.
    pub const fn has_memory(self) -> bool {
        matches!(self, Codec::G722 | Codec::Opus)
    }

    /// Ticks of this codec's RTP clock in one 8 kHz tick.
    pub const fn clock_factor(self) -> u32 {
        match self {
            Codec::Opus => opus::CLOCK_FACTOR,
            _ => 1,
        }
    }

    /// Samples in `ms` milliseconds of sound.
    pub const fn samples(self, ms: u32) -> usize {
        (self.rate_hz() / 1_000 * ms) as usize
    }
}

/// Payload bytes to samples; G.722 and Opus remember what came before.
pub enum Decoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Decoder>),
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Decoder::Pcmu,
            Codec::Pcma => Decoder::Pcma,
            Codec::G722 => Decoder::G722(Box::default()),
            Codec::Opus => Decoder::Opus(Box::default()),
        }
    }

    /// Appends the samples of `payload`, at the codec's rate, to `pcm`.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        match self {
            Decoder::Pcmu => g711::decode_ulaw(payload, pcm),
            Decoder::Pcma => g711::decode_alaw(payload, pcm),
            Decoder::G722(decoder) => decoder.decode(payload, pcm),
            Decoder::Opus(decoder) => decoder.decode(payload, pcm),
        }
    }

    /// Appends `samples` in the place of what was lost, where the codec knows how; false: it does not.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) -> bool {
        if let Decoder::Opus(decoder) = self {
            decoder.conceal(samples, pcm);
            return true;
        }
        false
    }
}

/// Samples to payload bytes; G.722 and Opus remember what came before.
pub enum Encoder {
    Pcmu,
    Pcma,
    G722(Box<g722::Encoder>),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Encoder::Pcmu,
            Codec::Pcma => Encoder::Pcma,
            Codec::G722 => Encoder::G722(Box::default()),
            Codec::Opus => Encoder::Opus(Box::default()),
        }
    }

    /// Appends the payload bytes of `pcm`, which is at the codec's rate.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) {
        match self {
            Encoder::Pcmu => g711::encode_ulaw(pcm, payload),
            Encoder::Pcma => g711::encode_alaw(pcm, payload),
            Encoder::G722(encoder) => encoder.encode(pcm, payload),
            Encoder::Opus(encoder) => encoder.encode(pcm, payload),
        }
    }

    /// Learns of `payload` that was sent as it is: the far end's decoder now remembers it. `pcm` is its sound.
    pub fn follow(&mut self, payload: &[u8], pcm: &[i16]) {
        if let Encoder::G722(encoder) = self {
            encoder.follow(payload, pcm);
        }
    }
}
