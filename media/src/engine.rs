//! The engine: its threads, its ports, and handles that post commands to legs.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use mio::{Poll, Waker};

use crate::bridge::hearing::{Full, Hearing, LINK_LIMIT};
use crate::bridge::Bridge;
use crate::command::Command;
use crate::desk::{Counters, Desk};
use crate::event::{EngineStats, Event, EventQueue};
use crate::file_line::FileLine;
use crate::groups::Groups;
use crate::leg::Leg;
use crate::line::Line;
use crate::mailbox::Mailbox;
use crate::plan::{EnginePlan, FileLegPlan, RtpLegPlan};
use crate::player::{decode_file, PromptLoader, CACHE_BYTES};
use crate::recorder::Recorder;
use crate::rtp::ports::{PortError, PortPool};
use crate::rtp_line::RtpLine;
use crate::stream::connector::Connector;
use crate::sys::{self, Batch};
use crate::worker::{LegId, Order, Worker, WAKE};

/// Commands that may wait for one thread.
const ORDER_LIMIT: usize = 65_536;

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No port is free and rested.
    PortsExhausted,
    /// The plan cannot be carried out, for this reason.
    Plan(String),
}

struct Thread {
    orders: Arc<Mailbox<Order>>,
    load: Arc<AtomicUsize>,
    counters: Arc<Counters>,
    handle: Option<JoinHandle<()>>,
}

/// What commands are posted through; cheap to copy.
#[derive(Clone)]
pub struct LegHandle {
    id: LegId,
    orders: Arc<Mailbox<Order>>,
    hearing: Arc<Hearing<Place>>,
    pub leg_sid: String,
    pub rtp_port: u16,
}

/// A leg among all of the process: its thread's orders, and its number in their engine.
type Place = (usize, LegId);

impl LegHandle {
    /// Posts a command; never waits.
    pub fn post(&self, command: Command) {
        let order = Order::Leg(self.id, command);
        match &order {
            // What ends something must not be lost.
            Order::Leg(_, Command::Close | Command::CloseStream { .. } | Command::Unbridge) => {
                self.orders.post_always(order)
            }
            _ => self.orders.post(order),
        }
    }

    /// Lets two legs hear each other; each leaves the bridge that it was in.
    pub fn bridge(&self, other: &LegHandle, relays_digits: bool) -> Result<(), Refused> {
        if self.place() == other.place() {
            let text = format!("other: {} cannot be bridged with itself", self.leg_sid);
            return Err(Refused::Plan(text));
        }
        // An end that is lost on its way, or whose leg has gone, takes the bridge with it.
        let (here, there) = Bridge::pair(relays_digits);
        self.post(Command::Bridge(Box::new(here)));
        other.post(Command::Bridge(Box::new(there)));
        Ok(())
    }

    /// Lets this leg's far end hear what the other's says. A link that stands goes on, relaying keys or not.
    pub fn hear(&self, other: &LegHandle, relays_digits: bool) -> Result<(), Refused> {
        if self.place() == other.place() {
            let text = format!("other: {} cannot hear itself", self.leg_sid);
            return Err(Refused::Plan(text));
        }
        let opened = self.hearing.open(other.place(), relays_digits);
        let ends = opened.map_err(|Full| {
            let text = format!(
                "other: {} hears {LINK_LIMIT} legs already, the most",
                self.leg_sid
            );
            Refused::Plan(text)
        })?;
        // As for a bridge, an end that finds no leg takes the link with it.
        if let Some((mouth, link)) = ends {
            self.post(Command::Hear(Box::new(link)));
            other.post(Command::BeHeard(mouth));
        }
        Ok(())
    }

    /// Ends that. It needs no order: both ends see it at their next beat.
    pub fn unhear(&self, other: &LegHandle) {
        self.hearing.close(&other.place());
    }

    fn place(&self) -> Place {
        (Arc::as_ptr(&self.orders) as usize, self.id)
    }
}

/// The media engine of one process.
pub struct Engine {
    events: Arc<EventQueue>,
    ports: Arc<Mutex<PortPool>>,
    recorder: Mutex<Option<Arc<Recorder>>>,
    threads: Mutex<Vec<Thread>>,
    groups: Mutex<Groups>,
    next_leg: AtomicU64,
}

impl Engine {
    /// Binds the ports and starts the threads.
    pub fn start(plan: &EnginePlan) -> Result<Self, Refused> {
        let ports = Arc::new(Mutex::new(bind(plan)?));
        let events =
            Arc::new(EventQueue::new(plan.event_limit).map_err(|error| cannot("events", &error))?);
        let connector = Arc::new(Connector::start().map_err(|error| cannot("threads", &error))?);
        let prompts =
            PromptLoader::start(CACHE_BYTES).map_err(|error| cannot("threads", &error))?;
        let recorder = Arc::new(Recorder::start().map_err(|error| cannot("threads", &error))?);
        let prompts = Arc::new(prompts);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let count = if plan.workers == 0 {
            cores
        } else {
            plan.workers.min(256)
        };
        let engine = Self {
            events,
            ports,
            recorder: Mutex::new(Some(recorder.clone())),
            threads: Mutex::default(),
            groups: Mutex::default(),
            next_leg: AtomicU64::new(1),
        };
        for number in 0..count {
            let thread = engine
                .start_thread(number, &connector, &prompts, &recorder)
                .map_err(|error| cannot("threads", &error))?;
            lock(&engine.threads).push(thread);
        }
        Ok(engine)
    }

    /// The descriptor that is readable while events wait.
    pub fn fd(&self) -> i32 {
        self.events.fd()
    }

    /// Takes at most `limit` events.
    pub fn events(&self, limit: usize) -> Vec<Event> {
        self.events.take(limit)
    }

    /// Reserves ports and opens a leg: on the thread of its group, or on the one with the fewest legs.
    pub fn open_rtp_leg(&self, plan: RtpLegPlan) -> Result<LegHandle, Refused> {
        if plan.jitter_min_ms > plan.jitter_max_ms {
            return Err(Refused::Plan(
                "jitter_min_ms is above jitter_max_ms".to_owned(),
            ));
        }
        let now_ms = sys::monotonic_us() / 1000;
        let pair = lock(&self.ports)
            .take(now_ms)
            .ok_or(Refused::PortsExhausted)?;
        let _ = sys::keep_arrival_times(&pair.rtp);
        let _ = sys::keep_arrival_times(&pair.rtcp);
        let (sid, group) = (plan.leg_sid.clone(), plan.group.clone());
        let line = RtpLine::new(plan, pair, [chance(), chance(), chance()]);
        let port = line.port();
        let leg = Leg::new(self.number(), sid, Line::Rtp(Box::new(line)));
        self.seat(leg, port, None, &group)
    }

    /// Opens a leg between two sound files.
    pub fn open_file_leg(&self, plan: FileLegPlan) -> Result<LegHandle, Refused> {
        if plan.rate_hz != 8000 && plan.rate_hz != 16_000 {
            return Err(Refused::Plan("rate_hz must be 8000 or 16000".to_owned()));
        }
        let input = match &plan.input_path {
            Some(path) => decode_file(Path::new(path), plan.rate_hz)
                .map_err(|error| Refused::Plan(format!("input_path: {error}")))?,
            None => Vec::new(),
        };
        let line = FileLine::new(plan.rate_hz, input, plan.digits);
        let leg = Leg::new(self.number(), plan.leg_sid, Line::File(Box::new(line)));
        self.seat(leg, 0, plan.output_path, "")
    }

    /// Port pairs that a leg could have now.
    pub fn free_ports(&self) -> usize {
        lock(&self.ports).free(sys::monotonic_us() / 1000)
    }

    /// The counters of all threads.
    pub fn stats(&self) -> EngineStats {
        let (events_waiting, events_dropped) = self.events.counts();
        let mut stats = EngineStats {
            events_waiting,
            events_dropped,
            ..EngineStats::default()
        };
        for thread in lock(&self.threads).iter() {
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let counters = &thread.counters;
            stats.legs += read(&counters.legs);
            stats.streams += read(&counters.streams);
            stats.packets_received += read(&counters.packets_received);
            stats.packets_sent += read(&counters.packets_sent);
            stats.packets_foreign += read(&counters.packets_foreign);
            stats.srtp_refused += read(&counters.srtp_refused);
            stats.frames_sent += read(&counters.frames_sent);
            stats.frames_late_5ms += read(&counters.frames_late);
            stats.leg_faults += read(&counters.faults);
            stats.commands_dropped += thread.orders.dropped();
        }
        stats
    }

    /// Ends every leg and the threads, and waits for them: half a second, and what the disk needs.
    pub fn close(&self) {
        let mut threads = lock(&self.threads);
        for thread in threads.iter() {
            thread.orders.post_always(Order::Stop);
        }
        for thread in threads.iter_mut() {
            if let Some(handle) = thread.handle.take() {
                let _ = handle.join();
            }
        }
        drop(threads);
        if let Some(recorder) = lock(&self.recorder).take() {
            if let Ok(recorder) = Arc::try_unwrap(recorder) {
                recorder.close();
            }
        }
    }

    fn start_thread(
        &self,
        number: usize,
        connector: &Arc<Connector>,
        prompts: &Arc<PromptLoader>,
        recorder: &Arc<Recorder>,
    ) -> io::Result<Thread> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let orders = Arc::new(Mailbox::new(waker, ORDER_LIMIT));
        let counters = Arc::new(Counters::default());
        let load = Arc::new(AtomicUsize::new(0));
        let registry = poll.registry().try_clone()?;
        let (events, ports) = (Arc::clone(&self.events), Arc::clone(&self.ports));
        let parts = (
            Arc::clone(connector),
            Arc::clone(prompts),
            Arc::clone(recorder),
        );
        let (my_orders, my_counters, my_load) = (
            Arc::clone(&orders),
            Arc::clone(&counters),
            Arc::clone(&load),
        );
        let run = move || {
            let (connector, prompts, recorder) = parts;
            let desk = Desk {
                events,
                orders: my_orders,
                connector,
                prompts,
                recorder,
                counters: my_counters,
                registry,
                batch: Batch::new(),
                wall_offset_us: sys::wall_offset_us(),
                sound: None,
            };
            Worker::new(desk, poll, ports, my_load).run();
        };
        let handle = std::thread::Builder::new()
            .name(format!("media-{number}"))
            .spawn(run)?;
        Ok(Thread {
            orders,
            load,
            counters,
            handle: Some(handle),
        })
    }

    fn number(&self) -> LegId {
        LegId(self.next_leg.fetch_add(1, Ordering::Relaxed))
    }

    fn seat(
        &self,
        mut leg: Leg,
        port: u16,
        output: Option<String>,
        group: &str,
    ) -> Result<LegHandle, Refused> {
        let threads = lock(&self.threads);
        let mut groups = lock(&self.groups);
        let near = groups.thread(group);
        let load = |place: usize| threads[place].load.load(Ordering::Relaxed);
        let open = (0..threads.len()).filter(|place| threads[*place].handle.is_some());
        let Some(place) = open.min_by_key(|place| (near != Some(*place), load(*place))) else {
            return Err(Refused::Plan("the engine is closed".to_owned()));
        };
        let thread = &threads[place];
        thread.load.fetch_add(1, Ordering::Relaxed);
        leg.stay(groups.join(group, place));
        let handle = LegHandle {
            id: leg.id,
            orders: Arc::clone(&thread.orders),
            hearing: Arc::default(),
            leg_sid: leg.sid().to_owned(),
            rtp_port: port,
        };
        thread
            .orders
            .post_always(Order::Open(Box::new(leg), output));
        Ok(handle)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

fn bind(plan: &EnginePlan) -> Result<PortPool, Refused> {
    let host: IpAddr = plan
        .rtp_host
        .parse()
        .map_err(|_| Refused::Plan(format!("rtp_host: {} is not an address", plan.rtp_host)))?;
    let range = plan.rtp_port_low..=plan.rtp_port_high;
    PortPool::bind(host, range, plan.port_rest_ms).map_err(|error| {
        Refused::Plan(match error {
            PortError::Empty => "rtp_port_low to rtp_port_high holds no even port with its odd neighbour".to_owned(),
            PortError::Taken { port, reason } => format!("rtp_port_low: port {port} cannot be had: {reason}"),
            PortError::FileLimit { needed, allowed } => format!(
                "rtp_port_high: the range needs {needed} open files, and this process may open {allowed}"
            ),
        })
    })
}

/// Unpredictable, from the keys that the standard library draws for its hash maps.
fn chance() -> u64 {
    RandomState::new().hash_one(sys::monotonic_us())
}

fn cannot(what: &str, error: &io::Error) -> Refused {
    Refused::Plan(format!("{what} cannot be set up: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
