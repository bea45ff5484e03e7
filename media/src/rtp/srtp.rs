//! SRTP and SRTCP (RFC 3711, 6188, 7714): what one leg sends is sealed, what comes is opened or not believed.
//!
//! ```text
//!   RTP    header · payload                       │ tag                        header and ROC are authenticated as well
//!   RTCP   first 8 bytes · the rest │ E · index   │ tag                        counter mode (RFC 3711 §3.4)
//!   RTCP   first 8 bytes · the rest │ tag         │ E · index                  GCM (RFC 7714 §9.1)
//!
//!   came ─▶ is it fresh? ─▶ is its tag right? ─▶ decrypt ─▶ only now: who sent it, what is it
//! ```
//! Nothing here knows a socket. Nothing allocates per packet: all happens in the datagram's own buffer.

mod counter;
mod derive;
mod gcm;
mod inbound;
mod outbound;
mod session;
mod suite;
mod window;

pub use inbound::Refusal;
pub use suite::{Keys, Suite};

use super::packet::DATAGRAM_LIMIT;
use inbound::Inbound;
use outbound::Outbound;

/// Bytes that sealing adds at most: a tag of 16, and four of SRTCP's index.
pub const GROWTH: usize = 20;
/// What the far end sent before it learnt of new keys is believed this long.
const OLD_KEYS_MS: u64 = 5_000;
/// The refusals after which it is told for the first time: a second of sound. Then after ten times as many, and so on.
const TELL_AFTER: u64 = 50;

/// Datagrams that were not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Without a right tag, or too short to have one.
    pub rejected: u64,
    /// Seen before, or older than the window can tell.
    pub replayed: u64,
}

impl Refused {
    fn total(self) -> u64 {
        self.rejected + self.replayed
    }
}

/// One leg's keys at work, both ways.
pub struct Srtp {
    keys: Keys,
    outbound: Outbound,
    inbound: Inbound,
    /// The keys before, until then.
    before: Option<(Inbound, u64)>,
    refused: Refused,
    tell_at: u64,
    ever_accepted: bool,
}

impl Srtp {
    /// Both directions at their beginning; `None` when the keys do not have the suite's length.
    pub fn new(keys: Keys) -> Option<Self> {
        Some(Srtp {
            outbound: Outbound::new(keys.suite, &keys.ours)?,
            inbound: Inbound::new(keys.suite, &keys.theirs)?,
            keys,
            before: None,
            refused: Refused::default(),
            tell_at: TELL_AFTER,
            ever_accepted: false,
        })
    }

    /// Takes the keys of a later description. A direction whose key is the same goes on as it was: its counters must
    /// not begin anew under one key. False, and all stays as it was, when they do not have the suite's length.
    pub fn rekey(&mut self, keys: Keys, now_ms: u64) -> bool {
        let (Some(mut inbound), Some(outbound)) = (
            Inbound::new(keys.suite, &keys.theirs),
            Outbound::new(keys.suite, &keys.ours),
        ) else {
            return false;
        };
        if keys.suite != self.keys.suite || keys.theirs != self.keys.theirs {
            inbound.may_begin_like(&self.inbound);
            let before = std::mem::replace(&mut self.inbound, inbound);
            self.before = Some((before, now_ms + OLD_KEYS_MS));
        }
        if self.rekeys_ours(&keys) {
            self.outbound = outbound;
        }
        self.keys = keys;
        true
    }

    /// Whether these keys change what we seal with.
    pub fn rekeys_ours(&self, keys: &Keys) -> bool {
        keys.suite != self.keys.suite || keys.ours != self.keys.ours
    }

    /// The suite now.
    pub fn suite(&self) -> Suite {
        self.keys.suite
    }

    /// Whether the sequence numbers that we send have come round since our key is used.
    pub fn has_come_round(&self) -> bool {
        self.outbound.has_come_round()
    }

    /// Opens an RTP datagram in its place; returns its length without the tag. A refused one is spoilt, and counted.
    pub fn open_rtp(&mut self, datagram: &mut [u8], now_ms: u64) -> Result<usize, Refusal> {
        self.open(datagram, now_ms, Inbound::open_rtp)
    }

    /// The same for RTCP.
    pub fn open_rtcp(&mut self, datagram: &mut [u8], now_ms: u64) -> Result<usize, Refusal> {
        self.open(datagram, now_ms, Inbound::open_rtcp)
    }

    /// Seals the RTP packet in the first `length` bytes of `buffer`; returns how long it is then. `buffer` has room for
    /// `GROWTH` more.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], length: usize) -> usize {
        self.outbound.seal_rtp(buffer, length)
    }

    /// The same for a compound RTCP packet. `None` once all of its 2³¹ indices were used.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Option<usize> {
        self.outbound.seal_rtcp(buffer, length)
    }

    /// What was not believed so far.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    /// Whether anything was believed so far.
    pub fn ever_accepted(&self) -> bool {
        self.ever_accepted
    }

    /// Whether so much was refused that somebody should be told, once for each ten times as much.
    pub fn is_to_be_told(&mut self) -> bool {
        let is_due = self.refused.total() >= self.tell_at;
        if is_due {
            self.tell_at = self.tell_at.saturating_mul(10);
        }
        is_due
    }

    fn open(
        &mut self,
        datagram: &mut [u8],
        now_ms: u64,
        open: impl Fn(&mut Inbound, &mut [u8]) -> Result<usize, Refusal>,
    ) -> Result<usize, Refusal> {
        self.before.take_if(|(_, until_ms)| now_ms >= *until_ms);
        let opened = match &mut self.before {
            None => open(&mut self.inbound, datagram),
            Some((before, _)) => twice(datagram, |bytes, is_first| match is_first {
                true => open(&mut self.inbound, bytes),
                false => open(before, bytes),
            }),
        };
        match opened {
            Ok(_) => self.ever_accepted = true,
            Err(Refusal::Rejected) => self.refused.rejected += 1,
            Err(Refusal::Replayed) => self.refused.replayed += 1,
        }
        opened
    }
}

/// Tries to open what may have been spoilt by the first attempt once more.
fn twice(
    datagram: &mut [u8],
    mut open: impl FnMut(&mut [u8], bool) -> Result<usize, Refusal>,
) -> Result<usize, Refusal> {
    let length = datagram.len();
    if length > DATAGRAM_LIMIT {
        return Err(Refusal::Rejected);
    }
    let mut copy = [0; DATAGRAM_LIMIT];
    copy[..length].copy_from_slice(datagram);
    match open(datagram, true) {
        Err(Refusal::Rejected) => {}
        opened => return opened,
    }
    datagram.copy_from_slice(&copy[..length]);
    open(datagram, false)
}

#[cfg(test)]
mod tests;
