//! A leg's far end, whichever kind it is: what it said at this beat, what it is to hear.

use crate::audio::{Codec, Payload};
use crate::bridge::Key;
use crate::desk::Desk;
use crate::event::LegStats;
use crate::file_line::FileLine;
use crate::rtp::ports::PortPair;
use crate::rtp::receiver::Form;
use crate::rtp_line::RtpLine;
use crate::sound::Sound;
use crate::stream::link::Here;

/// The two kinds of far end.
pub enum Line {
    Rtp(Box<RtpLine>),
    File(Box<FileLine>),
}

impl Line {
    /// The next 20 ms of the far end; false when they are late and should be looked for again (`may_wait`).
    pub fn hear(
        &mut self,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
        form: Form,
        may_wait: bool,
        sound: &mut Sound,
    ) -> bool {
        let heard = &mut sound.heard;
        heard.pcm.clear();
        heard.payload.clear();
        heard.key = None;
        sound.newest_us = None;
        match self {
            Line::Rtp(line) => line.hear(desk, due_us, here, form, may_wait, sound),
            Line::File(line) => {
                heard.rate_hz = line.rate_hz();
                line.hear(here, &mut heard.pcm);
                true
            }
        }
    }

    /// Says 20 ms of sound.
    pub fn say(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>, said: &mut [i16]) {
        match self {
            Line::Rtp(line) => line.say(desk, due_us, here, said, None),
            Line::File(line) => line.say(said),
        }
    }

    /// Whether `pass` may be called at this beat with a payload of `codec`.
    pub fn passes(&self, codec: Option<Codec>) -> bool {
        match self {
            Line::Rtp(line) => line.passes(codec),
            Line::File(_) => false,
        }
    }

    /// Sends 20 ms on as they came; `said` is their sound, where it is known.
    pub fn pass(
        &mut self,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
        said: &[i16],
        payload: &Payload,
    ) {
        if let Line::Rtp(line) = self {
            line.say(desk, due_us, here, said, Some(payload));
        }
    }

    /// The keys of this beat, other than tones in the sound.
    pub fn keys(&mut self) -> std::vec::Drain<'_, Key> {
        match self {
            Line::Rtp(line) => line.keys(),
            Line::File(line) => line.keys(),
        }
    }

    /// Presses keys towards the far end.
    pub fn send_digits(&mut self, digits: &str, tone_ms: u32, gap_ms: u32) {
        match self {
            Line::Rtp(line) => line.send_digits(digits, tone_ms, gap_ms),
            Line::File(line) => line.send_digits(digits, tone_ms, gap_ms),
        }
    }

    /// The rate of what is heard at the next beat.
    pub fn heard_hz(&self) -> u32 {
        match self {
            Line::Rtp(line) => line.heard_hz(),
            Line::File(line) => line.rate_hz(),
        }
    }

    /// The rate of what is to be said.
    pub fn said_hz(&self) -> u32 {
        match self {
            Line::Rtp(line) => line.said_hz(),
            Line::File(line) => line.rate_hz(),
        }
    }

    /// Whether time counts: a file line waits for its start.
    pub fn is_started(&self) -> bool {
        match self {
            Line::Rtp(_) => true,
            Line::File(line) => line.is_started(),
        }
    }

    /// By how many milliseconds the next beat should move.
    pub fn advise_ms(&mut self) -> i64 {
        match self {
            Line::Rtp(line) => line.advise_ms(),
            Line::File(_) => 0,
        }
    }

    /// The far end is told that the leg is over; an output file is closed.
    pub fn farewell(&mut self, desk: &Desk) {
        match self {
            Line::Rtp(line) => line.farewell(desk),
            Line::File(line) => line.farewell(),
        }
    }

    /// The figures, and the ports, once nothing more will be sent.
    pub fn end(self) -> (LegStats, Option<PortPair>) {
        match self {
            Line::Rtp(mut line) => (line.figures(), Some(line.into_ports())),
            Line::File(line) => (line.figures(), None),
        }
    }

    /// The ports alone, of a line whose leg failed.
    pub fn into_ports(self) -> Option<PortPair> {
        match self {
            Line::Rtp(line) => Some(line.into_ports()),
            Line::File(_) => None,
        }
    }
}
