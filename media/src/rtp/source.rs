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
        let is_agreed = formats.has(packet.payload_type);
        let origin = match self.state {
            State::Nobody => Origin::Foreign,
            State::Locked if Some(from) == self.remote => Origin::Remote,
            State::Locked => Origin::Foreign,
            State::Open { .. } if Some(from) == self.agreed => {
                // Garbage from the right place is let in, to be counted as such, but proves nothing.
                if is_agreed {
                    self.lock(from);
                }
                Origin::Remote
            }
            State::Open { since_ms } if now_ms >= since_ms + LEARN_WITHIN_MS => {
                self.state = State::Locked;
                Origin::Foreign
            }
            State::Open { .. } if is_agreed => self.consider(from, packet),
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
mod tests {
    use super::*;
    use crate::audio::Codec;

    const SDP: &str = "192.0.2.1:4000";
    const SAME_HOST: &str = "192.0.2.1:61000";
    const STRANGER: &str = "198.51.100.9:4000";
    const OTHER_STRANGER: &str = "203.0.113.5:4000";

    /// One packet: when (ms), from where, payload type, sequence, SSRC; and what becomes of it.
    type Line = (u64, &'static str, u8, u16, u32, Origin);

    fn play(lines: &[Line]) -> SourceLock {
        let mut lock = SourceLock::new();
        lock.set_remote(address(SDP), 0);
        for &(now_ms, from, payload_type, sequence, ssrc, expected) in lines {
            assert_eq!(
                judge(&mut lock, now_ms, from, payload_type, sequence, ssrc),
                expected,
                "{now_ms} {from}"
            );
        }
        lock
    }

    fn judge(
        lock: &mut SourceLock,
        now_ms: u64,
        from: &str,
        payload_type: u8,
        sequence: u16,
        ssrc: u32,
    ) -> Origin {
        let formats = Formats {
            codecs: vec![(0, Codec::Pcmu)],
            dtmf: Some(101),
            comfort_noise: None,
        };
        let packet = Packet {
            marker: false,
            payload_type,
            sequence,
            timestamp: 0,
            ssrc,
            payload: &[],
        };
        lock.judge(address(from), &packet, &formats, now_ms)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    use Origin::{Foreign, Learnt, Remote};

    #[test]
    fn media_goes_to_the_sdp_address_at_once() {
        let lock = play(&[]);
        assert_eq!(lock.destination(), Some(address(SDP)));
    }

    #[test]
    fn before_an_answer_everyone_is_a_stranger() {
        let mut lock = SourceLock::new();
        assert_eq!(judge(&mut lock, 0, SDP, 0, 1, 7), Foreign);
        assert_eq!((lock.destination(), lock.foreign()), (None, 1));
    }

    #[test]
    fn packets_from_the_sdp_address_are_the_far_end_for_ever_after() {
        let lock = play(&[
            (10, SDP, 0, 1, 7, Remote),
            (20, SAME_HOST, 0, 2, 7, Foreign),
            (40, SAME_HOST, 0, 3, 7, Foreign),
            (60, SAME_HOST, 0, 4, 7, Foreign),
            (9_000, SDP, 0, 500, 8, Remote),
        ]);
        assert_eq!(
            (lock.destination(), lock.foreign()),
            (Some(address(SDP)), 3)
        );
    }

    #[test]
    fn another_port_of_the_sdp_host_is_learnt_from_two_packets_and_only_once() {
        let lock = play(&[
            (10, SAME_HOST, 0, 65_535, 7, Foreign),
            (30, SAME_HOST, 0, 0, 7, Learnt),
            (50, SAME_HOST, 0, 1, 7, Remote),
            (70, SDP, 0, 1, 7, Foreign),
            (80, STRANGER, 0, 2, 7, Foreign),
            (90, STRANGER, 0, 3, 7, Foreign),
        ]);
        assert_eq!(lock.destination(), Some(address(SAME_HOST)));
    }

    #[test]
    fn another_host_is_learnt_when_the_sdp_host_is_silent() {
        let lock = play(&[
            (10, STRANGER, 0, 1, 7, Foreign),
            (30, STRANGER, 0, 2, 7, Foreign),
            (50, STRANGER, 0, 4, 7, Foreign),
            (70, STRANGER, 0, 5, 7, Learnt),
            (90, STRANGER, 101, 6, 7, Remote),
        ]);
        assert_eq!(lock.destination(), Some(address(STRANGER)));
    }

    #[test]
    fn the_sdp_host_is_preferred_to_another_host() {
        play(&[
            (10, STRANGER, 0, 1, 9, Foreign),
            (11, STRANGER, 0, 2, 9, Foreign),
            (12, STRANGER, 0, 3, 9, Foreign),
            (13, SAME_HOST, 0, 70, 7, Foreign),
            (14, STRANGER, 0, 4, 9, Foreign),
            (33, SAME_HOST, 0, 71, 7, Learnt),
        ]);
        play(&[
            (10, STRANGER, 0, 1, 9, Foreign),
            (11, STRANGER, 0, 2, 9, Foreign),
            (20, SDP, 0, 70, 7, Remote),
            (21, STRANGER, 0, 3, 9, Foreign),
            (22, STRANGER, 0, 4, 9, Foreign),
        ]);
    }

    #[test]
    fn nobody_is_learnt_after_five_seconds() {
        let lock = play(&[
            (4_999, STRANGER, 0, 1, 7, Foreign),
            (5_000, STRANGER, 0, 2, 7, Foreign),
            (5_020, SAME_HOST, 0, 3, 7, Foreign),
            (5_040, SAME_HOST, 0, 4, 7, Foreign),
            (9_000, SDP, 0, 1, 8, Remote),
        ]);
        assert_eq!(lock.destination(), Some(address(SDP)));
    }

    #[test]
    fn a_payload_type_that_was_not_agreed_teaches_nothing() {
        play(&[
            (10, SAME_HOST, 96, 1, 7, Foreign),
            (30, SAME_HOST, 96, 2, 7, Foreign),
            (50, SAME_HOST, 0, 3, 7, Foreign),
            (70, SAME_HOST, 96, 4, 7, Foreign),
            (90, SAME_HOST, 0, 4, 7, Learnt),
        ]);
    }

    #[test]
    fn garbage_from_the_sdp_address_does_not_lock() {
        play(&[
            (10, SDP, 96, 1, 7, Remote),
            (30, SAME_HOST, 0, 2, 7, Foreign),
            (50, SAME_HOST, 0, 3, 7, Learnt),
        ]);
    }

    #[test]
    fn random_sequence_numbers_or_ssrcs_teach_nothing() {
        let random = |n: u16| n.wrapping_mul(40_503);
        let mut lock = SourceLock::new();
        lock.set_remote(address(SDP), 0);
        for n in 0..200 {
            assert_eq!(judge(&mut lock, 20, SAME_HOST, 0, random(n), 7), Foreign);
            assert_eq!(
                judge(&mut lock, 20, SAME_HOST, 0, n, 100 + u32::from(n)),
                Foreign
            );
            assert_eq!(judge(&mut lock, 20, SAME_HOST, 0, 9, 7), Foreign);
        }
        assert_eq!(lock.foreign(), 600);
    }

    #[test]
    fn the_ssrc_of_the_far_end_helps_no_stranger_after_the_lock() {
        play(&[
            (10, SDP, 0, 1, 7, Remote),
            (30, STRANGER, 0, 2, 7, Foreign),
            (31, STRANGER, 0, 3, 7, Foreign),
            (32, STRANGER, 0, 4, 7, Foreign),
            (33, STRANGER, 0, 5, 7, Foreign),
            (50, SDP, 0, 2, 7, Remote),
        ]);
    }

    #[test]
    fn two_strangers_who_take_turns_teach_nothing() {
        let mut lock = SourceLock::new();
        lock.set_remote(address(SDP), 0);
        for n in 0..100 {
            assert_eq!(judge(&mut lock, 20, STRANGER, 0, n, 7), Foreign);
            assert_eq!(judge(&mut lock, 20, OTHER_STRANGER, 0, n, 8), Foreign);
        }
    }

    #[test]
    fn only_a_new_address_in_sdp_lets_learning_begin_again() {
        let mut lock = play(&[(10, SDP, 0, 1, 7, Remote)]);
        lock.set_remote(address(SDP), 60_000);
        for sequence in 0..8 {
            assert_eq!(judge(&mut lock, 60_020, STRANGER, 0, sequence, 7), Foreign);
        }
        lock.set_remote(address(OTHER_STRANGER), 61_000);
        assert_eq!(lock.destination(), Some(address(OTHER_STRANGER)));
        assert_eq!(judge(&mut lock, 61_010, SDP, 0, 2, 7), Foreign);
        assert_eq!(judge(&mut lock, 61_020, OTHER_STRANGER, 0, 2, 7), Remote);
    }

    #[test]
    fn an_ipv4_address_seen_by_an_ipv6_socket_is_the_same_address() {
        let mut lock = play(&[]);
        assert_eq!(
            judge(&mut lock, 10, "[::ffff:192.0.2.1]:4000", 0, 1, 7),
            Remote
        );
    }

    #[test]
    fn rtcp_is_believed_from_the_far_host_only() {
        let mut lock = play(&[]);
        assert!(lock.allows_rtcp(address("192.0.2.1:4001")));
        assert!(!lock.allows_rtcp(address("198.51.100.9:4001")));
        assert_eq!(lock.foreign(), 1);
    }
}
