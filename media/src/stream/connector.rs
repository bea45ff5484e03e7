//! Opens sockets to bots: TCP, TLS and the HTTP upgrade, on one thread, none waiting for another.
//!
//! ```text
//!  Connect ─▶ Tcp ─▶ (Tls) ─▶ Upgrade ─▶ reply(Ok)
//!              │ next address  └────────┴─▶ reply(Err): phase, HTTP status, words for a person
//! ```

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use super::attempt::{Attempt, Progress};
use super::tls::Trust;
use super::wire::Wire;
use crate::mailbox::Mailbox;
use crate::plan::StreamPlan;
use crate::sys;

const WAKE: Token = Token(usize::MAX);
/// Connections that may be asked for at once.
const WAITING_LIMIT: usize = 16_384;

/// A WebSocket to a bot.
pub type Socket = tungstenite::WebSocket<Wire>;

/// An open socket and how long each phase took.
#[derive(Debug)]
pub struct Connected {
    pub socket: Box<Socket>,
    pub tcp_ms: u64,
    pub tls_ms: u64,
    pub upgrade_ms: u64,
}

/// Why there is no socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `tcp`, `tls` or `upgrade`.
    pub phase: &'static str,
    /// 0 without an HTTP answer.
    pub http_status: u16,
    /// For a person.
    pub detail: String,
}

/// What came of an attempt.
pub type Outcome = Result<Connected, Failure>;

/// Someone wants a socket.
pub struct Connect {
    pub plan: Arc<StreamPlan>,
    /// Set by the asker: nobody waits for the outcome any more.
    pub cancelled: Arc<AtomicBool>,
    pub reply: Box<dyn FnOnce(Outcome) + Send>,
}

enum Order {
    Connect(Connect),
    LookAround,
    Stop,
}

/// The connecting thread; it ends once this is dropped.
pub struct Connector {
    orders: Arc<Mailbox<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Connector {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let orders = Arc::new(Mailbox::new(waker, WAITING_LIMIT));
        let worker = Thread {
            poll,
            orders: Arc::clone(&orders),
            attempts: HashMap::new(),
            trust: Trust::default(),
            next_token: 0,
        };
        let thread = std::thread::Builder::new()
            .name("bot-connect".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            orders,
            thread: Some(thread),
        })
    }

    /// Begins an attempt; returns at once.
    pub fn connect(&self, order: Connect) {
        self.orders.post(Order::Connect(order));
    }

    /// An attempt was cancelled.
    pub fn look_around(&self) {
        self.orders.post(Order::LookAround);
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.orders.post_always(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Thread {
    poll: Poll,
    orders: Arc<Mailbox<Order>>,
    attempts: HashMap<usize, Attempt>,
    trust: Trust,
    next_token: usize,
}

impl Thread {
    fn run(mut self) {
        sys::prepare_thread();
        let mut events = Events::with_capacity(256);
        loop {
            let timeout = self.next_deadline_us().map(|at_us| {
                Duration::from_micros(at_us.saturating_sub(sys::monotonic_us()) + 1000)
            });
            if self.poll.poll(&mut events, timeout).is_err() {
                continue; // interrupted
            }
            for event in &events {
                self.step(event.token().0, event.is_readable(), event.is_read_closed());
            }
            for order in self.orders.take() {
                match order {
                    Order::Connect(order) => self.begin(order),
                    Order::LookAround => self.drop_cancelled(),
                    Order::Stop => return,
                }
            }
            self.end_late();
        }
    }

    fn begin(&mut self, order: Connect) {
        let token = self.next_token;
        self.next_token = (token + 1) % (usize::MAX - 1);
        self.attempts
            .insert(token, Attempt::new(order, sys::monotonic_us()));
        self.step(token, false, false);
    }

    fn step(&mut self, token: usize, readable: bool, ends: bool) {
        let Some(mut attempt) = self.attempts.remove(&token) else {
            return;
        };
        if attempt.is_cancelled() {
            return;
        }
        if readable {
            attempt.note_readable(ends);
        }
        let registry = self.poll.registry();
        let mut register = |wire: &mut Wire| {
            registry.register(wire, Token(token), Interest::READABLE | Interest::WRITABLE)
        };
        match attempt.step(sys::monotonic_us(), &mut self.trust, &mut register) {
            Progress::Waiting(attempt) => {
                self.attempts.insert(token, *attempt);
            }
            Progress::Failed(reply, failure) => reply(Err(failure)),
            Progress::Done(reply, mut connected) => {
                let _ = self.poll.registry().deregister(connected.socket.get_mut());
                reply(Ok(connected));
            }
        }
    }

    fn next_deadline_us(&self) -> Option<u64> {
        self.attempts.values().map(Attempt::deadline_us).min()
    }

    fn end_late(&mut self) {
        let now_us = sys::monotonic_us();
        let late: Vec<usize> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.deadline_us() <= now_us)
            .map(|(token, _)| *token)
            .collect();
        for token in late {
            self.step(token, false, false);
        }
    }

    fn drop_cancelled(&mut self) {
        self.attempts.retain(|_, attempt| !attempt.is_cancelled());
    }
}

impl Connect {
    /// Nobody waits for the outcome.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}
