//! The taking end of a lane: one frame per beat of ours, whatever the beat of the giver does.
//!
//! ```text
//!   their beats   g     g     g     g         each frame waits here for the next beat of ours:
//!   our beats       t     t     t     t       0 to 20 ms, by how the two beats lie to each other
//! ```
//! Two clocks drift apart, so once in many minutes a beat of ours finds no frame, or a second one that came well
//! before the next beat. Then a frame is made up (by the same concealment as for lost packets) or two become one.
//! When both beats nearly coincide their order is chance. Then a frame is kept in reserve: it is made up at once rather
//! than in the middle of a word, and dropped only if it would have been missed by none of the last beats; more of them
//! are asked after a frame was missed soon.

use std::collections::VecDeque;
use std::sync::Arc;

use super::lane::{Frame, Key, Lane};
use crate::audio::plc::Concealer;

/// The next frame must have come this much too early, beat after beat, before one is dropped: as late as a busy
/// machine's timers are now and then.
const MARGIN_US: u64 = 2_000;
/// Frames that come so shortly before our beat, so many times in a row, call for a reserve.
const CLOSE_US: u64 = 1_500;
const CLOSE_BEATS: u32 = 4;
/// So many beats must agree: a second at first, a minute at most.
const FIRST_PATIENCE: u32 = 50;
const MOST_PATIENCE: u32 = 3_000;
/// Two frames too many are what a stall left behind: they go at once.
const DEEP_PATIENCE: u32 = 5;
/// Frames that the concealment looks back on.
const RECENT: usize = 3;
/// Keys that may wait for the leg to send them.
const KEYS: usize = 64;

/// Takes frames from a lane; dropping it cuts the lane.
#[derive(Debug)]
#[repr(C)] // what a frame that passes through needs lies in front
pub struct Ear {
    pub(super) keys: VecDeque<Key>,
    pub(super) lane: Arc<Lane>,
    /// The last frames, the newest at the end.
    recent: [Box<Frame>; RECENT],
    /// A frame that nobody gave.
    made: Box<Frame>,
    concealer: Option<Box<Concealer>>,
    has_begun: bool,
    /// Beats in a row at which the next frame had come too early.
    early: u32,
    /// Beats in a row just before which their frame came.
    close: u32,
    patience: u32,
    /// Beats since a frame was dropped.
    since_drop: u32,
    /// Each frame is taken right after it was given: none has to be kept in reserve.
    pub(super) is_following: bool,
    pub(super) inserted: u64,
    pub(super) dropped: u64,
}

impl Ear {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Ear {
            lane,
            recent: Default::default(),
            made: Box::default(),
            concealer: None,
            has_begun: false,
            early: 0,
            close: 0,
            patience: FIRST_PATIENCE,
            since_drop: MOST_PATIENCE,
            is_following: false,
            keys: VecDeque::new(),
            inserted: 0,
            dropped: 0,
        }
    }

    /// The next 20 ms at our beat `now_us`; `None` before the other end has begun.
    pub(super) fn take(&mut self, now_us: u64) -> Option<&mut Frame> {
        if !self.has_begun {
            // What was said before we listened is not wanted any more.
            while self.lane.waiting() > 1 {
                self.next();
            }
        }
        if self.needs_reserve(now_us) || !self.next() {
            return self.has_begun.then(|| self.insert());
        }
        self.has_begun = true;
        self.since_drop = self.since_drop.saturating_add(1);
        if self.is_one_too_many(now_us) && self.next() {
            return Some(self.squeeze());
        }
        let [.., newest] = &mut self.recent;
        if let Some(mut concealer) = self.concealer.take() {
            if newest.decoded().len() == self.made.decoded().len() {
                concealer.good(newest.decoded());
                newest.payload.clear();
            }
        }
        Some(newest)
    }

    fn next(&mut self) -> bool {
        self.recent.rotate_left(1);
        let newest = &mut self.recent[RECENT - 1];
        if !self.lane.take(newest) {
            self.recent.rotate_right(1);
            return false;
        }
        if let Some(key) = newest.key.take() {
            self.keys.push_back(key);
            self.keys.truncate(KEYS);
        }
        true
    }

    /// Something was heard.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// What was heard is long ago: the next frame begins anew.
    pub(super) fn forget(&mut self) {
        self.has_begun = false;
        self.concealer = None;
        for frame in &mut self.recent {
            frame.set(8_000, &[]);
        }
    }

    /// Keeps the key that travelled with a frame.
    pub(super) fn note_key(&mut self, frame: &mut Frame) {
        if let Some(key) = frame.key.take() {
            self.keys.push_back(key);
            self.keys.truncate(KEYS);
        }
    }

    fn needs_reserve(&mut self, now_us: u64) -> bool {
        let came_us = self.lane.oldest_us();
        let is_close = self.has_begun
            && !self.is_following
            && came_us.is_some_and(|came_us| now_us < came_us + CLOSE_US);
        self.close = if is_close { self.close + 1 } else { 0 };
        let needs = self.close >= CLOSE_BEATS;
        if needs {
            self.close = 0;
        }
        needs
    }

    fn is_one_too_many(&mut self, now_us: u64) -> bool {
        let margin_us = if self.is_following { 0 } else { MARGIN_US };
        let came_us = self.lane.oldest_us();
        if came_us.is_none_or(|came_us| now_us < came_us + margin_us) {
            self.early = 0;
            return false;
        }
        self.early += 1;
        let enough = if self.is_following || self.lane.waiting() > 1 {
            DEEP_PATIENCE
        } else {
            self.patience
        };
        let is_enough = self.early >= enough;
        if is_enough {
            self.early = 0;
        }
        is_enough
    }

    /// A frame that goes on from what was heard.
    fn insert(&mut self) -> &mut Frame {
        self.inserted += 1;
        self.early = 0;
        // The frame that was dropped last would be here now.
        if self.concealer.is_none() && self.since_drop < MOST_PATIENCE {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        let rate_hz = self.recent[RECENT - 1].rate_hz;
        let recent = &mut self.recent;
        let concealer = self.concealer.get_or_insert_with(|| {
            let mut concealer = Box::new(Concealer::new(rate_hz));
            for frame in recent.iter_mut().filter(|frame| frame.rate_hz == rate_hz) {
                concealer.good(frame.decoded());
            }
            concealer
        });
        self.made.set(rate_hz, &[0; 320][..rate_hz as usize / 50]);
        concealer.lost(self.made.decoded());
        &mut self.made
    }

    /// One frame out of the last two, the first fading into the second.
    fn squeeze(&mut self) -> &mut Frame {
        self.dropped += 1;
        self.since_drop = 0;
        let [.., first, second] = &mut self.recent;
        let rate_hz = second.rate_hz;
        self.made.set(rate_hz, second.decoded());
        let (first, pcm) = (first.decoded(), self.made.decoded());
        let length = first.len() as i32;
        if first.len() == pcm.len() {
            for (place, (sample, earlier)) in (0..).zip(pcm.iter_mut().zip(first.iter())) {
                let (earlier, later) = (i32::from(*earlier), i32::from(*sample));
                *sample = ((earlier * (length - place) + later * place) / length) as i16;
            }
        }
        &mut self.made
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.lane.cut();
    }
}
