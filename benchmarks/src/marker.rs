//! Marks inside the audio: each 20 ms frame says who sent it, which one it is and when.
//!
//! ```text
//! byte  0    4    5        8        12      18     24    25            160
//!       magic kind source   index    sent_us aux_us check  speech-like audio
//! ```
//! A digit is one of 64 µ-law codes that survive µ-law → PCM16 → µ-law unchanged, so that the same
//! marks are read on the RTP and on the WebSocket side.

/// Samples of a frame: 20 ms at 8 kHz.
pub const FRAME: usize = 160;
/// Samples that a marker takes at the head of a frame.
pub const LENGTH: usize = 25;

const MAGIC: [u8; 4] = [0x80, 0x00, 0x80, 0x00];
const DIGIT: u8 = 0x80;
const TIME_MASK: u64 = (1 << 36) - 1;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From the caller; `sent_us` is when its packet was given to the kernel.
    Caller = 1,
    /// A short utterance of a bot into an empty queue; `sent_us` is when its message was sent.
    Probe = 2,
    /// Long audio of a bot that will be cleared; `source` tells which.
    Long = 3,
    /// An utterance after a clear; `aux_us` is when the clear was sent.
    Cleared = 4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    pub kind: Kind,
    /// The caller's or utterance's number, 18 bits.
    pub source: u32,
    /// The frame's number, 24 bits.
    pub index: u32,
    /// CLOCK_MONOTONIC in microseconds, 36 bits (19 hours).
    pub sent_us: u64,
    pub aux_us: u64,
}

impl Marker {
    /// Write the marker over the head of a µ-law frame.
    pub fn write_ulaw(&self, frame: &mut [u8]) {
        frame[..4].copy_from_slice(&MAGIC);
        frame[4] = DIGIT | self.kind as u8;
        put(&mut frame[5..8], u64::from(self.source));
        put(&mut frame[8..12], u64::from(self.index));
        put(&mut frame[12..18], self.sent_us);
        put(&mut frame[18..24], self.aux_us);
        frame[24] = DIGIT | check(frame);
    }

    /// Read the marker at the head of a µ-law frame.
    pub fn read_ulaw(frame: &[u8]) -> Option<Marker> {
        let head = frame.get(..LENGTH)?;
        let is_marker = head[..4] == MAGIC
            && head[4..]
                .iter()
                .all(|code| (DIGIT..DIGIT + 64).contains(code))
            && head[24] & 63 == check(head);
        if !is_marker {
            return None;
        }
        Some(Marker {
            kind: match head[4] & 63 {
                1 => Kind::Caller,
                2 => Kind::Probe,
                3 => Kind::Long,
                4 => Kind::Cleared,
                _ => return None,
            },
            source: take(&head[5..8]) as u32,
            index: take(&head[8..12]) as u32,
            sent_us: take(&head[12..18]),
            aux_us: take(&head[18..24]),
        })
    }

    /// Whether the rest of its µ-law frame is what the speech-like sound is at its place.
    pub fn is_whole(&self, frame: &[u8], sound: &[u8]) -> bool {
        frame[LENGTH..] == frame_of(sound, self.index)[LENGTH..]
    }

    /// Read the marker at the head of a frame of PCM16, little-endian.
    pub fn read_pcm(frame: &[u8]) -> Option<Marker> {
        let bytes = frame.get(..LENGTH * 2)?;
        // Cheap refusal: most audio is not a marker.
        if i16::from_le_bytes([bytes[0], bytes[1]]) != ulaw_to_pcm(MAGIC[0]) {
            return None;
        }
        let mut head = [0; LENGTH];
        for (code, pair) in head.iter_mut().zip(bytes.chunks_exact(2)) {
            *code = pcm_to_ulaw(i16::from_le_bytes([pair[0], pair[1]]));
        }
        Marker::read_ulaw(&head)
    }
}

/// Microseconds from `sent_us` of a marker to `now_ns`.
pub fn elapsed_us(sent_us: u64, now_ns: u64) -> i64 {
    let difference = (now_ns / 1000).wrapping_sub(sent_us) & TIME_MASK;
    // Above half the range it lies before: clocks are read on two cores.
    if difference > TIME_MASK / 2 {
        difference as i64 - TIME_MASK as i64 - 1
    } else {
        difference as i64
    }
}

fn put(digits: &mut [u8], mut value: u64) {
    for digit in digits {
        *digit = DIGIT | (value & 63) as u8;
        value >>= 6;
    }
}

fn take(digits: &[u8]) -> u64 {
    digits
        .iter()
        .rev()
        .fold(0, |value, digit| value << 6 | u64::from(digit & 63))
}

fn check(head: &[u8]) -> u8 {
    head[4..24]
        .iter()
        .fold(7u8, |sum, code| sum.wrapping_mul(3).wrapping_add(code & 63))
        & 63
}

/// ITU-T G.711, 16-bit scale.
pub fn ulaw_to_pcm(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((i16::from(code & 15) << 3) + 132) << ((code >> 4) & 7);
    if code & 0x80 != 0 {
        132 - magnitude
    } else {
        magnitude - 132
    }
}

pub fn pcm_to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let segment = 24 - magnitude.leading_zeros() as i32; // 132 lies in segment 0
    let step = (magnitude >> (segment + 3)) & 15;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// The frame of a sound that is said over and over.
pub fn frame_of(sound: &[u8], index: u32) -> &[u8] {
    let from = index as usize % (sound.len() / FRAME) * FRAME;
    &sound[from..from + FRAME]
}

/// A second of something like speech: a buzz whose pitch and loudness move, in µ-law.
pub fn speech_like() -> Vec<u8> {
    (0..8000u32)
        .map(|at| {
            let time = f64::from(at) / 8000.0;
            let loudness = (time * std::f64::consts::TAU * 4.0).sin().abs();
            let phase = time * std::f64::consts::TAU * 140.0;
            let voice: f64 = (1..8)
                .map(|n| (phase * f64::from(n)).sin() / f64::from(n))
                .sum();
            pcm_to_ulaw((voice * loudness * 6000.0) as i16)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_marker() -> impl Strategy<Value = Marker> {
        let kind = prop::sample::select(vec![Kind::Caller, Kind::Probe, Kind::Long, Kind::Cleared]);
        (
            kind,
            0u32..1 << 18,
            0u32..1 << 24,
            0u64..1 << 36,
            0u64..1 << 36,
        )
            .prop_map(|(kind, source, index, sent_us, aux_us)| Marker {
                kind,
                source,
                index,
                sent_us,
                aux_us,
            })
    }

    proptest! {
        #[test]
        fn a_marker_survives_ulaw_and_pcm(marker in any_marker()) {
            let mut frame = [0xff; FRAME];
            marker.write_ulaw(&mut frame);
            prop_assert_eq!(Marker::read_ulaw(&frame), Some(marker));
            let pcm: Vec<u8> = frame.iter().flat_map(|code| ulaw_to_pcm(*code).to_le_bytes()).collect();
            prop_assert_eq!(Marker::read_pcm(&pcm), Some(marker));
        }

        #[test]
        fn other_audio_is_no_marker(frame in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Marker::read_ulaw(&frame), None);
            prop_assert_eq!(Marker::read_pcm(&frame), None);
        }
    }

    #[test]
    fn ulaw_codes_survive_the_linear_side() {
        for code in (0..=255u8).filter(|code| *code != 0x7f) {
            assert_eq!(pcm_to_ulaw(ulaw_to_pcm(code)), code);
        }
        assert_eq!(
            [ulaw_to_pcm(0x80), ulaw_to_pcm(0xff), ulaw_to_pcm(0)],
            [32124, 0, -32124]
        );
    }

    #[test]
    fn elapsed_time_may_wrap_and_be_slightly_negative() {
        assert_eq!(elapsed_us(5, 15_000), 10);
        assert_eq!(elapsed_us(TIME_MASK, 9000 + ((TIME_MASK + 1) * 1000)), 10);
        assert_eq!(elapsed_us(20, 15_000), -5);
    }
}
