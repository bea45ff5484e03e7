//! Senders that change in mid-call, and datagrams that no sender should send.

use super::*;
use proptest::prelude::*;

#[test]
fn another_ssrc_begins_a_new_stream_at_once() {
    let mut night = Night::new();
    for number in 0..20 {
        night.sound(u64::from(number) * BEAT_US, number, level(number));
    }
    for number in 20..40_u32 {
        let mut payload = Vec::new();
        encode_ulaw(&[level(number); 160], &mut payload);
        let packet = Packet {
            ssrc: 2,
            sequence: number as u16 + 7_000,
            timestamp: number * 160 + 123,
            ..audio(number, &payload)
        };
        night.send(u64::from(number) * BEAT_US, packet);
    }
    night.run_until(40 * BEAT_US);
    assert_eq!(night.levels(), (0..40).map(level).collect::<Vec<_>>());
    let stats = night.receiver.stats();
    assert_eq!((stats.restarts, stats.lost), (1, 0));
}

#[test]
fn a_jump_of_the_timestamps_is_heard_without_a_gap() {
    for jump in [1_000_000_u32, (-1_000_000_i32) as u32, (-4_000_i32) as u32] {
        let mut night = Night::new();
        for number in 0..100 {
            let mut payload = Vec::new();
            encode_ulaw(&[level(number); 160], &mut payload);
            let mut packet = audio(number, &payload);
            if number >= 50 {
                packet.timestamp = packet.timestamp.wrapping_add(jump);
            }
            night.send(u64::from(number) * BEAT_US, packet);
        }
        night.run_until(100 * BEAT_US);
        assert_eq!(
            night.levels()[60..100],
            (60..100).map(level).collect::<Vec<_>>(),
            "{}",
            jump as i32
        );
    }
}

#[test]
fn any_packet_time_is_heard_without_a_gap() {
    for ticks in [80_u64, 160, 240, 320, 400, 480] {
        let mut night = Night::new();
        let count = 48_000 / ticks;
        for number in 0..count {
            let mut payload = Vec::new();
            encode_ulaw(&vec![5_000; ticks as usize], &mut payload);
            let sent = Packet {
                timestamp: (number * ticks) as u32,
                ..audio(number as u32, &payload)
            };
            night.send((number + 1) * ticks * 125, sent);
        }
        night.run_until(5_800_000);
        let gaps = night.heard[1_600..]
            .iter()
            .filter(|&&sample| sample < 3_000)
            .count();
        let stats = night.receiver.stats();
        assert_eq!(
            (gaps, stats.lost, stats.late),
            (0, 0, 0),
            "{ticks} {stats:?}"
        );
        assert!(stats.depth_ms < 50, "{ticks} {stats:?}");
    }
}

#[test]
fn g722_is_heard_at_sixteen_kilohertz_and_its_clock_counts_eight() {
    let mut night = Night::new();
    for number in 0..50 {
        night.sound(u64::from(number) * BEAT_US, number, 1_000);
    }
    for number in 50..100 {
        let payload = [0xfa; 160];
        let packet = Packet {
            payload_type: G722,
            ..audio(number, &payload)
        };
        night.send(u64::from(number) * BEAT_US, packet);
    }
    night.run_until(100 * BEAT_US);
    assert_eq!(night.receiver.rate_hz(), 16_000);
    assert_eq!(night.heard.len(), 50 * 160 + 50 * 320);
    assert_eq!(night.receiver.stats().lost, 0);
}

#[test]
fn another_rate_behind_a_packet_that_is_passed_over_waits_for_its_own_frame() {
    let mut night = Night::new();
    night.beat();
    // A key is held down, so that all sound is muted.
    let (payload, template) = event(0, 0, 1, false, 80);
    night.send(
        6_000,
        Packet {
            payload: &payload,
            ..template
        },
    );
    let first = audio(0, &[]).timestamp;
    for (number, payload_type, at, length) in
        [(1, G722, 0, 100), (2, G722, 10, 80), (3, PCMU, 100, 160)]
    {
        let sound = vec![0x20; length];
        let packet = Packet {
            payload_type,
            timestamp: first.wrapping_add(at),
            ..audio(number, &sound)
        };
        night.send(6_100 + u64::from(number), packet);
    }
    night.run_until(5 * BEAT_US);
    assert_eq!(night.receiver.rate_hz(), 16_000);
}

#[test]
fn strange_datagrams_are_named_and_counted() {
    let mut night = Night::new();
    assert_eq!(
        night.receiver.packet(0, b"GET / HTTP/1.1\r\n"),
        Verdict::Malformed
    );
    let mut datagram = Vec::new();
    Packet {
        payload_type: 96,
        ..audio(0, &[1, 2])
    }
    .write(&mut datagram);
    assert_eq!(night.receiver.packet(0, &datagram), Verdict::Unknown);
    night.beat();
    let stats = night.receiver.stats();
    assert_eq!((stats.malformed, stats.unknown, stats.packets), (1, 1, 0));
    assert_eq!(night.heard, [0; 160]);
}

#[test]
fn a_flood_is_bounded() {
    let mut night = Night::new();
    for number in 0..20_000 {
        night.sound(1_000, number, level(number));
    }
    night.run_until(10 * BEAT_US);
    assert_eq!(night.heard.len(), 1_600);
}

fn any_packet() -> impl Strategy<Value = (u64, Vec<u8>)> {
    let numbers = (
        0..4_u32,
        0..300_u16,
        prop_oneof![0..60_000_u32, any::<u32>()],
        0..3_u32,
    );
    let kind = prop_oneof![Just(PCMU), Just(G722), Just(CN), Just(DTMF), 0..128_u8];
    (
        0..60_000_u64,
        kind,
        numbers,
        prop::collection::vec(any::<u8>(), 0..500),
    )
        .prop_map(
            |(wait_us, payload_type, (marker, sequence, timestamp, ssrc), payload)| {
                let marker = marker == 0;
                let mut datagram = Vec::new();
                Packet {
                    marker,
                    payload_type,
                    sequence,
                    timestamp,
                    ssrc,
                    payload: &payload,
                }
                .write(&mut datagram);
                (wait_us, datagram)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_packets_breaks_the_beat(packets in prop::collection::vec(any_packet(), 0..120)) {
        let mut night = Night::with(ReceiverConfig { jitter_min_ms: 0, jitter_max_ms: 100, inband_dtmf: true });
        let mut now_us = 0;
        for (wait_us, datagram) in packets {
            now_us += wait_us;
            night.arrivals.push((now_us, datagram));
        }
        night.run_until(now_us + 500_000);
    }

    #[test]
    fn no_bytes_break_the_receiver(datagram in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut night = Night::new();
        night.receiver.packet(0, &datagram);
        night.beat();
    }
}
