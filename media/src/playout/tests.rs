//! Tests of the playout: every sample once and in order, every mark once.

use super::*;
use proptest::prelude::*;

fn push(queue: &mut Playout, bytes: &[u8]) -> (usize, usize) {
    let pushed: Result<_, ()> = queue.push_with(|out| {
        out.extend_from_slice(bytes);
        Ok(())
    });
    pushed.unwrap()
}

fn pcm16() -> Playout {
    Playout::new(Encoding::Pcm16, 8000, 600_000)
}

fn take(queue: &mut Playout) -> (Vec<i16>, Vec<String>, Taken) {
    let (mut frame, mut fired) = (Vec::new(), Vec::new());
    let taken = queue.take(&mut frame, &mut fired);
    (frame, fired, taken)
}

fn ramp(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|index| (index * 7 + index / 251) as u8)
        .collect()
}

/// AS-151, AS-154: 4096 bytes every 256 ms wait once, and are never padded.
#[test]
fn a_bot_that_keeps_real_time_with_odd_pieces_is_heard_without_padding() {
    let mut queue = pcm16();
    let (mut heard, mut empty) = (Vec::new(), 0);
    let sent = ramp(4096 * 20);
    for step in 0..20 * 256 / 20 {
        for piece in 0..20 {
            if piece * 256 <= step * 20 && (step == 0 || piece * 256 > (step - 1) * 20) {
                push(&mut queue, &sent[piece * 4096..(piece + 1) * 4096]);
            }
        }
        let (frame, _, taken) = take(&mut queue);
        assert!(
            taken.samples == 160 || taken.samples == 0,
            "padded: {}",
            taken.samples
        );
        empty += usize::from(taken.samples == 0);
        heard.extend(frame.iter().flat_map(|s| s.to_le_bytes()));
    }
    assert_eq!(empty, 1);
    assert_eq!(heard, sent[..heard.len()]);
}

#[test]
fn the_end_of_a_burst_is_not_torn_from_its_body() {
    let mut queue = pcm16();
    for _ in 0..10 {
        push(&mut queue, &ramp(650));
    }
    let counts: Vec<usize> = (0..22).map(|_| take(&mut queue).2.samples).collect();
    assert_eq!(counts[..21], [vec![160; 20], vec![50]].concat());
}

/// AS-154: what a bot sends back to back comes out joined and untouched.
#[test]
fn odd_sized_payloads_are_joined_bit_exactly() {
    let sizes = [2, 319, 320, 640, 3200, 4096, 99_840, 100_001];
    let sent = ramp(sizes.iter().sum());
    let mut queue = pcm16();
    let mut at = 0;
    for size in sizes {
        push(&mut queue, &sent[at..at + size]);
        at += size;
    }
    let mut heard = Vec::new();
    loop {
        let (frame, _, taken) = take(&mut queue);
        if taken.samples == 0 && queue.is_empty() {
            break;
        }
        heard.extend(frame[..taken.samples].iter().flat_map(|s| s.to_le_bytes()));
    }
    assert_eq!(heard, sent[..sent.len() / 2 * 2]);
}

#[test]
fn a_lone_sample_waits_one_step_and_is_then_played() {
    let mut queue = pcm16();
    push(&mut queue, &[1, 2]);
    assert_eq!(take(&mut queue).2.samples, 0);
    let (frame, _, taken) = take(&mut queue);
    assert_eq!(
        (frame.len(), frame[0], taken),
        (
            160,
            513,
            Taken {
                samples: 1,
                started: true
            }
        )
    );
    assert_eq!(take(&mut queue).0, Vec::<i16>::new());
}

#[test]
fn a_mark_in_an_empty_queue_fires_at_once_and_else_after_its_bytes() {
    let mut queue = pcm16();
    assert_eq!(queue.push_mark("now".into()), Some("now".into()));
    push(&mut queue, &ramp(640));
    assert_eq!(queue.push_mark("later".into()), None);
    push(&mut queue, &ramp(320));
    assert!(take(&mut queue).1.is_empty());
    assert_eq!(take(&mut queue).1, ["later"]);
}

#[test]
fn a_clear_empties_the_queue_and_hands_out_marks_in_order() {
    let mut queue = pcm16();
    push(&mut queue, &ramp(1601));
    queue.push_mark("a".into());
    queue.push_mark("b".into());
    let cleared = queue.clear();
    assert_eq!(
        cleared,
        ClearedAudio {
            dropped_ms: 100,
            marks: vec!["a".into(), "b".into()]
        }
    );
    push(&mut queue, &[5, 0]);
    take(&mut queue);
    assert_eq!(
        take(&mut queue).0[0],
        5,
        "the odd byte before the clear is gone"
    );
}

#[test]
fn a_full_queue_refuses_the_newest_payload() {
    let mut queue = Playout::new(Encoding::Pcm16, 8000, 100);
    assert_eq!(push(&mut queue, &ramp(1600)), (1600, 0));
    assert_eq!(push(&mut queue, &ramp(2)), (0, 2));
    assert_eq!(queue.queued_ms(), 100);
}

#[test]
fn a_short_silence_inside_an_utterance_is_one_underrun() {
    let mut queue = pcm16();
    push(&mut queue, &ramp(320));
    assert!(take(&mut queue).2.started);
    take(&mut queue);
    take(&mut queue);
    push(&mut queue, &ramp(320));
    assert!(!take(&mut queue).2.started);
    assert_eq!(queue.underruns(), 1);
    for _ in 0..=UTTERANCE_GAP_FRAMES {
        take(&mut queue);
    }
    push(&mut queue, &ramp(320));
    assert!(take(&mut queue).2.started);
    assert_eq!(queue.underruns(), 1);
}

proptest! {
    /// Every sample is heard once and in order; every mark fires once, never before its bytes.
    #[test]
    fn every_sample_is_heard_once(steps in prop::collection::vec((0_usize..1000, 0_usize..4), 1..60)) {
        let mut queue = pcm16();
        let (mut sent, mut heard) = (Vec::new(), Vec::new());
        let (mut due, mut fired_all) = (Vec::new(), Vec::new());
        for (index, (size, takes)) in steps.iter().enumerate() {
            let bytes: Vec<u8> = (0..*size).map(|n| (sent.len() + n) as u8).collect();
            push(&mut queue, &bytes);
            sent.extend(bytes);
            let name = index.to_string();
            due.push(sent.len() / 2);
            fired_all.extend(queue.push_mark(name));
            for _ in 0..*takes {
                let (frame, fired, taken) = take(&mut queue);
                heard.extend(frame[..taken.samples].iter().flat_map(|s| s.to_le_bytes()));
                for name in fired {
                    let index: usize = name.parse().unwrap();
                    prop_assert!(heard.len() / 2 >= due[index]);
                    fired_all.push(name);
                }
            }
        }
        queue.end();
        while !queue.is_empty() {
            let (frame, fired, taken) = take(&mut queue);
            heard.extend(frame[..taken.samples].iter().flat_map(|s| s.to_le_bytes()));
            fired_all.extend(fired);
        }
        let names: Vec<String> = (0..steps.len()).map(|n| n.to_string()).collect();
        prop_assert_eq!(fired_all, names);
        prop_assert_eq!(heard, sent[..sent.len() / 2 * 2].to_vec());
    }
}

/// OP-1: what was heard is counted on, and the limit is one of time.
#[test]
fn a_queue_that_goes_on_at_another_rate_counts_on_in_milliseconds() {
    let mut queue = Playout::new(Encoding::Pcm16, 8_000, 1_000);
    push(&mut queue, &ramp(320 * 5 + 1));
    while !queue.is_empty() {
        take(&mut queue);
    }
    queue.set_rate(24_000, 1_000);
    assert_eq!((queue.played_ms(), queue.queued_bytes()), (100, 0));
    push(&mut queue, &ramp(960));
    assert_eq!((take(&mut queue).0.len(), queue.played_ms()), (480, 120));
    assert_eq!(push(&mut queue, &ramp(48_000)), (48_000, 0));
    assert_eq!(push(&mut queue, &ramp(2)), (0, 2));
}
