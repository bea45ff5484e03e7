//! What we send: one stream, whose index only grows.

use super::derive::Stream;
use super::session::{Place, Session, ENCRYPTED};
use super::suite::Suite;
use crate::rtp::packet::HEADER_BYTES;

/// Our side of a leg's SRTP.
pub struct Outbound {
    rtp: Session,
    rtcp: Session,
    /// How often our sequence numbers have come round under this key, and the last one.
    rollover: u32,
    last: Option<u16>,
    rtcp_index: u32,
}

impl Outbound {
    /// `None` when `master` does not have the suite's length.
    pub fn new(suite: Suite, master: &[u8]) -> Option<Self> {
        Some(Outbound {
            rtp: Session::new(suite, master, Stream::Rtp)?,
            rtcp: Session::new(suite, master, Stream::Rtcp)?,
            rollover: 0,
            last: None,
            rtcp_index: 0,
        })
    }

    /// As if so many reports had been sent.
    #[cfg(test)]
    pub fn skip_reports(&mut self, count: u32) {
        self.rtcp_index = count;
    }

    /// Whether the sequence numbers have come round.
    pub fn has_come_round(&self) -> bool {
        self.rollover > 0
    }

    /// Seals one of our own packets, which have neither contributors nor extension.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], length: usize) -> usize {
        debug_assert!(length >= HEADER_BYTES);
        let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
        if self.last.is_some_and(|last| sequence < last) {
            self.rollover = self.rollover.wrapping_add(1);
        }
        self.last = Some(sequence);
        let place = Place {
            ssrc: u32::from_be_bytes([buffer[8], buffer[9], buffer[10], buffer[11]]),
            index: u64::from(self.rollover) << 16 | u64::from(sequence),
        };
        self.rtp.seal_rtp(buffer, length, HEADER_BYTES, place)
    }

    /// Seals a compound packet; `None` when no index is left (RFC 3711 §9.2).
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        self.rtcp_index = self
            .rtcp_index
            .checked_add(1)
            .filter(|index| *index < ENCRYPTED)?;
        let place = Place {
            ssrc: u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]),
            index: u64::from(self.rtcp_index),
        };
        Some(self.rtcp.seal_rtcp(buffer, length, place))
    }
}
