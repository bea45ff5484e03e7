use super::*;
use proptest::prelude::*;

const ALL: &str = "0123456789*#ABCD";

fn listen(rate_hz: u32, pcm: &[i16], cut: usize) -> Vec<DigitHeard> {
    let mut heard = Vec::new();
    let mut detector = ToneDetector::new(rate_hz);
    pcm.chunks(cut)
        .for_each(|part| detector.process(part, &mut heard));
    detector.process(&vec![0; rate_hz as usize / 10], &mut heard);
    heard
}

/// Two sines, 100 ms at 8 kHz.
fn two_tones(row_hz: f32, column_hz: f32, row_level: f32, column_level: f32) -> Vec<i16> {
    let sample = |n: usize| {
        let angle = TAU * n as f32 / 8_000.0;
        (row_level * (angle * row_hz).sin() + column_level * (angle * column_hz).sin()) as i16
    };
    (0..800).map(sample).collect()
}

fn noise(seed: &mut u32) -> f32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*seed >> 16) as f32 / 32_768.0 - 1.0
}

#[test]
fn every_digit_is_heard_once_at_both_rates_with_its_duration() {
    for rate_hz in [8_000, 16_000] {
        let mut pcm = Vec::new();
        for digit in ALL.chars() {
            digit_tone(digit, rate_hz, 100, &mut pcm);
            pcm.resize(pcm.len() + rate_hz as usize / 20, 0);
        }
        let heard = listen(rate_hz, &pcm, 160);
        assert_eq!(
            heard.iter().map(|digit| digit.digit).collect::<String>(),
            ALL
        );
        assert!(
            heard
                .iter()
                .all(|digit| digit.duration_ms.abs_diff(100) <= 10),
            "{heard:?}"
        );
    }
}

#[test]
fn forty_milliseconds_are_enough_and_twenty_are_not() {
    for offset in 0..102 {
        for (ms, count) in [(20, 0), (40, 1)] {
            let mut pcm = vec![0; offset];
            digit_tone('5', 8_000, ms, &mut pcm);
            assert_eq!(listen(8_000, &pcm, 160).len(), count, "{ms} ms at {offset}");
        }
    }
}

#[test]
fn tones_a_little_off_are_heard_and_tones_far_off_are_not() {
    for (error, count) in [(0.985, 1), (1.015, 1), (0.93, 0), (1.07, 0)] {
        for (row_hz, column_hz) in [(697.0, 1_209.0), (941.0, 1_633.0)] {
            let pcm = two_tones(row_hz * error, column_hz * error, 5_000.0, 5_000.0);
            assert_eq!(listen(8_000, &pcm, 160).len(), count, "{row_hz} × {error}");
        }
    }
}

#[test]
fn twist_is_tolerated_within_limits_only() {
    for (row_level, column_level, count) in [
        (2_500.0, 5_000.0, 1),
        (5_000.0, 3_000.0, 1),
        (1_000.0, 5_000.0, 0),
        (5_000.0, 1_500.0, 0),
    ] {
        let pcm = two_tones(770.0, 1_336.0, row_level, column_level);
        assert_eq!(
            listen(8_000, &pcm, 160).len(),
            count,
            "{row_level} {column_level}"
        );
    }
}

#[test]
fn quiet_tones_and_tones_in_noise_are_heard() {
    assert_eq!(
        listen(8_000, &two_tones(852.0, 1_477.0, 250.0, 250.0), 160).len(),
        1
    );
    assert_eq!(
        listen(8_000, &two_tones(852.0, 1_477.0, 40.0, 40.0), 160).len(),
        0
    );
    let mut seed = 1;
    let noisy: Vec<i16> = two_tones(852.0, 1_477.0, 5_000.0, 5_000.0)
        .iter()
        .map(|sample| sample + (noise(&mut seed) * 1_500.0) as i16)
        .collect();
    assert_eq!(listen(8_000, &noisy, 160)[0].digit, '9');
}

#[test]
fn a_break_of_ten_milliseconds_does_not_make_two_digits() {
    let mut pcm = two_tones(770.0, 1_209.0, 5_000.0, 5_000.0);
    pcm.extend([0; 60]);
    pcm.extend(two_tones(770.0, 1_209.0, 5_000.0, 5_000.0));
    let heard = listen(8_000, &pcm, 160);
    assert_eq!((heard.len(), heard[0].digit), (1, '4'));
}

#[test]
fn a_minute_of_voiced_sound_and_noise_has_no_digits() {
    // Glottal pulses of a wandering pitch through two wandering formants, and bursts of noise.
    let mut seed = 7;
    let (mut pitch, mut phase) = (120.0_f32, 0.0_f32);
    let mut states = [[0.0_f32; 2]; 2];
    let mut formants = [500.0_f32, 1_500.0];
    let pcm: Vec<i16> = (0..480_000)
        .map(|n| {
            if n % 800 == 0 {
                pitch = (pitch + noise(&mut seed) * 20.0).clamp(80.0, 300.0);
                formants[0] = (formants[0] + noise(&mut seed) * 150.0).clamp(300.0, 1_000.0);
                formants[1] = (formants[1] + noise(&mut seed) * 300.0).clamp(900.0, 2_500.0);
            }
            phase += pitch / 8_000.0;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase %= 1.0;
            let source =
                pulse * 2_000.0 + noise(&mut seed) * if n / 4_000 % 5 == 0 { 400.0 } else { 20.0 };
            let mut sound = 0.0;
            for (state, hz) in states.iter_mut().zip(formants) {
                let radius = 0.97_f32;
                let next = source + 2.0 * radius * (TAU * hz / 8_000.0).cos() * state[0]
                    - radius * radius * state[1];
                *state = [next, state[0]];
                sound += next;
            }
            sound.clamp(-32_000.0, 32_000.0) as i16
        })
        .collect();
    assert_eq!(listen(8_000, &pcm, 160), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_cut_of_the_sound_does_not_matter(cut in 1..700_usize, offset in 0..300_usize) {
        let mut pcm = vec![0; offset];
        for digit in "147*".chars() {
            digit_tone(digit, 8_000, 60, &mut pcm);
            pcm.resize(pcm.len() + 400, 0);
        }
        prop_assert_eq!(listen(8_000, &pcm, cut), listen(8_000, &pcm, 160));
    }
}
