//! ITU-T G.711: sixteen-bit samples in eight bits, by the µ-law and by the A-law.
//!
//! ```text
//!   bit   7   6 5 4   3 2 1 0
//!       sign  segment  step       µ-law: all bits inverted · A-law: even bits inverted (XOR 0x55)
//! ```
//! Decoding is a table of 256; encoding finds the segment from the leading zeros.

/// Added before the µ-law segment is sought, so that every segment begins at a power of two.
const ULAW_BIAS: i32 = 33;
/// µ-law's largest magnitude, on the 14-bit scale of the standard, that still lies in segment 7.
const ULAW_CLIP: i32 = 8_158;

/// `[decode(0), decode(1), … decode(255)]`, worked out by the compiler.
macro_rules! table {
    ($decode:ident) => {{
        let mut pcm = [0_i16; 256];
        let mut byte = 0;
        while byte < 256 {
            pcm[byte] = $decode(byte as u8);
            byte += 1;
        }
        pcm
    }};
}

static ULAW_TO_PCM: [i16; 256] = table!(ulaw_to_pcm);
static ALAW_TO_PCM: [i16; 256] = table!(alaw_to_pcm);

/// Appends one sample to `pcm` for each µ-law byte.
pub fn decode_ulaw(bytes: &[u8], pcm: &mut Vec<i16>) {
    pcm.extend(bytes.iter().map(|&byte| ULAW_TO_PCM[usize::from(byte)]));
}

/// Appends one µ-law byte to `bytes` for each sample.
pub fn encode_ulaw(pcm: &[i16], bytes: &mut Vec<u8>) {
    bytes.extend(pcm.iter().map(|&sample| pcm_to_ulaw(sample)));
}

/// Appends one sample to `pcm` for each A-law byte.
pub fn decode_alaw(bytes: &[u8], pcm: &mut Vec<i16>) {
    pcm.extend(bytes.iter().map(|&byte| ALAW_TO_PCM[usize::from(byte)]));
}

/// Appends one A-law byte to `bytes` for each sample.
pub fn encode_alaw(pcm: &[i16], bytes: &mut Vec<u8>) {
    bytes.extend(pcm.iter().map(|&sample| pcm_to_alaw(sample)));
}

fn pcm_to_ulaw(sample: i16) -> u8 {
    // The law is defined on 14 bits; the shift rounds towards minus infinity, as the reference does.
    let (sign, magnitude) = match i32::from(sample) >> 2 {
        negative @ ..=-1 => (0x80, -negative),
        positive => (0, positive),
    };
    let biased = magnitude.min(ULAW_CLIP) + ULAW_BIAS;
    let segment = 26 - biased.leading_zeros() as i32;
    let step = (biased >> (segment + 1)) & 0x0f;
    !((sign | segment << 4 | step) as u8)
}

fn pcm_to_alaw(sample: i16) -> u8 {
    // Thirteen bits; A-law has no zero: minus one mirrors to the first step of the negative side.
    let (sign, magnitude) = match i32::from(sample) >> 3 {
        negative @ ..=-1 => (0, !negative),
        positive => (0x80, positive),
    };
    let segment = (27 - magnitude.leading_zeros() as i32).max(0);
    let step = (magnitude >> segment.max(1)) & 0x0f;
    (sign | segment << 4 | step) as u8 ^ 0x55
}

const fn ulaw_to_pcm(byte: u8) -> i16 {
    let code = !byte as i32;
    let (segment, step) = ((code >> 4) & 7, code & 0x0f);
    // The middle of the step, then down by the bias, then from 14 to 16 bits.
    let magnitude = ((((step << 1) + ULAW_BIAS) << segment) - ULAW_BIAS) << 2;
    (if code & 0x80 != 0 {
        -magnitude
    } else {
        magnitude
    }) as i16
}

const fn alaw_to_pcm(byte: u8) -> i16 {
    let code = (byte ^ 0x55) as i32;
    let (segment, step) = ((code >> 4) & 7, code & 0x0f);
    // The middle of the step; segment 0 has the same step as segment 1 but no leading one.
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    (if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_sample() -> Vec<i16> {
        (i16::MIN..=i16::MAX).collect()
    }

    fn every_byte() -> Vec<u8> {
        (0..=255).collect()
    }

    /// CRC-32 (IEEE 802.3), bit by bit: the checksums below were made once with Python's audioop.
    fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
        let step = |crc: u32| {
            (0..8).fold(crc, |c, _| {
                if c & 1 == 1 {
                    c >> 1 ^ 0xedb8_8320
                } else {
                    c >> 1
                }
            })
        };
        !bytes.into_iter().fold(!0, |crc, byte| {
            let low = (crc ^ u32::from(byte)) & 0xff;
            crc >> 8 ^ step(low)
        })
    }

    fn little_endian(pcm: &[i16]) -> Vec<u8> {
        pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    #[test]
    fn every_sample_is_encoded_as_audioop_encodes_it() {
        let (mut ulaw, mut alaw) = (Vec::new(), Vec::new());
        encode_ulaw(&every_sample(), &mut ulaw);
        encode_alaw(&every_sample(), &mut alaw);
        assert_eq!(crc32(ulaw), 0x3b7c_3a3e);
        assert_eq!(crc32(alaw), 0x9133_796e);
    }

    #[test]
    fn every_byte_is_decoded_as_audioop_decodes_it() {
        let (mut ulaw, mut alaw) = (Vec::new(), Vec::new());
        decode_ulaw(&every_byte(), &mut ulaw);
        decode_alaw(&every_byte(), &mut alaw);
        assert_eq!(crc32(little_endian(&ulaw)), 0x0c84_7a9f);
        assert_eq!(crc32(little_endian(&alaw)), 0x9d76_4657);
    }

    #[test]
    fn a_decoded_byte_encodes_to_itself() {
        let (mut pcm, mut again) = (Vec::new(), Vec::new());
        decode_alaw(&every_byte(), &mut pcm);
        encode_alaw(&pcm, &mut again);
        assert_eq!(again, every_byte());
        pcm.clear();
        again.clear();
        decode_ulaw(&every_byte(), &mut pcm);
        encode_ulaw(&pcm, &mut again);
        // µ-law has two zeros; the encoder only makes the positive one.
        again[0x7f] = 0x7f;
        assert_eq!(again, every_byte());
    }
}
