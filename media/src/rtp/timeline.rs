//! Sequence numbers and timestamps without their wraps, and the judgement whether a packet continues its stream.
//!
//! Sixteen and thirty-two bits become `i64`s that only grow. A packet that cannot belong where its numbers
//! say (another SSRC, a jump of the sequence or of the clock) is told apart from one that is merely lost, late
//! or doubled (RFC 3550 A.1).

use super::Packet;

/// A sequence step larger than this is no loss but another stream (RFC 3550 A.1, MAX_DROPOUT).
const DROPOUT_LIMIT: i64 = 3_000;
/// Timestamps that run ahead of the arrival clock by more are a jump; no network makes packets early.
const AHEAD_LIMIT_US: i64 = 500_000;
/// Timestamps that fall behind by more are a jump (a sender whose clock stood still), not a stall.
const BEHIND_LIMIT_US: i64 = 2_000_000;
/// A stream that another SSRC replaced comes back only after its successor was quiet for so long.
const SUCCESSOR_QUIET_US: u64 = 100_000;
/// Microseconds per tick of the 8 kHz RTP clock.
pub(super) const TICK_US: i64 = 125;

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the stream, at these numbers.
    Here { sequence: i64, timestamp: i64 },
    /// A stream begins anew with this packet; `begin` it.
    Anew,
    /// It came before.
    Duplicate,
    /// Too far from the stream to be believed alone; its successor will tell.
    Suspect,
}

#[derive(Clone, Debug)]
pub(super) struct Timeline {
    ssrc: u32,
    /// The SSRC before this one; its stragglers are refused.
    former_ssrc: Option<u32>,
    /// Highest sequence number so far, raw and unwrapped.
    raw_highest: u16,
    highest: i64,
    /// Timestamp and arrival of the newest packet whose timestamp is a clock.
    raw_timestamp: u32,
    timestamp: i64,
    arrival_us: u64,
    /// Bit n: `highest - n` was received.
    received: u128,
    /// The sequence number that would prove a jump.
    suspect_next: Option<u16>,
}

impl Timeline {
    /// A stream that begins with `packet`, henceforth numbered `sequence` and `timestamp`.
    pub(super) fn begin(
        packet: &Packet<'_>,
        arrival_us: u64,
        sequence: i64,
        timestamp: i64,
    ) -> Self {
        Timeline {
            ssrc: packet.ssrc,
            former_ssrc: None,
            raw_highest: packet.sequence,
            highest: sequence,
            raw_timestamp: packet.timestamp,
            timestamp,
            arrival_us,
            received: 1,
            suspect_next: None,
        }
    }

    /// The stream goes on with `packet` as if nothing had happened, at `timestamp`.
    /// Returns its sequence number.
    pub(super) fn splice(&mut self, packet: &Packet<'_>, arrival_us: u64, timestamp: i64) -> i64 {
        let former_ssrc = (packet.ssrc != self.ssrc)
            .then_some(self.ssrc)
            .or(self.former_ssrc);
        *self = Timeline {
            former_ssrc,
            ..Timeline::begin(packet, arrival_us, self.highest + 1, timestamp)
        };
        self.highest
    }

    /// Finds the packet's place and remembers it. The timestamp of a packet that `is_clocked` is that of its
    /// first sample; an event's is that of its beginning, which may lie seconds back.
    pub(super) fn place(
        &mut self,
        packet: &Packet<'_>,
        is_clocked: bool,
        arrival_us: u64,
    ) -> Place {
        if packet.ssrc != self.ssrc {
            let is_straggler = Some(packet.ssrc) == self.former_ssrc
                && arrival_us.saturating_sub(self.arrival_us) < SUCCESSOR_QUIET_US;
            return if is_straggler {
                Place::Suspect
            } else {
                Place::Anew
            };
        }
        let step = i64::from(packet.sequence.wrapping_sub(self.raw_highest) as i16);
        if step.abs() > DROPOUT_LIMIT {
            let is_proven = self.suspect_next == Some(packet.sequence);
            self.suspect_next = Some(packet.sequence.wrapping_add(1));
            return if is_proven {
                Place::Anew
            } else {
                Place::Suspect
            };
        }
        self.suspect_next = None;
        let ticks = i64::from(packet.timestamp.wrapping_sub(self.raw_timestamp) as i32);
        let here = Place::Here {
            sequence: self.highest + step,
            timestamp: self.timestamp + ticks,
        };
        if step > 0 {
            if is_clocked && self.is_jump(ticks, arrival_us) {
                return Place::Anew;
            }
            self.received = if step < 128 {
                (self.received << step) | 1
            } else {
                1
            };
            self.raw_highest = packet.sequence;
            self.highest += step;
            if is_clocked {
                self.raw_timestamp = packet.timestamp;
                self.timestamp += ticks;
                self.arrival_us = arrival_us;
            }
            here
        } else if self.is_received(-step) {
            Place::Duplicate
        } else {
            self.received |= 1 << -step;
            here
        }
    }

    /// The header of the newest packet: its stream, its sequence number and timestamp.
    pub(super) fn newest(&self) -> Packet<'static> {
        Packet {
            marker: false,
            payload_type: 0,
            sequence: self.raw_highest,
            timestamp: self.raw_timestamp,
            ssrc: self.ssrc,
            payload: &[],
        }
    }

    /// Where the newest packet lies, as `place` said.
    pub(super) fn newest_place(&self) -> (i64, i64) {
        (self.highest, self.timestamp)
    }

    /// What `place` does with the next packet of the stream, `ticks` after the newest.
    pub(super) fn advance(&mut self, ticks: u32, arrival_us: u64) {
        self.suspect_next = None;
        self.received = (self.received << 1) | 1;
        self.raw_highest = self.raw_highest.wrapping_add(1);
        self.highest += 1;
        self.raw_timestamp = self.raw_timestamp.wrapping_add(ticks);
        self.timestamp += i64::from(ticks);
        self.arrival_us = arrival_us;
    }

    /// Whether the sender's clock and the arrival clock disagree by more than a network can explain.
    fn is_jump(&self, ticks: i64, arrival_us: u64) -> bool {
        let elapsed_us = arrival_us.saturating_sub(self.arrival_us) as i64;
        let ahead_us = ticks * TICK_US - elapsed_us;
        !(-BEHIND_LIMIT_US..=AHEAD_LIMIT_US).contains(&ahead_us)
    }

    /// Whether the packet `back` numbers below the highest came; beyond memory, yes.
    fn is_received(&self, back: i64) -> bool {
        back >= 128 || (self.received >> back) & 1 == 1
    }
}
