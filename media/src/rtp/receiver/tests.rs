use super::*;
use crate::audio::g711::encode_ulaw;
use proptest::prelude::*;

const PCMU: u8 = 0;
const G722: u8 = 9;
const CN: u8 = 13;
const DTMF: u8 = 101;
const BEAT_US: u64 = 20_000;

/// A far end and a network in virtual time: datagrams with their arrival, then beats.
struct Night {
    receiver: Receiver,
    arrivals: Vec<(u64, Vec<u8>)>,
    next_beat_us: u64,
    heard: Vec<i16>,
}

impl Night {
    fn new() -> Self {
        Self::with(ReceiverConfig {
            jitter_min_ms: 0,
            jitter_max_ms: 200,
            inband_dtmf: false,
        })
    }

    fn with(config: ReceiverConfig) -> Self {
        let mut receiver = Receiver::new(config);
        receiver.set_formats(&Formats {
            codecs: vec![(PCMU, Codec::Pcmu), (G722, Codec::G722)],
            dtmf: Some(DTMF),
            comfort_noise: Some(CN),
        });
        // Beats fall 5 ms after the packets of a steady sender.
        Night {
            receiver,
            arrivals: Vec::new(),
            next_beat_us: 5_000,
            heard: Vec::new(),
        }
    }

    fn send(&mut self, arrival_us: u64, packet: Packet<'_>) {
        let mut datagram = Vec::new();
        packet.write(&mut datagram);
        self.arrivals.push((arrival_us, datagram));
    }

    /// Twenty milliseconds of sound, all of `level`, the `number`th of its stream.
    fn sound(&mut self, arrival_us: u64, number: u32, level: i16) {
        let mut payload = Vec::new();
        encode_ulaw(&[level; 160], &mut payload);
        self.send(arrival_us, audio(number, &payload));
    }

    fn run_until(&mut self, until_us: u64) {
        self.arrivals.sort_by_key(|(arrival_us, _)| *arrival_us);
        let mut arrivals = std::mem::take(&mut self.arrivals).into_iter().peekable();
        while self.next_beat_us < until_us {
            while let Some((arrival_us, datagram)) =
                arrivals.next_if(|(us, _)| *us <= self.next_beat_us)
            {
                self.receiver.packet(arrival_us, &datagram);
            }
            self.beat();
        }
        self.arrivals = arrivals.collect();
    }

    fn beat(&mut self) {
        let before = self.heard.len();
        let promised = self.receiver.rate_hz() as usize / 50;
        self.receiver.take(self.next_beat_us, &mut self.heard);
        assert_eq!(self.heard.len() - before, promised);
        self.next_beat_us += BEAT_US;
    }

    /// The middle sample of each frame heard.
    fn levels(&self) -> Vec<i16> {
        self.heard.chunks(160).map(|frame| frame[80]).collect()
    }

    fn digits(&mut self) -> Vec<(char, u32)> {
        self.receiver
            .digits()
            .map(|digit| (digit.digit, digit.duration_ms))
            .collect()
    }
}

fn audio(number: u32, payload: &[u8]) -> Packet<'_> {
    Packet {
        marker: number == 0,
        payload_type: PCMU,
        sequence: 65_500_u16.wrapping_add(number as u16),
        timestamp: (u32::MAX - 8_000).wrapping_add(number.wrapping_mul(160)),
        ssrc: 1,
        payload,
    }
}

fn event(sequence: u32, at: u32, code: u8, is_end: bool, ticks: u16) -> ([u8; 4], Packet<'static>) {
    let [high, low] = ticks.to_be_bytes();
    let template = audio(sequence, &[]);
    let payload = [code, if is_end { 0x8a } else { 0x0a }, high, low];
    (
        payload,
        Packet {
            payload_type: DTMF,
            timestamp: audio(at, &[]).timestamp,
            ..template
        },
    )
}

/// A level that names the packet, as µ-law will give it back.
fn level(number: u32) -> i16 {
    let mut bytes = Vec::new();
    encode_ulaw(&[1_000 + (number % 24) as i16 * 1_000], &mut bytes);
    let mut pcm = Vec::new();
    crate::audio::g711::decode_ulaw(&bytes, &mut pcm);
    pcm[0]
}

/// xorshift, 0 to `below`.
fn dice(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below
}

#[test]
fn on_a_steady_network_each_packet_is_played_by_the_very_next_beat() {
    let mut night = Night::new();
    let mut seed = 9;
    for number in 0..500 {
        night.sound(
            u64::from(number) * BEAT_US + dice(&mut seed, 2_000),
            number,
            level(number),
        );
    }
    night.run_until(500 * BEAT_US);
    let expected: Vec<i16> = (0..500).map(level).collect();
    assert_eq!(night.levels(), expected);
    let stats = night.receiver.stats();
    assert_eq!(
        (
            stats.lost,
            stats.late,
            stats.concealed_ms,
            stats.inserted_ms
        ),
        (0, 0, 0, 0)
    );
    assert!(stats.depth_ms <= 5, "{stats:?}");
}

#[test]
fn jitter_deepens_the_buffer_and_calm_makes_it_shallow_again() {
    let mut night = Night::new();
    let mut seed = 5;
    for number in 0..1_500 {
        let jitter = if number < 500 {
            dice(&mut seed, 60_000)
        } else {
            0
        };
        night.sound(u64::from(number) * BEAT_US + jitter, number, level(number));
    }
    night.run_until(400 * BEAT_US);
    let late_before = night.receiver.stats().late;
    night.run_until(500 * BEAT_US);
    let jittery = night.receiver.stats();
    assert!(jittery.late - late_before <= 3, "{jittery:?}");
    assert!((30..=100).contains(&jittery.depth_ms), "{jittery:?}");
    night.run_until(1_500 * BEAT_US);
    let calm = night.receiver.stats();
    assert!(calm.depth_ms < 25, "{calm:?}");
}

#[test]
fn the_depth_never_exceeds_the_configured_most() {
    let config = ReceiverConfig {
        jitter_min_ms: 0,
        jitter_max_ms: 60,
        inband_dtmf: false,
    };
    let mut night = Night::with(config);
    let mut seed = 77;
    for number in 0..1_000 {
        night.sound(
            u64::from(number) * BEAT_US + dice(&mut seed, 400_000),
            number,
            level(number),
        );
        night.run_until(u64::from(number.saturating_sub(30)) * BEAT_US);
        assert!(night.receiver.stats().depth_ms <= 260);
    }
    let mut calm = Night::with(config);
    for number in 0..1_000 {
        calm.sound(
            u64::from(number) * BEAT_US + dice(&mut seed, 50_000),
            number,
            level(number),
        );
    }
    calm.run_until(1_000 * BEAT_US);
    assert!(calm.receiver.stats().depth_ms <= 60);
}

#[test]
fn loss_and_reordering_leave_the_sound_aligned_and_are_counted() {
    let mut night = Night::new();
    let mut seed = 3;
    let mut gone = 0;
    for number in 0..2_000 {
        let jitter = dice(&mut seed, 30_000);
        if number > 100 && dice(&mut seed, 10) == 0 {
            gone += 1;
        } else {
            night.sound(u64::from(number) * BEAT_US + jitter, number, level(number));
        }
    }
    night.run_until(2_000 * BEAT_US);
    let stats = night.receiver.stats();
    assert!(
        stats.lost >= gone - 2 && stats.lost <= gone + stats.late,
        "{gone} {stats:?}"
    );
    assert!(stats.reordered > 100, "{stats:?}");
    assert!(
        stats.concealed_ms.abs_diff(stats.lost * 20) <= 60,
        "{stats:?}"
    );
    // Packet n is heard n frames after the first, plus the few frames that the buffer grew.
    let grown = (stats.inserted_ms - stats.dropped_ms) / 20;
    let levels = night.levels();
    let start = levels
        .iter()
        .position(|&sample| sample == level(0))
        .unwrap_or(0);
    let grown = start + grown as usize;
    let aligned = (1_000..1_900)
        .filter(|n| levels[*n as usize + grown] == level(*n))
        .count();
    assert!(aligned > 780, "{aligned} {stats:?}");
}

#[test]
fn duplicates_are_dropped_and_reordered_packets_find_their_place() {
    let mut night = Night::with(ReceiverConfig {
        jitter_min_ms: 40,
        jitter_max_ms: 200,
        inband_dtmf: false,
    });
    for (arrival_ms, number) in [(0, 0), (1, 0), (2, 2), (3, 1), (60, 3), (61, 2), (80, 4)] {
        night.sound(arrival_ms * 1_000, number, level(number));
    }
    night.run_until(145_000);
    let levels = night.levels();
    assert_eq!(
        levels[2..7],
        [level(0), level(1), level(2), level(3), level(4)]
    );
    let stats = night.receiver.stats();
    assert_eq!((stats.duplicates, stats.reordered, stats.lost), (2, 1, 0));
}

#[test]
fn silence_suppression_is_silence_and_no_loss() {
    let mut night = Night::new();
    for number in 0..50 {
        night.sound(u64::from(number) * BEAT_US, number, level(number));
    }
    for number in 50..100 {
        let mut payload = Vec::new();
        encode_ulaw(&[level(number); 160], &mut payload);
        let spurt = Packet {
            timestamp: audio(number + 200, &[]).timestamp,
            ..audio(number, &payload)
        };
        night.send(u64::from(number + 200) * BEAT_US, spurt);
    }
    night.run_until(300 * BEAT_US);
    let stats = night.receiver.stats();
    assert_eq!(
        (stats.lost, stats.late, stats.concealed_ms, stats.restarts),
        (0, 0, 0, 0)
    );
    let levels = night.levels();
    assert!(levels[60..250].iter().all(|&sample| sample == 0));
    assert_eq!(levels[250..300], (50..100).map(level).collect::<Vec<_>>());
}

#[test]
fn comfort_noise_fills_the_pause_until_sound_comes_back() {
    let mut night = Night::new();
    night.sound(0, 0, level(0));
    night.send(
        BEAT_US,
        Packet {
            payload_type: CN,
            ..audio(1, &[40])
        },
    );
    for number in 2..5 {
        let mut payload = Vec::new();
        encode_ulaw(&[level(number); 160], &mut payload);
        let timestamp = audio(number + 50, &[]).timestamp;
        night.send(
            u64::from(number + 50) * BEAT_US,
            Packet {
                timestamp,
                ..audio(number, &payload)
            },
        );
    }
    night.run_until(54 * BEAT_US);
    for frame in night.heard.chunks(160).take(52).skip(3) {
        let loudest = frame.iter().map(|sample| sample.unsigned_abs()).max();
        assert!((200..1_000).contains(&loudest.unwrap()));
    }
    assert_eq!(night.levels()[52], level(2));
    assert_eq!(night.receiver.stats().lost, 0);
}

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
fn a_sender_with_a_fast_clock_or_a_slow_one_is_followed() {
    for period_us in [19_980_u64, 20_020] {
        let mut night = Night::new();
        for number in 0..6_000 {
            night.sound(u64::from(number) * period_us, number, level(number));
        }
        night.run_until(5_900 * BEAT_US);
        let stats = night.receiver.stats();
        assert!(stats.depth_ms < 50, "{stats:?}");
        let adjusted = stats.inserted_ms + stats.dropped_ms + stats.concealed_ms;
        assert!((60..=220).contains(&adjusted), "{stats:?}");
        assert!(stats.late < 30, "{stats:?}");
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
fn a_key_press_is_one_digit_with_its_last_duration() {
    let mut night = Night::new();
    for number in 0..10 {
        night.sound(u64::from(number) * BEAT_US, number, level(number));
    }
    for update in 0..8_u32 {
        let is_end = update >= 5;
        let ticks = 160 * (update + 1).min(6) as u16;
        let (payload, packet) = event(10 + update, 10, 5, is_end, ticks);
        night.send(
            u64::from(10 + update) * BEAT_US,
            Packet {
                payload: &payload,
                ..packet
            },
        );
    }
    for number in 18..30 {
        night.sound(u64::from(number) * BEAT_US, number, level(number));
    }
    night.run_until(30 * BEAT_US);
    assert_eq!(night.digits(), [('5', 120)]);
    let levels = night.levels();
    // AS-93: silence while the key is down.
    assert!(levels[11..16].iter().all(|&sample| sample == 0));
    assert_eq!(levels[18..30], (18..30).map(level).collect::<Vec<_>>());
    assert_eq!(night.receiver.stats().lost, 0);
}

#[test]
fn a_press_whose_ends_are_lost_is_reported_once_by_time_or_by_the_next() {
    let mut night = Night::new();
    for (step, at, code, ticks) in [
        (0, 0, 1, 160),
        (1, 0, 1, 320),
        (20, 20, 11, 160),
        (21, 20, 11, 480),
    ] {
        let (payload, packet) = event(step, at, code, false, ticks);
        night.send(
            u64::from(step) * BEAT_US,
            Packet {
                payload: &payload,
                ..packet
            },
        );
    }
    night.run_until(30 * BEAT_US);
    assert_eq!(night.digits(), [('1', 40)]);
    let (payload, packet) = event(31, 31, 12, true, 800);
    night.send(
        31 * BEAT_US,
        Packet {
            payload: &payload,
            ..packet
        },
    );
    let (payload, packet) = event(32, 31, 12, true, 800);
    night.send(
        32 * BEAT_US,
        Packet {
            payload: &payload,
            ..packet
        },
    );
    night.run_until(60 * BEAT_US);
    assert_eq!(night.digits(), [('#', 60), ('A', 100)]);
}

#[test]
fn a_press_longer_than_one_segment_stays_one_digit() {
    let mut night = Night::new();
    for update in 1..=220_u32 {
        // RFC 4733 §2.5.1.3: a new segment, its timestamp where the first ended.
        let total = update * 400;
        let (start, ticks) = if total > 65_200 {
            (65_200, total - 65_200)
        } else {
            (0, total)
        };
        let (payload, packet) = event(update, 0, 9, update == 220, ticks as u16);
        let timestamp = packet.timestamp.wrapping_add(start);
        night.send(
            u64::from(update) * 50_000,
            Packet {
                payload: &payload,
                timestamp,
                marker: update == 1,
                ..packet
            },
        );
    }
    night.run_until(12_000_000);
    assert_eq!(night.digits(), [('9', 11_000)]);
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
