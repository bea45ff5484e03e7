//! Keys that arrive as telephone events, or as tones.

use super::*;

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
fn tones_in_the_sound_are_digits_until_the_far_end_sends_an_event() {
    let mut night = Night::with(ReceiverConfig {
        jitter_min_ms: 0,
        jitter_max_ms: 200,
        inband_dtmf: true,
    });
    let mut pcm = Vec::new();
    for digit in ['7', '8'] {
        crate::audio::tones::digit_tone(digit, 8_000, 100, &mut pcm);
        pcm.resize(pcm.len() + 1_600, 0);
    }
    let send = |night: &mut Night, from: u32| {
        for (place, frame) in (from..).zip(pcm.chunks(160)) {
            let mut payload = Vec::new();
            encode_ulaw(frame, &mut payload);
            night.send(u64::from(place) * BEAT_US, audio(place, &payload));
        }
    };
    let heard = |night: &mut Night| -> Vec<(char, Source)> {
        night
            .receiver
            .digits()
            .map(|digit| (digit.digit, digit.source))
            .collect()
    };
    send(&mut night, 0);
    night.run_until(40 * BEAT_US);
    assert_eq!(
        heard(&mut night),
        [('7', Source::Inband), ('8', Source::Inband)]
    );
    let (payload, packet) = event(40, 40, 3, true, 800);
    night.send(
        40 * BEAT_US,
        Packet {
            payload: &payload,
            ..packet
        },
    );
    send(&mut night, 50);
    night.run_until(90 * BEAT_US);
    assert_eq!(heard(&mut night), [('3', Source::Event)]);
}
