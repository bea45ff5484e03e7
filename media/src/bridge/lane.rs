//! One direction of a bridge, or a link: four frames that one thread fills and another empties, neither waiting for the other.
//!
//! ```text
//!   give ─▶ [ 5 ][ 6 ][   ][ 4 ] ─▶ take        given = 6, taken = 3: the giver owns the empty slots,
//!                                                the taker the others; so no lock is ever contended
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audio::Payload;

/// Frames on their way at most (80 ms): what a stalled thread has missed. More is dropped by the giver.
pub const ROOM: usize = 4;
/// Samples of 20 ms at the highest rate.
const MOST_SAMPLES: usize = 320;

/// A key that was pressed at one end, for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub digit: char,
    pub duration_ms: u32,
}

/// Twenty milliseconds on their way.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When it was given, on the monotonic clock.
    pub given_us: u64,
    pub rate_hz: u32,
    /// The packet that it is exactly, or none.
    pub payload: Payload,
    /// The sound; empty when only the payload was given.
    pub pcm: Vec<i16>,
    pub key: Option<Key>,
}

impl Frame {
    /// Silence of no length, with room for any frame.
    pub fn new() -> Self {
        Frame {
            given_us: 0,
            rate_hz: 8_000,
            payload: Payload::NONE,
            pcm: Vec::with_capacity(MOST_SAMPLES),
            key: None,
        }
    }

    /// Makes it this sound, which is no payload.
    pub fn set(&mut self, rate_hz: u32, pcm: &[i16]) {
        self.rate_hz = rate_hz;
        self.payload.clear();
        self.pcm.clear();
        self.pcm
            .extend_from_slice(&pcm[..pcm.len().min(MOST_SAMPLES)]);
    }

    /// Makes it the same as another.
    pub fn copy_from(&mut self, other: &Frame) {
        self.set(other.rate_hz, &other.pcm);
        self.payload.copy_from(&other.payload);
        self.key = other.key;
    }

    /// The sound, decoded now if it was not before.
    pub fn decoded(&mut self) -> &mut [i16] {
        if self.pcm.is_empty() {
            self.payload.decode(&mut self.pcm);
        }
        &mut self.pcm
    }
}

impl Default for Frame {
    fn default() -> Self {
        Frame::new()
    }
}

/// The queue of one direction; one thread gives, one takes.
#[derive(Debug)]
#[repr(C, align(64))] // what the giver looks at in every beat lies in one cache line
pub struct Lane {
    given: AtomicUsize,
    taken: AtomicUsize,
    /// The taker, if it wants to be called right after each frame; 0 for nobody.
    follower: AtomicU64,
    /// The giver's thread; 0 before it has one.
    giver_at: AtomicUsize,
    is_cut: AtomicBool,
    /// Whether keys travel with the frames.
    relays_keys: AtomicBool,
    slots: [Mutex<Box<Frame>>; ROOM],
}

impl Lane {
    /// An empty lane.
    pub fn new() -> Self {
        Lane {
            slots: std::array::from_fn(|_| Mutex::default()),
            given: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
            relays_keys: AtomicBool::new(false),
            giver_at: AtomicUsize::new(0),
            follower: AtomicU64::new(0),
        }
    }

    /// Lets `fill` write the next frame; `false` when there is no room for it.
    pub fn give(&self, fill: impl FnOnce(&mut Frame)) -> bool {
        let given = self.given.load(Ordering::Relaxed);
        if given.wrapping_sub(self.taken.load(Ordering::Acquire)) >= ROOM {
            return false;
        }
        fill(&mut self.slot(given));
        self.given.store(given.wrapping_add(1), Ordering::Release);
        true
    }

    /// Exchanges the oldest frame for `spare`; `false` when there is none.
    pub fn take(&self, spare: &mut Box<Frame>) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        if self.given.load(Ordering::Acquire) == taken {
            return false;
        }
        std::mem::swap(&mut *self.slot(taken), spare);
        self.taken.store(taken.wrapping_add(1), Ordering::Release);
        true
    }

    /// Frames that can be taken.
    pub fn waiting(&self) -> usize {
        let taken = self.taken.load(Ordering::Relaxed);
        self.given.load(Ordering::Acquire).wrapping_sub(taken)
    }

    /// Whether nothing waits. For the giver.
    pub fn is_clear(&self) -> bool {
        self.taken.load(Ordering::Acquire) == self.given.load(Ordering::Relaxed)
    }

    /// When the oldest frame was given. For the taker.
    pub fn oldest_us(&self) -> Option<u64> {
        let taken = self.taken.load(Ordering::Relaxed);
        (self.given.load(Ordering::Acquire) != taken).then(|| self.slot(taken).given_us)
    }

    /// The giver sits on this thread.
    pub fn seat_giver(&self, thread: usize) {
        self.giver_at.store(thread, Ordering::Relaxed);
    }

    /// The giver's thread, once it has one.
    pub fn giver_at(&self) -> Option<usize> {
        let thread = self.giver_at.load(Ordering::Relaxed);
        (thread != 0).then_some(thread)
    }

    /// The taker wants to be called after each frame, or nobody does. Only a taker on the giver's thread may want that.
    pub fn set_follower(&self, taker: Option<u64>) {
        self.follower
            .store(taker.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Whom to call after a frame.
    pub fn follower(&self) -> Option<u64> {
        let follower = self.follower.load(Ordering::Relaxed);
        (follower != 0).then_some(follower)
    }

    /// Lets keys travel with the frames from now on, or no more.
    pub fn relay_keys(&self, relays: bool) {
        self.relays_keys.store(relays, Ordering::Relaxed);
    }

    /// Whether keys travel with the frames.
    pub fn relays_keys(&self) -> bool {
        self.relays_keys.load(Ordering::Relaxed)
    }

    /// One end has gone.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    /// Whether one end has gone.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// A giver that panicked in `fill` leaves a poisoned slot that was never given: its frame is nobody's.
    fn slot(&self, number: usize) -> MutexGuard<'_, Box<Frame>> {
        self.slots[number % ROOM]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Lane {
    fn default() -> Self {
        Lane::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{catch_unwind, AssertUnwindSafe};
    use std::sync::Arc;

    fn give(lane: &Lane, number: u64) -> bool {
        lane.give(|frame| frame.given_us = number)
    }

    fn take(lane: &Lane) -> Option<u64> {
        let mut frame = Box::default();
        lane.take(&mut frame).then_some(frame.given_us)
    }

    #[test]
    fn frames_come_out_in_their_order_and_never_more_than_four_wait() {
        let lane = Lane::new();
        assert_eq!((take(&lane), lane.oldest_us()), (None, None));
        let given: Vec<bool> = (1..=6).map(|number| give(&lane, number)).collect();
        assert_eq!(given, [true, true, true, true, false, false]);
        assert_eq!((lane.waiting(), lane.oldest_us()), (4, Some(1)));
        assert_eq!((take(&lane), take(&lane)), (Some(1), Some(2)));
        assert!(give(&lane, 7));
        let rest: Vec<u64> = std::iter::from_fn(|| take(&lane)).collect();
        assert_eq!(rest, [3, 4, 7]);
    }

    #[test]
    fn two_threads_lose_and_double_nothing() {
        let lane = Arc::new(Lane::new());
        let giver = Arc::clone(&lane);
        let thread = std::thread::spawn(move || {
            for number in 0..20_000 {
                while !give(&giver, number) {
                    std::thread::yield_now();
                }
            }
        });
        for number in 0..20_000 {
            let taken = std::iter::repeat_with(|| {
                std::thread::yield_now();
                take(&lane)
            })
            .flatten()
            .next();
            assert_eq!(taken, Some(number));
        }
        thread.join().unwrap();
    }

    #[test]
    fn a_giver_that_panics_halfway_has_given_nothing_and_blocks_nobody() {
        let lane = Lane::new();
        give(&lane, 1);
        let result = catch_unwind(AssertUnwindSafe(|| lane.give(|_| panic!("a bug"))));
        assert!(result.is_err());
        assert_eq!((take(&lane), take(&lane)), (Some(1), None));
        assert!((2..6).all(|number| give(&lane, number)));
        assert_eq!(take(&lane), Some(2));
    }
}
