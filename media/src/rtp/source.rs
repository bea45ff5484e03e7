//! Whose packets to believe, and where to send: the rule against rtpbleed.
//!
//! ```text
//!                 set_remote                    a packet from the SDP address
//!   NOBODY ─────────────────────▶ OPEN ────────────────────────────────────▶ LOCKED (on SDP)
//!                                  │ a stranger, within 5 s, with an agreed payload type,
//!                                  │ two packets in sequence of one SSRC, and nothing from SDP yet
//!                                  ├────────────────────────────────────────▶ LOCKED (on the learnt address)
//!                                  │ 5 s without either
//!                                  └────────────────────────────────────────▶ LOCKED (on SDP)
//!   LOCKED ── set_remote with another address (re-INVITE) ──▶ OPEN;   nothing else ever leaves LOCKED
//! ```
//! Media goes to the SDP address at once. A carrier behind NAT sends from elsewhere and is learnt, once and early;
//! whoever sprays packets later learns nothing and is only counted (the class of ES2017-04 and ES2025-01). A
//! candidate on the SDP host (another port) displaces one from another host, never the other way round.

use super::{Formats, Packet};
use std::net::SocketAddr;

/// Another source is learnt within this time after the remote is known, or never.
const LEARN_WITHIN_MS: u64 = 5_000;
/// Packets in plausible sequence that a stranger on the SDP host needs.
const PROOF_SAME_HOST: u32 = 2;
/// From another host it takes more, so that the right one, if it exists, comes first.
const PROOF_OTHER_HOST: u32 = 4;
/// Sequence numbers may step this far between two packets that prove a stream: a loss or two.
const PLAUSIBLE_STEP: u16 = 5;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nobody,
    /// Since `since_ms`, the SDP address is known but silent.
    Open {
        since_ms: u64,
    },
    Locked,
}

/// A stranger who may turn out to be the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    sequence: u16,
    seen: u32,
}

/// Knows the far end of one leg.
#[derive(Clone, Debug)]
pub struct SourceLock {
    state: State,
    /// The address that SDP gave.
    agreed: Option<SocketAddr>,
    /// Where its packets come from and ours go to.
    remote: Option<SocketAddr>,
    candidate: Option<Candidate>,
    foreign: u64,
}

impl SourceLock {
    /// Knows nobody: every packet is foreign until `set_remote`.
    pub fn new() -> Self {
        SourceLock {
            state: State::Nobody,
            agreed: None,
            remote: None,
            candidate: None,
            foreign: 0,
        }
    }

    /// The address that SDP gives, at answer or re-INVITE. The same as before changes nothing; another re-arms.
    pub fn set_remote(&mut self, remote: SocketAddr, now_ms: u64) {
        let remote = canonical(remote);
        if self.agreed != Some(remote) {
            self.agreed = Some(remote);
            self.remote = Some(remote);
            self.candidate = None;
            self.state = State::Open { since_ms: now_ms };
        }
    }

    /// Judges an RTP packet by where it came from, and when.
    pub fn judge(
        &mut self,
        from: SocketAddr,
        packet: &Packet<'_>,
        formats: &Formats,
        now_ms: u64,
    ) -> Origin {
        let from = canonical(from);
        let is_agreed = || formats.has(packet.payload_type);
        let origin = match self.state {
            State::Nobody => Origin::Foreign,
            State::Locked if Some(from) == self.remote => Origin::Remote,
            State::Locked => Origin::Foreign,
            State::Open { .. } if Some(from) == self.agreed => {
                // Garbage from the right place is let in, to be counted as such, but proves nothing.
                if is_agreed() {
                    self.lock(from);
                }
                Origin::Remote
            }
            State::Open { since_ms } if now_ms >= since_ms + LEARN_WITHIN_MS => {
                self.state = State::Locked;
                Origin::Foreign
            }
            State::Open { .. } if is_agreed() => self.consider(from, packet),
            State::Open { .. } => Origin::Foreign,
        };
        self.foreign += u64::from(origin == Origin::Foreign);
        origin
    }

    /// Whether an RTCP datagram is the far end's. It has a port of its own, so the host alone must agree.
    pub fn allows_rtcp(&mut self, from: SocketAddr) -> bool {
        let is_remote = self
            .remote
            .is_some_and(|remote| remote.ip() == canonical(from).ip());
        self.foreign += u64::from(!is_remote);
        is_remote
    }

    /// Where to send RTP now: the SDP address until another is learnt.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Whose packets alone are believed, once that is decided.
    pub fn locked_on(&self) -> Option<SocketAddr> {
        self.remote.filter(|_| self.state == State::Locked)
    }

    /// Packets of strangers so far.
    pub fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Counts a stranger's packet; it is the far end's when enough of them fit together.
    fn consider(&mut self, from: SocketAddr, packet: &Packet<'_>) -> Origin {
        let is_same_host = self.is_same_host(from);
        let seen = match self.candidate {
            Some(candidate) if candidate.address == from => candidate.seen_after(packet),
            // The SDP host's other port counts for more than any other host.
            Some(candidate) if self.is_same_host(candidate.address) && !is_same_host => {
                return Origin::Foreign
            }
            _ => 1,
        };
        let (sequence, ssrc) = (packet.sequence, packet.ssrc);
        self.candidate = Some(Candidate {
            address: from,
            ssrc,
            sequence,
            seen,
        });
        if seen
            >= if is_same_host {
                PROOF_SAME_HOST
            } else {
                PROOF_OTHER_HOST
            }
        {
            self.lock(from);
            return Origin::Learnt;
        }
        Origin::Foreign
    }

    fn lock(&mut self, remote: SocketAddr) {
        self.state = State::Locked;
        self.remote = Some(remote);
        self.candidate = None;
    }

    fn is_same_host(&self, address: SocketAddr) -> bool {
        self.agreed
            .is_some_and(|agreed| agreed.ip() == address.ip())
    }
}

impl Default for SourceLock {
    fn default() -> Self {
        Self::new()
    }
}

impl Candidate {
    /// How many packets in plausible sequence this makes; 1 when it does not follow.
    fn seen_after(&self, packet: &Packet<'_>) -> u32 {
        let step = packet.sequence.wrapping_sub(self.sequence);
        let follows = packet.ssrc == self.ssrc && (1..=PLAUSIBLE_STEP).contains(&step);
        if follows {
            self.seen + 1
        } else {
            1
        }
    }
}

/// A dual-stack socket writes IPv4 addresses as IPv6; SDP does not.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests;
