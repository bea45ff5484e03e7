//! Any bytes at all, and what a packet costs.

use proptest::prelude::*;

use super::*;
use std::time::Instant;

fn suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(SUITES.to_vec())
}

proptest! {
    #[test]
    fn no_datagram_breaks_anything(
        suite in suite(),
        mut bytes in prop::collection::vec(any::<u8>(), 0..1_600),
        is_rtp in any::<bool>(),
    ) {
        if let Some(first) = bytes.first_mut().filter(|_| is_rtp) {
            *first = 0x80 | *first & 0x3f;
        }
        let mut srtp = pair(suite).1;
        let mut other = srtp.rekey(keys(suite, 2, 5), 0).then(|| bytes.clone()).unwrap();
        prop_assert_eq!(srtp.open_rtp(&mut bytes, 0), Err(Refusal::Rejected));
        prop_assert_eq!(srtp.open_rtcp(&mut other, 0), Err(Refusal::Rejected));
    }

    #[test]
    fn a_damaged_packet_is_never_believed(
        suite in suite(),
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
        cut in 0..200_usize,
    ) {
        let (mut one, mut other) = pair(suite);
        let mut wire = sealed(&mut one, 9);
        let place = at.index(wire.len());
        wire[place] ^= change;
        prop_assert!(opened(&mut other, wire).is_err());
        let mut wire = sealed(&mut one, 10);
        wire.truncate(wire.len().saturating_sub(cut + 1));
        prop_assert!(opened(&mut other, wire).is_err());
    }

    #[test]
    fn lost_and_disordered_packets_do_not_hinder_the_others(
        suite in suite(),
        first in 0..32_768_u16,
        order in prop::collection::vec((0..60_u16, any::<bool>()), 1..60),
    ) {
        let (mut one, mut other) = pair(suite);
        prop_assert!(opened(&mut other, sealed(&mut one, first)).is_ok());
        let mut wires: Vec<_> = (1..=60).map(|step| Some(sealed(&mut one, first + step))).collect();
        for (place, is_lost) in order {
            if let Some(wire) = wires[usize::from(place)].take().filter(|_| !is_lost) {
                prop_assert_eq!(opened(&mut other, wire), Ok(packet(first + place + 1, 7)));
            }
        }
    }
}

/// Not a test that can fail: run it with `--release -- --ignored --nocapture` for the figures.
#[test]
#[ignore = "prints what a packet costs"]
fn what_a_packet_costs() {
    const ROUNDS: u32 = 200_000;
    for suite in SUITES {
        let (mut one, mut other) = pair(suite);
        let began = Instant::now();
        for number in 0..ROUNDS {
            std::hint::black_box(sealed(&mut one, number as u16));
        }
        let sealing = began.elapsed() / ROUNDS;
        let wires: Vec<_> = (0..60_000)
            .map(|number| sealed(&mut end_of(suite), number))
            .collect();
        let began = Instant::now();
        for wire in &wires {
            let _ = std::hint::black_box(opened(&mut other, wire.clone()));
        }
        let opening = began.elapsed() / wires.len() as u32;
        println!("{:24} seal {sealing:?} open {opening:?}", suite.name());
    }
    let began = Instant::now();
    for number in 0..ROUNDS {
        std::hint::black_box(packet(number as u16, 7));
    }
    println!("{:24} write {:?}", "in clear", began.elapsed() / ROUNDS);
}

/// An end whose numbers have not come round.
fn end_of(suite: Suite) -> Srtp {
    end(suite, 1, 2)
}
