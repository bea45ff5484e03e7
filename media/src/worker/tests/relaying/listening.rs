//! A third leg that hears the two, or is heard by one of them: the bridge stands, and the short way waits for its end.

use super::*;
use crate::audio::g711;
use crate::bridge::hearing::Hearing;

const C: usize = 2;

/// The two telephones, and a third leg between files.
struct Three {
    pair: Pair,
    hearing: [Hearing<usize>; 3],
}

impl Three {
    /// The third one says `level` without end.
    fn new(level: i16) -> Self {
        let mut pair = Pair::new();
        let line = FileLine::new(8000, vec![level; 160_000], Vec::new());
        let third = Leg::new(LegId(3), "c".to_owned(), Line::File(Box::new(line)));
        pair.worker.open(third, None, pair.first_us);
        pair.ask(C, Command::Start);
        Three {
            pair,
            hearing: Default::default(),
        }
    }

    fn hear(&mut self, who: usize, other: usize) {
        let (mouth, link) = self.hearing[who].open(other, true).unwrap().unwrap();
        self.pair.ask(who, Command::Hear(Box::new(link)));
        self.pair.ask(other, Command::BeHeard(mouth));
    }

    fn talk(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.pair.talk(1);
            let now_us = self.pair.now_us() - 10_000;
            self.pair.worker.with_leg(C, now_us, |leg, desk, here| {
                leg.beat(desk, now_us, here, true);
            });
        }
    }
}

#[test]
fn packets_pass_on_as_they_came_while_somebody_listens_and_the_short_way_comes_back() {
    let mut three = Three::new(0);
    three.talk(23);
    assert!(!three.pair.is_open_to_strangers(A));
    three.hear(C, A);
    three.hear(C, B);
    three.talk(3); // the packets come at once, long before these beats: no jitter buffer bears that long
    assert!(three.pair.is_open_to_strangers(A), "not the short way");
    three.hearing[C].close(&A);
    three.hearing[C].close(&B);
    three.talk(30);
    for (index, other) in [(A, B), (B, A)] {
        assert!(!three.pair.is_open_to_strangers(index), "the short way");
        let heard = three.pair.heard(index);
        assert_whole(&heard);
        let latest = latest(&three.pair, other, 50);
        assert!(said(&heard).ends_with(&latest), "{heard:?}");
    }
    three.pair.worker.end(C, "", three.pair.first_us);
    let events = three.pair.worker.desk.events.take(100);
    let Some(Event::LegClosed(closed)) = events.last() else {
        panic!("{events:?}");
    };
    assert!((5..=8).contains(&closed.stats.bridge_frames), "{closed:?}");
    let stats = three.pair.end(A);
    assert_eq!((stats.bridge_inserted, stats.bridge_dropped), (0, 0));
    assert!(stats.bridge_passed >= 50);
}

#[test]
fn a_whisper_is_added_for_one_and_the_other_hears_what_was_said() {
    let mut three = Three::new(1_000);
    three.talk(23);
    three.hear(A, C);
    three.talk(30);
    let heard = three.pair.heard(B);
    assert_whole(&heard);
    assert!(said(&heard).ends_with(&latest(&three.pair, A, 48)));
    let heard = three.pair.heard(A);
    assert_whole(&heard);
    let mixed: Vec<u8> = latest(&three.pair, B, 21)
        .into_iter()
        .map(|byte| {
            let (mut pcm, mut bytes) = (Vec::new(), Vec::new());
            g711::decode_ulaw(&[byte], &mut pcm);
            g711::encode_ulaw(&[pcm[0].saturating_add(1_000)], &mut bytes);
            bytes[0]
        })
        .collect();
    // What A is told is a frame older than before: it keeps its own beat now.
    assert!(
        said(&heard).ends_with(&mixed[..20]) || said(&heard).ends_with(&mixed[1..]),
        "{heard:?} {mixed:?}"
    );
    three.pair.worker.end(C, "", three.pair.first_us);
    three.pair.heard(A);
    three.talk(30);
    let heard = three.pair.heard(A);
    assert!(said(&heard).ends_with(&latest(&three.pair, B, 20)));
}

#[test]
fn a_leg_that_panics_is_missing_for_those_who_heard_it_and_they_talk_on() {
    let mut three = Three::new(1_000);
    three.hear(A, C);
    three.hear(C, B);
    three.talk(23);
    let now_us = three.pair.now_us();
    let worker = &mut three.pair.worker;
    worker.with_leg(C, now_us, |_, _, _| panic!("a bug"));
    worker.desk.events.take(100);
    three.talk(30);
    for (index, other) in [(A, B), (B, A)] {
        let heard = three.pair.heard(index);
        assert_whole(&heard);
        assert!(said(&heard).ends_with(&latest(&three.pair, other, 20)));
    }
    let stats = three.pair.end(A);
    assert!(
        stats.bridge_frames > 60,
        "those of the bridge, and 22 or so of the link"
    );
}
