//! One leg's beat: hear 20 ms, hand them to streams and recordings, say 20 ms.
//!
//! ```text
//!  line ─hear─▶ heard ─▶ streams ─▶ bots            recordings ◀─ heard, said
//!  line ◀─say── said ◀─ mix ◀─ streams' playouts, prompt
//! ```

mod prompt;
mod streams;
mod tapes;

use std::sync::atomic::Ordering;
use std::sync::Arc;

use mio::Token;

use crate::command::Command;
use crate::desk::Desk;
use crate::event::{LegClosed, LegStats};
use crate::file_line::FileLine;
use crate::recorder::Channels;
use crate::rtp::ports::PortPair;
use crate::rtp_line::{Heard, RtpLine};
use crate::stream::link::{Here, Link};
use crate::sys;
use crate::worker::LegId;

use prompt::Prompt;
use tapes::Recording;

/// How long a leg's end waits for its recordings' files.
const FILES_WAIT_US: u64 = 10_000_000;

/// The two kinds of far end.
pub enum Line {
    Rtp(Box<RtpLine>),
    File(Box<FileLine>),
}

struct Stream {
    number: u64,
    link: Link,
}

/// One party of a call, as far as its sound goes.
pub struct Leg {
    pub id: LegId,
    sid: Arc<str>,
    line: Line,
    streams: Vec<Stream>,
    prompt: Option<Prompt>,
    recordings: Vec<Recording>,
    files_open: usize,
    next_number: u64,
    closing_until_us: Option<u64>,
    heard: Vec<i16>,
    said: Vec<i16>,
    /// This beat's sound was said; what was to be heard is late.
    awaits_heard: bool,
    unread: bool,
}

/// How a beat went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beaten {
    /// A packet is late: strike this beat again in a few milliseconds.
    Again,
    /// By how many milliseconds to move the next one.
    Done { shift_ms: i64 },
}

impl Leg {
    /// A leg on its line.
    pub fn new(id: LegId, sid: String, line: Line) -> Self {
        Self {
            id,
            sid: sid.into(),
            line,
            streams: Vec::new(),
            prompt: None,
            recordings: Vec::new(),
            files_open: 0,
            next_number: 0,
            closing_until_us: None,
            heard: Vec::new(),
            said: Vec::new(),
            awaits_heard: false,
            unread: false,
        }
    }

    /// Where what a file leg hears is written.
    pub fn write_to(&mut self, path: &str, desk: &Desk) {
        if let Line::File(line) = &self.line {
            let tap = self.open_file("", path, Channels::Mono, 0, line.rate_hz(), desk);
            if let Line::File(line) = &mut self.line {
                line.write_to(tap);
            }
            self.files_open += 1;
        }
    }

    /// One beat. What is said leaves in time; what is heard may come with a second look, if the leg `may_wait`.
    pub fn beat(&mut self, desk: &mut Desk, due_us: u64, now_us: u64, may_wait: bool) -> Beaten {
        let events = Arc::clone(&desk.events);
        let sid = Arc::clone(&self.sid);
        let here = Here {
            events: &events,
            leg_sid: &sid,
            now_us,
        };
        let was_said = std::mem::take(&mut self.awaits_heard);
        if self.closing_until_us.is_none() {
            self.awaits_heard = !self.hear(desk, due_us, here, may_wait);
            if !was_said {
                self.say(desk, due_us, here);
            }
            if !self.awaits_heard {
                self.record();
            }
        }
        let here = Here {
            now_us: sys::monotonic_us(),
            ..here
        };
        for stream in &mut self.streams {
            stream.link.was_said(here);
        }
        self.streams.retain(|stream| !stream.link.is_over());
        if self.awaits_heard {
            return Beaten::Again;
        }
        let shift_ms = match &mut self.line {
            Line::Rtp(line) => line.advise_ms(),
            Line::File(_) => 0,
        };
        Beaten::Done { shift_ms }
    }

    /// A socket of this leg is ready. True: there is more to read than may be read at once.
    pub fn ready(
        &mut self,
        number: u64,
        readable: bool,
        ends: bool,
        writable: bool,
        desk: &Desk,
        now_us: u64,
    ) {
        let here = Here {
            events: &desk.events,
            leg_sid: &self.sid,
            now_us,
        };
        if let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.number & 0xff == number)
        {
            self.unread |= stream.link.ready(readable, ends, writable, here);
        }
    }

    /// Some socket holds more than could be read.
    pub fn has_unread(&self) -> bool {
        self.unread
    }

    /// Goes on reading.
    pub fn read_on(&mut self, desk: &Desk, now_us: u64) {
        let here = Here {
            events: &desk.events,
            leg_sid: &self.sid,
            now_us,
        };
        self.unread = false;
        for stream in &mut self.streams {
            self.unread |= stream.link.read(here);
        }
    }

    /// The streams whose sockets are open.
    pub fn open_streams(&self) -> usize {
        self.streams
            .iter()
            .filter(|stream| stream.link.is_open())
            .count()
    }

    /// Carries out one command. `token` makes the token of a stream's socket from its number.
    pub fn obey(
        &mut self,
        command: Command,
        desk: &mut Desk,
        token: impl Fn(u64) -> Token,
        now_us: u64,
    ) {
        let events = Arc::clone(&desk.events);
        let sid = Arc::clone(&self.sid);
        let here = Here {
            events: &events,
            leg_sid: &sid,
            now_us,
        };
        let is_closing = self.closing_until_us.is_some();
        match command {
            Command::StreamOutcome { number, outcome } => {
                self.stream_outcome(number, outcome, desk, token, here)
            }
            Command::RecordingDone {
                recording_sid,
                path,
                outcome,
            } => {
                self.recording_done(recording_sid, path, outcome, here);
            }
            Command::PromptLoaded { number, outcome } => self.prompt_loaded(number, outcome, here),
            Command::CloseStream {
                stream_sid,
                code,
                reason,
                last_text,
            } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.close(code, &reason, last_text.as_deref(), here);
                    desk.connector.look_around();
                }
            }
            Command::Close if !is_closing => self.close(desk, here),
            _ if is_closing => {}
            Command::Connect(plan) => {
                if let Line::Rtp(line) = &mut self.line {
                    line.connect(plan, here);
                }
            }
            Command::Start => {
                if let Line::File(line) = &mut self.line {
                    line.start(now_us);
                }
            }
            Command::OpenStream(plan) => self.open_stream(*plan, desk),
            Command::SendText { stream_sid, text } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.send_text(&text, here);
                }
            }
            Command::DrainStream { stream_sid } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.drain(here);
                }
            }
            Command::DropStream { stream_sid } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.drop_queued();
                }
            }
            Command::Play(plan) => self.play(plan, desk, here),
            Command::StopPlay => self.finish_prompt(false, "", here),
            Command::SendDigits {
                digits,
                tone_ms,
                gap_ms,
            } => match &mut self.line {
                Line::Rtp(line) => line.send_digits(&digits, tone_ms, gap_ms),
                Line::File(line) => line.send_digits(&digits, tone_ms, gap_ms),
            },
            Command::Record(plan) => self.record_to(plan, desk, here),
            Command::PauseRecording { recording_sid } => self.pause(&recording_sid, true),
            Command::ResumeRecording { recording_sid } => self.pause(&recording_sid, false),
            Command::StopRecording { recording_sid } => self.stop_recording(&recording_sid),
            Command::Close => {}
        }
    }

    /// The leg was told to close and everything that ran on it has ended.
    pub fn is_over(&self, now_us: u64) -> bool {
        self.closing_until_us.is_some_and(|until_us| {
            let files = self.files_open == 0 || now_us >= until_us;
            files && self.streams.iter().all(|stream| stream.link.is_gone())
        })
    }

    /// Ends without waiting for anybody: its last event, and its ports.
    pub fn end(mut self, desk: &mut Desk, now_us: u64) -> (LegClosed, Option<PortPair>) {
        let events = Arc::clone(&desk.events);
        let sid = Arc::clone(&self.sid);
        let here = Here {
            events: &events,
            leg_sid: &sid,
            now_us,
        };
        if self.closing_until_us.is_none() {
            self.close(desk, here);
        }
        for stream in &mut self.streams {
            stream.link.abandon(here);
        }
        let (stats, ports) = match self.line {
            Line::Rtp(line) => (line.figures(), Some(line.into_ports())),
            Line::File(line) => (line.figures(), None),
        };
        let foreign = &desk.counters.packets_foreign;
        foreign.fetch_add(stats.packets_foreign, Ordering::Relaxed);
        (closed(&sid, now_us, stats, ""), ports)
    }

    /// The end of a leg whose own code failed: none of it is run again.
    pub fn salvage(self, fault: &str, now_us: u64) -> (LegClosed, Option<PortPair>) {
        let ports = match self.line {
            Line::Rtp(line) => Some(line.into_ports()),
            Line::File(_) => None,
        };
        (closed(&self.sid, now_us, LegStats::default(), fault), ports)
    }

    /// False: nothing was heard yet, and a second look is worth it.
    fn hear(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>, may_wait: bool) -> bool {
        self.heard.clear();
        let rate_hz = self.heard_hz();
        let heard = match &mut self.line {
            Line::Rtp(line) => line.hear(desk, due_us, here, &mut self.heard, may_wait),
            Line::File(line) => {
                line.hear(here, &mut self.heard);
                Heard::Frame { newest_us: None }
            }
        };
        let Heard::Frame { newest_us } = heard else {
            return false;
        };
        for stream in &mut self.streams {
            stream.link.hear(rate_hz, &self.heard, newest_us, here);
        }
        true
    }

    fn say(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>) {
        let rate_hz = self.said_hz();
        self.said.clear();
        self.said.resize(rate_hz as usize / 50, 0);
        for stream in &mut self.streams {
            stream.link.say(rate_hz, &mut self.said);
        }
        self.say_prompt(rate_hz, here);
        match &mut self.line {
            Line::Rtp(line) => line.say(desk, due_us, here, &self.said),
            Line::File(line) => line.say(&mut self.said),
        }
    }

    fn heard_hz(&self) -> u32 {
        match &self.line {
            Line::Rtp(line) => line.heard_hz(),
            Line::File(line) => line.rate_hz(),
        }
    }

    fn said_hz(&self) -> u32 {
        match &self.line {
            Line::Rtp(line) => line.said_hz(),
            Line::File(line) => line.rate_hz(),
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn close(&mut self, desk: &Desk, here: Here<'_>) {
        self.closing_until_us = Some(here.now_us + FILES_WAIT_US);
        self.finish_prompt(false, "", here);
        for stream in &mut self.streams {
            stream.link.close(1000, "", None, here);
            stream.link.drop_queued();
        }
        desk.connector.look_around();
        self.recordings.clear();
        match &mut self.line {
            Line::Rtp(line) => line.farewell(desk),
            Line::File(line) => line.farewell(),
        }
    }
}

fn closed(leg_sid: &str, now_us: u64, stats: LegStats, fault: &str) -> LegClosed {
    LegClosed {
        leg_sid: leg_sid.to_owned(),
        at_ms: now_us / 1000,
        stats,
        fault: fault.to_owned(),
    }
}
