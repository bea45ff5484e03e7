//! One media thread: it sleeps until a leg's beat is due, then serves sockets, orders and that beat.
//!
//! Beats lie on a wheel of 1 ms slots. RTP sockets are not watched: a beat fetches what they hold.
//! WebSockets and orders are watched by epoll, at most once per millisecond, so that a thousand calls
//! cost a thousand wake-ups per second and not a hundred thousand.

mod seats;

use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::command::Command;
use crate::desk::Desk;
use crate::event::EventQueue;
use crate::leg::{Beaten, Leg};
use crate::rtp::ports::{PortPair, PortPool};
use crate::stream::link::Here;
use crate::sys;

use seats::Seat;

/// The waker's token.
pub const WAKE: Token = Token(usize::MAX);
const BEAT_MS: u64 = 20;
/// More than the longest distance between two beats of a leg.
const SLOTS: u64 = 64;
/// A leg that is further behind than this skips what it missed.
const BEHIND_MS: u64 = 100;
/// Missed beats are made up for with at least this distance, so that no burst leaves us.
const CATCH_UP_MS: u64 = 5;
/// A packet that is not there at its beat is looked for again at these distances, until this long after the beat: as
/// late as jitter and a busy machine make one packet in a hundred. A beat that is late itself counts from its first
/// look: what held us up (the machine paused) may have held up the far end, or the network, as well.
const LOOK_MS: u64 = 4;
const LOOK_UNTIL_MS: u64 = 12;
/// How long a stopping thread waits for its legs to say goodbye.
const STOP_WAIT_US: u64 = 500_000;

/// A leg's number in the whole engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LegId(pub u64);

/// What a thread is asked to do.
pub enum Order {
    Open(Box<Leg>, Option<String>),
    Leg(LegId, Command),
    Stop,
}

/// A media thread's state.
pub struct Worker {
    desk: Desk,
    events: Arc<EventQueue>,
    poll: Poll,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    by_id: HashMap<LegId, usize>,
    /// Legs by the slot of their next beat, with the beat's time.
    wheel: Vec<Vec<(usize, u64)>>,
    beaten_ms: u64,
    unread: Vec<usize>,
    ports: Arc<Mutex<PortPool>>,
    load: Arc<AtomicUsize>,
    stop_us: Option<u64>,
}

impl Worker {
    /// A thread's state without legs; `load` counts its legs for whoever assigns new ones.
    pub fn new(
        desk: Desk,
        poll: Poll,
        ports: Arc<Mutex<PortPool>>,
        load: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            events: Arc::clone(&desk.events),
            desk,
            poll,
            seats: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::new(),
            wheel: (0..SLOTS).map(|_| Vec::new()).collect(),
            beaten_ms: sys::monotonic_us() / 1000,
            unread: Vec::new(),
            ports,
            load,
            stop_us: None,
        }
    }

    /// Serves until it is told to stop.
    pub fn run(mut self) {
        sys::prepare_thread();
        sys::prefer_thread();
        let mut events = Events::with_capacity(1024);
        loop {
            self.sleep(&mut events);
            let now_us = sys::monotonic_us();
            self.desk.wall_offset_us = sys::wall_offset_us();
            for event in &events {
                if event.token() != WAKE {
                    let ends = event.is_read_closed() || event.is_error();
                    let readable = event.is_readable() || ends;
                    self.socket_ready(event.token(), readable, ends, event.is_writable(), now_us);
                }
            }
            self.obey(now_us);
            self.read_on(now_us);
            self.beat_all();
            if self.is_stopped() {
                return;
            }
        }
    }

    /// Waits for the next beat, or for a socket or an order, whichever is first; at least until the
    /// next whole millisecond while there are legs.
    fn sleep(&mut self, events: &mut Events) {
        let Some(due_ms) = self.next_due_ms() else {
            let _ = self.poll.poll(events, None);
            return;
        };
        let now_us = sys::monotonic_us();
        let next_ms_us = (now_us / 1000 + 1) * 1000;
        if due_ms * 1000 > now_us {
            sys::sleep_until_us(next_ms_us.min(due_ms * 1000));
        }
        let left_us = (due_ms * 1000).saturating_sub(sys::monotonic_us());
        let has_unread = !self.unread.is_empty();
        let wait_ms = if has_unread { 0 } else { left_us / 1000 };
        let _ = self.poll.poll(events, Some(Duration::from_millis(wait_ms)));
        if events.is_empty() && !has_unread && left_us > 0 {
            sys::sleep_until_us(due_ms * 1000);
            let _ = self.poll.poll(events, Some(Duration::ZERO));
        }
    }

    fn next_due_ms(&self) -> Option<u64> {
        if self.by_id.is_empty() {
            return None;
        }
        let first = self.beaten_ms + 1;
        (first..first + SLOTS).find(|ms| !self.wheel[(ms % SLOTS) as usize].is_empty())
    }

    fn socket_ready(
        &mut self,
        token: Token,
        readable: bool,
        ends: bool,
        writable: bool,
        now_us: u64,
    ) {
        let (index, number) = (token.0 >> 8, (token.0 & 0xff) as u64);
        self.with_leg(index, now_us, |leg, _, here| {
            leg.ready(number, readable, ends, writable, here);
        });
        self.note_unread(index);
    }

    fn obey(&mut self, now_us: u64) {
        for order in self.desk.orders.take() {
            match order {
                Order::Open(leg, output) => self.open(*leg, output.as_deref(), now_us),
                Order::Leg(id, command) => {
                    let Some(index) = self.by_id.get(&id).copied() else {
                        continue;
                    };
                    self.with_leg(index, now_us, |leg, desk, here| {
                        let token = |number: u64| Token((index << 8) | (number & 0xff) as usize);
                        leg.obey(command, desk, token, here);
                    });
                    self.note_unread(index);
                }
                Order::Stop => self.stop(now_us),
            }
        }
    }

    fn read_on(&mut self, now_us: u64) {
        for index in std::mem::take(&mut self.unread) {
            self.with_leg(index, now_us, |leg, _, here| leg.read_on(here));
            self.note_unread(index);
        }
    }

    fn note_unread(&mut self, index: usize) {
        let unread = self.seats[index]
            .as_ref()
            .is_some_and(|seat| seat.leg.has_unread());
        if unread && !self.unread.contains(&index) {
            self.unread.push(index);
        }
    }

    fn open(&mut self, mut leg: Leg, output: Option<&str>, now_us: u64) {
        if let Some(path) = output {
            leg.write_to(path, &self.desk);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        let due_ms = self.emptiest_slot(now_us / 1000);
        self.by_id.insert(leg.id, index);
        self.wheel[(due_ms % SLOTS) as usize].push((index, due_ms));
        self.seats[index] = Some(Seat {
            sid: leg.sid().into(),
            leg,
            due_ms,
            wake_ms: due_ms,
            look_until_ms: 0,
            follower: index,
        });
        self.desk.counters.legs.fetch_add(1, Ordering::Relaxed);
        if self.stop_us.is_some() {
            self.end(index, "", now_us);
        }
    }

    /// The coming millisecond, within one beat, with the fewest legs.
    fn emptiest_slot(&self, now_ms: u64) -> u64 {
        let first = self.beaten_ms.max(now_ms) + 1;
        let busy = |ms: &u64| self.wheel[(ms % SLOTS) as usize].len();
        (first..first + BEAT_MS).min_by_key(busy).unwrap_or(first)
    }

    fn beat_all(&mut self) {
        let now_ms = sys::monotonic_us() / 1000;
        if now_ms > self.beaten_ms + SLOTS {
            self.beaten_ms = now_ms - SLOTS; // every slot once, however long we were away
        }
        while self.beaten_ms < now_ms {
            self.beaten_ms += 1;
            let slot = (self.beaten_ms % SLOTS) as usize;
            let mut due = std::mem::take(&mut self.wheel[slot]);
            for place in 0..due.len() {
                let (index, at_ms) = due[place];
                self.look_ahead(&due, place);
                if at_ms > now_ms {
                    self.wheel[slot].push((index, at_ms)); // a later round's
                } else {
                    self.beat(index, at_ms, now_ms);
                }
            }
            if self.wheel[slot].is_empty() {
                due.clear();
                self.wheel[slot] = due; // keeps its memory
            }
        }
    }

    fn beat(&mut self, index: usize, at_ms: u64, now_ms: u64) {
        let Some(seat) = self.seats[index].as_mut() else {
            return;
        };
        let due_ms = seat.due_ms;
        if seat.wake_ms != at_ms {
            return; // left behind by a leg that is gone
        }
        let may_wait = seat.may_wait(now_ms);
        let now_us = sys::monotonic_us();
        let mut beaten = Beaten::default();
        self.with_leg(index, now_us, |leg, desk, here| {
            beaten = leg.beat(desk, due_ms * 1000, here, may_wait)
        });
        if let Some(follower) = beaten.follower.and_then(|id| self.follower(index, id)) {
            self.with_leg(follower, now_us, |leg, desk, here| {
                leg.follow(desk, due_ms * 1000, here)
            });
        }
        let Some(seat) = self.seats[index].as_mut() else {
            return;
        };
        if seat.leg.is_over(now_us) {
            return self.end(index, "", now_us);
        }
        if beaten.is_late {
            seat.wake_ms = now_ms + LOOK_MS;
            self.wheel[(seat.wake_ms % SLOTS) as usize].push((index, seat.wake_ms));
            return;
        }
        let mut next_ms = (due_ms + BEAT_MS).saturating_add_signed(beaten.shift_ms);
        if now_ms > next_ms + BEHIND_MS {
            next_ms += (now_ms - next_ms) / BEAT_MS * BEAT_MS;
        }
        seat.due_ms = next_ms;
        seat.look_until_ms = 0;
        seat.wake_ms = if next_ms > now_ms {
            next_ms
        } else {
            now_ms + CATCH_UP_MS
        };
        self.wheel[(seat.wake_ms % SLOTS) as usize].push((index, seat.wake_ms));
    }

    /// Does something with a leg; a panic ends that leg alone.
    fn with_leg(
        &mut self,
        index: usize,
        now_us: u64,
        deed: impl FnOnce(&mut Leg, &mut Desk, Here<'_>),
    ) {
        let desk = &mut self.desk;
        let Some(seat) = self.seats.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let open_before = seat.leg.open_streams() as u64;
        let here = Here {
            events: &self.events,
            leg_sid: &seat.sid,
            now_us,
        };
        let result = catch_unwind(AssertUnwindSafe(|| deed(&mut seat.leg, desk, here)));
        let open_after = seat.leg.open_streams() as u64;
        if open_after != open_before {
            let streams = &desk.counters.streams;
            streams.fetch_add(open_after.wrapping_sub(open_before), Ordering::Relaxed);
        }
        if let Err(panic) = result {
            desk.counters.faults.fetch_add(1, Ordering::Relaxed);
            self.end(index, &panic_text(panic.as_ref()), now_us);
        }
    }

    fn end(&mut self, index: usize, fault: &str, now_us: u64) {
        let Some(seat) = self.seats[index].take() else {
            return;
        };
        self.free.push(index);
        self.by_id.remove(&seat.leg.id);
        self.load.fetch_sub(1, Ordering::Relaxed);
        let counters = &self.desk.counters;
        counters.legs.fetch_sub(1, Ordering::Relaxed);
        counters
            .streams
            .fetch_sub(seat.leg.open_streams() as u64, Ordering::Relaxed);
        let here = Here {
            events: &self.events,
            leg_sid: &seat.sid,
            now_us,
        };
        let (closed, ports) = if fault.is_empty() {
            seat.leg.end(&mut self.desk, here)
        } else {
            seat.leg.salvage(fault, here)
        };
        // Whoever hears of the end may ask for a leg at once: the ports are back before.
        if let Some(ports) = ports {
            self.give_back(ports, now_us / 1000);
        }
        self.desk.events.push(closed);
    }

    fn give_back(&self, ports: PortPair, now_ms: u64) {
        let mut pool = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        pool.give_back(ports, now_ms);
    }

    fn stop(&mut self, now_us: u64) {
        self.stop_us = Some(now_us + STOP_WAIT_US);
        let indexes: Vec<usize> = self.by_id.values().copied().collect();
        for index in indexes {
            self.with_leg(index, now_us, |leg, desk, here| {
                leg.obey(Command::Close, desk, |_| WAKE, here);
            });
        }
    }

    fn is_stopped(&mut self) -> bool {
        let now_us = sys::monotonic_us();
        let Some(stop_us) = self.stop_us else {
            return false;
        };
        if !self.by_id.is_empty() && now_us >= stop_us {
            let indexes: Vec<usize> = self.by_id.values().copied().collect();
            for index in indexes {
                self.end(index, "", now_us);
            }
        }
        self.by_id.is_empty()
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}

#[cfg(test)]
mod tests;
