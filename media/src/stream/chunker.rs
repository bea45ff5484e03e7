//! Joins 20 ms frames into the chunks that a bot is sent, in the bot's encoding.

use crate::audio::g711;
use crate::playout::Encoding;

/// Collects bytes until a chunk is complete.
#[derive(Debug)]
pub struct Chunker {
    encoding: Encoding,
    chunk_bytes: usize,
    bytes: Vec<u8>,
}

impl Chunker {
    /// Chunks of `frame_ms` at `rate_hz`.
    pub fn new(encoding: Encoding, rate_hz: u32, frame_ms: u32) -> Self {
        let mut chunker = Self {
            encoding,
            chunk_bytes: 0,
            bytes: Vec::new(),
        };
        chunker.set_rate(rate_hz, frame_ms);
        chunker
    }

    /// Empty, and from here on for another rate.
    pub fn set_rate(&mut self, rate_hz: u32, frame_ms: u32) {
        let samples = rate_hz as usize * frame_ms as usize / 1000;
        self.chunk_bytes = (samples * self.encoding.sample_bytes()).max(1);
        self.bytes.clear();
        self.bytes.reserve(self.chunk_bytes);
    }

    /// Adds samples at the chunker's rate; true when a chunk is complete.
    pub fn push(&mut self, pcm: &[i16]) -> bool {
        match self.encoding {
            Encoding::Mulaw => g711::encode_ulaw(pcm, &mut self.bytes),
            Encoding::Alaw => g711::encode_alaw(pcm, &mut self.bytes),
            Encoding::Pcm16 => {
                let at = self.bytes.len();
                self.bytes.resize(at + pcm.len() * 2, 0);
                for (bytes, sample) in self.bytes[at..].chunks_exact_mut(2).zip(pcm) {
                    bytes.copy_from_slice(&sample.to_le_bytes());
                }
            }
        }
        self.bytes.len() >= self.chunk_bytes
    }

    /// The complete chunk, or what there is of it.
    pub fn chunk(&self) -> &[u8] {
        &self.bytes[..self.chunk_bytes.min(self.bytes.len())]
    }

    /// Forgets the chunk that was sent; what came after it stays.
    pub fn next(&mut self) {
        let end = self.chunk_bytes.min(self.bytes.len());
        self.bytes.drain(..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_frames_make_a_chunk_of_100_ms() {
        let mut chunker = Chunker::new(Encoding::Pcm16, 8000, 100);
        let frame: Vec<i16> = (0..160).collect();
        let complete: Vec<bool> = (0..6)
            .map(|_| {
                let full = chunker.push(&frame);
                if full {
                    assert_eq!(chunker.chunk().len(), 1600);
                    assert_eq!(chunker.chunk()[2..4], [1, 0]);
                    chunker.next();
                }
                full
            })
            .collect();
        assert_eq!(complete, [false, false, false, false, true, false]);
    }

    #[test]
    fn alaw_is_that_of_g711() {
        let mut chunker = Chunker::new(Encoding::Alaw, 8000, 20);
        let pcm: Vec<i16> = (0..160).map(|at| at * 200 - 16_000).collect();
        assert!(chunker.push(&pcm));
        let mut wanted = Vec::new();
        g711::encode_alaw(&pcm, &mut wanted);
        assert_eq!(chunker.chunk(), wanted);
    }

    #[test]
    fn mulaw_has_one_byte_per_sample() {
        let mut chunker = Chunker::new(Encoding::Mulaw, 8000, 20);
        assert!(chunker.push(&[0; 160]));
        assert_eq!(chunker.chunk(), [0xff; 160]);
    }
}
