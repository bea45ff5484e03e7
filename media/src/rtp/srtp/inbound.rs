//! What comes: every stream of the far end has a window of its own; nothing counts before its tag was right.

use super::derive::Stream as Kind;
use super::session::{Place, Session, ENCRYPTED, RTCP_CLEAR_BYTES};
use super::suite::Suite;
use super::twice;
use super::window::Window;
use crate::rtp::packet::{header_bytes, DATAGRAM_LIMIT};

/// Streams (SSRC) of one far end under one key. A forgotten one could be played to us again, so that a new one has to
/// give way.
const STREAMS: usize = 32;

/// Why a datagram is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its tag is not right, or it is too short for one, or one stream too many.
    Rejected,
    /// It came before, or too late to tell.
    Replayed,
}

/// A stream that has proven itself.
struct Stream {
    ssrc: u32,
    rtp: Option<Window>,
    rtcp: Option<Window>,
}

/// The far end's side of a leg's SRTP.
pub struct Inbound {
    rtp: Session,
    rtcp: Session,
    streams: Vec<Stream>,
    /// Streams of the keys before, and how often their sequence numbers have come round. Some far ends go on counting
    /// with new keys (RFC 3711 §3.3.1), most begin at zero.
    former: Vec<(u32, u32)>,
}

impl Inbound {
    /// `None` when `master` does not have the suite's length.
    pub fn new(suite: Suite, master: &[u8]) -> Option<Self> {
        Some(Inbound {
            rtp: Session::new(suite, master, Kind::Rtp)?,
            rtcp: Session::new(suite, master, Kind::Rtcp)?,
            streams: Vec::new(),
            former: Vec::new(),
        })
    }

    /// Streams may go on counting where they were with the keys before.
    pub fn may_begin_like(&mut self, before: &Inbound) {
        let windows = before.streams.iter().filter_map(|stream| {
            let rollover = stream.rtp?.rollover();
            (rollover > 0).then_some((stream.ssrc, rollover))
        });
        self.former = windows.collect();
    }

    /// Opens an RTP datagram; returns its length without the tag.
    pub fn open_rtp(&mut self, datagram: &mut [u8]) -> Result<usize, Refusal> {
        let clear = header_bytes(datagram).ok_or(Refusal::Rejected)?;
        let sequence = u16::from_be_bytes([datagram[2], datagram[3]]);
        let ssrc = u32::from_be_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
        let known = self.place_of(ssrc);
        let Some(window) = known.and_then(|place| self.streams[place].rtp.as_mut()) else {
            return self.begin_rtp(datagram, clear, ssrc, sequence);
        };
        let index = window.index_of(sequence).ok_or(Refusal::Replayed)?;
        if window.is_spent(index) {
            return Err(Refusal::Replayed);
        }
        let place = Place { ssrc, index };
        let length = self
            .rtp
            .open_rtp(datagram, clear, place)
            .ok_or(Refusal::Rejected)?;
        window.note(index);
        Ok(length)
    }

    /// Opens a compound packet; returns its length without index and tag.
    pub fn open_rtcp(&mut self, datagram: &mut [u8]) -> Result<usize, Refusal> {
        let word = self.rtcp.rtcp_word(datagram).ok_or(Refusal::Rejected)?;
        if datagram.len() < RTCP_CLEAR_BYTES || datagram.len() > DATAGRAM_LIMIT {
            return Err(Refusal::Rejected);
        }
        let ssrc = u32::from_be_bytes([datagram[4], datagram[5], datagram[6], datagram[7]]);
        let index = u64::from(word & !ENCRYPTED);
        let known = self.place_of(ssrc);
        let window = known.and_then(|place| self.streams[place].rtcp.as_ref());
        if window.is_some_and(|window| window.is_spent(index)) {
            return Err(Refusal::Replayed);
        }
        let length = self
            .rtcp
            .open_rtcp(datagram, Place { ssrc, index }, word & ENCRYPTED != 0)
            .ok_or(Refusal::Rejected)?;
        let stream = self.stream(ssrc).ok_or(Refusal::Rejected)?;
        match &mut stream.rtcp {
            Some(window) => window.note(index),
            none => *none = Some(Window::beginning_with(index)),
        }
        Ok(length)
    }

    /// Opens the first packet of a stream.
    fn begin_rtp(
        &mut self,
        datagram: &mut [u8],
        clear: usize,
        ssrc: u32,
        sequence: u16,
    ) -> Result<usize, Refusal> {
        let first = u64::from(sequence);
        let former = self.former.iter().find(|(former, _)| *former == ssrc);
        let mut index = first;
        let opened = match former {
            None => self.rtp.open_rtp(datagram, clear, Place { ssrc, index }),
            Some((_, rollover)) => twice(datagram, |bytes, is_first| {
                index = if is_first {
                    first
                } else {
                    first | u64::from(*rollover) << 16
                };
                let length = self.rtp.open_rtp(bytes, clear, Place { ssrc, index });
                length.ok_or(Refusal::Rejected)
            })
            .ok(),
        };
        let length = opened.ok_or(Refusal::Rejected)?;
        let stream = self.stream(ssrc).ok_or(Refusal::Rejected)?;
        stream.rtp = Some(Window::beginning_with(index));
        Ok(length)
    }

    fn place_of(&self, ssrc: u32) -> Option<usize> {
        self.streams.iter().position(|stream| stream.ssrc == ssrc)
    }

    /// The stream of a far end that has proven itself; `None` when it would be one too many.
    fn stream(&mut self, ssrc: u32) -> Option<&mut Stream> {
        if let Some(place) = self.place_of(ssrc) {
            return Some(&mut self.streams[place]);
        }
        if self.streams.len() == STREAMS {
            return None;
        }
        self.streams.push(Stream {
            ssrc,
            rtp: None,
            rtcp: None,
        });
        self.streams.last_mut()
    }
}
