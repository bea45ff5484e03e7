//! The giving end of a lane: what a leg's far end says goes in, and the keys that it pressed travel with it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::lane::{Frame, Key, Lane};

/// Keys that may wait for a frame to travel with.
const KEYS: usize = 16;

/// Gives frames to another leg; dropping it cuts the lane.
#[derive(Debug)]
pub struct Mouth {
    pub(super) lane: Arc<Lane>,
    keys: VecDeque<Key>,
}

impl Mouth {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Mouth {
            lane,
            keys: VecDeque::new(),
        }
    }

    /// Gives 20 ms to the other leg; false when it had no room, and they are lost.
    pub fn give(&mut self, now_us: u64, heard: &Frame) -> bool {
        let key = self.keys.front().copied();
        let is_given = self.lane.give(|frame| {
            frame.copy_from(heard);
            frame.given_us = now_us;
            frame.key = key;
        });
        if is_given {
            self.keys.pop_front();
        }
        is_given
    }

    /// A key was pressed here; it is forgotten where the lane relays none.
    pub fn press(&mut self, key: Key) {
        if self.lane.relays_keys() && self.keys.len() < KEYS {
            self.keys.push_back(key);
        }
    }

    /// The key that goes with a frame past the lane.
    pub(super) fn hand_key(&mut self) -> Option<Key> {
        self.keys.pop_front()
    }

    /// The other end has gone.
    pub fn is_over(&self) -> bool {
        self.lane.is_cut()
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.lane.cut();
    }
}
