use super::*;
use crate::audio::tones::ToneDetector;
use crate::rtp::receiver::{Receiver, ReceiverConfig};
use crate::rtp::Formats;

fn frames(sender: &mut Sender, count: usize, level: i16) -> Vec<Vec<u8>> {
    let pcm = vec![level; sender.codec.samples(20)];
    let mut datagrams = Vec::new();
    for _ in 0..count {
        sender.frame(&pcm, &mut |datagram: &[u8]| {
            datagrams.push(datagram.to_vec())
        });
    }
    datagrams
}

fn parse(datagram: &[u8]) -> Packet<'_> {
    Packet::parse(datagram).unwrap()
}

#[test]
fn every_packet_time_sends_all_the_sound_with_contiguous_numbers() {
    for (ptime_ms, packets) in [(10, 60), (20, 30), (30, 20), (40, 15), (50, 12), (60, 10)] {
        let mut sender = Sender::new(7, 65_530, u32::MAX - 500);
        sender.set_formats(Codec::Pcma, 8, ptime_ms, None);
        let datagrams = frames(&mut sender, 30, 100);
        assert_eq!(datagrams.len(), packets);
        for (number, datagram) in datagrams.iter().enumerate() {
            let packet = parse(datagram);
            let ticks = ptime_ms * 8;
            assert_eq!(packet.payload.len(), ticks as usize);
            assert_eq!(packet.sequence, 65_530_u16.wrapping_add(number as u16));
            assert_eq!(
                packet.timestamp,
                (u32::MAX - 500).wrapping_add(number as u32 * ticks)
            );
            assert_eq!(
                (packet.marker, packet.ssrc, packet.payload_type),
                (number == 0, 7, 8)
            );
        }
        let sent = sender.sent();
        assert_eq!((sent.packets as usize, sent.octets), (packets, 30 * 160));
        assert_eq!(sent.timestamp, (u32::MAX - 500).wrapping_add(30 * 160));
    }
}

#[test]
fn a_key_is_one_event_with_three_ends_and_the_sound_goes_on_where_time_is() {
    let mut sender = Sender::new(7, 0, 1_000);
    sender.set_formats(Codec::Pcmu, 0, 20, Some(101));
    frames(&mut sender, 1, 0);
    assert_eq!(sender.queue_digits("5", 100, 60), 1);
    let datagrams = frames(&mut sender, 8, 0);
    assert!(!sender.is_sending_digits());
    let events: Vec<(bool, u8, u32, Vec<u8>)> = datagrams
        .iter()
        .map(|datagram| parse(datagram))
        .map(|packet| {
            (
                packet.marker,
                packet.payload_type,
                packet.timestamp,
                packet.payload.to_vec(),
            )
        })
        .collect();
    let event = |marker, is_end: bool, ticks: u16| {
        let [high, low] = ticks.to_be_bytes();
        (
            marker,
            101,
            1_160,
            vec![5, if is_end { 0x8a } else { 0x0a }, high, low],
        )
    };
    let expected = [
        event(true, false, 160),
        event(false, false, 320),
        event(false, false, 480),
        event(false, false, 640),
        event(false, true, 800),
        event(false, true, 800),
        event(false, true, 800),
    ];
    assert_eq!(events, expected);
    let after = frames(&mut sender, 1, 0);
    let sound = parse(&after[0]);
    assert_eq!(
        (sound.marker, sound.timestamp, sound.sequence),
        (true, 1_160 + 8 * 160, 8)
    );
}

#[test]
fn our_receiver_reads_the_keys_that_our_sender_dials() {
    for ptime_ms in [10, 20, 30, 60] {
        let mut sender = Sender::new(7, 0, 1_000);
        sender.set_formats(Codec::Pcmu, 0, ptime_ms, Some(101));
        sender.queue_digits("0123456789*#abcd", 80, 80);
        let mut receiver = Receiver::new(ReceiverConfig {
            jitter_min_ms: 0,
            jitter_max_ms: 200,
            inband_dtmf: false,
        });
        receiver.set_formats(&Formats {
            codecs: vec![(0, Codec::Pcmu)],
            dtmf: Some(101),
            comfort_noise: None,
            dtmf_factor: 1,
        });
        let mut pcm = Vec::new();
        for beat in 0..140_u64 {
            for datagram in frames(&mut sender, 1, 50) {
                receiver.packet(beat * 20_000, &datagram);
            }
            receiver.take(beat * 20_000 + 1, &mut pcm);
        }
        let digits: String = receiver
            .digits()
            .inspect(|d| assert_eq!(d.duration_ms, 80))
            .map(|d| d.digit)
            .collect();
        assert_eq!(digits, "0123456789*#ABCD");
        let stats = receiver.stats();
        assert_eq!((stats.lost, stats.restarts), (0, 0), "{ptime_ms}");
    }
}

#[test]
fn without_a_payload_type_for_events_keys_are_tones_in_the_sound() {
    let mut sender = Sender::new(7, 0, 0);
    sender.set_formats(Codec::Pcmu, 0, 20, None);
    sender.queue_digits("19#", 100, 100);
    let mut pcm = Vec::new();
    for datagram in frames(&mut sender, 40, 0) {
        crate::audio::g711::decode_ulaw(parse(&datagram).payload, &mut pcm);
    }
    let mut heard = Vec::new();
    ToneDetector::new(8_000).process(&pcm, &mut heard);
    assert_eq!(
        heard.iter().map(|digit| digit.digit).collect::<String>(),
        "19#"
    );
}

#[test]
fn a_dial_string_may_pause_and_has_a_limit() {
    let mut sender = Sender::new(7, 0, 0);
    assert_eq!(sender.queue_digits("1,2x-", 100, 100), 3);
    assert_eq!(sender.queue_digits(&"5".repeat(100), 100, 100), 61);
}

#[test]
fn a_change_of_codec_in_mid_call_keeps_the_numbers_going() {
    let mut sender = Sender::new(7, 10, 0);
    sender.set_formats(Codec::Pcmu, 0, 20, None);
    frames(&mut sender, 2, 0);
    sender.set_formats(Codec::G722, 9, 20, None);
    assert_eq!(sender.rate_hz(), 16_000);
    let datagrams = frames(&mut sender, 1, 0);
    let packet = parse(&datagrams[0]);
    assert_eq!(
        (packet.sequence, packet.timestamp, packet.payload.len()),
        (12, 320, 160)
    );
}

#[test]
fn packets_of_opus_and_the_keys_among_them_count_in_its_clock() {
    let mut sender = Sender::new(7, 0, 0);
    sender.set_formats(Codec::Opus, 111, 60, Some(110));
    sender.set_event_clock(6);
    assert!(!sender.passes(Some(Codec::Pcmu)));
    let sound = frames(&mut sender, 3, 1_000);
    let places: Vec<(u16, u32, usize)> = sound
        .iter()
        .map(|datagram| parse(datagram))
        .map(|packet| {
            (
                packet.sequence,
                packet.timestamp,
                Codec::Opus.ticks(packet.payload),
            )
        })
        .collect();
    assert_eq!(places, [(0, 0, 160), (1, 960, 160), (2, 1_920, 160)]);
    sender.queue_digits("5", 40, 40);
    let keys = frames(&mut sender, 2, 0);
    let lengths: Vec<(u32, u16)> = keys
        .iter()
        .map(|datagram| parse(datagram))
        .map(|packet| {
            (
                packet.timestamp,
                u16::from_be_bytes([packet.payload[2], packet.payload[3]]),
            )
        })
        .collect();
    assert_eq!(
        lengths,
        [(2_880, 960), (2_880, 1_920), (2_880, 1_920), (2_880, 1_920)]
    );
    assert_eq!(sender.sent().timestamp, 5 * 960);
}

#[test]
fn a_payload_is_sent_as_it_came_in_packets_of_any_time() {
    for ptime_ms in [10, 20, 30, 40, 60] {
        let mut sender = Sender::new(7, 0, 0);
        sender.set_formats(Codec::G722, 9, ptime_ms, None);
        assert!(sender.passes(Some(Codec::G722)) && !sender.passes(Some(Codec::Pcmu)));
        assert!(!sender.passes(None));
        let sound: Vec<u8> = (0..12 * 160_u32).map(|at| ((at * 7) >> 3) as u8).collect();
        let mut sent = Vec::new();
        for payload in sound.chunks(160) {
            sender.pass(payload, &[0; 320], &mut |datagram: &[u8]| {
                sent.extend_from_slice(parse(datagram).payload)
            });
        }
        assert_eq!(sent, sound, "{ptime_ms}");
        assert_eq!(sender.sent().timestamp, 12 * 160);
    }
}

#[test]
fn while_keys_are_sent_nothing_can_be_passed() {
    let mut sender = Sender::new(7, 0, 0);
    sender.set_formats(Codec::Pcmu, 0, 20, Some(101));
    sender.queue_digits("1", 40, 40);
    assert!(!sender.passes(Some(Codec::Pcmu)));
    frames(&mut sender, 4, 0);
    assert!(sender.passes(Some(Codec::Pcmu)));
}
