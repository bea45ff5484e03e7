//! Two legs that hear each other: each holds one end, gives what its far end says, takes what the other's says.
//!
//! ```text
//!   leg A ── give ─▶ lane ─▶ take ── leg B        each leg on its own beat, perhaps on its own thread;
//!         ◀─ take ── lane ◀─ give ──              nobody waits, and the end of one leg cuts both lanes
//! ```
//! Legs on one thread need not wait for their own beats to say: as long as a leg has nothing else to keep in step with,
//! it follows, that is, it says each frame as soon as the other has heard it.
//!
//! A frame that is exactly one received packet travels as that packet's bytes, so that the other leg can send it
//! as it came. Keys travel with the frames.

pub mod ear;
pub mod lane;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::audio::Payload;
use ear::Ear;
use lane::Lane;
pub use lane::{Frame, Key};

/// Keys that may wait for a frame to travel with.
const KEYS: usize = 16;

/// What a leg counts of its bridges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BridgeFigures {
    /// Frames taken from the other end.
    pub frames: u64,
    /// Of these, how many were sent on as they came.
    pub passed: u64,
    /// Frames made up because none had come.
    pub inserted: u64,
    /// Frames left out because too many had come.
    pub dropped: u64,
}

impl BridgeFigures {
    /// Adds those of another bridge.
    pub fn add(&mut self, other: BridgeFigures) {
        self.frames += other.frames;
        self.passed += other.passed;
        self.inserted += other.inserted;
        self.dropped += other.dropped;
    }
}

/// One leg's end of a bridge; dropping it ends the bridge.
#[derive(Debug)]
pub struct Bridge {
    mouth: Arc<Lane>,
    ear: Ear,
    keys: VecDeque<Key>,
    relays_keys: bool,
    frames: u64,
    passed: u64,
}

impl Bridge {
    /// The two ends. With `relays_keys` a key that is pressed at one end is to be sent at the other.
    pub fn pair(relays_keys: bool) -> (Bridge, Bridge) {
        let (there, back) = (Arc::new(Lane::new()), Arc::new(Lane::new()));
        let end = |mouth: &Arc<Lane>, ear: &Arc<Lane>| Bridge {
            mouth: Arc::clone(mouth),
            ear: Ear::new(Arc::clone(ear)),
            keys: VecDeque::new(),
            relays_keys,
            frames: 0,
            passed: 0,
        };
        (end(&there, &back), end(&back, &there))
    }

    /// Gives 20 ms to the other end: as sound, as the payload that it is, or as both.
    pub fn give(&mut self, now_us: u64, rate_hz: u32, pcm: &[i16], payload: &Payload) {
        let key = self.keys.front().copied();
        let is_given = self.mouth.give(|frame| {
            frame.given_us = now_us;
            frame.set(rate_hz, pcm);
            frame.payload.copy_from(payload);
            frame.key = key;
        });
        if is_given {
            self.keys.pop_front();
        } else {
            self.ear.dropped += 1;
        }
    }

    /// This end's leg sits on `thread`.
    pub fn sit(&self, thread: usize) {
        self.mouth.seat_giver(thread);
    }

    /// The leg that takes here wants to be called right after each frame, or no more; true when it will be.
    pub fn follow(&mut self, leg: Option<u64>, thread: usize) -> bool {
        self.ear.is_following = self.ear.lane.follow(leg, thread);
        self.ear.is_following
    }

    /// The other leg, if it is to be called now that a frame was given.
    pub fn follower(&self) -> Option<u64> {
        self.mouth.follower()
    }

    /// A key was pressed at this end.
    pub fn press(&mut self, key: Key) {
        if self.relays_keys && self.keys.len() < KEYS {
            self.keys.push_back(key);
        }
    }

    /// What the other end gave for this beat; `None` before it has begun.
    pub fn take(&mut self, now_us: u64) -> Option<&mut Frame> {
        let frame = self.ear.take(now_us);
        self.frames += u64::from(frame.is_some());
        frame
    }

    /// The oldest key that was pressed at the other end and is not sent yet.
    pub fn take_key(&mut self) -> Option<Key> {
        self.ear.keys.pop_front()
    }

    /// The last frame was sent on as it came.
    pub fn note_passed(&mut self) {
        self.passed += 1;
    }

    /// The other end has gone.
    pub fn is_over(&self) -> bool {
        self.ear.lane.is_cut()
    }

    /// The figures so far. A frame that had no room counts at the end that gave it.
    pub fn figures(&self) -> BridgeFigures {
        BridgeFigures {
            frames: self.frames,
            passed: self.passed,
            inserted: self.ear.inserted,
            dropped: self.ear.dropped,
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.mouth.cut();
        self.ear.lane.cut();
    }
}

#[cfg(test)]
mod tests;
