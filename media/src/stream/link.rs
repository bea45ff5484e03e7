//! One stream on its leg's thread: the socket's life, and what the bot's messages set going.
//!
//! ```text
//!  Connecting ──▶ Open ──close()──▶ Closing ──reply, 5 s──▶ Gone
//!      │ failed     ├── the bot closes, the network breaks ──▶ Gone
//!      ▼ aborted    └── the bot breaks the rules ──▶ Lingering ──▶ Gone
//!     Gone              (what is queued plays on until it is dropped or heard)
//! ```

mod ending;
mod opening;
mod rate;
mod talk;

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message};

use super::connector::{Failure, Socket};
use super::template::{Filling, Template};
use super::tracks::Side;
use super::voice::Voice;
use crate::event::{BotAudioStarted, EventQueue, StreamFailed};
use crate::plan::StreamPlan;
use crate::sound::Sound;

pub(super) use ending::cut;
use ending::swallow;

/// How long a close reply is waited for (AS-100).
const CLOSE_WAIT_US: u64 = 5_000_000;
/// What one bot may make us read at a time; others wait meanwhile.
const READ_MESSAGES: usize = 64;
const READ_BYTES: usize = 262_144;
/// Texts that wait for the socket to open.
const EARLY_TEXTS: usize = 64;

/// Where and when something happens.
#[derive(Clone, Copy)]
pub struct Here<'a> {
    pub events: &'a EventQueue,
    pub leg_sid: &'a str,
    pub now_us: u64,
}

impl Here<'_> {
    /// The time as events carry it.
    pub fn at_ms(&self) -> u64 {
        self.now_us / 1000
    }
}

enum State {
    Connecting {
        cancelled: Arc<AtomicBool>,
        texts: Vec<String>,
    },
    Open(Box<Socket>),
    Closing {
        socket: Box<Socket>,
        until_us: u64,
        code: u16,
        reason: String,
    },
    Lingering {
        socket: Box<Socket>,
        until_us: u64,
    },
    Gone,
}

/// Texts with places, cut once.
struct Templates {
    media: Template,
    mark: Template,
}

/// One bot's stream.
pub struct Link {
    plan: Arc<StreamPlan>,
    templates: Templates,
    state: State,
    voice: Voice,
    seq: u64,
    open_us: u64,
    ping_us: u64,
    last_read_us: u64,
    pinged_us: Option<u64>,
    drain_asked: bool,
    dropped: bool,
    /// The rate that was asked for, and the text that tells of it.
    new_rate: Option<(u32, String)>,
    /// Texts that wait until the stream begins; `None` once it may begin.
    held: Option<Vec<String>>,
}

impl Link {
    /// A stream that is being connected; `cancelled` ends the attempt.
    pub fn new(plan: Arc<StreamPlan>, cancelled: Arc<AtomicBool>) -> Self {
        let held = plan.holds_opening.then(Vec::new);
        Self {
            templates: Templates {
                media: Template::new(&plan.media_template),
                mark: Template::new(&plan.mark_template),
            },
            state: State::Connecting {
                cancelled,
                texts: Vec::new(),
            },
            voice: Voice::new(Arc::clone(&plan)),
            plan,
            seq: 0,
            open_us: 0,
            ping_us: 0,
            last_read_us: 0,
            pinged_us: None,
            drain_asked: false,
            dropped: false,
            new_rate: None,
            held,
        }
    }

    /// The stream's id.
    pub fn sid(&self) -> &str {
        &self.plan.stream_sid
    }

    /// The socket is gone and nothing is left to play.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Gone) && (self.dropped || self.voice.is_silent())
    }

    /// The socket is gone.
    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// The socket takes part in the conversation.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The attempt failed.
    pub fn failed(&mut self, failure: &Failure, here: Here<'_>) {
        if matches!(self.state, State::Gone) {
            return;
        }
        self.state = State::Gone;
        self.voice.end();
        here.events.push(StreamFailed {
            leg_sid: here.leg_sid.to_owned(),
            at_ms: here.at_ms(),
            stream_sid: self.plan.stream_sid.clone(),
            phase: failure.phase.to_owned(),
            http_status: failure.http_status,
            detail: failure.detail.clone(),
        });
    }

    /// What was heard at this beat. Streams that want to know what was said as well wait for `hear_said`.
    pub fn hear(&mut self, sound: &Sound, here: Here<'_>) {
        if !self.voice.wants_said() {
            self.hear_both(sound, sound.heard.rate_hz, here);
        }
    }

    /// What was heard and what was said at this beat.
    pub fn hear_said(&mut self, sound: &Sound, said_hz: u32, here: Here<'_>) {
        if self.voice.wants_said() {
            self.hear_both(sound, said_hz, here);
        }
    }

    /// Mixes the bot's next 20 ms into `said`; true if there was any. While it `waits` they stay queued.
    pub fn say(&mut self, rate_hz: u32, said: &mut [i16], waits: bool) -> bool {
        if waits {
            self.voice.wait();
        }
        !self.dropped && !waits && self.voice.say(rate_hz, said)
    }

    /// The frame is on the line: marks are echoed, times noted, deadlines kept.
    pub fn was_said(&mut self, here: Here<'_>) {
        if self.voice.was_said(here.now_us, self.open_us) {
            here.events.push(BotAudioStarted {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                stream_sid: self.plan.stream_sid.clone(),
            });
        }
        for name in self.voice.take_fired() {
            self.echo_mark(name, false, here);
        }
        self.report_drained(here);
        self.change_rate(here);
        self.keep_time(here);
    }

    /// epoll says that the socket can be read (`ends`: to its end) or written. True: there is more.
    pub fn ready(&mut self, readable: bool, ends: bool, writable: bool, here: Here<'_>) -> bool {
        if let Some(socket) = self.socket() {
            if readable {
                socket.get_mut().note_readable(ends);
            }
            if writable {
                if let Err(error) = socket.get_mut().send_queued() {
                    self.broken(&Error::Io(error), here);
                }
            }
        }
        self.read(here)
    }

    /// Reads what has come, up to a limit. True: there is more.
    pub fn read(&mut self, here: Here<'_>) -> bool {
        let mut bytes = 0;
        for _ in 0..READ_MESSAGES {
            if let State::Lingering { socket, .. } = &mut self.state {
                if swallow(socket) {
                    self.state = State::Gone;
                }
                return false;
            }
            let Some(socket) = self.socket() else {
                return false;
            };
            match socket.read() {
                Ok(message) => {
                    bytes += message.len();
                    self.last_read_us = here.now_us;
                    self.handle(message, here);
                    if bytes > READ_BYTES {
                        return true;
                    }
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    self.broken(&error, here);
                }
            }
        }
        true
    }

    /// Sends a text; SEQ in it is filled in.
    pub fn send_text(&mut self, text: &str, here: Here<'_>) {
        match &mut self.state {
            State::Connecting { texts, .. } if texts.len() < EARLY_TEXTS => {
                texts.push(text.to_owned())
            }
            State::Open(_) if self.held.is_some() => self.hold_text(text),
            State::Open(_) => {
                let filling = Filling {
                    timestamp_ms: self.voice.heard_ms(),
                    played_ms: self.voice.played_ms(),
                    ..Filling::default()
                };
                let text = Template::new(text).write(&mut self.seq, &filling);
                self.write(Message::text(text), here);
            }
            _ => {}
        }
    }

    /// Lets the bot hear a key as a tone (BX-5).
    pub fn press(&mut self, digit: char, ms: u32) {
        self.voice.press(digit, ms);
    }

    /// Asks to be told once everything queued was heard.
    pub fn drain(&mut self, here: Here<'_>) {
        self.drain_asked = true;
        self.report_drained(here);
    }

    /// Forgets what is left to play of a stream whose socket is gone.
    pub fn drop_queued(&mut self) {
        self.voice.drop_queued();
        self.dropped = self.is_gone();
    }

    /// Says goodbye, or aborts the attempt.
    pub fn close(&mut self, code: u16, reason: &str, last_text: Option<&str>, here: Here<'_>) {
        if let State::Connecting { cancelled, .. } = &self.state {
            cancelled.store(true, Ordering::Relaxed);
            self.failed(
                &failure_of("aborted", "closed while connecting".to_owned()),
                here,
            );
            return;
        }
        if let Some(text) = last_text.filter(|_| self.held.is_none()) {
            self.send_text(text, here);
        }
        if !self.is_open() {
            return; // it is on its way already
        }
        let State::Open(mut socket) = std::mem::replace(&mut self.state, State::Gone) else {
            return;
        };
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: cut(reason, 123).into(),
        };
        let result = socket.close(Some(frame));
        self.state = State::Closing {
            socket,
            until_us: here.now_us + CLOSE_WAIT_US,
            code,
            reason: reason.to_owned(),
        };
        if let Err(error) = result {
            self.broken(&error, here);
        }
    }

    /// Ends without waiting for anybody.
    pub fn abandon(&mut self, here: Here<'_>) {
        match &self.state {
            State::Connecting { .. } => self.close(1000, "", None, here),
            State::Open(_) => self.gone(1006, "the leg has ended", "us", here),
            State::Closing { code, reason, .. } => {
                let (code, reason) = (*code, reason.clone());
                self.gone(code, &reason, "us", here);
            }
            State::Lingering { .. } | State::Gone => self.state = State::Gone,
        }
    }

    fn hear_both(&mut self, sound: &Sound, said_hz: u32, here: Here<'_>) {
        let heard = Side {
            rate_hz: sound.heard.rate_hz,
            pcm: &sound.heard.pcm,
        };
        let said = Side {
            rate_hz: said_hz,
            pcm: &sound.said,
        };
        if !self.is_open() || self.held.is_some() || !self.voice.hear(heard, said) {
            return;
        }
        let sent = self.send_media(here);
        let latency = sound
            .newest_us
            .map(|arrival| crate::sys::monotonic_us().saturating_sub(arrival));
        self.voice.chunks_done(sent, latency);
    }

    fn socket(&mut self) -> Option<&mut Socket> {
        match &mut self.state {
            State::Open(socket)
            | State::Closing { socket, .. }
            | State::Lingering { socket, .. } => Some(socket),
            State::Connecting { .. } | State::Gone => None,
        }
    }
}

fn failure_of(phase: &'static str, detail: String) -> Failure {
    Failure {
        phase,
        http_status: 0,
        detail,
    }
}
