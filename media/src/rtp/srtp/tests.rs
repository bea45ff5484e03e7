//! SRTP against the RFCs' own vectors, and against itself.

mod endless;
mod vectors;

use super::session::ENCRYPTED;
use super::*;
use crate::rtp::Packet;

const SUITES: [Suite; 6] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AesCm256HmacSha1_80,
    Suite::AesCm256HmacSha1_32,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

fn master(suite: Suite, seed: u8) -> Vec<u8> {
    (0..suite.key_bytes() + suite.salt_bytes())
        .map(|byte| byte as u8 ^ seed)
        .collect()
}

/// Two ends that agreed.
fn pair(suite: Suite) -> (Srtp, Srtp) {
    (end(suite, 1, 2), end(suite, 2, 1))
}

fn keys(suite: Suite, ours: u8, theirs: u8) -> Keys {
    Keys {
        suite,
        ours: master(suite, ours),
        theirs: master(suite, theirs),
    }
}

fn end(suite: Suite, ours: u8, theirs: u8) -> Srtp {
    Srtp::new(keys(suite, ours, theirs)).unwrap()
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut datagram = Vec::new();
    let packet = Packet {
        marker: false,
        payload_type: 8,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc,
        payload: &[0xd5; 160],
    };
    packet.write(&mut datagram);
    datagram
}

fn sealed(srtp: &mut Srtp, sequence: u16) -> Vec<u8> {
    sealed_of(srtp, sequence, 7)
}

fn sealed_of(srtp: &mut Srtp, sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut buffer = packet(sequence, ssrc);
    let length = buffer.len();
    buffer.resize(length + GROWTH, 0);
    let end = srtp.seal_rtp(&mut buffer, length);
    buffer.truncate(end);
    buffer
}

fn opened(srtp: &mut Srtp, mut datagram: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let length = srtp.open_rtp(&mut datagram, 0)?;
    datagram.truncate(length);
    Ok(datagram)
}

fn report(srtp: &mut Srtp) -> Vec<u8> {
    let mut buffer = b"\x81\xc8\x00\x06senderWithTwentyBytesInIt!!!".to_vec();
    buffer.truncate(28);
    let length = buffer.len();
    buffer.resize(length + GROWTH, 0);
    let end = srtp.seal_rtcp(&mut buffer, length).unwrap();
    buffer.truncate(end);
    buffer
}

#[test]
fn what_one_end_seals_the_other_opens() {
    for suite in SUITES {
        let (mut one, mut other) = pair(suite);
        for sequence in 5..10 {
            let on_the_wire = sealed(&mut one, sequence);
            assert_ne!(on_the_wire[12..172], [0xd5; 160]);
            assert_eq!(opened(&mut other, on_the_wire), Ok(packet(sequence, 7)));
        }
        let mut datagram = report(&mut one);
        assert_ne!(datagram[8..28], b"erWithTwentyBytesInI"[..]);
        let length = other.open_rtcp(&mut datagram, 0).unwrap();
        assert_eq!(&datagram[8..length], b"erWithTwentyBytesInI");
        assert_eq!(other.refused(), Refused::default());
    }
}

#[test]
fn what_was_changed_on_the_way_is_rejected() {
    for suite in SUITES {
        let (mut one, mut other) = pair(suite);
        let right = sealed(&mut one, 5);
        for at in [0, 1, 3, 8, 12, 100, right.len() - 1] {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert_eq!(opened(&mut other, wrong), Err(Refusal::Rejected), "{at}");
        }
        let short = right[..right.len() - 1].to_vec();
        assert_eq!(opened(&mut other, short), Err(Refusal::Rejected));
        assert_eq!(opened(&mut other, right), Ok(packet(5, 7)));
        assert!(!one.ever_accepted() && other.ever_accepted());

        let right = report(&mut one);
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert_eq!(
                other.open_rtcp(&mut wrong, 0),
                Err(Refusal::Rejected),
                "{at}"
            );
        }
        assert!(other.open_rtcp(&mut right.clone(), 0).is_ok());
    }
}

#[test]
fn what_came_before_is_not_believed_again() {
    for suite in SUITES {
        let (mut one, mut other) = pair(suite);
        let all: Vec<_> = (0..200)
            .map(|sequence| sealed(&mut one, sequence))
            .collect();
        for datagram in &all {
            assert!(opened(&mut other, datagram.clone()).is_ok());
        }
        for datagram in &all {
            assert_eq!(opened(&mut other, datagram.clone()), Err(Refusal::Replayed));
        }
        let said = report(&mut one);
        assert!(other.open_rtcp(&mut said.clone(), 0).is_ok());
        assert_eq!(
            other.open_rtcp(&mut said.clone(), 0),
            Err(Refusal::Replayed)
        );
        assert_eq!(other.refused().replayed, 201);
    }
}

#[test]
fn a_stream_goes_on_when_its_numbers_come_round() {
    for suite in SUITES {
        let (mut one, mut other) = pair(suite);
        for sequence in (65_530..=65_535).chain(0..5) {
            let wire = sealed(&mut one, sequence);
            assert!(opened(&mut other, wire).is_ok(), "{suite:?} {sequence}");
        }
        assert!(one.has_come_round());
    }
}

#[test]
fn a_stranger_that_guesses_every_stream_gets_none() {
    let (mut one, mut other) = pair(Suite::AesCm128HmacSha1_32);
    for ssrc in 100..200 {
        let mut garbage = packet(1, ssrc);
        garbage.extend([0; 4]);
        assert_eq!(opened(&mut other, garbage), Err(Refusal::Rejected));
    }
    assert!(opened(&mut other, sealed(&mut one, 1)).is_ok());
}

#[test]
fn a_far_end_has_thirty_two_streams_and_not_one_more() {
    let (_, mut other) = pair(Suite::AeadAes128Gcm);
    let result = |other: &mut Srtp, ssrc| {
        let wire = sealed_of(&mut end(Suite::AeadAes128Gcm, 1, 2), 1, ssrc);
        opened(other, wire).map(|_| ())
    };
    for ssrc in 0..32 {
        assert_eq!(result(&mut other, ssrc), Ok(()));
    }
    assert_eq!(result(&mut other, 32), Err(Refusal::Rejected));
    assert_eq!(result(&mut other, 5), Err(Refusal::Replayed));
}

#[test]
fn the_same_keys_again_change_nothing_and_new_ones_count_at_once() {
    for suite in SUITES {
        let (mut one, mut other) = pair(suite);
        let first = sealed(&mut one, 1);
        assert!(opened(&mut other, first.clone()).is_ok());
        assert!(other.rekey(keys(suite, 2, 1), 0));
        assert_eq!(opened(&mut other, first), Err(Refusal::Replayed));

        // What is on its way was sealed with the key before.
        let on_its_way = sealed(&mut one, 2);
        assert!(other.rekey(keys(suite, 2, 3), 0));
        assert!(one.rekey(keys(suite, 3, 2), 0));
        let new = sealed(&mut one, 3);
        assert!(opened(&mut other, new.clone()).is_ok());
        assert!(opened(&mut other, on_its_way.clone()).is_ok());
        assert_eq!(opened(&mut other, new), Err(Refusal::Replayed));
        let mut late = sealed(&mut end(suite, 1, 2), 90);
        let refused = other.open_rtp(&mut late, OLD_KEYS_MS);
        assert_eq!(refused, Err(Refusal::Rejected));
    }
}

#[test]
fn a_far_end_may_count_its_rounds_on_with_new_keys_or_begin_anew() {
    for suite in SUITES {
        for counts_on in [true, false] {
            let (mut one, mut other) = pair(suite);
            for sequence in [65_534, 65_535, 0] {
                assert!(opened(&mut other, sealed(&mut one, sequence)).is_ok());
            }
            assert!(other.rekey(keys(suite, 2, 9), 0));
            let mut renewed = end(suite, 9, 2);
            if counts_on {
                sealed(&mut renewed, 65_535);
            }
            for sequence in 1..4 {
                let wire = sealed(&mut renewed, sequence);
                assert!(opened(&mut other, wire).is_ok(), "{suite:?} {counts_on}");
            }
        }
    }
}

#[test]
fn keys_of_another_length_are_none() {
    let mut wrong = keys(Suite::AeadAes128Gcm, 1, 2);
    wrong.suite = Suite::AesCm128HmacSha1_80;
    assert!(Srtp::new(wrong.clone()).is_none());
    let (mut one, mut other) = pair(Suite::AesCm128HmacSha1_80);
    assert!(!one.rekey(wrong, 0));
    assert!(opened(&mut other, sealed(&mut one, 1)).is_ok());
}

#[test]
fn refusals_are_told_after_fifty_and_then_ever_more_rarely() {
    let (_, mut other) = pair(Suite::AesCm128HmacSha1_80);
    let mut told = Vec::new();
    for count in 1..=6_000 {
        let _ = opened(&mut other, packet(1, 1));
        if other.is_to_be_told() {
            told.push(count);
        }
    }
    assert_eq!(told, [50, 500, 5_000]);
}

#[test]
fn reports_end_before_their_numbers_come_round() {
    let (mut one, _) = pair(Suite::AesCm128HmacSha1_80);
    one.outbound.skip_reports(ENCRYPTED - 2);
    let mut buffer = [0; 48];
    buffer[0] = 0x80;
    assert!(one.seal_rtcp(&mut buffer, 28).is_some());
    assert!(one.seal_rtcp(&mut buffer, 28).is_none());
}

#[test]
fn keys_are_shown_to_nobody() {
    let shown = format!("{:?}", keys(Suite::AeadAes256Gcm, 1, 2));
    assert_eq!(shown, "Keys(AEAD_AES_256_GCM)");
}
