//! The queue in which events wait for Python.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Event;
use crate::sys::WakeFd;

/// Events that wait for Python. Over its bound what bots say gives way first, `LegClosed` never.
#[derive(Debug)]
pub struct EventQueue {
    waiting: Mutex<Waiting>,
    wake: WakeFd,
    limit: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    dropped: u64,
}

impl EventQueue {
    /// An empty queue for about `limit` events.
    pub fn new(limit: usize) -> std::io::Result<Self> {
        Ok(Self {
            waiting: Mutex::default(),
            wake: WakeFd::new()?,
            limit,
        })
    }

    /// Adds an event, or counts it as dropped.
    pub fn push(&self, event: impl Into<Event>) {
        let event = event.into();
        let mut waiting = self.lock();
        let room = match event {
            Event::BotMessage(_) | Event::BotSample(_) | Event::BotPace(_) => self.limit / 2,
            Event::LegClosed(_) => usize::MAX,
            _ => self.limit,
        };
        if waiting.events.len() >= room {
            waiting.dropped += 1;
            return;
        }
        waiting.events.push_back(event);
        let is_first = waiting.events.len() == 1;
        drop(waiting); // whoever takes events would wake up only to wait for the lock
        if is_first {
            self.wake.raise();
        }
    }

    /// Takes at most `limit` events, oldest first.
    pub fn take(&self, limit: usize) -> Vec<Event> {
        // Lowered first: what comes from here on is taken below, or raises it again.
        self.wake.lower();
        let mut waiting = self.lock();
        let count = limit.min(waiting.events.len());
        let taken = waiting.events.drain(..count).collect();
        let has_more = !waiting.events.is_empty();
        drop(waiting);
        if has_more {
            self.wake.raise();
        }
        taken
    }

    /// How many wait, and how many were dropped so far.
    pub fn counts(&self) -> (u64, u64) {
        let waiting = self.lock();
        (waiting.events.len() as u64, waiting.dropped)
    }

    /// The descriptor that is readable while events wait.
    pub fn fd(&self) -> std::os::fd::RawFd {
        self.wake.fd()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
