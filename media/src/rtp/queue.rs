//! Packets that wait for their turn, in the order of their sequence; their memory is used again.

use super::Packet;
use crate::audio::Codec;
use std::collections::VecDeque;

/// Packets that may wait, whatever their timestamps say.
const LIMIT: usize = 512;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Audio(Codec),
    Noise,
    Event,
    /// Nothing for us, but it explains a sequence number.
    Other,
}

/// A packet that waits.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sequence: i64,
    pub(super) timestamp: i64,
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
}

impl Entry {
    /// Timestamp after its last sample.
    pub(super) fn end(&self) -> i64 {
        match self.kind {
            Kind::Audio(codec) => self.timestamp + codec.ticks(&self.payload) as i64,
            _ => self.timestamp,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    spare: Vec<Vec<u8>>,
}

impl Queue {
    /// Puts a packet at its place; `true` when one with a higher sequence number was there before it.
    pub(super) fn insert(
        &mut self,
        sequence: i64,
        timestamp: i64,
        kind: Kind,
        packet: &Packet<'_>,
    ) -> bool {
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.extend_from_slice(packet.payload);
        let later = self
            .entries
            .iter()
            .rev()
            .take_while(|entry| entry.sequence > sequence)
            .count();
        let entry = Entry {
            sequence,
            timestamp,
            kind,
            payload,
        };
        if later == 0 {
            self.entries.push_back(entry);
        } else {
            let place = self.entries.len() - later;
            self.entries.insert(place, entry);
        }
        later > 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() > LIMIT
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    pub(super) fn back(&self) -> Option<&Entry> {
        self.entries.back()
    }

    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        let front = self.entries.pop_front();
        if self.entries.is_empty() {
            // Begins at the same place again, which is still in the processor's cache.
            self.entries.clear();
        }
        front
    }

    /// Gives back a payload's memory.
    pub(super) fn recycle(&mut self, mut entry: Entry) {
        entry.payload.clear();
        self.spare.push(entry.payload);
    }
}
