//! RTCP (RFC 3550 §6): what both ends say about the quality of the call.

use super::sender::Sent;
use super::Packet;

/// Whether a datagram on a port shared with RTP is RTCP (RFC 5761 §4): its second byte is 192–223.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, _, _, ..] if first >> 6 == 2)
}

/// What the call's quality is, as far as RTCP and RTP tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// Packets of theirs that we expected and that never came (RFC 3550 A.3).
    pub lost: i64,
    pub expected: u64,
    /// Interarrival jitter of their packets as we see it (A.8).
    pub jitter_ms: f32,
    /// What they report of our packets.
    pub far_lost: i32,
    /// Fraction 0–1 of ours lost in their last interval.
    pub far_loss: f32,
    pub far_jitter_ms: f32,
    /// From LSR and DLSR (§6.4.1).
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
    quality: Quality,
}

impl RtcpSession {
    /// `cname` is our canonical name (§6.5.1), at most 255 bytes; `seed` randomises the intervals.
    pub fn new(ssrc: u32, cname: &str, _seed: u64) -> Self {
        RtcpSession {
            ssrc,
            cname: cname.to_owned(),
            quality: Quality::default(),
        }
    }

    /// An RTP packet of theirs arrived at `arrival_us` (monotonic).
    pub fn on_received(&mut self, _packet: &Packet<'_>, _arrival_us: u64) {}

    /// An RTCP datagram of theirs arrived; `now_ntp` is the 64-bit NTP time. `None`: not RTCP.
    pub fn on_report(&mut self, datagram: &[u8], _now_ntp: u64) -> Option<Report> {
        is_rtcp(datagram).then(Report::default)
    }

    /// A compound packet: SR (or RR when nothing was sent) and SDES.
    pub fn build(&mut self, _now_ntp: u64, _sent: &Sent) -> Vec<u8> {
        let _ = (&self.ssrc, &self.cname);
        Vec::new()
    }

    /// The same, ending with BYE: the leg is over.
    pub fn build_bye(&mut self, now_ntp: u64, sent: &Sent) -> Vec<u8> {
        self.build(now_ntp, sent)
    }

    /// Milliseconds until the next report: 5 s, randomised by half (§6.3.1).
    pub fn next_interval_ms(&mut self) -> u64 {
        5_000
    }

    pub fn quality(&self) -> Quality {
        self.quality
    }
}
