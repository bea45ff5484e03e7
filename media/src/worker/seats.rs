//! A thread's legs in their seats, and what is fetched from memory before it is looked at.

use std::sync::Arc;

use super::{LegId, Worker, LOOK_UNTIL_MS};
use crate::leg::Leg;
use crate::sys;

/// A leg and its beat.
#[repr(C, align(64))] // what every beat looks at lies together, in front
pub(super) struct Seat {
    /// When the next beat should be.
    pub(super) due_ms: u64,
    /// When it will be: later than that while missed beats are made up for.
    pub(super) wake_ms: u64,
    /// Until when this beat looks for a late packet; 0 before its first look.
    pub(super) look_until_ms: u64,
    /// The seat of the leg that followed last; any other one if there was none.
    pub(super) follower: usize,
    pub(super) sid: Arc<str>,
    pub(super) leg: Leg,
}

impl Seat {
    /// Whether this beat may look once more for a packet that is late.
    pub(super) fn may_wait(&mut self, now_ms: u64) -> bool {
        if self.look_until_ms == 0 {
            self.look_until_ms = now_ms.max(self.due_ms) + LOOK_UNTIL_MS;
        }
        now_ms < self.look_until_ms
    }
}

impl Worker {
    /// A thousand legs are more than the processor's caches hold: what the beats after `due[place]` look at is fetched
    /// while that one is struck, first a seat, then what it points to.
    pub(super) fn look_ahead(&self, due: &[(usize, u64)], place: usize) {
        let seat = |index: usize| self.seats.get(index).and_then(Option::as_ref);
        let later = |ahead: usize| due.get(place + ahead).and_then(|(index, _)| seat(*index));
        if let Some((index, _)) = due.get(place + 2) {
            sys::prefetch(&self.seats[*index]); // unseen: to look whether it is taken would wait for it
        }
        if let Some(next) = later(1) {
            next.leg.prefetch(false);
            sys::prefetch(&self.seats[next.follower]);
        }
        if let Some(follower) = later(0).and_then(|now| seat(now.follower)) {
            follower.leg.prefetch(true);
        }
    }

    /// The seat of the leg that follows the one at `index`: where it was last time, or found anew.
    pub(super) fn follower(&mut self, index: usize, id: LegId) -> Option<usize> {
        let last = self.seats[index].as_ref()?.follower;
        let is_there = self.seats[last]
            .as_ref()
            .is_some_and(|seat| seat.leg.id == id);
        let follower = if is_there {
            last
        } else {
            *self.by_id.get(&id)?
        };
        self.seats[index].as_mut()?.follower = follower;
        Some(follower)
    }
}
