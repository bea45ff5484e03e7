use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1 << 32;

fn packet(sequence: u16, timestamp: u32) -> Packet<'static> {
    Packet {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp,
        ssrc: 77,
        payload: &[],
    }
}

fn sent(packets: u32) -> Sent {
    Sent {
        ssrc: 5,
        packets,
        octets: packets * 160,
        timestamp: 99,
    }
}

/// Feeds packets 0..count at 20 ms, without those that `is_lost`.
fn hear(session: &mut RtcpSession, count: u32, is_lost: impl Fn(u32) -> bool) {
    for number in (0..count).filter(|number| !is_lost(*number)) {
        let sequence = 65_000_u16.wrapping_add(number as u16);
        session.on_received(&packet(sequence, number * 160), u64::from(number) * 20_000);
    }
}

#[test]
fn rtcp_is_told_from_rtp_on_one_port() {
    assert!(is_rtcp(&[0x80, 200, 0, 0]) && is_rtcp(&[0x81, 207, 0, 1]));
    assert!(
        !is_rtcp(&[0x80, 0, 0, 0]) && !is_rtcp(&[0x80, 0x80 | 101, 0, 0]) && !is_rtcp(&[0x80, 200])
    );
}

#[test]
fn a_report_has_the_layout_of_the_rfc() {
    let mut session = RtcpSession::new(5, "ab", 1);
    hear(&mut session, 1, |_| false);
    let datagram = session.build(0x0102_0304_0506_0708, &sent(3));
    let expected: Vec<u8> = [
        vec![
            0x81, 200, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 99, 0, 0, 0, 3, 0, 0, 1,
            0xe0,
        ],
        vec![
            0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0xfd, 0xe8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        vec![0x81, 202, 0, 3, 0, 0, 0, 5, 1, 2, b'a', b'b', 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(datagram, expected);
}

#[test]
fn a_leg_that_sends_nothing_reports_as_receiver_and_bye_comes_last() {
    let mut session = RtcpSession::new(5, "leg@host.example", 1);
    let datagram = session.build_bye(0, &sent(0));
    let kinds: Vec<u8> = Parts(&datagram).map(|part| part.unwrap().kind).collect();
    assert_eq!(kinds, [RECEIVER_REPORT, DESCRIPTION, BYE]);
    let mut far = RtcpSession::new(77, "far", 1);
    assert_eq!(far.on_report(&datagram, 0), Some(Report { bye: true }));
}

#[test]
fn loss_is_counted_over_the_wrap_and_per_interval() {
    let mut ours = RtcpSession::new(5, "a", 1);
    let mut theirs = RtcpSession::new(77, "b", 1);
    hear(&mut ours, 1_000, |number| number % 10 == 9);
    let quality = ours.quality();
    assert_eq!((quality.expected, quality.lost), (999, 99));
    theirs.on_report(&ours.build(0, &sent(1)), 0);
    let told = theirs.quality();
    assert_eq!(told.far_lost, 99);
    assert!((told.far_loss - 0.099).abs() < 0.01);
    // Nothing more came: the next interval has no loss, the sum stays.
    theirs.on_report(&ours.build(0, &sent(2)), 0);
    assert_eq!(
        (theirs.quality().far_loss, theirs.quality().far_lost),
        (0.0, 99)
    );
}

#[test]
fn duplicates_make_the_loss_negative_as_the_rfc_says() {
    let mut ours = RtcpSession::new(5, "a", 1);
    hear(&mut ours, 10, |_| false);
    ours.on_received(&packet(65_009, 9 * 160), 200_000);
    assert_eq!(ours.quality().lost, -1);
    let mut theirs = RtcpSession::new(77, "b", 1);
    theirs.on_report(&ours.build(0, &sent(1)), 0);
    assert_eq!(
        (theirs.quality().far_lost, theirs.quality().far_loss),
        (-1, 0.0)
    );
}

#[test]
fn jitter_settles_at_the_mean_difference_of_transit() {
    let mut session = RtcpSession::new(5, "a", 1);
    for number in 0..400_u32 {
        let late_us = if number % 2 == 0 { 0 } else { 8_000 };
        session.on_received(
            &packet(number as u16, number * 160),
            u64::from(number) * 20_000 + late_us,
        );
    }
    assert!((session.quality().jitter_ms - 8.0).abs() < 0.5);
    // A key: many packets with one timestamp.
    for number in 400..430_u32 {
        session.on_received(
            &packet(number as u16, 400 * 160),
            u64::from(number) * 20_000,
        );
    }
    assert!((session.quality().jitter_ms - 8.0).abs() < 1.0);
}

#[test]
fn the_round_trip_leaves_out_the_time_that_the_far_end_held_the_report() {
    let mut ours = RtcpSession::new(5, "a", 1);
    let mut theirs = RtcpSession::new(77, "b", 1);
    hear(&mut ours, 2, |_| false);
    theirs.on_received(
        &Packet {
            ssrc: 5,
            ..packet(1, 0)
        },
        0,
    );
    let start = 40_000 * SECOND + SECOND / 2;
    let report = ours.build(start, &sent(1));
    // Thirty milliseconds there, two seconds held, thirty back; their clock is another one.
    let skew = 500 * SECOND;
    theirs.on_report(&report, start + skew + SECOND * 3 / 100);
    let answer = theirs.build(start + skew + SECOND * 203 / 100, &sent(1));
    ours.on_report(&answer, start + SECOND * 206 / 100);
    let round_trip_ms = ours.quality().round_trip_ms.unwrap();
    assert!((round_trip_ms - 60.0).abs() < 0.1, "{round_trip_ms}");
}

#[test]
fn a_restart_of_the_sequence_is_no_loss_and_keeps_the_sum() {
    let mut session = RtcpSession::new(5, "a", 1);
    hear(&mut session, 100, |number| number == 50);
    for number in 0..50_u16 {
        session.on_received(&packet(20_000 + number, 0), 3_000_000);
    }
    assert_eq!(session.quality().lost, 1);
    session.on_received(
        &Packet {
            ssrc: 78,
            ..packet(9, 0)
        },
        4_000_000,
    );
    assert_eq!(session.quality().lost, 1);
}

#[test]
fn intervals_lie_between_two_and_a_half_and_seven_and_a_half_seconds() {
    let mut session = RtcpSession::new(5, "a", 42);
    let intervals: Vec<u64> = (0..1_000).map(|_| session.next_interval_ms()).collect();
    assert!(intervals.iter().all(|ms| (2_500..=7_500).contains(ms)));
    let mean = intervals.iter().sum::<u64>() / 1_000;
    assert!((4_800..5_200).contains(&mean));
}

#[test]
fn unknown_parts_are_skipped_and_broken_compounds_are_refused() {
    let mut session = RtcpSession::new(5, "a", 1);
    let report = RtcpSession::new(77, "b", 1).build(0, &sent(1));
    let mut with_more = report.clone();
    with_more.extend([0x80, 204, 0, 2, 0, 0, 0, 7, b'n', b'a', b'm', b'e']);
    with_more.extend([0x80, 207, 0, 1, 0, 0, 0, 7]);
    assert!(session.on_report(&with_more, 0).is_some());
    assert_eq!(session.on_report(&report[..report.len() - 1], 0), None);
    assert_eq!(session.on_report(b"", 0), None);
    assert_eq!(session.on_report(&[0x80, 0, 0, 0], 0), None);
}

#[test]
fn a_long_name_is_cut_between_letters() {
    let mut session = RtcpSession::new(5, &"ü".repeat(200), 1);
    let datagram = session.build(0, &sent(1));
    assert!(session.on_report(&datagram, 0).is_some());
    assert_eq!(session.cname.len(), 254);
}

proptest! {
    #[test]
    fn no_bytes_break_the_parser(mut bytes in prop::collection::vec(any::<u8>(), 0..120), lead in any::<bool>()) {
        if lead && bytes.len() > 4 {
            bytes[..3].copy_from_slice(&[0x8f, 200, 0]);
        }
        let mut session = RtcpSession::new(5, "a", 1);
        session.on_report(&bytes, u64::MAX);
        session.on_report(&bytes, 0);
    }
}
