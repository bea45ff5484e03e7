//! What everything on one media thread shares.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use mio::Registry;

use crate::event::EventQueue;
use crate::mailbox::Mailbox;
use crate::player::PromptLoader;
use crate::recorder::Recorder;
use crate::sound::Sound;
use crate::stream::connector::Connector;
use crate::sys::{self, Batch};
use crate::worker::Order;

/// What everything on one thread shares.
pub struct Desk {
    pub events: Arc<EventQueue>,
    pub orders: Arc<Mailbox<Order>>,
    pub connector: Arc<Connector>,
    pub prompts: Arc<PromptLoader>,
    pub recorder: Arc<Recorder>,
    pub counters: Arc<Counters>,
    pub registry: Registry,
    pub batch: Batch,
    /// CLOCK_REALTIME minus CLOCK_MONOTONIC, as of this beat.
    pub wall_offset_us: u64,
    /// Taken by the leg whose beat it is; a leg that fails does not bring it back.
    pub sound: Option<Box<Sound>>,
}

impl Desk {
    /// The kernel's time of arrival on our clock; `now_us`, after the fetch, when it gave none.
    pub fn arrival_us(&self, wall_us: u64, now_us: u64) -> u64 {
        match wall_us {
            0 => now_us,
            wall_us => wall_us.saturating_sub(self.wall_offset_us).min(now_us),
        }
    }

    /// A moment of our clock as NTP time.
    pub fn ntp(&self, at_us: u64) -> u64 {
        sys::ntp(at_us + self.wall_offset_us)
    }
}

/// Counters of one thread; others only read them.
#[derive(Debug, Default)]
pub struct Counters {
    pub legs: AtomicU64,
    pub streams: AtomicU64,
    pub packets_received: AtomicU64,
    pub packets_sent: AtomicU64,
    pub packets_foreign: AtomicU64,
    pub srtp_refused: AtomicU64,
    pub frames_sent: AtomicU64,
    pub frames_late: AtomicU64,
    pub faults: AtomicU64,
}

/// Adds to a counter of this thread. Nobody else writes it, so the processor need not wait, as for an atomic addition,
/// until all that was written before has left it.
pub fn count(counter: &AtomicU64, more: u64) {
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(more),
        Ordering::Relaxed,
    );
}
