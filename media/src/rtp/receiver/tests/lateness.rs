//! What our own lateness may do to a well-behaved stream: nothing (AS-126).

use super::*;

/// Packets come this long before the beats are due, as the phase lock has it.
const MARGIN_US: u64 = 2_200;
const FIRST_US: u64 = 5_000 - MARGIN_US;

/// Beats that are due every 20 ms and each come late by what `lateness_us` says; returns how long each packet that
/// was heard waited for the time its beat was due.
fn run(night: &mut Night, beats: u64, mut lateness_us: impl FnMut(u64) -> u64) -> Vec<u64> {
    night.arrivals.sort_by_key(|(arrival_us, _)| *arrival_us);
    let mut arrivals = std::mem::take(&mut night.arrivals).into_iter().peekable();
    let mut waits_us = Vec::new();
    let mut heard = 0;
    let mut free_us = 0;
    for beat in 0..beats {
        // No beat overtakes the one before.
        let now_us = (night.next_beat_us + lateness_us(beat)).max(free_us);
        free_us = now_us;
        while let Some((arrival_us, datagram)) = arrivals.next_if(|(us, _)| *us <= now_us) {
            night.receiver.packet(arrival_us, &datagram);
        }
        night.beat();
        let sample = night.levels()[beat as usize];
        while heard < beat + 2 && level(heard as u32) != sample {
            heard += 1;
        }
        waits_us.push((night.next_beat_us - BEAT_US).saturating_sub(heard * BEAT_US + FIRST_US));
    }
    night.arrivals = arrivals.collect();
    waits_us
}

fn steady(night: &mut Night, packets: u32) {
    for number in 0..packets {
        let arrival_us = u64::from(number) * BEAT_US + FIRST_US;
        night.sound(arrival_us, number, level(number));
    }
}

#[test]
fn beats_that_come_late_at_random_conceal_nothing_and_add_no_delay() {
    for seed in 1..20 {
        let (mut night, mut state) = (Night::new(), seed);
        steady(&mut night, 1_000);
        let waits_us = run(&mut night, 990, |_| {
            if dice(&mut state, 20) == 0 {
                dice(&mut state, 30_000)
            } else {
                0
            }
        });
        assert!(
            waits_us[50..].iter().all(|us| *us == MARGIN_US),
            "{waits_us:?}"
        );
        let stats = night.receiver.stats();
        assert_eq!(
            (
                stats.concealed_ms,
                stats.lost,
                stats.late,
                stats.inserted_ms,
                stats.dropped_ms
            ),
            (0, 0, 0, 0, 0),
            "{stats:?}"
        );
        let expected: Vec<i16> = (0..990).map(level).collect();
        assert_eq!(night.levels(), expected);
    }
}

#[test]
fn after_a_stall_of_ours_that_was_caught_up_nothing_is_lost() {
    let mut night = Night::new();
    steady(&mut night, 300);
    let waits_us = run(&mut night, 290, |beat| {
        if (100..106).contains(&beat) {
            (106 - beat) * BEAT_US
        } else {
            0
        }
    });
    assert!(waits_us.iter().all(|us| *us == MARGIN_US), "{waits_us:?}");
    assert_eq!(night.receiver.stats().concealed_ms, 0);
}

#[test]
fn after_beats_that_were_skipped_the_very_next_one_plays_what_is_due() {
    for skipped in [1, 2, 6, 40, 200_u32] {
        let mut night = Night::new();
        steady(&mut night, 500);
        run(&mut night, 100, |_| 0);
        night.next_beat_us += u64::from(skipped) * BEAT_US;
        let end_us = night.next_beat_us + 100 * BEAT_US;
        night.run_until(end_us);
        let expected: Vec<i16> = (101 + skipped..200 + skipped).map(level).collect();
        assert_eq!(night.levels()[101..200], expected, "{skipped}");
        let stats = night.receiver.stats();
        assert_eq!(
            (stats.concealed_ms, stats.late, stats.restarts),
            (0, 0, 0),
            "{stats:?}"
        );
        assert_eq!(stats.depth_ms, 2, "{skipped}: {stats:?}");
    }
}

#[test]
fn when_all_the_machine_stood_still_the_late_burst_leaves_no_delay() {
    let mut night = Night::new();
    for number in 0..400_u32 {
        // The far end stood still as well and makes up for it after our first beat.
        let sent_us = u64::from(number) * BEAT_US + FIRST_US;
        let stalled = (100..107).contains(&number);
        let arrival_us = if stalled {
            106 * BEAT_US + 9_000
        } else {
            sent_us
        };
        night.sound(arrival_us, number, level(number));
    }
    run(&mut night, 100, |_| 0);
    night.next_beat_us += 6 * BEAT_US;
    night.run_until(200 * BEAT_US);
    let stats = night.receiver.stats();
    assert_eq!((stats.restarts, stats.depth_ms), (0, 2), "{stats:?}");
}

#[test]
fn a_beat_that_moves_to_follow_the_packets_leaves_no_extra_frame() {
    // The beat comes this long after the packets at first, and moves by so much at the eighth.
    for (wait_us, move_us) in [
        (19_500, 3_000),
        (12_500, 10_000),
        (9_200, -7_000_i64),
        (200, 2_000),
    ] {
        let mut night = Night::new();
        night.next_beat_us = wait_us;
        for number in 0..200_u32 {
            night.sound(u64::from(number) * BEAT_US, number, level(number));
        }
        night.run_until(8 * BEAT_US);
        night.next_beat_us = night.next_beat_us.saturating_add_signed(move_us);
        night.run_until(190 * BEAT_US);
        let wait_us = (wait_us as i64 + move_us) % BEAT_US as i64;
        let stats = night.receiver.stats();
        assert_eq!(i64::from(stats.depth_ms), wait_us / 1_000, "{stats:?}");
        assert_eq!((stats.concealed_ms, stats.late), (0, 0), "{stats:?}");
        let last = night.levels().len() as u32;
        let levels = night.levels();
        let newest = (night.next_beat_us - BEAT_US) / BEAT_US;
        assert_eq!(levels[last as usize - 1], level(newest as u32));
    }
}

#[test]
fn one_packet_that_is_late_leaves_no_delay() {
    for late in [1, 3, 20, 60, 150_u32] {
        let mut night = Night::new();
        for number in 0..500_u32 {
            let lateness_us = if number == late { 6_000 } else { 0 };
            let sent_us = u64::from(number) * BEAT_US + FIRST_US;
            night.sound(sent_us + lateness_us, number, level(number));
        }
        night.run_until(490 * BEAT_US);
        let stats = night.receiver.stats();
        assert_eq!(stats.depth_ms, 2, "{late}: {stats:?}");
        assert!(stats.lost + stats.dropped_ms / 20 <= 1, "{late}: {stats:?}");
    }
}

#[test]
fn real_jitter_deepens_the_buffer_and_five_seconds_later_it_is_shallow() {
    for seed in 1..10 {
        let (mut night, mut state) = (Night::new(), seed);
        for number in 0..1_000_u32 {
            let jitter_us = if (200..600).contains(&number) {
                dice(&mut state, 30_000)
            } else {
                0
            };
            let sent_us = u64::from(number) * BEAT_US + FIRST_US;
            night.sound(sent_us + jitter_us, number, level(number));
        }
        night.run_until(200 * BEAT_US);
        assert_eq!(night.receiver.stats().depth_ms, 2);
        night.run_until(400 * BEAT_US);
        let before = night.receiver.stats();
        night.run_until(600 * BEAT_US);
        let jittery = night.receiver.stats();
        assert!((12..=45).contains(&jittery.depth_ms), "{jittery:?}");
        assert!(jittery.late - before.late <= 4, "{before:?} {jittery:?}");
        night.run_until(850 * BEAT_US);
        let calm = night.receiver.stats();
        assert_eq!(calm.depth_ms, 2, "{calm:?}");
    }
}

#[test]
fn a_packet_is_awaited_once_while_the_far_end_talks_and_then_heard_whole() {
    let mut night = Night::new();
    steady(&mut night, 10);
    assert!(
        !night.receiver.awaits_packet(night.next_beat_us),
        "nothing came yet"
    );
    night.run_until(200_000);
    // The beat at 205 ms has no packet: a second look is worth it, and finds one that came 6 ms late.
    assert!(night.receiver.awaits_packet(night.next_beat_us));
    night.sound(night.next_beat_us + 6_000, 10, level(10));
    let (arrival_us, datagram) = night.arrivals.pop().unwrap();
    night.receiver.packet(arrival_us, &datagram);
    assert!(!night.receiver.awaits_packet(night.next_beat_us));
    night.beat();
    assert_eq!(night.levels()[10], level(10));
    assert_eq!(night.receiver.stats().concealed_ms, 0);
    // The next one never comes: awaited at its beat, not at those that follow.
    assert!(night.receiver.awaits_packet(night.next_beat_us));
    night.beat();
    assert!(!night.receiver.awaits_packet(night.next_beat_us));
}
