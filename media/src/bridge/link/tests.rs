//! A link in virtual time: what goes in at one leg's beats comes out at another's.

use super::*;
use crate::bridge::lane::Frame;

const BEAT_US: u64 = 20_000;
const FADE: usize = 40;

fn ends(relays_keys: bool) -> (Mouth, Link) {
    let lane = Arc::new(Lane::new());
    lane.relay_keys(relays_keys);
    Link::pair(&lane)
}

fn sound(rate_hz: u32, pcm: &[i16]) -> Frame {
    let mut frame = Frame::new();
    frame.set(rate_hz, pcm);
    frame
}

/// 400 Hz; no two of its samples are further apart than 2,600.
fn tone(from: usize, count: usize) -> Vec<i16> {
    (from..from + count)
        .map(|n| ((n as f64 * 0.314_159).cos() * 8_000.0) as i16)
        .collect()
}

fn steepest(pcm: &[i16]) -> i32 {
    let steps = pcm.windows(2);
    steps
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
        .max()
        .unwrap_or_default()
}

/// What the hearing leg says in `beats` beats, 5 ms after those of the other; the link is ended before the last one.
fn said(rate_hz: u32, beats: usize, unhears: bool) -> (Vec<i16>, BridgeFigures) {
    let (mut mouth, mut link) = ends(false);
    let mut said = Vec::new();
    for beat in 0..beats {
        let now_us = (beat as u64 + 1) * BEAT_US;
        let is_last = beat + 1 == beats && unhears;
        if is_last {
            link.ear.lane.cut();
        } else {
            assert!(mouth.give(now_us, &sound(8_000, &tone(beat * 160, 160))));
        }
        let is_over = link.is_over();
        said.extend_from_slice(link.take(now_us + 5_000, rate_hz, is_over).unwrap());
    }
    (said, link.figures())
}

#[test]
fn every_sample_is_heard_once_after_a_short_fade() {
    let (said, figures) = said(8_000, 50, false);
    assert_eq!(said[FADE..], tone(0, 50 * 160)[FADE..]);
    assert_eq!((figures.frames, figures.inserted), (50, 0));
    assert_eq!((figures.dropped, figures.passed), (0, 0));
}

#[test]
fn a_voice_that_comes_and_goes_makes_no_click() {
    let (mut said, _) = said(8_000, 5, true);
    said.insert(0, 0);
    said.push(0);
    assert!(steepest(&said) < 3_000, "{}", steepest(&said));
    assert_eq!(said[said.len() - 121..], [0; 121]);
}

#[test]
fn a_voice_is_brought_to_the_rate_of_the_leg_that_hears() {
    let (said, _) = said(16_000, 5, true);
    assert_eq!(said.len(), 5 * 320);
    assert!(steepest(&said) < 3_000, "{}", steepest(&said));
}

#[test]
fn a_link_that_ended_before_anything_was_said_is_silent() {
    let (mut mouth, mut link) = ends(false);
    mouth.give(0, &sound(8_000, &[1_000; 160]));
    drop(mouth);
    assert!(link.is_over());
    assert!(link.take(5_000, 8_000, true).is_none());
    assert_eq!(link.figures(), BridgeFigures::default());
}

#[test]
fn whoever_hears_no_more_is_noticed_where_he_was_heard() {
    let (mouth, link) = ends(false);
    drop(link);
    assert!(mouth.is_over());
}

#[test]
fn keys_travel_when_they_are_relayed_and_from_then_on() {
    let key = |digit| Key {
        digit,
        duration_ms: 100,
    };
    let (mut mouth, mut link) = ends(false);
    let mut keys = Vec::new();
    for (beat, digit) in (0..).zip(['1', '2', '3']) {
        mouth.lane.relay_keys(digit != '1');
        mouth.press(key(digit));
        mouth.give(beat * BEAT_US, &sound(8_000, &[0; 160]));
        link.take(beat * BEAT_US + 5_000, 8_000, false);
        keys.extend(std::iter::from_fn(|| link.take_key()));
    }
    assert_eq!(keys, [key('2'), key('3')]);
}

#[test]
fn a_leg_that_stalls_is_covered_for_a_moment_and_silent_after_it() {
    let (mut mouth, mut link) = ends(false);
    for beat in 0..5 {
        mouth.give(
            beat * BEAT_US,
            &sound(8_000, &tone(beat as usize * 160, 160)),
        );
        link.take(beat * BEAT_US + 5_000, 8_000, false);
    }
    let mut made = Vec::new();
    for beat in 5..10 {
        let now_us = beat * BEAT_US + 5_000;
        made.extend_from_slice(link.take(now_us, 8_000, false).unwrap());
    }
    assert!(made[..80].iter().any(|sample| sample.abs() > 4_000));
    assert_eq!(made[made.len() - 160..], [0; 160]);
    assert_eq!(link.figures().inserted, 5);
}
