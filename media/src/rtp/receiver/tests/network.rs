//! What a network does to a well-behaved sender.

use super::*;

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
fn a_stall_is_caught_up_and_the_delay_it_left_goes_away() {
    let mut night = Night::new();
    for number in 0..1_500_u32 {
        let sent_us = u64::from(number) * BEAT_US;
        // For 300 ms nothing comes, then all at once.
        let stalled = (200..215).contains(&number);
        night.sound(
            if stalled { 215 * BEAT_US } else { sent_us },
            number,
            level(number),
        );
    }
    night.run_until(240 * BEAT_US);
    let after = night.receiver.stats();
    assert!(after.depth_ms <= 200, "{after:?}");
    night.run_until(1_500 * BEAT_US);
    let later = night.receiver.stats();
    assert!(later.depth_ms <= 25, "{later:?}");
    assert_eq!(
        (later.restarts, later.lost + later.late <= 30),
        (0, true),
        "{later:?}"
    );
}

#[test]
fn a_path_that_becomes_longer_or_shorter_is_followed() {
    for (before_us, after_us) in [(0, 150_000), (0, 700_000), (150_000, 0), (700_000, 0)] {
        let mut night = Night::new();
        for number in 0..1_500_u32 {
            let delay_us = if number < 300 { before_us } else { after_us };
            night.sound(
                u64::from(number) * BEAT_US + delay_us,
                number,
                level(number),
            );
        }
        night.run_until(1_500 * BEAT_US);
        let stats = night.receiver.stats();
        assert!(stats.depth_ms <= 45, "{before_us} to {after_us}: {stats:?}");
        let levels = night.levels();
        let silent = levels[levels.len() - 200..]
            .iter()
            .filter(|&&sample| sample == 0)
            .count();
        assert_eq!(silent, 0, "{before_us} to {after_us}");
    }
}

#[test]
fn a_sender_whose_clock_stands_still_in_pauses_is_heard_at_once() {
    for pause in [8, 20, 75, 500_u32] {
        let mut night = Night::new();
        for number in 0..200_u32 {
            let paused = if number >= 100 { pause } else { 0 };
            night.sound(u64::from(number + paused) * BEAT_US, number, level(number));
        }
        night.run_until(u64::from(200 + pause) * BEAT_US);
        let levels = night.levels();
        assert_eq!(
            levels[levels.len() - 90..],
            (110..200).map(level).collect::<Vec<_>>(),
            "{pause}"
        );
        assert!(night.receiver.stats().depth_ms <= 25);
    }
}

#[test]
fn the_least_delay_is_kept() {
    let mut night = Night::with(ReceiverConfig {
        jitter_min_ms: 60,
        jitter_max_ms: 200,
        inband_dtmf: false,
    });
    for number in 0..200 {
        night.sound(u64::from(number) * BEAT_US, number, level(number));
    }
    night.run_until(200 * BEAT_US);
    assert!((60..=80).contains(&night.receiver.stats().depth_ms));
    assert_eq!(
        night.levels()[3..200],
        (0..197).map(level).collect::<Vec<_>>()
    );
}
