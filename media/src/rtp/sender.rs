//! What a leg says: 20 ms of sound in, RTP packets out; keys as telephone events among them.
//!
//! ```text
//!  frames     │20 ms│20 ms│20 ms│20 ms│20 ms│…        every frame moves the timestamp by 160
//!  ptime 10   ▪  ▪  ▪  ▪  ▪  ▪  ▪  ▪  ▪  ▪
//!  ptime 30      ▪▪▪   ▪▪▪▪     ▪▪▪                   the remainder waits for the next frame
//!  key '5'    M▫ ─── ▫ ─── ▫ ─── E▫▫▫ ── gap ── ▪     all ▫ of a key share one timestamp (RFC 4733 §2.5.1)
//! ```

use super::dialer::Dialer;
use super::packet::HEADER_BYTES;
use super::Packet;
use crate::audio::codec::Encoder;
use crate::audio::{mixer, Codec};

/// 8 kHz ticks of one 20 ms frame; the RTP clock of Opus ticks six times as fast.
pub(super) const FRAME_TICKS: u32 = 160;
/// All codecs but Opus make one byte per tick of the RTP clock.
const BYTES_PER_MS: usize = 8;
/// The longest packet: 60 ms.
const PTIME_MS_LIMIT: u32 = 60;
/// The final packet of an event is sent three times (RFC 4733 §2.5.1.4).
const END_COPIES: usize = 3;

/// What an RTCP sender report needs (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub ssrc: u32,
    /// Packets sent; wraps as the RFC says.
    pub packets: u32,
    /// Payload bytes sent; wraps as the RFC says.
    pub octets: u32,
    /// RTP timestamp of the next frame's first sample.
    pub timestamp: u32,
}

/// The sending half of a leg.
#[repr(C)] // what a packet that passes through needs lies together, in front
pub struct Sender {
    sent: Sent,
    sequence: u16,
    payload_type: u8,
    dtmf_payload_type: Option<u8>,
    /// Ticks of the telephone events' clock in one of 8 kHz.
    dtmf_factor: u32,
    /// The next packet begins a talk spurt.
    is_beginning: bool,
    codec: Codec,
    packet_bytes: usize,
    /// Encoded and not yet sent; it ends at `sent.timestamp`.
    payload: Vec<u8>,
    dialer: Dialer,
    encoder: Encoder,
    tone: Vec<i16>,
}

impl Sender {
    /// The three start values should be random (RFC 3550 §5.1); they come in by the door.
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        let packet_bytes = 20 * BYTES_PER_MS;
        Sender {
            sent: Sent {
                ssrc,
                timestamp,
                ..Sent::default()
            },
            sequence,
            payload_type: 0,
            dtmf_payload_type: None,
            dtmf_factor: 1,
            packet_bytes,
            codec: Codec::Pcmu,
            encoder: Encoder::new(Codec::Pcmu),
            dialer: Dialer::default(),
            payload: Vec::with_capacity((PTIME_MS_LIMIT as usize + 20) * BYTES_PER_MS),
            tone: Vec::with_capacity(320),
            is_beginning: true,
        }
    }

    /// How many ticks of the telephone events' clock are one of 8 kHz: 1, or 6 beside Opus.
    pub fn set_event_clock(&mut self, factor: u32) {
        self.dtmf_factor = factor.max(1);
    }

    /// What SDP agreed; may be called again in mid-call. `ptime_ms` is 10–60 in steps of 10, anything else is
    /// rounded into that; packets of Opus are of 20 ms always. Without a `dtmf_payload_type` keys are tones in the sound.
    pub fn set_formats(
        &mut self,
        codec: Codec,
        payload_type: u8,
        ptime_ms: u32,
        dtmf_payload_type: Option<u8>,
    ) {
        if codec != self.codec {
            self.codec = codec;
            self.encoder = Encoder::new(codec);
            // What another codec made cannot be in one packet with what this one makes.
            self.payload.clear();
        }
        self.payload_type = payload_type;
        self.dtmf_payload_type = dtmf_payload_type;
        self.packet_bytes =
            ((ptime_ms + 5) / 10).clamp(1, PTIME_MS_LIMIT / 10) as usize * 10 * BYTES_PER_MS;
    }

    /// The rate of the sound that `frame` takes: 8000 or 16000.
    pub fn rate_hz(&self) -> u32 {
        self.codec.rate_hz()
    }

    /// Takes 20 ms of sound at [`rate_hz`](Self::rate_hz) and gives the datagrams that are due to `emit`: none to
    /// two of sound; while a key is sent, its event packets instead.
    pub fn frame(&mut self, pcm20ms: &[i16], emit: &mut dyn FnMut(&[u8])) {
        debug_assert_eq!(pcm20ms.len(), self.codec.samples(20));
        match self.dtmf_payload_type {
            Some(payload_type) if self.dialer.is_busy() => self.key(payload_type, emit),
            None if self.dialer.is_busy() => self.tone(pcm20ms, emit),
            _ => self.sound(pcm20ms, emit),
        }
    }

    /// Whether `pass` may be called now with a payload of `codec`.
    pub fn passes(&self, codec: Option<Codec>) -> bool {
        codec == Some(self.codec) && !self.dialer.is_busy()
    }

    /// Takes 20 ms as the payload that another leg received, and sends it as it is. `pcm` is its sound; only G.722 needs
    /// it, so that what is encoded next fits.
    pub fn pass(&mut self, payload: &[u8], pcm: &[i16], emit: &mut dyn FnMut(&[u8])) {
        debug_assert_eq!(payload.len(), FRAME_TICKS as usize);
        if self.codec == Codec::G722 {
            self.encoder.follow(payload, pcm);
        }
        if self.payload.is_empty() && self.packet_bytes == payload.len() {
            let timestamp = self.sent.timestamp;
            self.sent.timestamp = timestamp.wrapping_add(FRAME_TICKS);
            return self.emit_sound(timestamp, payload, emit);
        }
        self.payload.extend_from_slice(payload);
        self.send(emit);
    }

    /// Sends keys after those already waiting; returns how many were taken. `0`–`9`, `*`, `#`, `A`–`D` are keys,
    /// `,` and `w` are pauses of half a second; others are skipped, and so is what exceeds 64 waiting keys.
    /// `tone_ms` is rounded up to whole frames, 40–5000; `gap_ms` likewise, 40–5000.
    pub fn queue_digits(&mut self, digits: &str, tone_ms: u32, gap_ms: u32) -> usize {
        self.dialer.queue(digits, tone_ms, gap_ms)
    }

    /// Whether keys are waiting or sounding.
    pub fn is_sending_digits(&self) -> bool {
        self.dialer.is_busy()
    }

    /// The stream has another name from here on; a receiver takes it as one that begins.
    pub fn set_ssrc(&mut self, ssrc: u32) {
        self.sent.ssrc = ssrc;
        self.is_beginning = true;
    }

    /// The counters for RTCP.
    pub fn sent(&self) -> Sent {
        self.sent
    }

    fn sound(&mut self, pcm: &[i16], emit: &mut dyn FnMut(&[u8])) {
        self.encoder.encode(pcm, &mut self.payload);
        if self.codec == Codec::Opus {
            self.send_packet(emit);
        } else {
            self.send(emit);
        }
    }

    /// Sends what is encoded as one packet: a codec whose packets cannot be cut.
    fn send_packet(&mut self, emit: &mut dyn FnMut(&[u8])) {
        let timestamp = self.sent.timestamp;
        self.advance();
        let mut payload = std::mem::take(&mut self.payload);
        if !payload.is_empty() {
            self.emit_sound(timestamp, &payload, emit);
        }
        payload.clear();
        self.payload = payload;
    }

    /// The RTP clock moves by one frame.
    fn advance(&mut self) {
        let ticks = FRAME_TICKS * self.codec.clock_factor();
        self.sent.timestamp = self.sent.timestamp.wrapping_add(ticks);
    }

    /// Sends what is due after 20 ms more.
    fn send(&mut self, emit: &mut dyn FnMut(&[u8])) {
        self.advance();
        while self.payload.len() >= self.packet_bytes {
            self.flush(self.packet_bytes, emit);
        }
    }

    /// Sends the first `length` bytes of what is encoded.
    fn flush(&mut self, length: usize, emit: &mut dyn FnMut(&[u8])) {
        let timestamp = self.sent.timestamp.wrapping_sub(self.payload.len() as u32);
        let mut payload = std::mem::take(&mut self.payload);
        self.emit_sound(timestamp, &payload[..length], emit);
        payload.drain(..length);
        self.payload = payload;
    }

    fn emit_sound(&mut self, timestamp: u32, payload: &[u8], emit: &mut dyn FnMut(&[u8])) {
        let packet = Packet {
            marker: std::mem::take(&mut self.is_beginning),
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.sent.ssrc,
            payload,
        };
        self.count(payload.len());
        write(&packet, emit);
    }

    /// One frame of a key as telephone event, or of the gap after it.
    fn key(&mut self, payload_type: u8, emit: &mut dyn FnMut(&[u8])) {
        // Sound that waits for a whole packet goes out first, short as it is.
        if !self.payload.is_empty() {
            self.flush(self.payload.len(), emit);
        }
        if let Some(moment) = self.dialer.next_frame() {
            if let Some(code) = moment.code() {
                let copies = if moment.is_last { END_COPIES } else { 1 };
                let before = moment.before_ticks * self.codec.clock_factor();
                let begun = self.sent.timestamp.wrapping_sub(before);
                let payload = moment.event(code, self.dtmf_factor);
                for copy in 0..copies {
                    let marker = moment.before_ticks == 0 && copy == 0;
                    self.event(payload_type, marker, begun, &payload, emit);
                }
            }
        }
        self.advance();
        // RFC 3551 §4.1: sound after a pause begins a talk spurt.
        self.is_beginning = true;
    }

    fn event(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        emit: &mut dyn FnMut(&[u8]),
    ) {
        let packet = Packet {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.sent.ssrc,
            payload,
        };
        self.count(payload.len());
        write(&packet, emit);
    }

    /// One frame of sound with a key's tone in it.
    fn tone(&mut self, pcm: &[i16], emit: &mut dyn FnMut(&[u8])) {
        let mut tone = std::mem::take(&mut self.tone);
        tone.clear();
        self.dialer.tone_frame(self.rate_hz(), &mut tone);
        mixer::add_saturating(&mut tone, pcm);
        self.sound(&tone, emit);
        self.tone = tone;
    }

    fn count(&mut self, octets: usize) {
        self.sequence = self.sequence.wrapping_add(1);
        self.sent.packets = self.sent.packets.wrapping_add(1);
        self.sent.octets = self.sent.octets.wrapping_add(octets as u32);
    }
}

/// On the stack, which is in the processor's cache, unlike a buffer of this leg's own.
fn write(packet: &Packet<'_>, emit: &mut dyn FnMut(&[u8])) {
    let mut datagram = [0; HEADER_BYTES + PTIME_MS_LIMIT as usize * BYTES_PER_MS];
    let length = HEADER_BYTES + packet.payload.len();
    datagram[..HEADER_BYTES].copy_from_slice(&packet.header());
    datagram[HEADER_BYTES..length].copy_from_slice(packet.payload);
    emit(&datagram[..length]);
}

#[cfg(test)]
mod tests;
