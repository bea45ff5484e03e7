//! Opus as a telephone uses it (RFC 6716, RFC 7587): one channel, wideband speech, a packet for each 20 ms.
//!
//! libopus does the work. Its RTP clock ticks 48,000 times a second whatever is in the packet; here lengths are in the
//! 8,000 ticks that all else counts in.

use opusic_c::{Application, Bitrate, Channels, InbandFec, SampleRate, Signal};

/// Samples per second of the sound: telephone speech has nothing above.
pub const RATE_HZ: u32 = 16_000;
/// Ticks of the Opus clock in one of ours.
pub const CLOCK_FACTOR: u32 = 6;
/// The longest packet (RFC 6716 §3.2.5), in ticks.
const TICKS_LIMIT: usize = 960;
const SAMPLES_PER_TICK: usize = RATE_HZ as usize / 8_000;
/// RFC 7587 §3.1.1 names 16 to 20 kbit/s for wideband speech; a part of these goes into the repair of lost packets.
const BITS_PER_SECOND: u32 = 32_000;
/// What an encoder may use of a processor, 0 to 10; 5 sounds like 10 at half the cost for speech.
const COMPLEXITY: u8 = 5;
/// Percent of packets that the in-band repair is made for.
const EXPECTED_LOSS: u8 = 5;
/// More than a frame ever has at this rate.
const PACKET_BYTES: usize = 400;

/// Ticks that a packet lasts, from its first bytes; 0 when it is none.
pub fn ticks(packet: &[u8]) -> usize {
    let Some((toc, rest)) = packet.split_first() else {
        return 0;
    };
    let size = usize::from(*toc >> 3 & 3);
    // RFC 6716 §3.1, table 2: SILK, hybrid, CELT.
    let frame = match toc >> 3 {
        0..=11 => [80, 160, 320, 480][size],
        12..=15 => [80, 160][size & 1],
        _ => [20, 40, 80, 160][size],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => rest.first().map_or(0, |count| usize::from(count & 0x3f)),
    };
    match frame * frames {
        length @ 1..=TICKS_LIMIT => length,
        _ => 0,
    }
}

/// Packets to samples. A lost packet is made up from what the decoder remembers.
pub struct Decoder {
    /// `None` when libopus had no memory for one: then everything is silence.
    inner: Option<opusic_c::Decoder>,
    scratch: Vec<u16>,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder {
            inner: opusic_c::Decoder::new(Channels::Mono, SampleRate::Hz16000).ok(),
            scratch: Vec::new(),
        }
    }
}

impl Decoder {
    /// Appends the samples of a packet: as many as [`ticks`] says, silence for one that is broken.
    pub fn decode(&mut self, packet: &[u8], pcm: &mut Vec<i16>) {
        self.make(packet, ticks(packet) * SAMPLES_PER_TICK, pcm);
    }

    /// Appends `samples` of what was probably said in a packet that is lost.
    pub fn conceal(&mut self, samples: usize, pcm: &mut Vec<i16>) {
        self.make(&[], samples, pcm);
    }

    fn make(&mut self, packet: &[u8], samples: usize, pcm: &mut Vec<i16>) {
        self.scratch.clear();
        self.scratch.resize(samples, 0);
        let made = match &mut self.inner {
            Some(decoder) if samples > 0 => decoder
                .decode_to_slice(packet, &mut self.scratch, false)
                .unwrap_or(0),
            _ => 0,
        };
        self.scratch[made.min(samples)..].fill(0);
        pcm.extend(self.scratch.iter().map(|&sample| sample as i16));
    }
}

/// Samples to packets.
pub struct Encoder {
    inner: Option<opusic_c::Encoder>,
    scratch: Vec<u16>,
}

impl Default for Encoder {
    fn default() -> Self {
        let inner = opusic_c::Encoder::new(Channels::Mono, SampleRate::Hz16000, Application::Audio)
            .ok()
            .map(|mut encoder| {
                // Not the mode for VoIP: its filter of low tones changes what a bot's speech recognition is given.
                // A setting that this libopus does not know leaves its default, which can be heard as well.
                let _ = encoder.set_bitrate(Bitrate::Value(BITS_PER_SECOND));
                let _ = encoder.set_complexity(COMPLEXITY);
                let _ = encoder.set_signal(Signal::Voice);
                let _ = encoder.set_inband_fec(InbandFec::Mode1);
                let _ = encoder.set_packet_loss(EXPECTED_LOSS);
                encoder
            });
        Encoder {
            inner,
            scratch: Vec::new(),
        }
    }
}

impl Encoder {
    /// Appends the packet of `pcm`: 20 ms, or another length that Opus has. Nothing when it cannot be made.
    pub fn encode(&mut self, pcm: &[i16], packet: &mut Vec<u8>) {
        self.scratch.clear();
        self.scratch.extend(pcm.iter().map(|&sample| sample as u16));
        let mut bytes = [0; PACKET_BYTES];
        let made = match &mut self.inner {
            Some(encoder) => encoder
                .encode_to_slice(&self.scratch, &mut bytes)
                .unwrap_or(0),
            None => 0,
        };
        packet.extend_from_slice(&bytes[..made]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|index| {
                let phase = index as f32 * 440.0 * std::f32::consts::TAU / RATE_HZ as f32;
                (phase.sin() * 8_000.0) as i16
            })
            .collect()
    }

    fn level(pcm: &[i16]) -> f32 {
        let sum: f32 = pcm.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        (sum / pcm.len() as f32).sqrt()
    }

    #[test]
    fn a_tone_survives_and_every_packet_is_20_ms() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let mut heard = Vec::new();
        for frame in tone(320 * 50).chunks(320) {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            assert_eq!(ticks(&packet), 160);
            assert!(packet.len() < 160);
            decoder.decode(&packet, &mut heard);
        }
        assert_eq!(heard.len(), 320 * 50);
        let (said, got) = (level(&tone(320 * 50)), level(&heard[320 * 5..]));
        assert!((got / said - 1.0).abs() < 0.15, "{got} of {said}");
    }

    #[test]
    fn a_lost_packet_sounds_like_what_was_before() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let mut heard = Vec::new();
        for frame in tone(320 * 20).chunks(320) {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            decoder.decode(&packet, &mut heard);
        }
        let mut made_up = Vec::new();
        decoder.conceal(320, &mut made_up);
        assert_eq!(made_up.len(), 320);
        assert!(level(&made_up) > level(&heard) / 2.0);
    }

    #[test]
    fn lengths_are_those_of_the_rfc() {
        assert_eq!(ticks(&[]), 0);
        assert_eq!(ticks(&[0b0000_0000]), 80); // SILK, 10 ms
        assert_eq!(ticks(&[0b0001_1001]), 960); // SILK, two of 60 ms
        assert_eq!(ticks(&[0b0110_1000]), 160); // hybrid, 20 ms
        assert_eq!(ticks(&[0b1000_0000]), 20); // CELT, 2.5 ms
        assert_eq!(ticks(&[0b0000_1011, 6]), 960); // six of 20 ms
        assert_eq!(ticks(&[0b0000_1011, 7]), 0); // more than 120 ms
        assert_eq!(ticks(&[0b0000_1011]), 0); // no count
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_decoder(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8)) {
            let mut decoder = Decoder::default();
            for packet in packets {
                let mut pcm = Vec::new();
                decoder.decode(&packet, &mut pcm);
                prop_assert_eq!(pcm.len(), ticks(&packet) * SAMPLES_PER_TICK);
            }
        }
    }
}
