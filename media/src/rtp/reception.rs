//! What was received of one stream, by the book: RFC 3550 A.1 (sequence), A.3 (loss), A.8 (jitter).

use super::Packet;

/// A step forward beyond this is a restart, not a loss (A.1).
const DROPOUT_LIMIT: u16 = 3_000;
/// Numbers that far behind are late, not a restart (A.1).
const DISORDER_LIMIT: u16 = 100;

#[derive(Clone, Debug)]
pub(super) struct Reception {
    ssrc: u32,
    base: u32,
    highest: u16,
    /// Times the sequence wrapped, times 65536.
    cycles: u32,
    /// The sequence number that would prove a restart.
    restart: Option<u16>,
    received: u32,
    expected_prior: u32,
    received_prior: u32,
    /// Relative transit of the last packet, and its timestamp, in ticks.
    transit: u32,
    timestamp: u32,
    /// Jitter estimate, times 16.
    jitter: u32,
    /// Expected and lost of the streams before this one.
    former: (u64, i64),
}

impl Reception {
    pub(super) fn new(packet: &Packet<'_>, arrival_us: u64, former: (u64, i64)) -> Self {
        Reception {
            ssrc: packet.ssrc,
            base: u32::from(packet.sequence),
            highest: packet.sequence,
            cycles: 0,
            restart: None,
            received: 1,
            expected_prior: 0,
            received_prior: 0,
            transit: ticks(arrival_us).wrapping_sub(packet.timestamp),
            timestamp: packet.timestamp,
            jitter: 0,
            former,
        }
    }

    pub(super) fn packet(&mut self, packet: &Packet<'_>, arrival_us: u64) {
        let step = packet.sequence.wrapping_sub(self.highest);
        if step < DROPOUT_LIMIT {
            if packet.sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = packet.sequence;
        } else if step <= DISORDER_LIMIT.wrapping_neg() {
            if self.restart == Some(packet.sequence) {
                let former = (self.expected(), self.lost());
                *self = Reception::new(packet, arrival_us, former);
            } else {
                self.restart = Some(packet.sequence.wrapping_add(1));
            }
            return;
        }
        self.received = self.received.wrapping_add(1);
        self.follow_jitter(packet, arrival_us);
    }

    /// A.8, in integers: J += (|D| − J) / 16.
    fn follow_jitter(&mut self, packet: &Packet<'_>, arrival_us: u64) {
        let transit = ticks(arrival_us).wrapping_sub(packet.timestamp);
        let difference = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        let is_event_update = packet.timestamp == self.timestamp;
        self.transit = transit;
        self.timestamp = packet.timestamp;
        // The packets of a key share one timestamp, which tells nothing of the network; nor does a jump of a second.
        if !is_event_update && difference < 8_000 {
            self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn extended_highest(&self) -> u32 {
        self.cycles.wrapping_add(u32::from(self.highest))
    }

    pub(super) fn jitter_ticks(&self) -> u32 {
        self.jitter >> 4
    }

    /// Packets expected on this leg so far, of all its streams.
    pub(super) fn expected(&self) -> u64 {
        self.former.0 + u64::from(self.expected_of_stream())
    }

    /// Packets lost on this leg so far, of all its streams.
    pub(super) fn lost(&self) -> i64 {
        self.former.1 + self.lost_of_stream()
    }

    pub(super) fn lost_of_stream(&self) -> i64 {
        i64::from(self.expected_of_stream()) - i64::from(self.received)
    }

    /// A.3: the share of 256 lost since last asked; 0 when duplicates outnumber losses.
    pub(super) fn interval_fraction(&mut self) -> u8 {
        let expected = self.expected_of_stream();
        let in_interval = expected.wrapping_sub(self.expected_prior);
        let came = self.received.wrapping_sub(self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost = i64::from(in_interval) - i64::from(came);
        if in_interval == 0 || lost <= 0 {
            return 0;
        }
        ((lost << 8) / i64::from(in_interval)).min(255) as u8
    }

    fn expected_of_stream(&self) -> u32 {
        self.extended_highest()
            .wrapping_sub(self.base)
            .wrapping_add(1)
    }
}

/// Arrival in ticks of the 8 kHz RTP clock.
fn ticks(arrival_us: u64) -> u32 {
    (arrival_us / 125) as u32
}
