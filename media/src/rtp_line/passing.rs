//! The short way of a beat: the next packet of a steady stream goes from the socket to the other leg, and the books
//! learn of it later.

use super::sealed::Port;
use super::RtpLine;
use crate::audio::payload::FRAME_BYTES;
use crate::bridge::Frame;
use crate::desk::{count, Desk};
use crate::rtp::packet::HEADER_BYTES;
use crate::rtp::steady::Steady;
use crate::stream::link::Here;
use crate::sys;

const FRAME_US: u64 = 20_000;

impl RtpLine {
    /// Hears the packet that was to come, if nothing else did. False: hear as ever what was taken in here and what may
    /// still lie in the socket.
    pub fn hear_steady(
        &mut self,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
        heard: &mut Frame,
    ) -> bool {
        if !self
            .steady
            .as_ref()
            .is_some_and(|steady| steady.is_due(due_us))
        {
            return false;
        }
        desk.batch.fetch(&self.ports.rtp, true);
        if !self.unseal(&mut desk.batch, 0, Port::Rtp, here) {
            count(&desk.counters.packets_received, 1);
            self.unsteady();
            self.is_owed = true;
            return false;
        }
        let (Some(datagram), Some(steady)) = (desk.batch.datagram(0), &mut self.steady) else {
            self.unsteady();
            return false;
        };
        count(&desk.counters.packets_received, 1);
        let arrival_us = desk.arrival_us(datagram.arrival_wall_us, here.now_us);
        if !steady.takes(
            datagram.bytes,
            datagram.from,
            arrival_us,
            &mut heard.payload,
        ) {
            self.unsteady();
            self.take_in(&datagram, arrival_us, due_us, desk.wall_offset_us, here);
            self.is_owed = true; // others may wait behind it
            return false;
        }
        heard.pcm.clear();
        heard.rate_hz = steady.rate_hz();
        self.receiver.remember(&heard.payload);
        self.looked_us = here.now_us;
        if steady.is_full() {
            self.settle();
            self.hold();
        }
        if self.capture.is_some() {
            self.keep_heard(&datagram, false);
        }
        true
    }

    /// Lets the processor fetch what the coming beat will hear with, or will say with.
    pub fn prefetch(&self, says: bool) {
        sys::prefetch(&self.ports);
        if says {
            sys::prefetch(&self.sender);
        } else {
            sys::prefetch(&self.steady);
            sys::prefetch(&self.receiver);
        }
    }

    /// While nobody but the other leg listens, the socket holds the far end, whose packets have proven themselves. A
    /// socket of all addresses would from then on have the one that leads there, which need not be the one in SDP.
    fn hold(&mut self) {
        if self.holds || self.binds_all || self.source.locked_on().is_none() {
            return;
        }
        if let Some(to) = self.sound_goes_to() {
            self.holds = sys::hold(&self.ports.rtp, to);
        }
    }

    /// The socket hears everybody again: whoever is a stranger is counted.
    pub(super) fn let_go(&mut self) {
        if std::mem::take(&mut self.holds) {
            sys::let_go(&self.ports.rtp);
        }
    }

    /// After a beat: what comes next, if the stream is steady now.
    pub(super) fn expect_steady(&mut self, due_us: u64) {
        let (Some((next, codec)), Some(from)) = (self.receiver.expects(), self.source.locked_on())
        else {
            return;
        };
        self.steady = Some(Steady::new(next, codec, from, due_us + FRAME_US));
    }

    /// The stream is steady no more.
    pub(super) fn unsteady(&mut self) {
        self.settle();
        self.steady = None;
    }

    /// Writes into the books what they are owed, before anybody looks.
    pub(super) fn settle(&mut self) {
        let Some(steady) = &mut self.steady else {
            return;
        };
        for owed in steady.settle() {
            self.rtcp.on_received(&owed.packet, owed.arrival_us);
            self.receiver.passed(owed.arrival_us, owed.due_us);
            if let Some(phase) = &mut self.phase {
                phase.note(owed.due_us as i64 - owed.arrival_us as i64);
            }
            self.figures.bytes_received += (HEADER_BYTES + FRAME_BYTES) as u64;
            self.last_packet_us = Some(owed.arrival_us);
            self.next_sequence = owed.packet.sequence.wrapping_add(1);
        }
    }
}
