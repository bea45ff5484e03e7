//! Tests of the thread itself: a leg that fails takes nobody with it, and no beat is lost.

use mio::Waker;

use std::net::UdpSocket;

use super::*;
use crate::bridge::Bridge;
use crate::desk::Counters;
use crate::event::{Event, EventQueue};
use crate::file_line::FileLine;
use crate::line::Line;
use crate::mailbox::Mailbox;
use crate::plan::{CodecPlan, RemotePlan, RtpLegPlan};
use crate::player::PromptLoader;
use crate::recorder::Recorder;
use crate::rtp::Packet;
use crate::rtp_line::RtpLine;
use crate::stream::connector::Connector;
use crate::sys::Batch;

mod relaying;

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
        .step_by(4)
        .find_map(|port| PortPool::bind(host, port..=port + 3, 0).ok());
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

fn here_of(events: &EventQueue, now_us: u64) -> Here<'_> {
    Here {
        events,
        leg_sid: "l",
        now_us,
    }
}

/// A leg whose far end is `phone`, and its port.
fn rtp_leg(worker: &mut Worker, id: u64, phone: &UdpSocket) -> (Leg, u16) {
    let now_us = sys::monotonic_us();
    let ports = worker.ports.lock().unwrap().take(now_us / 1000).unwrap();
    let port = ports.port;
    let plan = RtpLegPlan {
        leg_sid: "l".to_owned(),
        jitter_min_ms: 0,
        jitter_max_ms: 200,
        first_packet_timeout_ms: 0,
        packet_timeout_ms: 1_000,
        inband_dtmf: false,
        follows_clock: true,
        group: String::new(),
    };
    let line = RtpLine::new(plan, ports, [1, 2, 3]);
    let mut leg = Leg::new(LegId(id), "l".to_owned(), Line::Rtp(Box::new(line)));
    let events = Arc::clone(&worker.desk.events);
    let here = here_of(&events, now_us);
    let connect = Command::Connect(remote(phone));
    leg.obey(connect, &mut worker.desk, |_| WAKE, here);
    (leg, port)
}

/// What SDP says of a telephone.
fn remote(phone: &UdpSocket) -> RemotePlan {
    RemotePlan {
        address: "127.0.0.1".to_owned(),
        port: phone.local_addr().unwrap().port(),
        codecs: vec![CodecPlan {
            payload_type: 0,
            encoding: "PCMU".to_owned(),
        }],
        rtcp_port: None,
        ptime_ms: 20,
        dtmf_payload_type: Some(101),
        dtmf_receive_payload_type: None,
        dtmf_rate_hz: 8_000,
        cn_payload_type: None,
        sends: true,
        receives: true,
        srtp: None,
    }
}

/// Sends packet `number` of a steady stream.
fn send_silence(phone: &UdpSocket, port: u16, number: u16) {
    let mut datagram = Vec::new();
    Packet {
        marker: number == 0,
        payload_type: 0,
        sequence: number,
        timestamp: u32::from(number) * 160,
        ssrc: 7,
        payload: &[0xff; 160],
    }
    .write(&mut datagram);
    phone.send_to(&datagram, ("127.0.0.1", port)).unwrap();
}

#[test]
fn a_beat_that_is_late_itself_looks_as_long_as_one_in_time() {
    let mut worker = worker();
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (leg, port) = rtp_leg(&mut worker, 1, &phone);
    worker.open(leg, None, sys::monotonic_us() + 50_000); // after the first packets came
    let times = |worker: &Worker| {
        let seat = worker.seats[0].as_ref().unwrap();
        (seat.due_ms, seat.wake_ms)
    };
    for number in 0..3 {
        send_silence(&phone, port, number);
        let (due_ms, wake_ms) = times(&worker);
        worker.beat(0, wake_ms, due_ms);
    }
    let (due_ms, wake_ms) = times(&worker);
    let late_ms = due_ms + LOOK_UNTIL_MS + 3;
    worker.beat(0, wake_ms, late_ms);
    assert_eq!(times(&worker), (due_ms, late_ms + LOOK_MS), "it waits");
    worker.beat(0, late_ms + LOOK_MS, late_ms + LOOK_UNTIL_MS);
    let (next_ms, wake_ms) = times(&worker);
    assert!(next_ms > due_ms && wake_ms > late_ms + LOOK_UNTIL_MS);
}

#[test]
fn a_late_packet_is_looked_for_again_while_what_is_said_leaves_in_time() {
    let mut worker = worker();
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mut leg, port) = rtp_leg(&mut worker, 1, &phone);
    let send = |number: u16| send_silence(&phone, port, number);
    let events = Arc::clone(&worker.desk.events);
    let counters = Arc::clone(&worker.desk.counters);
    let sent = || counters.packets_sent.load(Ordering::Relaxed);
    let first_us = sys::monotonic_us() + 50_000; // after the first packet came
    let mut beat = |number: u16, may_wait: bool| {
        let due_us = first_us + u64::from(number) * BEAT_MS * 1000;
        let here = here_of(&events, due_us);
        leg.beat(&mut worker.desk, due_us, here, may_wait).is_late
    };
    for number in 0..3 {
        send(number);
        assert!(!beat(number, true));
    }
    assert!(beat(3, true));
    assert_eq!(sent(), 4, "said in time");
    send(3);
    assert!(!beat(3, true));
    assert_eq!(sent(), 4, "said once");
    assert!(beat(4, true));
    assert!(!beat(4, false), "not longer than it may wait");
    assert!(!beat(5, true), "a far end that is quiet is not awaited");
    assert_eq!(sent(), 6);
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
            leg.beat(desk, now_us, here, true);
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
