//! One leg hears another, one way: what bridges of three and more legs, and those who listen to them, are made of.
//!
//! ```text
//!   leg A ── mouth ─▶ lane ─▶ link ── leg M       A's sound is decoded once and given to each lane;
//!   leg B ── mouth ─▶ lane ─▶ link ──┘            M brings each to its own rate, adds them and clips the sum once
//! ```
//! A voice that joins or leaves in the middle of a word does so within 5 ms, and not with a click.

use std::sync::Arc;

use super::ear::Ear;
use super::lane::{Key, Lane};
use super::mouth::Mouth;
use super::BridgeFigures;
use crate::convert::Converter;

/// A fade's part of a second: 5 ms.
const FADES_PER_SECOND: u32 = 200;

/// The hearing end; dropping it ends the link.
#[derive(Debug)]
pub struct Link {
    ear: Ear,
    converter: Converter,
    frames: u64,
}

impl Link {
    /// The end of the leg that is heard, and that of the leg that hears.
    pub fn pair(lane: &Arc<Lane>) -> (Mouth, Link) {
        let link = Link {
            ear: Ear::new(Arc::clone(lane)),
            converter: Converter::new(),
            frames: 0,
        };
        (Mouth::new(Arc::clone(lane)), link)
    }

    /// The next 20 ms at `rate_hz` for our beat `now_us`; `None` before the other leg has begun. The last ones, for a
    /// link that `is_over`, fade out.
    pub fn take(&mut self, now_us: u64, rate_hz: u32, is_over: bool) -> Option<&[i16]> {
        let is_first = !self.ear.has_begun();
        if is_first && is_over {
            return None;
        }
        let frame = self.ear.take(now_us)?;
        self.frames += 1;
        let (from_hz, pcm) = (frame.rate_hz, frame.decoded());
        if is_first {
            fade_in(pcm, from_hz);
        }
        if is_over {
            fade_out(pcm, from_hz);
        }
        Some(self.converter.convert(from_hz, rate_hz, pcm))
    }

    /// The oldest key that was pressed at the other end and is not sent yet.
    pub fn take_key(&mut self) -> Option<Key> {
        self.ear.keys.pop_front()
    }

    /// The other end has gone, or nobody wants the link any more.
    pub fn is_over(&self) -> bool {
        self.ear.lane.is_cut()
    }

    /// The figures so far. A frame that had no room counts at the end that gave it.
    pub fn figures(&self) -> BridgeFigures {
        BridgeFigures {
            frames: self.frames,
            passed: 0,
            inserted: self.ear.inserted,
            dropped: self.ear.dropped,
        }
    }
}

fn fade_in(pcm: &mut [i16], rate_hz: u32) {
    let length = (rate_hz / FADES_PER_SECOND) as i32;
    for (place, sample) in (0..length).zip(pcm) {
        *sample = (i32::from(*sample) * place / length) as i16;
    }
}

fn fade_out(pcm: &mut [i16], rate_hz: u32) {
    let length = (rate_hz / FADES_PER_SECOND) as i32;
    for (place, sample) in (0..).zip(pcm) {
        *sample = (i32::from(*sample) * (length - place).max(0) / length) as i16;
    }
}

#[cfg(test)]
mod tests;
