use super::*;
use proptest::prelude::*;

/// Tones that wander through both half bands, with pauses and full scale: the reference vectors' input.
fn sounds() -> Vec<i16> {
    let mut seed = 1_u32;
    let mut phase = 0_u32;
    (0..32_000_u32)
        .map(|n| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // A triangle sweeping upwards, and noise, by turns of a quarter second; integers only.
            phase = phase.wrapping_add((n * 2 % 24_000) << 14);
            let triangle = ((phase >> 15) as i32 - 65_536).abs() - 32_768;
            let noise = (seed >> 16) as i32 - 32_768;
            let sample = match n / 4_000 % 4 {
                0 => triangle / 4,
                1 => noise / 8,
                2 => 0,
                _ => triangle,
            };
            sample.clamp(-32_768, 32_767) as i16
        })
        .collect()
}

fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    !bytes.into_iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| {
            if c & 1 == 1 {
                (c >> 1) ^ 0xedb8_8320
            } else {
                c >> 1
            }
        })
    })
}

fn encode(pcm: &[i16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Encoder::default().encode(pcm, &mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Vec<i16> {
    let mut pcm = Vec::new();
    Decoder::default().decode(bytes, &mut pcm);
    pcm
}

fn sine(hz: f32, amplitude: f32) -> Vec<i16> {
    (0..16_000)
        .map(|n| ((std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin() * amplitude) as i16)
        .collect()
}

#[test]
fn bytes_and_samples_are_those_of_an_independent_implementation() {
    // The checksums are of what ffmpeg 5.1 makes of the same input, in both directions.
    let bytes = encode(&sounds());
    assert_eq!(crc32(bytes.iter().copied()), 0x268b_3793);
    assert_eq!(
        crc32(
            decode(&bytes)
                .iter()
                .flat_map(|sample| sample.to_le_bytes())
        ),
        0x29fe_42b2
    );
}

#[test]
fn tones_come_back_with_little_noise() {
    for (hz, least_db) in [
        (300.0, 30.0),
        (1_000.0, 30.0),
        (2_500.0, 25.0),
        (3_400.0, 25.0),
        (6_000.0, 14.0),
    ] {
        let sent = sine(hz, 8_000.0);
        let heard = decode(&encode(&sent));
        assert_eq!(heard.len(), sent.len());
        // Both filters together delay by 22 samples.
        let (signal, noise) =
            sent[4_000..12_000]
                .iter()
                .zip(&heard[4_022..])
                .fold((0.0, 0.0), |(s, n), (&x, &y)| {
                    (
                        s + f64::from(x).powi(2),
                        n + (f64::from(x) - f64::from(y)).powi(2),
                    )
                });
        let decibels = 10.0 * (signal / noise).log10();
        assert!(decibels > least_db, "{hz} Hz: {decibels:.1} dB");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn any_cut_gives_the_same_bytes(pcm in prop::collection::vec(any::<i16>(), 0..600), cut in 1..99_usize) {
        let (mut encoder, mut bytes) = (Encoder::default(), Vec::new());
        pcm.chunks(cut).for_each(|part| encoder.encode(part, &mut bytes));
        prop_assert_eq!(&bytes, &encode(&pcm));
        prop_assert_eq!(bytes.len(), pcm.len() / 2);
    }

    #[test]
    fn no_bytes_break_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert_eq!(decode(&bytes).len(), 2 * bytes.len());
    }
}

/// How far the ear's sound is from what was said when, after `passed` bytes of another encoder, ours goes on.
fn error_after_a_change(follows: bool) -> i32 {
    let said = sine(700.0, 8_000.0);
    let (mut theirs, mut ours) = (Encoder::default(), Encoder::default());
    let (mut our_ear, mut far_ear) = (Decoder::default(), Decoder::default());
    let mut heard = Vec::new();
    for (number, frame) in said.chunks(320).enumerate() {
        let (mut bytes, mut pcm) = (Vec::new(), Vec::new());
        theirs.encode(frame, &mut bytes);
        our_ear.decode(&bytes, &mut pcm);
        if number < 25 {
            if follows {
                ours.follow(&bytes, &pcm);
            }
        } else {
            bytes.clear();
            ours.encode(&pcm, &mut bytes);
        }
        far_ear.decode(&bytes, &mut heard);
    }
    // Coding twice delays by 22 samples more than coding once does.
    let (change, delay) = (25 * 320, 44);
    (change + 22..change + 400)
        .map(|at| (i32::from(heard[at]) - i32::from(said[at - delay])).abs())
        .max()
        .unwrap_or_default()
}

#[test]
fn after_bytes_of_another_encoder_ours_goes_on_where_that_one_left_the_ear() {
    let (with, without) = (error_after_a_change(true), error_after_a_change(false));
    assert!(with < 700, "{with}");
    assert!(without > 4 * with, "{without} and {with}");
}
