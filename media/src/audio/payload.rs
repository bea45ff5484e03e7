//! Twenty milliseconds as they came in one packet, for whoever can use them without decoding; never Opus.

use super::{g711, Codec};

/// The codecs here make one byte per tick of the 8 kHz RTP clock: 20 ms are 160 bytes.
pub const FRAME_BYTES: usize = 160;

/// The bytes of one packet of 20 ms, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    codec: Option<Codec>,
    bytes: [u8; FRAME_BYTES],
}

impl Payload {
    /// No payload.
    pub const NONE: Payload = Payload {
        codec: None,
        bytes: [0; FRAME_BYTES],
    };

    /// Forgets what it held.
    pub fn clear(&mut self) {
        self.codec = None;
    }

    /// Takes over `bytes`, if they are 20 ms; else it is empty afterwards.
    pub fn set(&mut self, codec: Codec, bytes: &[u8]) {
        self.codec = None;
        if codec == Codec::Opus {
            return;
        }
        if let Ok(bytes) = bytes.try_into() {
            self.codec = Some(codec);
            self.bytes = bytes;
        }
    }

    /// Takes over another's bytes, if it has any.
    pub fn copy_from(&mut self, other: &Payload) {
        self.codec = other.codec;
        if other.codec.is_some() {
            self.bytes = other.bytes;
        }
    }

    /// What the bytes are; `None` when there are none.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// The bytes; they mean nothing without a codec.
    pub fn bytes(&self) -> &[u8; FRAME_BYTES] {
        &self.bytes
    }

    /// Appends the samples, for a codec without a memory; G.722 and nothing append none.
    pub fn decode(&self, pcm: &mut Vec<i16>) {
        match self.codec {
            Some(Codec::Pcmu) => g711::decode_ulaw(&self.bytes, pcm),
            Some(Codec::Pcma) => g711::decode_alaw(&self.bytes, pcm),
            Some(Codec::G722 | Codec::Opus) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_twenty_milliseconds_are_kept() {
        let mut payload = Payload::NONE;
        payload.set(Codec::Pcmu, &[0x10; FRAME_BYTES]);
        assert_eq!(payload.codec(), Some(Codec::Pcmu));
        payload.set(Codec::Pcmu, &[0x10; FRAME_BYTES / 2]);
        assert_eq!(payload.codec(), None);
    }

    #[test]
    fn a_packet_of_opus_is_none_whatever_its_length() {
        let mut payload = Payload::NONE;
        payload.set(Codec::Opus, &[8; FRAME_BYTES]);
        assert_eq!(payload.codec(), None);
    }

    #[test]
    fn a_codec_without_memory_is_decoded_by_itself() {
        let (mut payload, mut pcm) = (Payload::NONE, Vec::new());
        payload.decode(&mut pcm);
        payload.set(Codec::G722, &[7; FRAME_BYTES]);
        payload.decode(&mut pcm);
        assert!(pcm.is_empty());
        payload.set(Codec::Pcma, &[0xd5; FRAME_BYTES]);
        payload.decode(&mut pcm);
        assert_eq!(pcm, [8; FRAME_BYTES]);
    }
}
