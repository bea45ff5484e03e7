//! How a stream begins: the socket is taken over; the opening texts follow at once, or when they may (OP-6).

use std::sync::Arc;

use mio::{Interest, Registry, Token};

use super::{failure_of, Here, Link, State, EARLY_TEXTS};
use crate::event::StreamOpen;
use crate::stream::connector::Connected;

impl Link {
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
        match &mut self.held {
            Some(held) => *held = texts,
            None => self.open(&texts, here),
        }
        self.is_open()
    }

    /// The stream may begin: the opening texts and what waited go out, sound follows from now on. While the socket
    /// is not open yet, it begins once that is.
    pub fn begin(&mut self, here: Here<'_>) {
        let Some(texts) = self.held.take() else {
            return;
        };
        if self.is_open() {
            self.open_us = here.now_us;
            self.open(&texts, here);
        }
    }

    /// Keeps a text until the stream begins.
    pub(super) fn hold_text(&mut self, text: &str) {
        if let Some(held) = self.held.as_mut().filter(|held| held.len() < EARLY_TEXTS) {
            held.push(text.to_owned());
        }
    }

    /// ST-34: nothing comes before the opening texts.
    fn open(&mut self, texts: &[String], here: Here<'_>) {
        let plan = Arc::clone(&self.plan);
        for text in plan.opening.iter().chain(texts) {
            self.send_text(text, here);
        }
    }
}
