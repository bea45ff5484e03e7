//! One stream on its leg's thread: the socket's life, and what the bot's messages set going.
//!
//! ```text
//!  Connecting ──▶ Open ──close()──▶ Closing ──reply, 5 s──▶ Gone
//!      │ failed     ├── the bot closes, the network breaks ──▶ Gone
//!      ▼ aborted    └── the bot breaks the rules ──▶ Lingering ──▶ Gone
//!     Gone              (what is queued plays on until it is dropped or heard)
//! ```

use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use mio::{Interest, Registry, Token};
use tungstenite::error::CapacityError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Bytes, Error, Message};

use super::connector::{Connected, Failure, Socket};
use super::template::{escape_json, Filling, Template};
use super::voice::{Asked, Voice};
use crate::event::{
    BotAudioStarted, BotMessage, Cleared, EventQueue, MarkPlayed, StreamClosed, StreamDrained,
    StreamFailed, StreamOpen,
};
use crate::plan::StreamPlan;

/// How long a close reply is waited for (AS-100).
const CLOSE_WAIT_US: u64 = 5_000_000;
/// How long the rest of a broken stream is swallowed, so that the bot can read why we closed.
const LINGER_US: u64 = 1_000_000;
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
}

impl Link {
    /// A stream that is being connected; `cancelled` ends the attempt.
    pub fn new(plan: Arc<StreamPlan>, cancelled: Arc<AtomicBool>) -> Self {
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

    /// The attempt has come to an end. True when the socket has been taken over.
    pub fn connected(
        &mut self,
        mut new: Connected,
        to: &Registry,
        token: Token,
        here: Here<'_>,
    ) -> bool {
        let texts = match &mut self.state {
            State::Connecting { texts, .. } => std::mem::take(texts),
            _ => return false,
        };
        let wanted = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = to.register(new.socket.get_mut(), token, wanted) {
            let detail = format!("the socket cannot be watched: {error}");
            self.failed(&failure_of("upgrade", detail), here);
            return false;
        }
        self.open_us = here.now_us;
        self.last_read_us = here.now_us;
        self.ping_us = here.now_us + self.plan.ping_interval_ms * 1000;
        self.state = State::Open(new.socket);
        here.events.push(StreamOpen {
            leg_sid: here.leg_sid.to_owned(),
            at_ms: here.at_ms(),
            stream_sid: self.plan.stream_sid.clone(),
            tcp_ms: new.tcp_ms,
            tls_ms: new.tls_ms,
            upgrade_ms: new.upgrade_ms,
        });
        // ST-34: nothing comes before the opening texts.
        let plan = Arc::clone(&self.plan);
        for text in plan.opening.iter().chain(&texts) {
            self.send_text(text, here);
        }
        self.is_open()
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

    /// 20 ms of the caller, whose last packet arrived at `arrival_us`.
    pub fn hear(&mut self, rate_hz: u32, frame: &[i16], arrival_us: Option<u64>, here: Here<'_>) {
        if !self.is_open() || !self.voice.hear(rate_hz, frame) {
            return;
        }
        let sent = self.send_media(here);
        let latency = arrival_us.map(|arrival| crate::sys::monotonic_us().saturating_sub(arrival));
        self.voice.chunk_done(sent, latency);
    }

    /// Mixes the bot's next 20 ms into `said`; true if there was any.
    pub fn say(&mut self, rate_hz: u32, said: &mut [i16]) -> bool {
        !self.dropped && self.voice.say(rate_hz, said)
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
        if let Some(text) = last_text {
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

    fn socket(&mut self) -> Option<&mut Socket> {
        match &mut self.state {
            State::Open(socket)
            | State::Closing { socket, .. }
            | State::Lingering { socket, .. } => Some(socket),
            State::Connecting { .. } | State::Gone => None,
        }
    }

    fn handle(&mut self, message: Message, here: Here<'_>) {
        match message {
            Message::Text(text) => self.handle_text(text.as_str(), here),
            // AS-5: JSON in a binary frame is meant as text.
            Message::Binary(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.handle_text(text, here),
                Err(_) => self.voice.ignore(),
            },
            Message::Close(frame) => self.closed_by_bot(frame, here),
            Message::Ping(_) => {
                // The pong is queued by now; it goes out at once (AS-118).
                if let Some(Err(error)) = self.socket().map(Socket::flush) {
                    self.broken(&error, here);
                }
            }
            Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn handle_text(&mut self, text: &str, here: Here<'_>) {
        if !self.is_open() {
            return; // our goodbye was said
        }
        match self.voice.read(text, here.now_us) {
            Asked::Nothing => {}
            Asked::Mark(name) => self.echo_mark(name, false, here),
            Asked::Cleared { dropped_ms, marks } => {
                here.events.push(Cleared {
                    leg_sid: here.leg_sid.to_owned(),
                    at_ms: here.at_ms(),
                    stream_sid: self.plan.stream_sid.clone(),
                    played_ms: self.voice.played_ms(),
                    dropped_ms,
                });
                if self.plan.marks_on_clear == "echo" {
                    for name in marks {
                        self.echo_mark(name, true, here);
                    }
                }
            }
            Asked::Message => here.events.push(BotMessage {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                stream_sid: self.plan.stream_sid.clone(),
                text: text.to_owned(),
            }),
        }
    }

    fn echo_mark(&mut self, name: String, cleared: bool, here: Here<'_>) {
        if !self.is_open() {
            return;
        }
        let played_ms = self.voice.played_ms();
        if !self.templates.mark.is_empty() {
            let filling = Filling {
                timestamp_ms: self.voice.heard_ms(),
                mark_name: &escape_json(&name),
                played_ms,
                ..Filling::default()
            };
            let text = self.templates.mark.write(&mut self.seq, &filling);
            self.write(Message::text(text), here);
        }
        here.events.push(MarkPlayed {
            leg_sid: here.leg_sid.to_owned(),
            at_ms: here.at_ms(),
            stream_sid: self.plan.stream_sid.clone(),
            name,
            played_ms,
            cleared,
        });
    }

    /// Sends the complete chunk; false when the bot does not read what it was sent before.
    fn send_media(&mut self, here: Here<'_>) -> bool {
        let State::Open(socket) = &mut self.state else {
            return false;
        };
        if socket.get_ref().queued_bytes() > self.plan.send_buffer_bytes {
            return false;
        }
        let filling = Filling {
            timestamp_ms: self.voice.heard_ms(),
            chunk: self.voice.next_chunk_number(),
            payload: self.voice.chunk(),
            played_ms: self.voice.played_ms(),
            ..Filling::default()
        };
        let text = self.templates.media.write(&mut self.seq, &filling);
        self.write(Message::text(text), here);
        true
    }

    fn write(&mut self, message: Message, here: Here<'_>) {
        if let State::Open(socket) = &mut self.state {
            if let Err(error) = socket.write(message) {
                self.broken(&error, here);
            }
        }
    }

    fn report_drained(&mut self, here: Here<'_>) {
        if self.drain_asked && self.voice.is_silent() {
            self.drain_asked = false;
            here.events.push(StreamDrained {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                stream_sid: self.plan.stream_sid.clone(),
            });
        }
    }

    fn keep_time(&mut self, here: Here<'_>) {
        match &self.state {
            State::Open(_) => self.ping(here),
            State::Closing { until_us, .. } if *until_us <= here.now_us => self.abandon(here),
            State::Lingering { until_us, .. } if *until_us <= here.now_us => {
                self.state = State::Gone;
            }
            _ => {}
        }
    }

    fn ping(&mut self, here: Here<'_>) {
        if self.plan.ping_interval_ms == 0 {
            return;
        }
        if let Some(pinged_us) = self.pinged_us {
            if self.last_read_us > pinged_us {
                self.pinged_us = None;
            } else if here.now_us - pinged_us > self.plan.pong_timeout_ms * 1000 {
                let reason = format!("no pong within {} ms", self.plan.pong_timeout_ms);
                return self.gone(1006, &reason, "network", here);
            }
        }
        if here.now_us >= self.ping_us {
            self.ping_us = here.now_us + self.plan.ping_interval_ms * 1000;
            self.pinged_us.get_or_insert(here.now_us);
            self.write(Message::Ping(Bytes::new()), here);
        }
    }

    fn closed_by_bot(&mut self, frame: Option<CloseFrame>, here: Here<'_>) {
        if let State::Closing { code, reason, .. } = &self.state {
            let (code, reason) = (*code, reason.clone());
            return self.gone(code, &reason, "us", here);
        }
        if let Some(socket) = self.socket() {
            let _ = socket.flush(); // the reply
        }
        let (code, reason) = match &frame {
            Some(frame) => (frame.code.into(), frame.reason.to_string()),
            None => (1005, String::new()),
        };
        self.gone(code, &reason, "bot", here);
    }

    /// The conversation cannot go on: by the network's fault, or because the bot broke the rules.
    fn broken(&mut self, error: &Error, here: Here<'_>) {
        if let State::Closing { code, reason, .. } = &self.state {
            let (code, reason) = (*code, reason.clone());
            return self.gone(code, &reason, "us", here);
        }
        let (code, reason) = match error {
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => (
                1009,
                format!("a message of {size} bytes; {max_size} are allowed"),
            ),
            Error::Utf8(_) => (1007, "a text that is not UTF-8".to_owned()),
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => (
                1006,
                "the connection ended without a close frame".to_owned(),
            ),
            Error::Protocol(rule) => (1002, rule.to_string()),
            Error::Io(error) => (1006, error.to_string()),
            other => (1006, other.to_string()),
        };
        if code == 1006 {
            return self.gone(code, &reason, "network", here);
        }
        let state = std::mem::replace(&mut self.state, State::Gone);
        self.told(code, &reason, "us", here);
        if let State::Open(mut socket) = state {
            let frame = CloseFrame {
                code: CloseCode::from(code),
                reason: cut(&reason, 123).into(),
            };
            let _ = socket.close(Some(frame));
            socket.get_mut().finish();
            self.state = State::Lingering {
                socket,
                until_us: here.now_us + LINGER_US,
            };
        }
    }

    fn gone(&mut self, code: u16, reason: &str, who: &str, here: Here<'_>) {
        if let Some(socket) = self.socket() {
            socket.get_mut().finish();
        }
        self.state = State::Gone;
        self.told(code, reason, who, here);
    }

    fn told(&mut self, code: u16, reason: &str, who: &str, here: Here<'_>) {
        self.voice.end();
        here.events.push(StreamClosed {
            leg_sid: here.leg_sid.to_owned(),
            at_ms: here.at_ms(),
            stream_sid: self.plan.stream_sid.clone(),
            code,
            reason: reason.to_owned(),
            who: who.to_owned(),
            queued_ms: self.voice.queued_ms(),
            stats: self.voice.figures(),
        });
    }
}

fn failure_of(phase: &'static str, detail: String) -> Failure {
    Failure {
        phase,
        http_status: 0,
        detail,
    }
}

/// Reads and forgets; true at the end.
fn swallow(socket: &mut Socket) -> bool {
    let mut bytes = [0; 4096];
    for _ in 0..READ_MESSAGES {
        match socket.get_mut().read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
    false
}

/// At most `limit` bytes of `text`, whole letters.
fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
