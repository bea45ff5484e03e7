//! Two legs in virtual time, each on its own clock.

use super::*;
use crate::audio::{Codec, Payload};
use proptest::prelude::*;

const BEAT_US: f64 = 20_000.0;

/// One direction: a tone goes in at one clock's beats and comes out at another's.
struct Night {
    giver: Bridge,
    taker: Bridge,
    given: usize,
    heard: Vec<i16>,
    waits_us: Vec<u64>,
    give_us: f64,
    take_us: f64,
}

impl Night {
    /// The taker's beats lie `phase_us` after the giver's.
    fn new(phase_us: f64) -> Self {
        let (giver, taker) = Bridge::pair(true);
        Night {
            giver,
            taker,
            given: 0,
            heard: Vec::new(),
            waits_us: Vec::new(),
            give_us: 1_000_000.0,
            take_us: 1_000_000.0 + phase_us,
        }
    }

    fn give(&mut self, now_us: u64) {
        let pcm = tone(self.given, 160);
        self.given += 160;
        self.giver.give(now_us, &sound(&pcm));
    }

    fn take(&mut self, now_us: u64) {
        let inserted = self.taker.figures().inserted;
        if let Some(frame) = self.taker.take(now_us) {
            let given_us = frame.given_us;
            self.heard.extend_from_slice(frame.decoded());
            if self.taker.figures().inserted == inserted && given_us > 0 {
                self.waits_us.push(now_us - given_us);
            }
        }
    }

    /// Runs for some beats of the giver; the taker's clock is `ppm` faster, and each beat is late by what `late_us`
    /// says of its number.
    fn run(&mut self, beats: usize, ppm: f64, mut late_us: impl FnMut(usize) -> f64) {
        let end_us = self.give_us + beats as f64 * BEAT_US;
        let mut number = 0;
        let mut late = || {
            number += 1;
            late_us(number)
        };
        let (mut give_late, mut take_late) = (late(), late());
        while self.give_us < end_us {
            let (give_at, take_at) = (self.give_us + give_late, self.take_us + take_late);
            if give_at <= take_at {
                self.give(give_at as u64);
                self.give_us += BEAT_US;
                give_late = late();
            } else {
                self.take(take_at as u64);
                self.take_us += BEAT_US * (1.0 - ppm / 1e6);
                take_late = late();
            }
        }
    }

    /// The steepest step between two samples: a click would show.
    fn steepest(&self) -> i32 {
        let steps = self.heard.windows(2).skip(160);
        steps
            .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
            .max()
            .unwrap_or_default()
    }
}

fn sound(pcm: &[i16]) -> Frame {
    let mut frame = Frame::new();
    frame.set(8_000, pcm);
    frame
}

fn packet(payload: &Payload) -> Frame {
    let mut frame = Frame::new();
    frame.payload.copy_from(payload);
    frame
}

/// 400 Hz; no two of its samples are further apart than 2,500.
fn tone(from: usize, count: usize) -> Vec<i16> {
    (from..from + count)
        .map(|n| ((n as f64 * 0.314_159).sin() * 8_000.0) as i16)
        .collect()
}

#[test]
fn every_sample_is_heard_once_and_within_a_frame() {
    for phase_us in [1_600.0, 5_000.0, 19_900.0] {
        let mut night = Night::new(phase_us);
        night.run(500, 0.0, |_| 0.0);
        let figures = night.taker.figures();
        assert_eq!((figures.inserted, figures.dropped), (0, 0));
        assert_eq!(night.heard, tone(0, night.heard.len()));
        assert!(night.waits_us.iter().all(|&wait| wait < 20_000));
    }
}

#[test]
fn clocks_that_drift_apart_cost_a_frame_now_and_then_and_no_click() {
    for ppm in [-200.0, 200.0] {
        let mut night = Night::new(10_000.0);
        let minutes = 10.0;
        night.run((minutes * 3_000.0) as usize, ppm, |_| 0.0);
        let figures = night.taker.figures();
        // 200 ppm of ten minutes are 120 ms: six frames.
        let (few, many) = if ppm < 0.0 {
            (figures.inserted, figures.dropped)
        } else {
            (figures.dropped, figures.inserted)
        };
        assert!(few <= 1, "{ppm}: {figures:?}");
        assert!((5..=8).contains(&many), "{ppm}: {figures:?}");
        assert!(night.waits_us.iter().all(|&wait| wait < 22_500));
        assert!(night.steepest() < 6_000, "{}", night.steepest());
    }
}

#[test]
fn beats_that_nearly_coincide_get_a_reserve_at_once() {
    let mut night = Night::new(100.0);
    night.run(500, 0.0, |_| 0.0);
    let figures = night.taker.figures();
    assert_eq!((figures.inserted, figures.dropped), (1, 0));
    assert!(night.waits_us[10..].iter().all(|&wait| wait == 20_100));
    assert_eq!(night.heard[1_600..], tone(1_440, night.heard.len() - 1_600));
}

#[test]
fn beats_that_nearly_coincide_do_not_hunt() {
    let mut night = Night::new(300.0);
    let mut dice = 1_u64;
    night.run(30_000, 0.0, |_| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as f64 % 1_500.0
    });
    let figures = night.taker.figures();
    assert!(figures.inserted + figures.dropped <= 2, "{figures:?}");
    assert!(night.waits_us.iter().all(|&wait| wait < 23_500));
    assert!(night.steepest() < 6_000);
}

#[test]
fn a_giver_that_stalls_is_covered_and_its_burst_is_used_up_again() {
    let mut night = Night::new(5_000.0);
    night.run(100, 0.0, |_| 0.0);
    let stall_us = 60_000.0;
    night.give_us += stall_us;
    night.run(10, 0.0, |_| 0.0);
    assert_eq!(night.taker.figures().inserted, 3);
    for _ in 0..3 {
        night.give(night.give_us as u64);
    }
    night.run(200, 0.0, |_| 0.0);
    let last = &night.waits_us[night.waits_us.len() - 50..];
    assert!(last.iter().all(|&wait| wait < 22_000), "{last:?}");
    assert_eq!(night.taker.figures().dropped, 3);
    assert!(night.steepest() < 9_000, "{}", night.steepest());
}

#[test]
fn what_was_said_before_the_other_listened_is_not_made_up_for() {
    let mut night = Night::new(0.0);
    for number in 0..9 {
        night.give(1_000_000 + number * 20_000);
    }
    night.take(1_165_000);
    // Four had room: the fourth is the newest that was kept.
    assert_eq!(night.heard, tone(3 * 160, 160));
    assert_eq!(night.taker.figures().dropped, 0);
}

#[test]
fn before_anything_was_said_there_is_nothing_to_hear() {
    let mut night = Night::new(0.0);
    night.take(1_000_000);
    assert!(night.taker.take(1_020_000).is_none());
    assert_eq!(night.taker.figures(), BridgeFigures::default());
}

#[test]
fn a_payload_travels_byte_by_byte_and_is_decoded_where_it_is_wanted() {
    let (mut giver, mut taker) = Bridge::pair(true);
    let mut payload = Payload::NONE;
    payload.set(Codec::Pcma, &[0xd5; 160]);
    giver.give(1_000, &packet(&payload));
    let frame = taker.take(2_000).unwrap();
    assert_eq!((frame.payload, frame.pcm.is_empty()), (payload, true));
    assert_eq!(frame.decoded(), [8; 160]);
}

#[test]
fn after_a_gap_a_frame_is_blended_and_no_packet_any_more() {
    let (mut giver, mut taker) = Bridge::pair(true);
    let mut payload = Payload::NONE;
    payload.set(Codec::Pcmu, &[0x20; 160]);
    giver.give(1_000, &packet(&payload));
    assert_eq!(taker.take(2_000).unwrap().payload, payload);
    assert_eq!(taker.take(22_000).unwrap().payload.codec(), None);
    giver.give(41_000, &packet(&payload));
    assert_eq!(taker.take(42_000).unwrap().payload.codec(), None);
    giver.give(61_000, &packet(&payload));
    assert_eq!(taker.take(62_000).unwrap().payload, payload);
}

#[test]
fn keys_reach_the_other_end_once_and_in_order() {
    let (mut giver, mut taker) = Bridge::pair(true);
    let key = |digit| Key {
        digit,
        duration_ms: 100,
    };
    giver.press(key('1'));
    giver.press(key('#'));
    for beat in 0..3_u64 {
        giver.give(beat * 20_000, &sound(&[0; 160]));
        taker.take(beat * 20_000 + 1_000);
    }
    let keys: Vec<Key> = std::iter::from_fn(|| taker.take_key()).collect();
    assert_eq!(keys, [key('1'), key('#')]);
}

#[test]
fn keys_stay_where_they_are_if_the_bridge_does_not_relay_them() {
    let (mut giver, mut taker) = Bridge::pair(false);
    giver.press(Key {
        digit: '1',
        duration_ms: 100,
    });
    giver.give(0, &sound(&[0; 160]));
    taker.take(1_000);
    assert_eq!(taker.take_key(), None);
}

#[test]
fn either_end_ends_the_bridge() {
    let (one, other) = Bridge::pair(true);
    assert!(!one.is_over() && !other.is_over());
    drop(one);
    assert!(other.is_over());
}

#[test]
fn a_leg_follows_on_its_own_thread_only() {
    let (one, mut other) = Bridge::pair(true);
    one.sit(7);
    assert!(!other.follow(Some(5), 8));
    assert_eq!(one.follower(), None);
    assert!(other.follow(Some(5), 7));
    assert_eq!(one.follower(), Some(5));
    assert!(!other.follow(None, 7));
    assert_eq!(one.follower(), None);
}

#[test]
fn whoever_follows_gives_up_its_reserve() {
    let (one, mut other) = Bridge::pair(true);
    let mut giver = one;
    giver.sit(7);
    giver.give(0, &sound(&tone(0, 160)));
    other.take(1_000);
    // Two frames came before it began to follow.
    for beat in 1..20_u64 {
        giver.give(beat * 20_000, &sound(&tone(0, 160)));
        if beat > 1 {
            assert!(other.follow(Some(5), 7));
            other.take(beat * 20_000);
        }
    }
    let frame = other.take(400_000);
    assert!(frame.is_some_and(|frame| frame.given_us == 0 || frame.payload.codec().is_none()));
    assert_eq!(other.figures().dropped, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_clocks_and_no_lateness_make_sound_wait_long_or_for_ever(
        phase_us in 0.0..20_000.0_f64,
        ppm in -300.0..300.0_f64,
        seed in any::<u64>(),
        most_late_us in 1.0..6_000.0_f64,
    ) {
        let mut night = Night::new(phase_us);
        let mut dice = seed | 1;
        night.run(3_000, ppm, |_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (dice >> 33) as f64 % most_late_us
        });
        let bound_us = 22_500 + 2 * most_late_us as u64;
        prop_assert!(night.waits_us.iter().skip(10).all(|&wait| wait < bound_us));
        let figures = night.taker.figures();
        prop_assert!(figures.inserted + figures.dropped < 20, "{:?}", figures);
    }
}
