//! RTCP (RFC 3550 §6): what both ends say about the quality of the call.
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |V=2|P|  count  |  200 to 207   |    length in words, less one  |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  SR 200   SSRC · NTP time (8) · RTP time · packets · octets · report blocks
//!  RR 201   SSRC · report blocks
//!  block    SSRC · fraction lost (1) · lost (3) · highest sequence · jitter · LSR · DLSR
//! ```

use super::reception::Reception;
use super::sender::Sent;
use super::Packet;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
/// SDES item CNAME.
const CNAME: u8 = 1;
/// Between reports (§6.2): five seconds, times 0.5 to 1.5 (§6.3.1).
const INTERVAL_MS: u64 = 5_000;
/// Ticks of the RTP clock per millisecond.
const TICKS_PER_MS: f32 = 8.0;

/// Whether a datagram on a port shared with RTP is RTCP (RFC 5761 §4): its second byte is 192–223.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, _, _, ..] if first >> 6 == 2)
}

/// What the call's quality is, as far as RTCP and RTP tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Packets of theirs that we expected and that never came (RFC 3550 A.3); negative when some came twice.
    pub lost: i64,
    pub expected: u64,
    /// Interarrival jitter of their packets as we see it (A.8).
    pub jitter_ms: f32,
    /// What they report of our packets, in all.
    pub far_lost: i32,
    /// Fraction 0–1 of ours lost in their last interval.
    pub far_loss: f32,
    pub far_jitter_ms: f32,
    /// From LSR and DLSR (§6.4.1); `None` until they have reported on one of our reports.
    pub round_trip_ms: Option<f32>,
}

/// What a compound packet said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The far end takes its leave (BYE).
    pub bye: bool,
}

/// One leg's RTCP.
pub struct RtcpSession {
    ssrc: u32,
    cname: String,
    random: u64,
    reception: Option<Reception>,
    /// Middle 32 bits of the NTP time in their last sender report, and when it came (§6.4.1).
    last_report: Option<(u32, u64)>,
    reported_packets: u32,
    quality: Quality,
    /// Ticks of the codec's RTP clock in one of 8 kHz; reports count jitter in the former.
    clock_factor: u32,
}

impl RtcpSession {
    /// `cname` is our canonical name (§6.5.1), at most 255 bytes; `seed` randomises the intervals.
    pub fn new(ssrc: u32, cname: &str, seed: u64) -> Self {
        let end = (0..=cname.len().min(255))
            .rev()
            .find(|&end| cname.is_char_boundary(end));
        RtcpSession {
            ssrc,
            cname: cname[..end.unwrap_or(0)].to_owned(),
            random: seed | 1,
            reception: None,
            last_report: None,
            reported_packets: 0,
            quality: Quality::default(),
            clock_factor: 1,
        }
    }

    /// The RTP clock of the codec, in ticks per 8 kHz tick: 6 for Opus.
    pub fn set_clock_factor(&mut self, factor: u32) {
        self.clock_factor = factor.max(1);
    }

    /// Our stream has another name from here on.
    pub fn set_ssrc(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
    }

    /// An RTP packet of theirs arrived at `arrival_us` (monotonic).
    pub fn on_received(&mut self, packet: &Packet<'_>, arrival_us: u64) {
        match &mut self.reception {
            Some(reception) if reception.ssrc() == packet.ssrc => {
                reception.packet(packet, arrival_us)
            }
            reception => {
                // Another stream: its numbers have nothing to do with the old one's.
                let former = reception
                    .take()
                    .map_or((0, 0), |old| (old.expected(), old.lost()));
                *reception = Some(Reception::new(packet, arrival_us, former));
                self.last_report = None;
            }
        }
    }

    /// An RTCP datagram of theirs arrived; `now_ntp` is the 64-bit NTP time. `None` when it is not well-formed
    /// (A.2), then nothing of it is believed.
    pub fn on_report(&mut self, datagram: &[u8], now_ntp: u64) -> Option<Report> {
        let mut report = Report::default();
        // A.2 wants a report first; RFC 5506 §4.2 permits any, and some senders make use of it.
        if !is_rtcp(datagram) || Parts(datagram).any(|part| part.is_none()) {
            return None;
        }
        for part in Parts(datagram).flatten() {
            match part.kind {
                SENDER_REPORT => self.sender_report(&part, now_ntp),
                RECEIVER_REPORT => self.blocks(&part, 4, now_ntp),
                BYE => report.bye = true,
                // SDES, APP, feedback (RFC 4585) and XR (RFC 3611) say nothing that we use.
                _ => {}
            }
        }
        Some(report)
    }

    /// A compound packet: SR (RR when nothing was sent since the last) and SDES (§6.1).
    pub fn build(&mut self, now_ntp: u64, sent: &Sent) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(128);
        let has_sent = sent.packets != self.reported_packets;
        self.reported_packets = sent.packets;
        let blocks = u8::from(self.reception.is_some());
        let kind = if has_sent {
            SENDER_REPORT
        } else {
            RECEIVER_REPORT
        };
        let start = open(&mut datagram, kind, blocks);
        put(&mut datagram, self.ssrc);
        if has_sent {
            datagram.extend_from_slice(&now_ntp.to_be_bytes());
            put(&mut datagram, sent.timestamp);
            put(&mut datagram, sent.packets);
            put(&mut datagram, sent.octets);
        }
        self.put_block(&mut datagram, now_ntp);
        close(&mut datagram, start);
        self.put_description(&mut datagram);
        datagram
    }

    /// The same, ending with BYE (§6.6): the leg is over.
    pub fn build_bye(&mut self, now_ntp: u64, sent: &Sent) -> Vec<u8> {
        let mut datagram = self.build(now_ntp, sent);
        let start = open(&mut datagram, BYE, 1);
        put(&mut datagram, self.ssrc);
        close(&mut datagram, start);
        datagram
    }

    /// Milliseconds until the next report: 5 s, times 0.5 to 1.5, so that legs do not report all at once.
    pub fn next_interval_ms(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        INTERVAL_MS / 2 + self.random % (INTERVAL_MS + 1)
    }

    pub fn quality(&self) -> Quality {
        let Some(reception) = &self.reception else {
            return self.quality;
        };
        Quality {
            lost: reception.lost(),
            expected: reception.expected(),
            jitter_ms: reception.jitter_ticks() as f32 / TICKS_PER_MS,
            ..self.quality
        }
    }

    fn sender_report(&mut self, part: &Part<'_>, now_ntp: u64) {
        if let (Some(ssrc), Some(high), Some(low)) = (part.word(0), part.word(4), part.word(8)) {
            // A report of a stream that we do not hear would spoil LSR for the one that we do.
            if self
                .reception
                .as_ref()
                .is_none_or(|reception| reception.ssrc() == ssrc)
            {
                self.last_report = Some((high << 16 | low >> 16, now_ntp));
            }
        }
        self.blocks(part, 24, now_ntp);
    }

    /// Reads the report blocks, the first of them at byte `start` of the body.
    fn blocks(&mut self, part: &Part<'_>, start: usize, now_ntp: u64) {
        for number in 0..usize::from(part.count) {
            let at = start + number * 24;
            let (Some(ssrc), Some(loss), Some(jitter), Some(last), Some(delay)) = (
                part.word(at),
                part.word(at + 4),
                part.word(at + 12),
                part.word(at + 16),
                part.word(at + 20),
            ) else {
                return;
            };
            if ssrc == self.ssrc {
                self.quality.far_loss = (loss >> 24) as f32 / 256.0;
                // 24 bits, signed.
                self.quality.far_lost = (loss << 8) as i32 >> 8;
                let ticks = jitter as f32 / self.clock_factor as f32;
                self.quality.far_jitter_ms = ticks / TICKS_PER_MS;
                self.round_trip(now_ntp, last, delay);
            }
        }
    }

    /// §6.4.1: A − LSR − DLSR, in units of 1/65536 s.
    fn round_trip(&mut self, now_ntp: u64, last: u32, delay: u32) {
        let units = middle(now_ntp).wrapping_sub(last).wrapping_sub(delay);
        // Clocks step and peers err: what is negative or more than a minute is no round trip.
        if last != 0 && units < 60 << 16 {
            self.quality.round_trip_ms = Some(units as f32 * 1_000.0 / 65_536.0);
        }
    }

    fn put_block(&mut self, datagram: &mut Vec<u8>, now_ntp: u64) {
        let Some(reception) = &mut self.reception else {
            return;
        };
        let fraction = reception.interval_fraction();
        let lost = reception.lost_of_stream().clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        let (last, delay) = self.last_report.map_or((0, 0), |(last, came)| {
            (last, (now_ntp.saturating_sub(came) >> 16) as u32)
        });
        put(datagram, reception.ssrc());
        put(datagram, u32::from(fraction) << 24 | lost);
        put(datagram, reception.extended_highest());
        put(
            datagram,
            reception.jitter_ticks().saturating_mul(self.clock_factor),
        );
        put(datagram, last);
        put(datagram, delay);
    }

    /// SDES with our CNAME (§6.5), its chunk ended by one to four zero bytes.
    fn put_description(&self, datagram: &mut Vec<u8>) {
        let start = open(datagram, DESCRIPTION, 1);
        put(datagram, self.ssrc);
        datagram.extend_from_slice(&[CNAME, self.cname.len() as u8]);
        datagram.extend_from_slice(self.cname.as_bytes());
        let padding = 4 - datagram.len() % 4;
        datagram.resize(datagram.len() + padding, 0);
        close(datagram, start);
    }
}

/// The middle 32 bits of an NTP time: 16 of seconds, 16 of their fraction.
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

fn put(datagram: &mut Vec<u8>, word: u32) {
    datagram.extend_from_slice(&word.to_be_bytes());
}

/// Begins a part; returns where.
fn open(datagram: &mut Vec<u8>, kind: u8, count: u8) -> usize {
    datagram.extend_from_slice(&[2 << 6 | count, kind, 0, 0]);
    datagram.len() - 4
}

/// Ends the part: writes its length.
fn close(datagram: &mut [u8], start: usize) {
    let words = (datagram.len() - start) / 4 - 1;
    datagram[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
}

/// One packet of a compound.
struct Part<'a> {
    kind: u8,
    count: u8,
    body: &'a [u8],
}

impl Part<'_> {
    fn word(&self, at: usize) -> Option<u32> {
        self.body
            .get(at..)?
            .first_chunk()
            .map(|bytes| u32::from_be_bytes(*bytes))
    }
}

/// The packets of a compound; `Some(None)` once, at the end, when what is left is no packet.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Option<Part<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.split();
        if part.is_none() {
            self.0 = &[];
        }
        Some(part)
    }
}

impl<'a> Parts<'a> {
    fn split(&mut self) -> Option<Part<'a>> {
        let (&[first, kind, high, low], rest) = self.0.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low])) * 4;
        if first >> 6 != 2 || length > rest.len() {
            return None;
        }
        let (body, others) = rest.split_at(length);
        self.0 = others;
        Some(Part {
            kind,
            count: first & 0x1f,
            body,
        })
    }
}

#[cfg(test)]
mod tests;
