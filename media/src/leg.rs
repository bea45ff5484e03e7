//! One leg's beat: hear 20 ms, hand them to streams and recordings, say 20 ms.
//!
//! ```text
//!  line ─hear─▶ heard ─▶ streams ─▶ bots            recordings ◀─ heard, said
//!  line ◀─say── said ◀─ mix ◀─ streams' playouts, prompt
//! ```

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

use mio::{Registry, Token};

use crate::convert::Converter;
use crate::event::{
    EventQueue, LegClosed, LegStats, PlayFinished, RecordingFailed, RecordingReady,
};
use crate::file_line::FileLine;
use crate::mailbox::Mailbox;
use crate::plan::{PromptPlan, RecordPlan, RemotePlan, StreamPlan};
use crate::player::{Playback, PromptLoader};
use crate::recorder::{Channels, Ready, RecordSpec, Recorder, RecordingTap};
use crate::rtp::ports::PortPair;
use crate::rtp_line::RtpLine;
use crate::stream::connector::{Connect, Connector, Outcome};
use crate::stream::link::{Here, Link};
use crate::sys::{self, Batch};
use crate::worker::{LegId, Order};

/// Streams of one leg at a time (ST-46 allows four; a few may still be closing).
const STREAM_LIMIT: usize = 8;
/// Recordings of one leg at a time.
const RECORDING_LIMIT: usize = 8;
/// How long a leg's end waits for its recordings' files.
const FILES_WAIT_US: u64 = 10_000_000;

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
}

impl Desk {
    /// The kernel's time of arrival on our clock; `now_us` when it gave none.
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
    pub frames_sent: AtomicU64,
    pub frames_late: AtomicU64,
    pub faults: AtomicU64,
}

/// The two kinds of far end.
pub enum Line {
    Rtp(Box<RtpLine>),
    File(Box<FileLine>),
}

/// What a leg is asked to do.
#[derive(Debug)]
pub enum Command {
    Connect(RemotePlan),
    Start,
    OpenStream(Box<StreamPlan>),
    SendText {
        stream_sid: String,
        text: String,
    },
    DrainStream {
        stream_sid: String,
    },
    CloseStream {
        stream_sid: String,
        code: u16,
        reason: String,
        last_text: Option<String>,
    },
    DropStream {
        stream_sid: String,
    },
    Play(PromptPlan),
    StopPlay,
    SendDigits {
        digits: String,
        tone_ms: u32,
        gap_ms: u32,
    },
    Record(RecordPlan),
    PauseRecording {
        recording_sid: String,
    },
    ResumeRecording {
        recording_sid: String,
    },
    StopRecording {
        recording_sid: String,
    },
    Close,
    StreamOutcome {
        number: u64,
        outcome: Outcome,
    },
    PromptLoaded {
        number: u64,
        outcome: Result<Arc<[i16]>, String>,
    },
    RecordingDone {
        recording_sid: String,
        path: String,
        outcome: Result<Ready, String>,
    },
}

struct Prompt {
    number: u64,
    plan: PromptPlan,
    rate_hz: u32,
    playback: Option<Playback>,
    converter: Converter,
    frame: Vec<i16>,
}

struct Recording {
    sid: String,
    rate_hz: u32,
    tap: RecordingTap,
    heard: Converter,
    said: Converter,
}

struct Stream {
    number: u64,
    link: Link,
}

/// One party of a call, as far as its sound goes.
pub struct Leg {
    pub id: LegId,
    sid: String,
    line: Line,
    streams: Vec<Stream>,
    prompt: Option<Prompt>,
    recordings: Vec<Recording>,
    files_open: usize,
    next_number: u64,
    closing_until_us: Option<u64>,
    heard: Vec<i16>,
    said: Vec<i16>,
    unread: bool,
}

impl Leg {
    /// A leg on its line.
    pub fn new(id: LegId, sid: String, line: Line) -> Self {
        Self {
            id,
            sid,
            line,
            streams: Vec::new(),
            prompt: None,
            recordings: Vec::new(),
            files_open: 0,
            next_number: 0,
            closing_until_us: None,
            heard: Vec::new(),
            said: Vec::new(),
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

    /// One beat. Returns by how many milliseconds to move the next one.
    pub fn beat(&mut self, desk: &mut Desk, due_us: u64, now_us: u64) -> i64 {
        let events = Arc::clone(&desk.events);
        let sid = std::mem::take(&mut self.sid);
        let here = Here {
            events: &events,
            leg_sid: &sid,
            now_us,
        };
        if self.closing_until_us.is_none() {
            self.hear(desk, due_us, here);
            self.say(desk, due_us, here);
            self.record();
        }
        let here = Here {
            now_us: sys::monotonic_us(),
            ..here
        };
        for stream in &mut self.streams {
            stream.link.was_said(here);
        }
        self.streams.retain(|stream| !stream.link.is_over());
        self.sid = sid;
        match &mut self.line {
            Line::Rtp(line) => line.phase.advise_ms(),
            Line::File(_) => 0,
        }
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
        let sid = self.sid.clone();
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
            Command::PauseRecording { recording_sid } => {
                if let Some(recording) = self.recording(&recording_sid) {
                    recording.tap.pause();
                }
            }
            Command::ResumeRecording { recording_sid } => {
                if let Some(recording) = self.recording(&recording_sid) {
                    recording.tap.resume();
                }
            }
            Command::StopRecording { recording_sid } => {
                self.recordings
                    .retain(|recording| recording.sid != recording_sid);
            }
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

    /// Ends without waiting for anybody; `fault` is a panic's text.
    pub fn end(mut self, desk: &mut Desk, fault: &str, now_us: u64) -> Option<PortPair> {
        let events = Arc::clone(&desk.events);
        let sid = std::mem::take(&mut self.sid);
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
        desk.counters
            .packets_foreign
            .fetch_add(stats.packets_foreign, Ordering::Relaxed);
        events.push(LegClosed {
            leg_sid: sid.clone(),
            at_ms: here.at_ms(),
            stats,
            fault: fault.to_owned(),
        });
        ports
    }

    /// The last resort when a leg's own code fails again while it is ended: give back what it holds.
    pub fn salvage(self) -> (String, LegStats, Option<PortPair>) {
        match self.line {
            Line::Rtp(line) => (self.sid, LegStats::default(), Some(line.into_ports())),
            Line::File(_) => (self.sid, LegStats::default(), None),
        }
    }

    fn hear(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>) {
        self.heard.clear();
        let rate_hz = self.heard_hz();
        let newest_us = match &mut self.line {
            Line::Rtp(line) => line.hear(desk, due_us, here, &mut self.heard),
            Line::File(line) => {
                line.hear(here, &mut self.heard);
                None
            }
        };
        for stream in &mut self.streams {
            stream.link.hear(rate_hz, &self.heard, newest_us, here);
        }
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

    fn say_prompt(&mut self, rate_hz: u32, here: Here<'_>) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        let Some(playback) = &mut prompt.playback else {
            return;
        };
        prompt.frame.resize(prompt.rate_hz as usize / 50, 0);
        let ended = playback.take(&mut prompt.frame);
        let pcm = prompt
            .converter
            .convert(prompt.rate_hz, rate_hz, &prompt.frame);
        crate::audio::mixer::add_saturating(&mut self.said, pcm);
        if ended {
            self.finish_prompt(true, "", here);
        }
    }

    fn record(&mut self) {
        if let Line::File(line) = &self.line {
            if !line.is_started() {
                return;
            }
        }
        let (heard_hz, said_hz) = (self.heard_hz(), self.said_hz());
        // The rate may have changed in `hear`; the frame's own length tells it.
        let heard_hz = if self.heard.is_empty() {
            heard_hz
        } else {
            self.heard.len() as u32 * 50
        };
        for recording in &mut self.recordings {
            let heard = recording
                .heard
                .convert(heard_hz, recording.rate_hz, &self.heard);
            let said = recording
                .said
                .convert(said_hz, recording.rate_hz, &self.said);
            recording.tap.push(heard, said);
        }
        self.recordings.retain(|recording| !recording.tap.is_done());
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

    fn link(&mut self, stream_sid: &str) -> Option<&mut Link> {
        let stream = self
            .streams
            .iter_mut()
            .find(|stream| stream.link.sid() == stream_sid);
        stream.map(|stream| &mut stream.link)
    }

    fn recording(&mut self, recording_sid: &str) -> Option<&mut Recording> {
        self.recordings
            .iter_mut()
            .find(|recording| recording.sid == recording_sid)
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn open_stream(&mut self, plan: StreamPlan, desk: &Desk) {
        let number = self.number();
        let plan = Arc::new(plan);
        let cancelled = Arc::new(AtomicBool::new(false));
        let (orders, leg) = (Arc::clone(&desk.orders), self.id);
        let reply = move |outcome| {
            orders.post_always(Order::Leg(leg, Command::StreamOutcome { number, outcome }));
        };
        self.streams.push(Stream {
            number,
            link: Link::new(Arc::clone(&plan), Arc::clone(&cancelled)),
        });
        if self.streams.len() > STREAM_LIMIT {
            let failure = crate::stream::connector::Failure {
                phase: "tcp",
                http_status: 0,
                detail: format!("the leg has {STREAM_LIMIT} streams already"),
            };
            return reply(Err(failure));
        }
        desk.connector.connect(Connect {
            plan,
            cancelled,
            reply: Box::new(reply),
        });
    }

    fn stream_outcome(
        &mut self,
        number: u64,
        outcome: Outcome,
        desk: &Desk,
        token: impl Fn(u64) -> Token,
        here: Here<'_>,
    ) {
        let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.number == number)
        else {
            return;
        };
        match outcome {
            Ok(connected) => {
                if stream
                    .link
                    .connected(connected, &desk.registry, token(number), here)
                {
                    // The first messages may have come together with the upgrade's answer.
                    self.unread |= stream.link.read(here);
                }
            }
            Err(failure) => stream.link.failed(&failure, here),
        }
    }

    fn play(&mut self, plan: PromptPlan, desk: &Desk, here: Here<'_>) {
        self.finish_prompt(false, "", here);
        let number = self.number();
        let (orders, leg) = (Arc::clone(&desk.orders), self.id);
        let rate_hz = self.said_hz();
        let path = PathBuf::from(&plan.path);
        self.prompt = Some(Prompt {
            number,
            plan,
            rate_hz,
            playback: None,
            converter: Converter::new(),
            frame: Vec::new(),
        });
        let reply = move |outcome| {
            orders.post_always(Order::Leg(leg, Command::PromptLoaded { number, outcome }));
        };
        desk.prompts.load(&path, rate_hz, Box::new(reply));
    }

    fn prompt_loaded(&mut self, number: u64, outcome: Result<Arc<[i16]>, String>, here: Here<'_>) {
        let Some(prompt) = self
            .prompt
            .as_mut()
            .filter(|prompt| prompt.number == number)
        else {
            return;
        };
        match outcome {
            Ok(pcm) => {
                let plan = &prompt.plan;
                prompt.playback = Some(Playback::new(pcm, prompt.rate_hz, plan.loops, plan.max_ms));
            }
            Err(error) => self.finish_prompt(false, &error, here),
        }
    }

    fn finish_prompt(&mut self, completed: bool, error: &str, here: Here<'_>) {
        if let Some(prompt) = self.prompt.take() {
            here.events.push(PlayFinished {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                prompt_id: prompt.plan.prompt_id,
                completed,
                error: error.to_owned(),
            });
        }
    }

    fn record_to(&mut self, plan: RecordPlan, desk: &Desk, here: Here<'_>) {
        if self.recordings.len() >= RECORDING_LIMIT {
            here.events.push(RecordingFailed {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                recording_sid: plan.recording_sid,
                path: plan.path,
                error: format!("the leg has {RECORDING_LIMIT} recordings already"),
            });
            return;
        }
        let rate_hz = self.heard_hz().max(self.said_hz());
        let channels = if plan.channels == "stereo" {
            Channels::Stereo
        } else {
            Channels::Mono
        };
        let tap = self.open_file(
            &plan.recording_sid,
            &plan.path,
            channels,
            plan.max_ms,
            rate_hz,
            desk,
        );
        self.files_open += 1;
        self.recordings.push(Recording {
            sid: plan.recording_sid,
            rate_hz,
            tap,
            heard: Converter::new(),
            said: Converter::new(),
        });
    }

    fn open_file(
        &self,
        sid: &str,
        path: &str,
        channels: Channels,
        max_ms: u64,
        rate_hz: u32,
        desk: &Desk,
    ) -> RecordingTap {
        let (orders, leg) = (Arc::clone(&desk.orders), self.id);
        let (recording_sid, text) = (sid.to_owned(), path.to_owned());
        let on_done = move |outcome| {
            let done = Command::RecordingDone {
                recording_sid,
                path: text,
                outcome,
            };
            orders.post_always(Order::Leg(leg, done));
        };
        let spec = RecordSpec {
            path: PathBuf::from(path),
            channels,
            max_ms,
        };
        desk.recorder.open(spec, rate_hz, Box::new(on_done))
    }

    fn recording_done(
        &mut self,
        recording_sid: String,
        path: String,
        outcome: Result<Ready, String>,
        here: Here<'_>,
    ) {
        self.files_open = self.files_open.saturating_sub(1);
        self.recordings
            .retain(|recording| recording.sid != recording_sid);
        let leg_sid = here.leg_sid.to_owned();
        match outcome {
            // A file leg's own output is nobody's recording.
            Ok(_) if recording_sid.is_empty() => {}
            Ok(ready) => here.events.push(RecordingReady {
                leg_sid,
                at_ms: here.at_ms(),
                recording_sid,
                path,
                duration_ms: ready.duration_ms,
                sha256: ready.sha256,
            }),
            Err(error) => here.events.push(RecordingFailed {
                leg_sid,
                at_ms: here.at_ms(),
                recording_sid,
                path,
                error,
            }),
        }
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
