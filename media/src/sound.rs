//! The sound of the leg whose beat it is: one for all legs of a thread, so that it stays in the processor's cache.

use crate::bridge::Frame;
use crate::worker::LegId;

/// What is heard and said in one beat.
#[derive(Debug, Default)]
pub struct Sound {
    /// 20 ms of the far end; without sound when nobody asked for more than the payload.
    pub heard: Frame,
    /// When the newest packet arrived, if one came.
    pub newest_us: Option<u64>,
    /// 20 ms for the far end; empty when a packet was sent on as it came and nobody looks.
    pub said: Vec<i16>,
    /// The leg that follows the one that heard this: it says it next.
    pub handed_to: Option<LegId>,
}
