//! Tones that the network makes: ringback, busy, congestion (ITU-T E.180 supplement 2). Nobody says them.
//!
//! A frame of 20 ms cannot tell 440 Hz from 480 Hz, but it can tell whether it is made of nothing else: its energy then
//! lies wholly in the few sines and cosines of one set of frequencies.

use std::f32::consts::TAU;
use std::sync::OnceLock;

/// Samples of 20 ms at 8 kHz.
pub const FRAME: usize = 160;
pub type Frame = [f32; FRAME];

const RATE_HZ: f32 = 8_000.0;
/// What one country's tones are made of; India's ringback is 400 Hz, loudened and softened 25 times a second.
const SETS_HZ: [&[f32]; 5] = [
    &[375.0, 400.0, 425.0],
    &[400.0, 450.0],
    &[440.0, 480.0],
    &[480.0, 620.0],
    &[350.0, 440.0],
];
/// Those that are made of a single frequency, and how well it is kept.
const SINGLE_HZ: [f32; 3] = [400.0, 425.0, 450.0];
const TOLERANCE_HZ: f32 = 8.0;
/// Share of a frame's energy in one set; a vowel has harmonics elsewhere.
const LEAST_SHARE: f32 = 0.94;

/// Whether a frame is made of a network's tones. `energy` is its sum of squares.
pub fn is_network_tone(frame: &Frame, energy: f32) -> bool {
    bases().iter().any(|basis| {
        let within: f32 = basis.iter().map(|axis| dot(axis, frame).powi(2)).sum();
        within >= LEAST_SHARE * energy
    })
}

/// Whether a single steady tone is one of a network's.
pub fn is_network_hz(hz: f32) -> bool {
    SINGLE_HZ
        .iter()
        .any(|single| (hz - single).abs() <= TOLERANCE_HZ)
}

/// The sum of products.
pub fn dot(one: &Frame, other: &Frame) -> f32 {
    // Eight sums, so that the processor need not wait for each addition.
    let mut sums = [0.0; 8];
    for (a, b) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        for place in 0..8 {
            sums[place] += a[place] * b[place];
        }
    }
    sums.iter().sum()
}

/// For each set, vectors of length one, at right angles to each other, that span its sines and cosines.
fn bases() -> &'static [Vec<Frame>] {
    static BASES: OnceLock<Vec<Vec<Frame>>> = OnceLock::new();
    BASES.get_or_init(|| SETS_HZ.iter().map(|set| basis(set)).collect())
}

fn basis(set_hz: &[f32]) -> Vec<Frame> {
    let mut axes: Vec<Frame> = Vec::new();
    for hz in set_hz {
        for turn in [0.0, TAU / 4.0] {
            let mut axis: Frame =
                std::array::from_fn(|n| (TAU * hz * n as f32 / RATE_HZ + turn).sin());
            for other in &axes {
                let shared = dot(&axis, other);
                axis.iter_mut()
                    .zip(other)
                    .for_each(|(sample, part)| *sample -= shared * part);
            }
            let length = dot(&axis, &axis).sqrt();
            axes.push(axis.map(|sample| sample / length));
        }
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(parts: &[(f32, f32)], from: usize) -> Frame {
        std::array::from_fn(|n| {
            let time_s = (from + n) as f32 / RATE_HZ;
            parts
                .iter()
                .map(|(hz, peak)| peak * (TAU * hz * time_s).sin())
                .sum()
        })
    }

    fn is_told(frame: &Frame) -> bool {
        is_network_tone(frame, dot(frame, frame))
    }

    #[test]
    fn tones_of_many_countries_are_known_wherever_the_frame_begins() {
        let pairs: [&[(f32, f32)]; 6] = [
            &[(440.0, 3_000.0), (480.0, 3_000.0)],
            &[(480.0, 3_000.0), (620.0, 3_000.0)],
            &[(400.0, 3_000.0), (450.0, 3_000.0)],
            &[(375.0, 800.0), (400.0, 3_000.0), (425.0, 800.0)],
            &[(425.0, 5_000.0)],
            &[(400.0, 5_000.0)],
        ];
        for parts in pairs {
            for from in (0..8_000).step_by(37) {
                assert!(is_told(&frame(parts, from)), "{parts:?} from {from}");
            }
        }
    }

    #[test]
    fn harmonics_of_a_voice_are_none() {
        for pitch_hz in [90.0, 120.0, 160.0, 220.0] {
            let parts: Vec<(f32, f32)> = (3..9)
                .map(|number| (pitch_hz * number as f32, 8_000.0 / number as f32))
                .collect();
            for from in (0..8_000).step_by(37) {
                assert!(!is_told(&frame(&parts, from)), "{pitch_hz} Hz from {from}");
            }
        }
    }

    #[test]
    fn beeps_of_answering_machines_are_none() {
        for hz in [700.0, 850.0, 1_000.0, 1_400.0, 2_000.0] {
            assert!(!is_told(&frame(&[(hz, 5_000.0)], 11)), "{hz}");
            assert!(!is_network_hz(hz));
        }
    }
}
