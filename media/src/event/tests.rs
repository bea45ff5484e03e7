use super::*;

fn message() -> BotMessage {
    BotMessage {
        leg_sid: "l".into(),
        at_ms: 1,
        stream_sid: "s".into(),
        text: "{}".into(),
    }
}

fn drained() -> StreamDrained {
    StreamDrained {
        leg_sid: "l".into(),
        at_ms: 1,
        stream_sid: "s".into(),
    }
}

#[test]
fn a_full_queue_drops_bot_messages_first_and_a_legs_end_never() {
    let queue = EventQueue::new(4).unwrap();
    for _ in 0..3 {
        queue.push(message());
    }
    for _ in 0..3 {
        queue.push(drained());
    }
    let closed = LegClosed {
        leg_sid: "l".into(),
        at_ms: 2,
        stats: LegStats::default(),
        fault: String::new(),
    };
    queue.push(closed.clone());
    assert_eq!(queue.counts(), (5, 2));
    assert_eq!(queue.take(4).len(), 4);
    assert_eq!(queue.take(4), [Event::from(closed)]);
}
