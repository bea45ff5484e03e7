//! What the jitter buffer says: of each packet, of each beat, and in sum.

use super::queue::Entry;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It waits; its unwrapped timestamp.
    Kept(i64),
    /// It waits, and a stream began anew with it.
    Restarted(i64),
    Duplicate,
    Late,
    /// Not believed yet.
    Suspect,
}

/// What to make next.
#[derive(Debug)]
pub(super) enum Step {
    /// This packet, without its first ticks.
    Play { entry: Entry, skip_ticks: usize },
    /// So many ticks whose packets are lost.
    Missing(usize),
    /// So many ticks for which nothing was sent.
    Silence(usize),
    /// So many ticks about which nothing is known yet.
    Empty(usize),
}

/// Counters of the buffer; see `ReceiverStats`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) duplicates: u64,
    pub(super) late: u64,
    pub(super) reordered: u64,
    pub(super) lost: u64,
    pub(super) concealed_ticks: u64,
    pub(super) dropped_ticks: u64,
    pub(super) inserted_ticks: u64,
    pub(super) restarts: u64,
}
