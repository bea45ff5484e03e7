use std::f32::consts::TAU;

use proptest::prelude::*;

use super::*;
use crate::audio::noise::ComfortNoise;

fn plan() -> AnswerPlan {
    AnswerPlan {
        initial_silence_ms: 3_000,
        greeting_ms: 1_500,
        after_greeting_silence_ms: 800,
        total_analysis_ms: 3_800,
        min_word_ms: 100,
        between_words_silence_ms: 60,
        maximum_words: 5,
        silence_threshold_dbov: -42,
        beep_wait_ms: 30_000,
    }
}

/// Syllables of 160 ms with gaps of 40 ms: eight harmonics, the pitch gliding as a voice's does.
fn vowel(ms: usize) -> Vec<i16> {
    let mut angle = 0.0_f32;
    (0..8 * ms)
        .map(|n| {
            angle += TAU * (110.0 + 30.0 * (n as f32 / 900.0).sin()) / 8_000.0;
            let wave: f32 = (1..=8).map(|k| (angle * k as f32).sin() / k as f32).sum();
            let is_gap = n / 8 % 200 >= 160;
            if is_gap {
                0
            } else {
                (wave * 3_000.0) as i16
            }
        })
        .collect()
}

fn quiet(ms: usize) -> Vec<i16> {
    vec![0; 8 * ms]
}

fn tones(parts_hz: &[f32], ms: usize) -> Vec<i16> {
    (0..8 * ms)
        .map(|n| {
            let wave: f32 = parts_hz
                .iter()
                .map(|hz| (TAU * hz * n as f32 / 8_000.0).sin())
                .sum();
            (wave * 4_000.0) as i16
        })
        .collect()
}

fn hiss(dbov: u8, ms: usize) -> Vec<i16> {
    let mut noise = ComfortNoise::new(3);
    noise.describe(&[dbov]);
    let mut pcm = quiet(ms);
    noise.fill(&mut pcm);
    pcm
}

fn listen(parts: &[Vec<i16>]) -> Vec<Heard> {
    let mut watch = AnswerWatch::new(plan());
    let mut told = Vec::new();
    for frame in parts.concat().chunks(160) {
        if !watch.is_over() {
            watch.hear(frame, &mut told);
        }
    }
    told
}

/// The verdict, its reason, and when it came.
fn verdict(parts: &[Vec<i16>]) -> (Answerer, &'static str, u64) {
    match listen(parts)[0] {
        Heard::Judged {
            answerer,
            elapsed_ms,
            reason,
        } => (answerer, reason, elapsed_ms),
        Heard::Beep { .. } => panic!("a beep before the verdict"),
    }
}

#[test]
fn a_short_greeting_and_a_pause_is_a_person() {
    let hello = [quiet(400), vowel(500), quiet(2_000)];
    assert_eq!(verdict(&hello), (Answerer::Human, "pause", 1_700));
}

#[test]
fn a_greeting_that_goes_on_is_a_machine() {
    let greeting = [quiet(400), vowel(4_000)];
    let (answerer, reason, at_ms) = verdict(&greeting);
    assert_eq!((answerer, reason), (Answerer::Machine, "greeting"));
    assert!((1_880..=1_940).contains(&at_ms), "{at_ms}");
}

#[test]
fn many_short_words_are_a_machine() {
    let digits: Vec<Vec<i16>> = (0..8).flat_map(|_| [vowel(120), quiet(100)]).collect();
    assert_eq!(verdict(&digits).1, "words");
}

#[test]
fn silence_and_clicks_are_nobody() {
    let mut clicks = quiet(4_000);
    for at in (0..clicks.len()).step_by(4_000) {
        clicks[at..at + 20].fill(20_000);
    }
    for line in [quiet(4_000), hiss(45, 4_000), clicks] {
        assert_eq!(verdict(&[line]), (Answerer::Unknown, "silence", 3_000));
    }
}

#[test]
fn a_greeting_over_a_hissing_line_is_heard() {
    let line = hiss(42, 3_000);
    let mut hello = [quiet(500), vowel(500), quiet(2_000)].concat();
    crate::audio::mixer::add_saturating(&mut hello, &line);
    let (answerer, _, at_ms) = verdict(&[hello]);
    assert_eq!(answerer, Answerer::Human);
    assert!((1_760..=1_860).contains(&at_ms), "{at_ms}");
}

#[test]
fn tones_of_the_network_are_neither_words_nor_silence() {
    let ringback = [tones(&[440.0, 480.0], 2_000), vowel(400), quiet(1_500)];
    let (answerer, reason, at_ms) = verdict(&ringback);
    assert_eq!((answerer, reason), (Answerer::Human, "pause"));
    assert!((3_160..=3_240).contains(&at_ms), "{at_ms}");
    for hz in [&[425.0][..], &[400.0], &[480.0, 620.0], &[400.0, 450.0]] {
        let told = verdict(&[tones(hz, 4_000)]);
        assert_eq!(told, (Answerer::Unknown, "time", 3_800), "{hz:?}");
    }
}

#[test]
fn busy_and_ringing_are_no_beeps() {
    for hz in [
        &[425.0][..],
        &[400.0],
        &[480.0, 620.0],
        &[400.0, 450.0],
        &[440.0, 480.0],
    ] {
        for (on, off) in [(750, 750), (400, 200), (1_007, 3_011), (250, 250)] {
            let busy = [tones(hz, on), quiet(off)].concat();
            let told = listen(&[busy.repeat(6), quiet(4_000)]);
            assert!(
                matches!(
                    told[..],
                    [Heard::Judged {
                        answerer: Answerer::Unknown,
                        ..
                    }]
                ),
                "{hz:?} {on}/{off}: {told:?}"
            );
        }
    }
}

#[test]
fn a_beep_makes_a_machine_of_a_short_greeting() {
    let greeting = [vowel(600), quiet(300), tones(&[1_000.0], 400), quiet(500)];
    let told = listen(&greeting);
    assert!(matches!(
        told[0],
        Heard::Judged {
            answerer: Answerer::Machine,
            elapsed_ms: 1_400,
            reason: "beep"
        }
    ));
    let Heard::Beep { elapsed_ms, hz } = told[1] else {
        panic!("no beep: {told:?}");
    };
    assert_eq!(elapsed_ms, 1_300);
    assert!((hz - 1_000.0).abs() < 10.0, "{hz}");
}

#[test]
fn the_beep_of_a_long_greeting_is_told_later() {
    let greeting = [
        vowel(3_000),
        quiet(700),
        vowel(4_000),
        quiet(200),
        tones(&[1_400.0], 250),
        quiet(300),
    ];
    let told = listen(&greeting);
    assert_eq!(told.len(), 2);
    let Heard::Beep { elapsed_ms, .. } = told[1] else {
        panic!("no beep: {told:?}");
    };
    assert!((8_140..=8_160).contains(&elapsed_ms), "{elapsed_ms}");
}

#[test]
fn words_may_be_as_short_as_a_frame() {
    let mut watch = AnswerWatch::new(AnswerPlan {
        min_word_ms: 20,
        ..plan()
    });
    let mut told = Vec::new();
    for frame in [quiet(400), vowel(40), quiet(1_000)].concat().chunks(160) {
        watch.hear(frame, &mut told);
    }
    assert!(matches!(
        told[..],
        [Heard::Judged {
            answerer: Answerer::Human,
            ..
        }]
    ));
}

#[test]
fn whoever_begins_at_the_last_moment_may_go_on() {
    let late = [quiet(2_960), vowel(300), quiet(1_000)];
    assert_eq!(verdict(&late), (Answerer::Unknown, "time", 3_800));
}

#[test]
fn it_is_over_when_nothing_more_can_be_told() {
    let mut watch = AnswerWatch::new(plan());
    let mut told = Vec::new();
    for frame in [vowel(2_000), quiet(33_000)].concat().chunks(160) {
        watch.hear(frame, &mut told);
    }
    assert_eq!(told.len(), 1);
    assert!(watch.is_over());
}

proptest! {
    #[test]
    fn every_call_is_judged_once_and_in_time(sounds in prop::collection::vec((0_u8..5, 1_usize..60), 1..20)) {
        let mut parts: Vec<Vec<i16>> = sounds
            .iter()
            .map(|&(kind, frames)| match kind {
                0 => quiet(frames * 20),
                1 => vowel(frames * 20),
                2 => tones(&[440.0, 480.0], frames * 20),
                3 => tones(&[1_000.0], frames * 20),
                _ => hiss(35, frames * 20),
            })
            .collect();
        parts.push(quiet(4_000));
        let told = listen(&parts);
        let judged = |one: &&Heard| matches!(one, Heard::Judged { elapsed_ms, .. } if *elapsed_ms <= 3_800);
        prop_assert_eq!(told.iter().filter(judged).count(), 1);
        prop_assert!(told.len() <= 2);
    }

    #[test]
    fn both_rates_are_judged_alike(delay in 0_usize..40, length in 5_usize..200) {
        let narrow = [quiet(delay * 20), vowel(length * 20), quiet(4_000)].concat();
        let wide: Vec<i16> = narrow.iter().flat_map(|&sample| [sample, sample]).collect();
        let mut watch = AnswerWatch::new(plan());
        let mut told = Vec::new();
        for frame in wide.chunks(320) {
            if !watch.is_over() {
                watch.hear(frame, &mut told);
            }
        }
        prop_assert_eq!(told, listen(&[narrow]));
    }
}
