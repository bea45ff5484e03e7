//! What a bot is sent of a leg: what its far end says, what that hears, the two mixed, or each by itself.

use super::chunker::Chunker;
use crate::audio::mixer;
use crate::convert::Converter;
use crate::plan::StreamPlan;
use crate::playout::Encoding;

/// Which side (BX-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Track {
    Inbound,
    Outbound,
    Mixed,
    Both,
}

/// 20 ms of one side.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub rate_hz: u32,
    pub pcm: &'a [i16],
}

/// One side on its way to the bot.
#[derive(Debug)]
struct Path {
    converter: Converter,
    chunker: Chunker,
}

/// The chunks of a stream's tracks, all of the same time.
#[derive(Debug)]
pub struct Tracks {
    track: Track,
    rate_hz: u32,
    frame_ms: u32,
    first: Path,
    /// The other side, where both go.
    second: Option<Box<Path>>,
    mixed: Vec<i16>,
}

impl Tracks {
    /// As the plan says; an unknown track is `inbound`.
    pub fn new(plan: &StreamPlan, encoding: Encoding) -> Self {
        let track = match plan.track.as_str() {
            "outbound" => Track::Outbound,
            "mixed" => Track::Mixed,
            "both" => Track::Both,
            _ => Track::Inbound,
        };
        let path = || Path {
            converter: Converter::new(),
            chunker: Chunker::new(encoding, plan.rate_hz, plan.frame_ms),
        };
        Self {
            track,
            rate_hz: plan.rate_hz,
            frame_ms: plan.frame_ms,
            first: path(),
            second: matches!(track, Track::Mixed | Track::Both).then(|| Box::new(path())),
            mixed: Vec::new(),
        }
    }

    /// Only what the far end says is wanted: nothing need wait until the frame was said.
    pub fn is_inbound(&self) -> bool {
        self.track == Track::Inbound
    }

    /// 20 ms of what the far end says and of what it hears (which `inbound` does not look at); true when the chunks
    /// are complete.
    pub fn push(&mut self, heard: Side<'_>, said: Side<'_>) -> bool {
        let first = &mut self.first;
        let one = match self.track {
            Track::Outbound => said,
            Track::Inbound | Track::Mixed | Track::Both => heard,
        };
        let pcm = first.converter.convert(one.rate_hz, self.rate_hz, one.pcm);
        let Some(second) = &mut self.second else {
            return first.chunker.push(pcm);
        };
        let other = second
            .converter
            .convert(said.rate_hz, self.rate_hz, said.pcm);
        if self.track == Track::Both {
            second.chunker.push(other);
            return first.chunker.push(pcm);
        }
        self.mixed.clear();
        self.mixed.extend_from_slice(pcm);
        mixer::add_saturating(&mut self.mixed, other);
        first.chunker.push(&self.mixed)
    }

    /// Another rate from here on; what makes no whole chunk yet is forgotten.
    pub fn set_rate(&mut self, rate_hz: u32) {
        self.rate_hz = rate_hz;
        let others = self.second.as_deref_mut();
        for path in std::iter::once(&mut self.first).chain(others) {
            path.chunker.set_rate(rate_hz, self.frame_ms);
        }
    }

    /// There is something of a chunk.
    pub fn has_some(&self) -> bool {
        !self.first.chunker.chunk().is_empty()
    }

    /// Messages per chunk of time.
    pub fn count(&self) -> usize {
        if self.track == Track::Both {
            2
        } else {
            1
        }
    }

    /// One of the complete chunks (or what there is of it), in the bot's encoding, with its track's name.
    pub fn chunk(&self, number: usize) -> (&'static str, &[u8]) {
        match (self.track, &self.second) {
            (Track::Both, Some(second)) if number > 0 => ("outbound", second.chunker.chunk()),
            (Track::Inbound | Track::Both, _) => ("inbound", self.first.chunker.chunk()),
            (Track::Outbound, _) => ("outbound", self.first.chunker.chunk()),
            (Track::Mixed, _) => ("mixed", self.first.chunker.chunk()),
        }
    }

    /// Forgets the chunks that were sent.
    pub fn next(&mut self) {
        self.first.chunker.next();
        if let (Track::Both, Some(second)) = (self.track, &mut self.second) {
            second.chunker.next();
        }
    }
}

#[cfg(test)]
mod tests;
