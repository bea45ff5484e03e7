//! The session keys of one direction and kind of packet, whichever suite they are for.

use super::counter::Counter;
use super::derive::{SessionKeys, Stream};
use super::gcm::Gcm;
use super::suite::Suite;

/// Bytes of an RTCP packet that are never encrypted: its first word and the SSRC (RFC 3711 §3.4).
pub const RTCP_CLEAR_BYTES: usize = 8;
/// Bytes of SRTCP's index, with its flag E.
pub const INDEX_BYTES: usize = 4;
/// The flag E of SRTCP's index: this packet is encrypted.
pub const ENCRYPTED: u32 = 1 << 31;

/// Which packet it is, for good and all: no two under one key have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub ssrc: u32,
    /// 48 bits: rollover counter and sequence number; of RTCP 31.
    pub index: u64,
}

impl Place {
    /// How often the sequence numbers have come round.
    pub fn rollover(self) -> u32 {
        (self.index >> 16) as u32
    }
}

/// Keys at work.
pub enum Session {
    Counter(Box<Counter>),
    Gcm(Box<Gcm>),
}

impl Session {
    /// `None` when `master` does not have the suite's length.
    pub fn new(suite: Suite, master: &[u8], stream: Stream) -> Option<Self> {
        Session::from_keys(suite, &SessionKeys::derive(suite, master, stream)?)
    }

    pub fn from_keys(suite: Suite, keys: &SessionKeys) -> Option<Self> {
        Some(if suite.is_gcm() {
            Session::Gcm(Box::new(Gcm::new(keys)?))
        } else {
            Session::Counter(Box::new(Counter::new(suite, keys)?))
        })
    }

    /// Seals the first `length` bytes, of which `clear` are the header; returns the new length.
    pub fn seal_rtp(&self, buffer: &mut [u8], length: usize, clear: usize, place: Place) -> usize {
        match self {
            Session::Counter(counter) => counter.seal_rtp(buffer, length, clear, place),
            Session::Gcm(gcm) => gcm.seal_rtp(buffer, length, clear, place),
        }
    }

    /// Opens a datagram; `None`, and its bytes are spoilt, when its tag is not right.
    pub fn open_rtp(&self, datagram: &mut [u8], clear: usize, place: Place) -> Option<usize> {
        match self {
            Session::Counter(counter) => counter.open_rtp(datagram, clear, place),
            Session::Gcm(gcm) => gcm.open_rtp(datagram, clear, place),
        }
    }

    /// Seals the compound packet in the first `length` bytes, at least eight; returns the new length.
    pub fn seal_rtcp(&self, buffer: &mut [u8], length: usize, place: Place) -> usize {
        let word = place.index as u32 | ENCRYPTED;
        match self {
            Session::Counter(counter) => counter.seal_rtcp(buffer, length, place, word),
            Session::Gcm(gcm) => gcm.seal_rtcp(buffer, length, place, word),
        }
    }

    /// The word that holds SRTCP's index; `None` when the datagram is too short for it.
    pub fn rtcp_word(&self, datagram: &[u8]) -> Option<u32> {
        let from_end = match self {
            Session::Counter(_) => Counter::RTCP_INDEX_FROM_END,
            Session::Gcm(_) => Gcm::RTCP_INDEX_FROM_END,
        };
        let at = datagram.len().checked_sub(from_end)?;
        Some(u32::from_be_bytes(
            *datagram.get(at..)?.first_chunk::<INDEX_BYTES>()?,
        ))
    }

    /// Opens a compound packet; `None`, and its bytes are spoilt, when its tag is not right.
    pub fn open_rtcp(
        &self,
        datagram: &mut [u8],
        place: Place,
        is_encrypted: bool,
    ) -> Option<usize> {
        match self {
            Session::Counter(counter) => counter.open_rtcp(datagram, place, is_encrypted),
            Session::Gcm(gcm) => gcm.open_rtcp(datagram, place, is_encrypted),
        }
    }
}
