//! Packets that go past the receiver leave it as if it had taken them in: what is heard later is the same.

use super::payloads::bytes;
use super::*;
use crate::audio::Payload;
use crate::rtp::steady::Steady;
use proptest::prelude::*;
use std::net::SocketAddr;

/// The same packets at two receivers: one takes in each, past the other go those that it expects.
struct Twins {
    usual: Receiver,
    passing: Receiver,
    steady: Option<Steady>,
    next_beat_us: u64,
    passed: usize,
}

impl Twins {
    fn new() -> Self {
        Twins {
            usual: Night::new().receiver,
            passing: Night::new().receiver,
            steady: None,
            next_beat_us: 5_000,
            passed: 0,
        }
    }

    /// One beat after these packets came.
    fn beat(&mut self, packets: &[(u64, Packet<'_>)]) {
        let due_us = self.next_beat_us;
        for (arrival_us, packet) in packets {
            self.usual.receive(*arrival_us, packet);
        }
        let mut said = (Vec::new(), Payload::NONE);
        self.usual
            .take_as(Form::Payload, due_us, &mut said.0, &mut said.1);
        let heard = self.pass(packets, due_us);
        let heard = heard.unwrap_or_else(|| self.take(packets, due_us));
        assert_eq!(
            (&heard.0, heard.1.codec()),
            (&said.0, said.1.codec()),
            "at {due_us} us"
        );
        if said.1.codec().is_some() {
            assert_eq!(heard.1.bytes(), said.1.bytes(), "at {due_us} us");
        }
        self.next_beat_us += BEAT_US;
    }

    fn pass(&mut self, packets: &[(u64, Packet<'_>)], due_us: u64) -> Option<(Vec<i16>, Payload)> {
        let (steady, [(arrival_us, packet)]) = (self.steady.as_mut()?, packets) else {
            return None;
        };
        let (mut datagram, mut payload) = (Vec::new(), Payload::NONE);
        packet.write(&mut datagram);
        if !steady.takes(&datagram, far_end(), *arrival_us, &mut payload) {
            return None;
        }
        assert!(steady.is_due(due_us + BEAT_US));
        self.passing.remember(&payload);
        self.passed += 1;
        if steady.is_full() {
            self.settle();
        }
        Some((Vec::new(), payload))
    }

    fn take(&mut self, packets: &[(u64, Packet<'_>)], due_us: u64) -> (Vec<i16>, Payload) {
        self.settle();
        for (arrival_us, packet) in packets {
            self.passing.receive(*arrival_us, packet);
        }
        let mut heard = (Vec::new(), Payload::NONE);
        self.passing
            .take_as(Form::Payload, due_us, &mut heard.0, &mut heard.1);
        let expected = self.passing.expects();
        self.steady =
            expected.map(|(next, codec)| Steady::new(next, codec, far_end(), due_us + BEAT_US));
        heard
    }

    fn settle(&mut self) {
        for owed in self.steady.iter_mut().flat_map(Steady::settle) {
            self.passing.passed(owed.arrival_us, owed.due_us);
        }
    }
}

fn far_end() -> SocketAddr {
    ([127, 0, 0, 1], 4_000).into()
}

#[test]
fn a_steady_stream_goes_past_the_receiver_from_its_second_packet_on() {
    let mut twins = Twins::new();
    for number in 0..100 {
        let payload = bytes(number);
        twins.beat(&[(u64::from(number) * BEAT_US, audio(number, &payload))]);
    }
    assert_eq!(twins.passed, 99);
    assert_eq!(twins.passing.stats().packets, 100 - 9, "nine are owed");
    twins.settle();
    assert_eq!(twins.passing.stats(), twins.usual.stats());
}

#[test]
fn a_pressed_key_is_not_passed_and_the_sound_after_it_is_again() {
    let mut twins = Twins::new();
    let mut at = 0_u64;
    let mut beat = |twins: &mut Twins, packet: Packet<'_>| {
        twins.beat(&[(at * BEAT_US, packet)]);
        at += 1;
        twins.passed
    };
    let sound = bytes(1);
    for number in 0..5 {
        beat(&mut twins, audio(number, &sound));
    }
    for (place, is_end) in [(5, false), (6, false), (7, true)] {
        let (payload, packet) = event(place, 5, 3, is_end, (place as u16 - 4) * 160);
        let packet = Packet {
            payload: &payload,
            ..packet
        };
        assert_eq!(beat(&mut twins, packet), 4);
    }
    let passed: Vec<usize> = (8..12)
        .map(|number| beat(&mut twins, audio(number, &sound)))
        .collect();
    assert_eq!(passed, [4, 5, 6, 7]);
    let digits: Vec<char> = twins.passing.digits().map(|digit| digit.digit).collect();
    assert_eq!(digits, ['3']);
}

proptest! {
    #[test]
    fn no_network_tells_the_two_apart(
        seed in 1..u64::MAX,
        lost_of_100 in 0..15_u64,
        late_of_100 in 0..15_u64,
        spread_us in 1..25_000_u64,
    ) {
        let (mut twins, mut state) = (Twins::new(), seed);
        let payloads: Vec<Vec<u8>> = (0..600).map(bytes).collect();
        let mut network: Vec<(u64, Packet<'_>)> = Vec::new();
        for (number, payload) in (0..).zip(&payloads) {
            if dice(&mut state, 100) < lost_of_100 {
                continue;
            }
            let is_late = dice(&mut state, 100) < late_of_100;
            let late_us = dice(&mut state, spread_us) + if is_late { 30_000 } else { 0 };
            network.push((u64::from(number) * BEAT_US + late_us, audio(number, payload)));
        }
        network.sort_by_key(|(arrival_us, _)| *arrival_us);
        let mut rest = network.as_slice();
        while !rest.is_empty() {
            let count = rest.partition_point(|(arrival_us, _)| *arrival_us <= twins.next_beat_us);
            let (came, later) = rest.split_at(count);
            twins.beat(came);
            rest = later;
        }
        twins.settle();
        prop_assert_eq!(twins.passing.stats(), twins.usual.stats());
    }
}
