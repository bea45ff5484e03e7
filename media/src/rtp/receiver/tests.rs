use super::*;
use crate::audio::g711::encode_ulaw;

mod events;
mod lateness;
mod network;
mod odd;
mod passing;
mod payloads;

const PCMU: u8 = 0;
const G722: u8 = 9;
const CN: u8 = 13;
const DTMF: u8 = 101;
const BEAT_US: u64 = 20_000;

/// A far end and a network in virtual time: datagrams with their arrival, then beats.
struct Night {
    receiver: Receiver,
    arrivals: Vec<(u64, Vec<u8>)>,
    next_beat_us: u64,
    heard: Vec<i16>,
}

impl Night {
    fn new() -> Self {
        Self::with(ReceiverConfig {
            jitter_min_ms: 0,
            jitter_max_ms: 200,
            inband_dtmf: false,
        })
    }

    fn with(config: ReceiverConfig) -> Self {
        let mut receiver = Receiver::new(config);
        receiver.set_formats(&Formats {
            codecs: vec![(PCMU, Codec::Pcmu), (G722, Codec::G722)],
            dtmf: Some(DTMF),
            comfort_noise: Some(CN),
            dtmf_factor: 1,
        });
        // Beats fall 5 ms after the packets of a steady sender.
        Night {
            receiver,
            arrivals: Vec::new(),
            next_beat_us: 5_000,
            heard: Vec::new(),
        }
    }

    fn send(&mut self, arrival_us: u64, packet: Packet<'_>) {
        let mut datagram = Vec::new();
        packet.write(&mut datagram);
        self.arrivals.push((arrival_us, datagram));
    }

    /// Twenty milliseconds of sound, all of `level`, the `number`th of its stream.
    fn sound(&mut self, arrival_us: u64, number: u32, level: i16) {
        let mut payload = Vec::new();
        encode_ulaw(&[level; 160], &mut payload);
        self.send(arrival_us, audio(number, &payload));
    }

    fn run_until(&mut self, until_us: u64) {
        self.arrivals.sort_by_key(|(arrival_us, _)| *arrival_us);
        let mut arrivals = std::mem::take(&mut self.arrivals).into_iter().peekable();
        while self.next_beat_us < until_us {
            while let Some((arrival_us, datagram)) =
                arrivals.next_if(|(us, _)| *us <= self.next_beat_us)
            {
                self.receiver.packet(arrival_us, &datagram);
            }
            self.beat();
        }
        self.arrivals = arrivals.collect();
    }

    fn beat(&mut self) {
        let before = self.heard.len();
        let promised = self.receiver.rate_hz() as usize / 50;
        self.receiver.take(self.next_beat_us, &mut self.heard);
        assert_eq!(self.heard.len() - before, promised);
        self.next_beat_us += BEAT_US;
    }

    /// The middle sample of each frame heard.
    fn levels(&self) -> Vec<i16> {
        self.heard.chunks(160).map(|frame| frame[80]).collect()
    }

    fn digits(&mut self) -> Vec<(char, u32)> {
        self.receiver
            .digits()
            .map(|digit| (digit.digit, digit.duration_ms))
            .collect()
    }
}

fn audio(number: u32, payload: &[u8]) -> Packet<'_> {
    Packet {
        marker: number == 0,
        payload_type: PCMU,
        sequence: 65_500_u16.wrapping_add(number as u16),
        timestamp: (u32::MAX - 8_000).wrapping_add(number.wrapping_mul(160)),
        ssrc: 1,
        payload,
    }
}

fn event(sequence: u32, at: u32, code: u8, is_end: bool, ticks: u16) -> ([u8; 4], Packet<'static>) {
    let [high, low] = ticks.to_be_bytes();
    let template = audio(sequence, &[]);
    let payload = [code, if is_end { 0x8a } else { 0x0a }, high, low];
    (
        payload,
        Packet {
            payload_type: DTMF,
            timestamp: audio(at, &[]).timestamp,
            ..template
        },
    )
}

/// A level that names the packet, as µ-law will give it back.
fn level(number: u32) -> i16 {
    let mut bytes = Vec::new();
    encode_ulaw(&[1_000 + (number % 24) as i16 * 1_000], &mut bytes);
    let mut pcm = Vec::new();
    crate::audio::g711::decode_ulaw(&bytes, &mut pcm);
    pcm[0]
}

/// xorshift, 0 to `below`.
fn dice(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below
}
