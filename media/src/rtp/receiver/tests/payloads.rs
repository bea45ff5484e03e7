//! Frames that are handed over as the packets they came in sound the same as decoded ones.

use super::*;
use crate::audio::Payload;
use proptest::prelude::*;

/// The same datagrams at two receivers: one gives sound, the other what `form` says.
struct Twins {
    sound: Receiver,
    other: Receiver,
    next_beat_us: u64,
    /// Frames that came as a payload, and all.
    payloads: usize,
    frames: usize,
}

impl Twins {
    fn new() -> Self {
        Twins {
            sound: Night::new().receiver,
            other: Night::new().receiver,
            next_beat_us: 5_000,
            payloads: 0,
            frames: 0,
        }
    }

    fn packet(&mut self, arrival_us: u64, packet: Packet<'_>) {
        let mut datagram = Vec::new();
        packet.write(&mut datagram);
        self.sound.packet(arrival_us, &datagram);
        self.other.packet(arrival_us, &datagram);
    }

    /// One beat; returns the payload, if it was one.
    fn beat(&mut self, form: Form) -> Payload {
        let (mut sound, mut pcm, mut payload) = (Vec::new(), Vec::new(), Payload::NONE);
        self.sound.take(self.next_beat_us, &mut sound);
        self.other
            .take_as(form, self.next_beat_us, &mut pcm, &mut payload);
        if payload.codec().is_some() && pcm.is_empty() {
            payload.decode(&mut pcm);
        }
        assert_eq!(pcm, sound, "at {} us", self.next_beat_us);
        self.payloads += usize::from(payload.codec().is_some());
        self.frames += 1;
        self.next_beat_us += BEAT_US;
        payload
    }
}

pub(super) fn bytes(number: u32) -> Vec<u8> {
    (0..160_u32)
        .map(|at| {
            (number
                .wrapping_mul(31)
                .wrapping_add(at)
                .wrapping_mul(2_654_435_761)
                >> 24) as u8
        })
        .collect()
}

#[test]
fn a_steady_stream_comes_out_byte_by_byte() {
    for form in [Form::Payload, Form::Both] {
        let mut twins = Twins::new();
        for number in 0..50_u32 {
            twins.packet(u64::from(number) * BEAT_US, audio(number, &bytes(number)));
            let payload = twins.beat(form);
            assert_eq!(payload.codec(), Some(Codec::Pcmu));
            assert_eq!(payload.bytes()[..], bytes(number));
        }
    }
}

#[test]
fn sound_alone_has_no_payload() {
    let mut twins = Twins::new();
    twins.packet(0, audio(0, &bytes(0)));
    assert_eq!(twins.beat(Form::Sound).codec(), None);
}

#[test]
fn g722_is_decoded_all_the_same_so_that_it_can_be_listened_to_later() {
    let mut receiver = Night::new().receiver;
    let (mut pcm, mut payload) = (Vec::new(), Payload::NONE);
    for number in 0..5_u32 {
        let sound = bytes(number);
        let packet = Packet {
            payload_type: G722,
            ..audio(number, &sound)
        };
        let mut datagram = Vec::new();
        packet.write(&mut datagram);
        receiver.packet(u64::from(number) * BEAT_US, &datagram);
        pcm.clear();
        let due_us = u64::from(number) * BEAT_US + 5_000;
        receiver.take_as(Form::Payload, due_us, &mut pcm, &mut payload);
    }
    assert_eq!((payload.codec(), pcm.len()), (Some(Codec::G722), 320));
    assert_eq!(payload.bytes()[..], bytes(4));
}

#[test]
fn packets_of_other_lengths_are_no_payloads_of_a_frame() {
    for ticks in [80_u32, 240] {
        let mut twins = Twins::new();
        for number in 0..40_u32 {
            let sound = vec![(number + 1) as u8; ticks as usize];
            let packet = Packet {
                timestamp: number * ticks,
                ..audio(number, &sound)
            };
            twins.packet(u64::from(number * ticks) * 125, packet);
        }
        for _ in 0..20 {
            twins.beat(Form::Payload);
        }
        assert_eq!(twins.payloads, 0, "{ticks}");
    }
}

#[test]
fn around_a_lost_packet_the_frames_are_sound() {
    let mut twins = Twins::new();
    let mut lost = Vec::new();
    for number in 0..20_u32 {
        if number != 9 {
            twins.packet(u64::from(number) * BEAT_US, audio(number, &bytes(number)));
        }
        if twins.beat(Form::Payload).codec().is_none() {
            lost.push(number);
        }
    }
    // What was made up, and the packet that is blended with it.
    assert_eq!(lost, [9, 10]);
}

#[test]
fn while_a_key_is_pressed_nothing_is_passed() {
    let mut twins = Twins::new();
    for number in 0..10_u32 {
        twins.packet(u64::from(number) * BEAT_US, audio(number, &bytes(number)));
        twins.beat(Form::Payload);
    }
    let (payload, template) = event(10, 10, 5, false, 160);
    twins.packet(
        10 * BEAT_US,
        Packet {
            payload: &payload,
            ..template
        },
    );
    let before = twins.payloads;
    for _ in 0..3 {
        twins.beat(Form::Payload);
    }
    assert_eq!(twins.payloads, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn whatever_the_network_does_both_sound_the_same(
        seed in any::<u64>(),
        most_late_us in 1..60_000_u64,
        loss_percent in 0..20_u64,
        changes_form in any::<bool>(),
    ) {
        let mut twins = Twins::new();
        let mut dice_state = seed | 1;
        let mut arrivals: Vec<(u64, u32)> = (0..200_u32)
            .filter(|_| dice(&mut dice_state, 100) >= loss_percent)
            .map(|number| (u64::from(number) * BEAT_US, number))
            .collect();
        for arrival in &mut arrivals {
            arrival.0 += dice(&mut dice_state, most_late_us);
        }
        arrivals.sort_unstable();
        let mut arrivals = arrivals.into_iter().peekable();
        for _ in 0..210 {
            while let Some((arrival_us, number)) = arrivals.next_if(|(us, _)| *us <= twins.next_beat_us) {
                twins.packet(arrival_us, audio(number, &bytes(number)));
            }
            let form = match (changes_form, dice(&mut dice_state, 8)) {
                (true, 0) => Form::Sound,
                (true, 1 | 2) => Form::Both,
                _ => Form::Payload,
            };
            twins.beat(form);
        }
    }
}
