//! Legs that hear each other. Two of them: each holds one end, gives what its far end says, takes what the other's says.
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
//!
//! More than two: each hears each other one through a link of one way (`link`), which is half of the above.

pub mod ear;
pub mod hearing;
pub mod lane;
pub mod link;
pub mod mouth;

use std::sync::Arc;

use ear::Ear;
use lane::Lane;
pub use lane::{Frame, Key};
use mouth::Mouth;

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
#[repr(C, align(64))] // what a frame that passes through needs lies together, in front
pub struct Bridge {
    mouth: Mouth,
    frames: u64,
    passed: u64,
    ear: Ear,
    /// The other leg's thread, once it sits.
    giver_at: Option<usize>,
}

impl Bridge {
    /// The two ends. With `relays_keys` a key that is pressed at one end is to be sent at the other.
    pub fn pair(relays_keys: bool) -> (Bridge, Bridge) {
        let (there, back) = (Arc::new(Lane::new()), Arc::new(Lane::new()));
        there.relay_keys(relays_keys);
        back.relay_keys(relays_keys);
        let end = |mouth: &Arc<Lane>, ear: &Arc<Lane>| Bridge {
            mouth: Mouth::new(Arc::clone(mouth)),
            ear: Ear::new(Arc::clone(ear)),
            giver_at: None,
            frames: 0,
            passed: 0,
        };
        (end(&there, &back), end(&back, &there))
    }

    /// Gives 20 ms to the other end.
    pub fn give(&mut self, now_us: u64, heard: &Frame) {
        if !self.mouth.give(now_us, heard) {
            self.ear.dropped += 1;
        }
    }

    /// Gets a frame ready to be handed over to the leg that follows, past the lane: nothing waits there.
    pub fn hand(&mut self, heard: &mut Frame) {
        heard.key = self.mouth.hand_key();
    }

    /// Whether a frame that was handed over has no key to go with, and none waits for the leg to send it.
    pub fn is_keyless(&self, frame: &Frame) -> bool {
        frame.key.is_none() && self.ear.keys.is_empty()
    }

    /// Takes the frame that was handed over.
    pub fn take_handed<'a>(&mut self, frame: &'a mut Frame) -> &'a mut Frame {
        self.frames += 1;
        self.ear.note_key(frame);
        frame
    }

    /// This end's leg sits on `thread`.
    pub fn sit(&self, thread: usize) {
        self.mouth.lane.seat_giver(thread);
    }

    /// The leg that takes here, on `thread`, wants to be called right after each frame, or no more; true when it will
    /// be: it can only be called by its own thread.
    pub fn follow(&mut self, leg: Option<u64>, thread: usize) -> bool {
        if self.giver_at.is_none() {
            self.giver_at = self.ear.lane.giver_at();
        }
        let follower = leg.filter(|_| self.giver_at == Some(thread));
        let follows = follower.is_some();
        if self.ear.is_following != follows {
            self.ear.is_following = follows;
            self.ear.lane.set_follower(follower);
            if !follows {
                self.ear.forget();
            }
        }
        follows
    }

    /// The other leg, if it is to be called now that a frame was given.
    pub fn follower(&self) -> Option<u64> {
        self.mouth.lane.follower()
    }

    /// The same, while the bridge stands and no frame waits for that leg: it can be handed the next one.
    pub fn free_follower(&self) -> Option<u64> {
        let is_free = !self.is_over() && self.is_clear();
        self.follower().filter(|_| is_free)
    }

    /// Whether frames wait for the other end.
    pub fn is_clear(&self) -> bool {
        self.mouth.lane.is_clear()
    }

    /// A key was pressed at this end.
    pub fn press(&mut self, key: Key) {
        self.mouth.press(key);
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
        self.mouth.is_over() // both lanes are
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

#[cfg(test)]
mod tests;
