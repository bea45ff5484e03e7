//! How a stream ends: by either side's close, by silence, by broken rules, by the network.

use std::io::{ErrorKind, Read};

use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Bytes, Error, Message};

use super::{Here, Link, Socket, State, READ_MESSAGES};
use crate::event::StreamClosed;

/// How long the rest of a broken stream is swallowed, so that the bot can read why we closed.
const LINGER_US: u64 = 1_000_000;

impl Link {
    pub(super) fn keep_time(&mut self, here: Here<'_>) {
        match &self.state {
            State::Open(_) => self.ping(here),
            State::Closing { until_us, .. } if *until_us <= here.now_us => self.abandon(here),
            State::Lingering { until_us, .. } if *until_us <= here.now_us => {
                self.state = State::Gone;
            }
            _ => {}
        }
    }

    pub(super) fn ping(&mut self, here: Here<'_>) {
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

    pub(super) fn closed_by_bot(&mut self, frame: Option<CloseFrame>, here: Here<'_>) {
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
    pub(super) fn broken(&mut self, error: &Error, here: Here<'_>) {
        if matches!(self.state, State::Lingering { .. } | State::Gone) {
            self.state = State::Gone; // its end was told
            return;
        }
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
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => (
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

    pub(super) fn gone(&mut self, code: u16, reason: &str, who: &str, here: Here<'_>) {
        if let Some(socket) = self.socket() {
            socket.get_mut().finish();
        }
        self.state = State::Gone;
        self.told(code, reason, who, here);
    }

    pub(super) fn told(&mut self, code: u16, reason: &str, who: &str, here: Here<'_>) {
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

/// Reads and forgets; true at the end.
pub(super) fn swallow(socket: &mut Socket) -> bool {
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
pub(in crate::stream) fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
