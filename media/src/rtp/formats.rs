//! The payload types that SDP agreed.

use crate::audio::Codec;

/// What each payload type number means on this leg.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// Payload type (0–127) and codec, in order of preference.
    pub codecs: Vec<(u8, Codec)>,
    /// Payload type of telephone-event/8000 (RFC 4733).
    pub dtmf: Option<u8>,
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

    /// Whether the payload type was agreed at all.
    pub fn has(&self, payload_type: u8) -> bool {
        let number = Some(payload_type);
        self.codec(payload_type).is_some() || number == self.dtmf || number == self.comfort_noise
    }
}
