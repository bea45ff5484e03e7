//! The payload types that SDP agreed.

use crate::audio::Codec;

/// What each payload type number means on this leg.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// Payload type (0–127) and codec, in order of preference.
    pub codecs: Vec<(u8, Codec)>,
    /// Payload type of telephone-event (RFC 4733).
    pub dtmf: Option<u8>,
    /// Ticks of the telephone events' clock in one of 8 kHz: 6 for telephone-event/48000, else 1.
    pub dtmf_factor: u32,
    /// Payload type of comfort noise (RFC 3389), usually 13.
    pub comfort_noise: Option<u8>,
}

impl Formats {
    /// The codec behind a payload type.
    pub fn codec(&self, payload_type: u8) -> Option<Codec> {
        self.codecs
            .iter()
            .find(|(number, _)| *number == payload_type)
            .map(|(_, codec)| *codec)
    }

    /// Whether timestamps of this payload type count in 48 kHz: Opus has that clock, and so has all beside it.
    pub fn is_fast(&self, payload_type: u8) -> bool {
        let has_opus = self
            .codecs
            .first()
            .is_some_and(|(_, codec)| *codec == Codec::Opus);
        match self.codec(payload_type) {
            Some(codec) => codec == Codec::Opus,
            None => has_opus,
        }
    }

    /// Whether the payload type was agreed at all.
    pub fn has(&self, payload_type: u8) -> bool {
        let number = Some(payload_type);
        self.codec(payload_type).is_some() || number == self.dtmf || number == self.comfort_noise
    }
}
