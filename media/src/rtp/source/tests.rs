use super::*;
use crate::audio::Codec;

const SDP: &str = "192.0.2.1:4000";
const SAME_HOST: &str = "192.0.2.1:61000";
const STRANGER: &str = "198.51.100.9:4000";
const OTHER_STRANGER: &str = "203.0.113.5:4000";

/// One packet: when (ms), from where, payload type, sequence, SSRC; and what becomes of it.
type Line = (u64, &'static str, u8, u16, u32, Origin);

fn play(lines: &[Line]) -> SourceLock {
    let mut lock = SourceLock::new();
    lock.set_remote(address(SDP), 0);
    for &(now_ms, from, payload_type, sequence, ssrc, expected) in lines {
        assert_eq!(
            judge(&mut lock, now_ms, from, payload_type, sequence, ssrc),
            expected,
            "{now_ms} {from}"
        );
    }
    lock
}

fn judge(
    lock: &mut SourceLock,
    now_ms: u64,
    from: &str,
    payload_type: u8,
    sequence: u16,
    ssrc: u32,
) -> Origin {
    let formats = Formats {
        codecs: vec![(0, Codec::Pcmu)],
        dtmf: Some(101),
        comfort_noise: None,
        dtmf_factor: 1,
    };
    let packet = Packet {
        marker: false,
        payload_type,
        sequence,
        timestamp: 0,
        ssrc,
        payload: &[],
    };
    lock.judge(address(from), &packet, &formats, now_ms)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

use Origin::{Foreign, Learnt, Remote};

#[test]
fn media_goes_to_the_sdp_address_at_once() {
    let lock = play(&[]);
    assert_eq!(lock.destination(), Some(address(SDP)));
}

#[test]
fn before_an_answer_everyone_is_a_stranger() {
    let mut lock = SourceLock::new();
    assert_eq!(judge(&mut lock, 0, SDP, 0, 1, 7), Foreign);
    assert_eq!((lock.destination(), lock.foreign()), (None, 1));
}

#[test]
fn packets_from_the_sdp_address_are_the_far_end_for_ever_after() {
    let lock = play(&[
        (10, SDP, 0, 1, 7, Remote),
        (20, SAME_HOST, 0, 2, 7, Foreign),
        (40, SAME_HOST, 0, 3, 7, Foreign),
        (60, SAME_HOST, 0, 4, 7, Foreign),
        (9_000, SDP, 0, 500, 8, Remote),
    ]);
    assert_eq!(
        (lock.destination(), lock.foreign()),
        (Some(address(SDP)), 3)
    );
}

#[test]
fn another_port_of_the_sdp_host_is_learnt_from_two_packets_and_only_once() {
    let lock = play(&[
        (10, SAME_HOST, 0, 65_535, 7, Foreign),
        (30, SAME_HOST, 0, 0, 7, Learnt),
        (50, SAME_HOST, 0, 1, 7, Remote),
        (70, SDP, 0, 1, 7, Foreign),
        (80, STRANGER, 0, 2, 7, Foreign),
        (90, STRANGER, 0, 3, 7, Foreign),
    ]);
    assert_eq!(lock.destination(), Some(address(SAME_HOST)));
}

#[test]
fn another_host_is_learnt_when_the_sdp_host_is_silent() {
    let lock = play(&[
        (10, STRANGER, 0, 1, 7, Foreign),
        (30, STRANGER, 0, 2, 7, Foreign),
        (50, STRANGER, 0, 4, 7, Foreign),
        (70, STRANGER, 0, 5, 7, Learnt),
        (90, STRANGER, 101, 6, 7, Remote),
    ]);
    assert_eq!(lock.destination(), Some(address(STRANGER)));
}

#[test]
fn the_sdp_host_is_preferred_to_another_host() {
    play(&[
        (10, STRANGER, 0, 1, 9, Foreign),
        (11, STRANGER, 0, 2, 9, Foreign),
        (12, STRANGER, 0, 3, 9, Foreign),
        (13, SAME_HOST, 0, 70, 7, Foreign),
        (14, STRANGER, 0, 4, 9, Foreign),
        (33, SAME_HOST, 0, 71, 7, Learnt),
    ]);
    play(&[
        (10, STRANGER, 0, 1, 9, Foreign),
        (11, STRANGER, 0, 2, 9, Foreign),
        (20, SDP, 0, 70, 7, Remote),
        (21, STRANGER, 0, 3, 9, Foreign),
        (22, STRANGER, 0, 4, 9, Foreign),
    ]);
}

#[test]
fn nobody_is_learnt_after_five_seconds() {
    let lock = play(&[
        (4_999, STRANGER, 0, 1, 7, Foreign),
        (5_000, STRANGER, 0, 2, 7, Foreign),
        (5_020, SAME_HOST, 0, 3, 7, Foreign),
        (5_040, SAME_HOST, 0, 4, 7, Foreign),
        (9_000, SDP, 0, 1, 8, Remote),
    ]);
    assert_eq!(lock.destination(), Some(address(SDP)));
}

#[test]
fn a_payload_type_that_was_not_agreed_teaches_nothing() {
    play(&[
        (10, SAME_HOST, 96, 1, 7, Foreign),
        (30, SAME_HOST, 96, 2, 7, Foreign),
        (50, SAME_HOST, 0, 3, 7, Foreign),
        (70, SAME_HOST, 96, 4, 7, Foreign),
        (90, SAME_HOST, 0, 4, 7, Learnt),
    ]);
}

#[test]
fn garbage_from_the_sdp_address_does_not_lock() {
    play(&[
        (10, SDP, 96, 1, 7, Remote),
        (30, SAME_HOST, 0, 2, 7, Foreign),
        (50, SAME_HOST, 0, 3, 7, Learnt),
    ]);
}

#[test]
fn random_sequence_numbers_or_ssrcs_teach_nothing() {
    let random = |n: u16| n.wrapping_mul(40_503);
    let mut lock = SourceLock::new();
    lock.set_remote(address(SDP), 0);
    for n in 0..200 {
        assert_eq!(judge(&mut lock, 20, SAME_HOST, 0, random(n), 7), Foreign);
        assert_eq!(
            judge(&mut lock, 20, SAME_HOST, 0, n, 100 + u32::from(n)),
            Foreign
        );
        assert_eq!(judge(&mut lock, 20, SAME_HOST, 0, 9, 7), Foreign);
    }
    assert_eq!(lock.foreign(), 600);
}

#[test]
fn the_ssrc_of_the_far_end_helps_no_stranger_after_the_lock() {
    play(&[
        (10, SDP, 0, 1, 7, Remote),
        (30, STRANGER, 0, 2, 7, Foreign),
        (31, STRANGER, 0, 3, 7, Foreign),
        (32, STRANGER, 0, 4, 7, Foreign),
        (33, STRANGER, 0, 5, 7, Foreign),
        (50, SDP, 0, 2, 7, Remote),
    ]);
}

#[test]
fn two_strangers_who_take_turns_teach_nothing() {
    let mut lock = SourceLock::new();
    lock.set_remote(address(SDP), 0);
    for n in 0..100 {
        assert_eq!(judge(&mut lock, 20, STRANGER, 0, n, 7), Foreign);
        assert_eq!(judge(&mut lock, 20, OTHER_STRANGER, 0, n, 8), Foreign);
    }
}

#[test]
fn only_a_new_address_in_sdp_lets_learning_begin_again() {
    let mut lock = play(&[(10, SDP, 0, 1, 7, Remote)]);
    lock.set_remote(address(SDP), 60_000);
    for sequence in 0..8 {
        assert_eq!(judge(&mut lock, 60_020, STRANGER, 0, sequence, 7), Foreign);
    }
    lock.set_remote(address(OTHER_STRANGER), 61_000);
    assert_eq!(lock.destination(), Some(address(OTHER_STRANGER)));
    assert_eq!(judge(&mut lock, 61_010, SDP, 0, 2, 7), Foreign);
    assert_eq!(judge(&mut lock, 61_020, OTHER_STRANGER, 0, 2, 7), Remote);
}

#[test]
fn an_ipv4_address_seen_by_an_ipv6_socket_is_the_same_address() {
    let mut lock = play(&[]);
    assert_eq!(
        judge(&mut lock, 10, "[::ffff:192.0.2.1]:4000", 0, 1, 7),
        Remote
    );
}

#[test]
fn rtcp_is_believed_from_the_far_host_only() {
    let mut lock = play(&[]);
    assert!(lock.allows_rtcp(address("192.0.2.1:4001")));
    assert!(!lock.allows_rtcp(address("198.51.100.9:4001")));
    assert_eq!(lock.foreign(), 1);
}
