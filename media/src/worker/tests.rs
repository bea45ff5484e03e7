//! Tests of the thread itself: a leg that fails takes nobody with it, and no beat is lost.

use mio::Waker;

use super::*;
use crate::bridge::Bridge;
use crate::desk::Counters;
use crate::event::{Event, EventQueue};
use crate::file_line::FileLine;
use crate::line::Line;
use crate::mailbox::Mailbox;
use crate::player::PromptLoader;
use crate::recorder::Recorder;
use crate::stream::connector::Connector;
use crate::sys::Batch;

fn worker() -> Worker {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), WAKE).unwrap();
    let desk = Desk {
        events: Arc::new(EventQueue::new(100).unwrap()),
        orders: Arc::new(Mailbox::new(waker, 100)),
        connector: Arc::new(Connector::start().unwrap()),
        prompts: Arc::new(PromptLoader::start(0).unwrap()),
        recorder: Arc::new(Recorder::start().unwrap()),
        counters: Arc::new(Counters::default()),
        registry: poll.registry().try_clone().unwrap(),
        batch: Batch::new(),
        wall_offset_us: 0,
        sound: None,
    };
    let host = std::net::IpAddr::from([127, 0, 0, 1]);
    let port = (20_000..32_000)
        .step_by(2)
        .find_map(|port| PortPool::bind(host, port..=port + 1, 0).ok());
    let load = Arc::new(AtomicUsize::new(2));
    Worker::new(desk, poll, Arc::new(Mutex::new(port.unwrap())), load)
}

fn leg(id: u64) -> Leg {
    let line = Line::File(Box::new(FileLine::new(8000, Vec::new(), Vec::new())));
    Leg::new(LegId(id), format!("l{id}"), line)
}

#[test]
fn a_leg_that_panics_ends_alone_and_says_why() {
    let mut worker = worker();
    let now_us = sys::monotonic_us();
    worker.open(leg(1), None, now_us);
    worker.open(leg(2), None, now_us);
    worker.with_leg(0, now_us, |_, _, _| panic!("a bug"));
    let events = worker.desk.events.take(10);
    let [Event::LegClosed(closed)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (closed.leg_sid.as_str(), closed.fault.as_str()),
        ("l1", "a bug")
    );
    assert_eq!(worker.by_id.len(), 1);
    assert_eq!(worker.desk.counters.faults.load(Ordering::Relaxed), 1);
}

#[test]
fn every_leg_keeps_its_beat_after_a_quiet_time_and_a_late_one() {
    let mut worker = worker();
    let now_ms = sys::monotonic_us() / 1000;
    for quiet_ms in [0, 30, 63, 64, 65, 1000] {
        worker.beaten_ms = now_ms - quiet_ms;
        let id = worker.by_id.len() as u64;
        worker.open(leg(id), None, now_ms * 1000);
        worker.beat_all();
        let on_wheel: usize = worker.wheel.iter().map(Vec::len).sum();
        assert_eq!(on_wheel, worker.by_id.len(), "after {quiet_ms} ms");
    }
}

#[test]
fn a_leg_that_panics_leaves_the_other_of_its_bridge_alone_and_well() {
    let mut worker = worker();
    let now_us = sys::monotonic_us();
    let (one, other) = Bridge::pair(true);
    for (index, bridge) in [one, other].into_iter().enumerate() {
        worker.open(leg(index as u64 + 1), None, now_us);
        worker.with_leg(index, now_us, |leg, desk, here| {
            leg.obey(Command::Bridge(Box::new(bridge)), desk, |_| WAKE, here);
        });
    }
    let beat = |worker: &mut Worker, index| {
        worker.with_leg(index, now_us, |leg, desk, here| {
            leg.beat(desk, now_us, here);
        })
    };
    beat(&mut worker, 0);
    beat(&mut worker, 1);
    worker.with_leg(0, now_us, |_, _, _| panic!("a bug"));
    for _ in 0..5 {
        beat(&mut worker, 1);
    }
    worker.end(1, "", now_us);
    let events = worker.desk.events.take(10);
    let [Event::LegClosed(broken), Event::LegClosed(well)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!((broken.fault.as_str(), well.fault.as_str()), ("a bug", ""));
    assert_eq!(well.stats.bridge_frames, 1);
}
