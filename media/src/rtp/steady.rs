//! A stream without surprises: which packet comes next, and which ones came that the books do not know yet.
//!
//! ```text
//!   packets  p  p  p  p  p  p  p  p  p  p  p        each the next of its stream, in time for its beat: it needs no
//!   beats     b  b  b  b  b  b  b  b  b  b  b       place among others, so nothing but this is looked at
//!   books                                ▲ jitter buffer, RTCP and phase lock learn of ten packets at once
//! ```
//! Two people who talk send such streams for minutes. What is kept here lies together, so that a packet that passes
//! through costs little beyond its system calls.

use super::packet::HEADER_BYTES;
use super::Packet;
use crate::audio::payload::FRAME_BYTES;
use crate::audio::{Codec, Payload};
use std::net::SocketAddr;

/// Packets that the books may not know yet.
const RUN: usize = 10;
const FRAME_US: u64 = 20_000;

/// A packet that is to be written into the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Its header; the payload has gone its way.
    pub packet: Packet<'static>,
    pub arrival_us: u64,
    /// When the beat that heard it was due.
    pub due_us: u64,
}

/// What comes next in a steady stream, and what is owed to the books.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Steady {
    /// The header of the next packet.
    next: Packet<'static>,
    /// When the beat that hears it is due.
    due_us: u64,
    owed: usize,
    /// How long each owed packet waited for its beat.
    waits_us: [u16; RUN],
    codec: Codec,
    from: SocketAddr,
}

impl Steady {
    /// A stream whose `next` packet comes from `from`, holds 20 ms of `codec` and is heard at the beat due at `due_us`.
    pub fn new(next: Packet<'static>, codec: Codec, from: SocketAddr, due_us: u64) -> Self {
        Steady {
            next,
            due_us,
            owed: 0,
            waits_us: [0; RUN],
            codec,
            from,
        }
    }

    /// The rate of its sound.
    pub fn rate_hz(&self) -> u32 {
        self.codec.rate_hz()
    }

    /// Whether the beat due at `due_us` is the one that comes next.
    pub fn is_due(&self, due_us: u64) -> bool {
        self.due_us == due_us
    }

    /// Takes the datagram of the next packet, which came within the 20 ms before its beat: its payload is set, and the
    /// books are owed. False for any other datagram.
    pub fn takes(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        arrival_us: u64,
        payload: &mut Payload,
    ) -> bool {
        let wait_us = self.due_us.checked_sub(arrival_us);
        let (Some(wait_us), Some((header, sound))) = (
            wait_us.filter(|wait_us| *wait_us < FRAME_US),
            datagram.split_first_chunk::<HEADER_BYTES>(),
        ) else {
            return false;
        };
        let is_next = *header == self.next.header() && from == self.from;
        if !is_next || sound.len() != FRAME_BYTES || self.is_full() {
            return false;
        }
        payload.set(self.codec, sound);
        self.waits_us[self.owed] = wait_us as u16;
        self.owed += 1;
        self.due_us += FRAME_US;
        self.next = moved(self.next, 1);
        true
    }

    /// The books have to be told before another packet can be taken.
    pub fn is_full(&self) -> bool {
        self.owed == RUN
    }

    /// Whether the books know everything.
    pub fn is_settled(&self) -> bool {
        self.owed == 0
    }

    /// What is owed to the books, the oldest first; then nothing is.
    pub fn settle(&mut self) -> impl Iterator<Item = Owed> {
        let count = std::mem::take(&mut self.owed);
        let (next, due_us, waits_us) = (self.next, self.due_us, self.waits_us);
        (0..count).map(move |index| {
            let back = count - index;
            let due_us = due_us - back as u64 * FRAME_US;
            Owed {
                packet: moved(next, (back as u16).wrapping_neg()),
                arrival_us: due_us - u64::from(waits_us[index]),
                due_us,
            }
        })
    }
}

/// The header that comes `steps` packets later; earlier for a wrapped negative number.
fn moved(packet: Packet<'static>, steps: u16) -> Packet<'static> {
    let ticks = i32::from(steps as i16) * FRAME_BYTES as i32;
    Packet {
        sequence: packet.sequence.wrapping_add(steps),
        timestamp: packet.timestamp.wrapping_add_signed(ticks),
        ..packet
    }
}

#[cfg(test)]
mod tests;
