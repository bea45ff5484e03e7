//! Orders for a thread that sleeps in epoll: a bounded queue that wakes it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mio::Waker;

/// Orders wait here in the sequence of their posting.
#[derive(Debug)]
pub struct Mailbox<T> {
    waiting: Mutex<VecDeque<T>>,
    waker: Waker,
    limit: usize,
    dropped: AtomicU64,
}

impl<T> Mailbox<T> {
    /// At most `limit` orders wait.
    pub fn new(waker: Waker, limit: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            waker,
            limit,
            dropped: AtomicU64::new(0),
        }
    }

    /// Adds an order and wakes the thread; a full box drops and counts it.
    pub fn post(&self, order: T) {
        let waiting = self.lock();
        if waiting.len() >= self.limit {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.add(waiting, order);
    }

    /// Adds an order that must not be lost; there are few of these, each bounded by what it ends.
    pub fn post_always(&self, order: T) {
        self.add(self.lock(), order);
    }

    /// Takes everything that waits.
    pub fn take(&self) -> VecDeque<T> {
        std::mem::take(&mut *self.lock())
    }

    /// Orders dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn add(&self, mut waiting: MutexGuard<'_, VecDeque<T>>, order: T) {
        waiting.push_back(order);
        let is_first = waiting.len() == 1;
        drop(waiting); // the thread would wake up only to wait for the lock
        if is_first {
            // It fails only when the wake-up counter is full, and then the thread is awake.
            let _ = self.waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
