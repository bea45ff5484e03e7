//! What a leg hears: RTP datagrams in, 20 ms of sound out at every beat.

use super::{Formats, Packet};
use crate::audio::codec::Decoder;
use crate::audio::Codec;

/// How the receiver behaves.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverConfig {
    /// Least delay of the jitter buffer, 0–200 ms; 0 adds none on a steady network.
    pub jitter_min_ms: u32,
    /// Most delay of the jitter buffer, up to 1000 ms.
    pub jitter_max_ms: u32,
    /// Listen for DTMF tones in the audio too.
    pub inband_dtmf: bool,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sound, kept for its turn.
    Audio,
    /// A telephone-event packet.
    Event,
    /// A comfort-noise description.
    Noise,
    /// Seen before.
    Duplicate,
    /// Its turn has passed.
    Late,
    /// A payload type that was not agreed.
    Unknown,
    /// Not RTP.
    Malformed,
}

/// Where a digit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// RFC 4733 telephone-event packets.
    Event,
    /// A tone in the audio.
    Inband,
}

/// A key press of the far end, complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    pub digit: char,
    pub duration_ms: u32,
    pub source: Source,
}

/// Counters since the start of the leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Well-formed RTP packets with an agreed payload type.
    pub packets: u64,
    /// Datagrams that were not RTP.
    pub malformed: u64,
    /// Packets with a payload type that was not agreed.
    pub unknown: u64,
    pub duplicates: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that arrived after one with a higher sequence number, in time to be played.
    pub reordered: u64,
    /// Packets that never came, or too late.
    pub lost: u64,
    /// Milliseconds of sound invented for missing packets.
    pub concealed_ms: u64,
    /// Milliseconds dropped, or inserted, to follow the far end's clock and the jitter.
    pub dropped_ms: u64,
    pub inserted_ms: u64,
    /// Times the stream began anew: another SSRC, or a jump of the timestamps.
    pub restarts: u64,
    /// Present delay of the jitter buffer.
    pub depth_ms: u32,
}

/// The receiving half of a leg.
pub struct Receiver {
    formats: Formats,
    decoder: Option<(Codec, Decoder)>,
    pcm: Vec<i16>,
    digits: Vec<Digit>,
    stats: ReceiverStats,
}

impl Receiver {
    pub fn new(_config: ReceiverConfig) -> Self {
        Receiver {
            formats: Formats::default(),
            decoder: None,
            pcm: Vec::new(),
            digits: Vec::new(),
            stats: ReceiverStats::default(),
        }
    }

    /// What SDP agreed; may be called again in mid-call.
    pub fn set_formats(&mut self, formats: &Formats) {
        self.formats = formats.clone();
    }

    /// Takes in one datagram that arrived at `arrival_us` (monotonic).
    pub fn packet(&mut self, _arrival_us: u64, datagram: &[u8]) -> Verdict {
        let Some(packet) = Packet::parse(datagram) else {
            self.stats.malformed += 1;
            return Verdict::Malformed;
        };
        let Some(codec) = self.formats.codec(packet.payload_type) else {
            self.stats.unknown += 1;
            return Verdict::Unknown;
        };
        if self.decoder.as_ref().map(|(codec, _)| *codec) != Some(codec) {
            self.decoder = Some((codec, Decoder::new(codec)));
        }
        self.stats.packets += 1;
        if let Some((_, decoder)) = &mut self.decoder {
            decoder.decode(packet.payload, &mut self.pcm);
        }
        Verdict::Audio
    }

    /// Appends exactly 20 ms of sound at [`rate_hz`](Self::rate_hz) to `out`. Call it every 20 ms.
    pub fn take(&mut self, _now_us: u64, out: &mut Vec<i16>) {
        let frame = self.rate_hz() as usize / 50;
        let ready = frame.min(self.pcm.len());
        out.extend(self.pcm.drain(..ready));
        out.resize(out.len() + frame - ready, 0);
    }

    /// The rate of the sound that the next `take` gives: 8000 or 16000.
    pub fn rate_hz(&self) -> u32 {
        self.decoder
            .as_ref()
            .map_or(8_000, |(codec, _)| codec.rate_hz())
    }

    /// The digits whose tone has ended since last asked.
    pub fn digits(&mut self) -> std::vec::Drain<'_, Digit> {
        self.digits.drain(..)
    }

    pub fn stats(&self) -> ReceiverStats {
        self.stats
    }
}
