//! Two bridged telephones on one thread: packets pass the short way, and every way out of it and back leaves their
//! order, their clock and their sound whole.

use super::*;
use crate::event::LegStats;
use crate::plan::RecordPlan;
use std::time::Duration;

mod listening;

const A: usize = 0;
const B: usize = 1;
const KEY: u8 = 101;

/// What a telephone heard: sequence number, timestamp, payload type, and the first byte of the payload.
type Heard = (u16, u32, u8, u8);

/// Two telephones, their legs in the seats 0 and 1, and a stranger who knows their ports.
struct Pair {
    worker: Worker,
    phones: [UdpSocket; 2],
    stranger: UdpSocket,
    ports: [u16; 2],
    first_us: u64,
    rounds: u64,
    /// Numbers of each telephone's next packet.
    next: [u16; 2],
    ssrc: u32,
}

impl Pair {
    fn new() -> Self {
        let mut worker = worker();
        let phone = || {
            let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
            phone.set_nonblocking(true).unwrap();
            phone
        };
        let phones = [phone(), phone()];
        let now_us = sys::monotonic_us();
        let ports = [A, B].map(|index| {
            let (leg, port) = rtp_leg(&mut worker, index as u64 + 1, &phones[index]);
            worker.open(leg, None, now_us);
            port
        });
        let mut pair = Pair {
            worker,
            phones,
            stranger: phone(),
            ports,
            first_us: now_us + 50_000,
            rounds: 0,
            next: [0, 30_000],
            ssrc: 7,
        };
        pair.bridge();
        pair
    }

    fn bridge(&mut self) {
        let (one, other) = Bridge::pair(true);
        self.ask(A, Command::Bridge(Box::new(one)));
        self.ask(B, Command::Bridge(Box::new(other)));
    }

    fn ask(&mut self, index: usize, command: Command) {
        let now_us = self.now_us();
        self.worker.with_leg(index, now_us, |leg, desk, here| {
            leg.obey(command, desk, |_| WAKE, here);
        });
    }

    fn now_us(&self) -> u64 {
        self.first_us + self.rounds * BEAT_MS * 1000
    }

    /// A telephone's next packet; what it says is its number's last byte.
    fn send(&mut self, index: usize, payload_type: u8, payload: &[u8]) {
        let sequence = self.next[index];
        let mut datagram = Vec::new();
        Packet {
            marker: false,
            payload_type,
            sequence,
            timestamp: u32::from(sequence) * 160,
            ssrc: self.ssrc,
            payload,
        }
        .write(&mut datagram);
        let to = ("127.0.0.1", self.ports[index]);
        self.phones[index].send_to(&datagram, to).unwrap();
        self.next[index] = sequence.wrapping_add(1);
    }

    fn speak(&mut self, index: usize) {
        let byte = self.next[index] as u8;
        self.send(index, 0, &[byte; 160]);
    }

    /// Both legs' beats.
    fn strike(&mut self) {
        let due_us = self.now_us();
        for (index, due_us) in [(A, due_us), (B, due_us + 2_000)] {
            let mut beaten = Beaten::default();
            self.worker.with_leg(index, due_us, |leg, desk, here| {
                beaten = leg.beat(desk, due_us, here, true)
            });
            if let Some(follower) = beaten.follower {
                let follower = self.worker.by_id[&follower];
                self.worker.with_leg(follower, due_us, |leg, desk, here| {
                    leg.follow(desk, due_us, here)
                });
            }
        }
        self.rounds += 1;
    }

    fn talk(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.speak(A);
            self.speak(B);
            self.strike();
        }
    }

    fn heard(&self, index: usize) -> Vec<Heard> {
        let mut bytes = [0; 2048];
        let next = || {
            self.phones[index]
                .recv(&mut bytes)
                .ok()
                .map(|length| bytes[..length].to_vec())
        };
        std::iter::from_fn(next)
            .filter_map(|datagram| {
                let packet = Packet::parse(&datagram)?;
                let is_rtcp = crate::rtp::rtcp::is_rtcp(&datagram);
                (!is_rtcp).then_some((
                    packet.sequence,
                    packet.timestamp,
                    packet.payload_type,
                    packet.payload[0],
                ))
            })
            .collect()
    }

    /// A stranger's packet: true if somebody has it in his socket.
    fn is_open_to_strangers(&mut self, index: usize) -> bool {
        let to = ("127.0.0.1", self.ports[index]);
        let mut before = [0; 1];
        self.stranger.connect(to).unwrap();
        let _ = self.stranger.send(&[0x80; 172]);
        std::thread::yield_now();
        // The kernel refuses it, and says so at once, if the socket holds somebody else.
        let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        !self.stranger.recv(&mut before).is_err_and(refused)
    }

    fn end(mut self, index: usize) -> LegStats {
        self.worker.end(index, "", self.first_us);
        let events = self.worker.desk.events.take(100);
        let closed = events.into_iter().find_map(|event| match event {
            Event::LegClosed(closed) => Some(closed),
            _ => None,
        });
        let closed = closed.unwrap();
        assert_eq!(closed.fault, "");
        closed.stats
    }
}

/// The far end's receiver sees one stream: each packet one frame after the one before.
fn assert_whole(heard: &[Heard]) {
    for two in heard.windows(2) {
        let step = (
            two[1].0.wrapping_sub(two[0].0),
            two[1].1.wrapping_sub(two[0].1),
        );
        assert_eq!(step, (1, 160), "{heard:?}");
    }
}

/// The last `count` bytes that were said.
fn latest(pair: &Pair, index: usize, count: usize) -> Vec<u8> {
    let next = pair.next[index];
    (1..=count as u16)
        .rev()
        .map(|back| next.wrapping_sub(back) as u8)
        .collect()
}

fn said(heard: &[Heard]) -> Vec<u8> {
    heard.iter().map(|(_, _, _, byte)| *byte).collect()
}

#[test]
fn two_steady_telephones_hear_each_packet_of_the_other_in_the_beat_it_came_for() {
    let mut pair = Pair::new();
    pair.talk(50);
    let mut said_to = [0; 2];
    for (index, other) in [(A, B), (B, A)] {
        let heard = pair.heard(index);
        said_to[index] = heard.len() as u64;
        assert_whole(&heard);
        let latest = latest(&pair, other, 48);
        assert!(said(&heard).ends_with(&latest), "{heard:?}");
        assert!(
            !pair.is_open_to_strangers(index),
            "the short way holds the far end"
        );
    }
    let stats = pair.end(A);
    assert_eq!((stats.packets_received, stats.packets_lost), (50, 0));
    assert_eq!(stats.bytes_received, 50 * 172);
    let sent = (said_to[A], said_to[A] * 172);
    assert_eq!((stats.packets_sent, stats.bytes_sent), sent);
    assert!(stats.bridge_passed >= 48);
}

#[test]
fn whatever_comes_up_leaves_no_gap_and_the_packets_pass_again_after_it() {
    type Happening = fn(&mut Pair);
    let happenings: [(&str, Happening); 8] = [
        ("a lost packet", |pair| {
            pair.next[A] = pair.next[A].wrapping_add(1)
        }),
        ("a packet twice", |pair| {
            pair.speak(A);
            pair.next[A] = pair.next[A].wrapping_sub(1);
        }),
        ("a stream begins anew", |pair| {
            (pair.ssrc, pair.next[A]) = (8, 500)
        }),
        ("a silence watch", |pair| {
            pair.ask(A, Command::WatchSilence { timeout_ms: 60_000 })
        }),
        ("a recording", |pair| {
            pair.ask(A, record("1"));
            pair.talk(3);
            pair.ask(
                A,
                Command::StopRecording {
                    recording_sid: "1".to_owned(),
                },
            );
        }),
        ("a recording at the other leg", |pair| {
            pair.ask(B, record("2"));
            pair.talk(3);
            pair.ask(
                B,
                Command::StopRecording {
                    recording_sid: "2".to_owned(),
                },
            );
        }),
        ("the same SDP again", |pair| {
            let again = remote(&pair.phones[A]);
            pair.ask(A, Command::Connect(again));
        }),
        ("a beat that was skipped", |pair| {
            pair.speak(A);
            pair.speak(B);
            pair.rounds += 1;
        }),
    ];
    for (name, happening) in happenings {
        let mut pair = Pair::new();
        pair.talk(23);
        happening(&mut pair);
        pair.talk(60);
        let heard = pair.heard(B);
        assert_whole(&heard);
        let said = said(&heard);
        assert!(said.ends_with(&latest(&pair, A, 20)), "{name}: {said:?}");
        assert_eq!(pair.end(A).bridge_inserted, 0, "{name}");
    }
}

fn record(recording_sid: &str) -> Command {
    let folder = std::env::temp_dir();
    let name = format!(
        "agentstream-relaying-{}-{recording_sid}.wav",
        std::process::id()
    );
    Command::Record(RecordPlan {
        recording_sid: recording_sid.to_owned(),
        path: folder.join(name).to_string_lossy().into_owned(),
        channels: "mono".to_owned(),
        max_ms: 60_000,
    })
}

#[test]
fn a_key_leaves_the_short_way_and_is_pressed_at_the_other_end() {
    let mut pair = Pair::new();
    pair.talk(23);
    for (ticks, flags) in [(160_u16, 10), (320, 10), (480, 0x8a)] {
        let [high, low] = ticks.to_be_bytes();
        pair.send(A, KEY, &[5, flags, high, low]);
        pair.next[A] -= u16::from(flags == 10); // its timestamp is that of its beginning
        pair.speak(B);
        pair.strike();
        pair.next[A] += u16::from(flags == 10);
    }
    pair.talk(30);
    let heard = pair.heard(B);
    let keys: Vec<u8> = heard
        .iter()
        .filter(|one| one.2 == KEY)
        .map(|one| one.3)
        .collect();
    assert!(
        keys.len() >= 3 && keys.iter().all(|code| *code == 5),
        "{heard:?}"
    );
    assert!(said(&heard).ends_with(&latest(&pair, A, 15)), "{heard:?}");
}

#[test]
fn a_leg_without_its_bridge_hears_everybody_again_and_counts_the_strangers() {
    let mut pair = Pair::new();
    pair.talk(30);
    assert!(!pair.is_open_to_strangers(A));
    pair.ask(A, Command::Unbridge);
    pair.talk(2);
    assert!(pair.is_open_to_strangers(A));
    pair.talk(2);
    assert_eq!(pair.end(A).packets_foreign, 1);
}

#[test]
fn the_ports_of_a_leg_that_relayed_hear_everybody_again() {
    let mut pair = Pair::new();
    pair.talk(30);
    pair.worker.end(A, "", pair.first_us);
    let mut pool = pair.worker.ports.lock().unwrap();
    let ports = pool.take(u64::MAX / 2).unwrap();
    assert_eq!(ports.port, pair.ports[A]);
    assert!(ports.rtp.peer_addr().is_err());
    pair.stranger
        .send_to(&[1], ("127.0.0.1", ports.port))
        .unwrap();
    ports.rtp.set_nonblocking(false).unwrap();
    ports
        .rtp
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    assert_eq!(ports.rtp.recv(&mut [0; 10]).unwrap(), 1);
}

#[test]
fn a_far_end_at_another_address_is_heard_and_spoken_to_there() {
    let mut pair = Pair::new();
    pair.talk(30);
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    pair.ask(A, Command::Connect(remote(&elsewhere)));
    pair.phones[A] = elsewhere;
    pair.talk(40);
    for (index, other) in [(A, B), (B, A)] {
        let said = said(&pair.heard(index));
        assert!(said.ends_with(&latest(&pair, other, 20)), "{said:?}");
        assert!(!pair.is_open_to_strangers(index));
    }
}

#[test]
fn a_far_end_that_falls_silent_is_told_of_by_the_time_of_its_last_packet() {
    let mut pair = Pair::new();
    pair.talk(25);
    pair.worker.desk.events.take(100);
    for _ in 0..60 {
        pair.speak(B);
        pair.strike();
    }
    let events = pair.worker.desk.events.take(100);
    let [Event::RtpTimeout(timeout)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!((timeout.silent_ms, timeout.ever_received), (1_000, true));
}

#[test]
fn reports_know_every_packet_that_passed() {
    let mut pair = Pair::new();
    let mut report = None;
    for _ in 0..500 {
        pair.talk(1);
        let mut bytes = [0; 2048];
        while let Ok(length) = pair.phones[B].recv(&mut bytes) {
            if crate::rtp::rtcp::is_rtcp(&bytes[..length]) {
                report.get_or_insert((bytes[..length].to_vec(), pair.rounds));
            }
        }
    }
    let (report, rounds) = report.unwrap();
    let word = |at: usize| u32::from_be_bytes(report[at..at + 4].try_into().unwrap());
    assert_eq!(report[1], 200, "a sender report");
    // It left while the other leg's packet of this round was said; our own one comes 2 ms later.
    assert_eq!((word(20), word(24)), (rounds as u32, rounds as u32 * 160));
    assert_eq!(word(32), 0, "nothing lost");
    assert_eq!(
        word(36),
        30_000 + rounds as u32 - 2,
        "the highest sequence number"
    );
}
