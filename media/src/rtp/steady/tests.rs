use super::*;

const FROM: ([u8; 4], u16) = ([127, 0, 0, 1], 4_000);
const DUE_US: u64 = 1_000_000;

/// The `steps`th packet after the one that is expected first; both its numbers wrap soon.
fn packet(steps: u16) -> Packet<'static> {
    Packet {
        marker: false,
        payload_type: 0,
        sequence: 65_533_u16.wrapping_add(steps),
        timestamp: (u32::MAX - 400).wrapping_add(u32::from(steps) * 160),
        ssrc: 7,
        payload: &[0x55; FRAME_BYTES],
    }
}

fn datagram(packet: Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.write(&mut bytes);
    bytes
}

fn steady() -> Steady {
    let next = Packet {
        payload: &[],
        ..packet(0)
    };
    Steady::new(next, Codec::Pcmu, FROM.into(), DUE_US)
}

fn takes(steady: &mut Steady, packet: Packet<'_>, from: ([u8; 4], u16), arrival_us: u64) -> bool {
    let mut payload = Payload::NONE;
    let taken = steady.takes(&datagram(packet), from.into(), arrival_us, &mut payload);
    assert_eq!(payload.codec(), taken.then_some(Codec::Pcmu));
    taken
}

#[test]
fn the_next_packet_of_the_stream_is_taken_with_its_payload() {
    let (mut steady, mut payload) = (steady(), Payload::NONE);
    assert!(steady.takes(
        &datagram(packet(0)),
        FROM.into(),
        DUE_US - 3_500,
        &mut payload
    ));
    assert_eq!(payload.bytes(), &[0x55; FRAME_BYTES]);
    assert!(steady.is_due(DUE_US + FRAME_US) && !steady.is_due(DUE_US));
}

#[test]
fn whatever_is_not_exactly_the_next_packet_is_left_to_others() {
    let right = packet(0);
    let odd = [
        packet(1),
        packet(65_535),
        Packet { ssrc: 8, ..right },
        Packet {
            marker: true,
            ..right
        },
        Packet {
            payload_type: 101,
            ..right
        },
        Packet {
            timestamp: right.timestamp + 1,
            ..right
        },
        Packet {
            payload: &[0x55; 80],
            ..right
        },
    ];
    let mut steady = steady();
    for packet in odd {
        assert!(!takes(&mut steady, packet, FROM, DUE_US - 1), "{packet:?}");
    }
    assert!(!takes(
        &mut steady,
        right,
        ([127, 0, 0, 1], 4_001),
        DUE_US - 1
    ));
    assert!(
        !takes(&mut steady, right, FROM, DUE_US + 1),
        "after its beat"
    );
    assert!(
        !takes(&mut steady, right, FROM, DUE_US - FRAME_US),
        "a beat too early"
    );
    assert!(!steady.takes(&[0x80; 11], FROM.into(), DUE_US, &mut Payload::NONE.clone()));
    assert!(steady.is_settled() && steady.is_due(DUE_US));
}

#[test]
fn the_books_learn_of_each_packet_once_and_after_ten_they_must() {
    let mut steady = steady();
    let arrival_us = |index: u64| DUE_US + index * FRAME_US - 100 * index;
    for index in 0..RUN as u16 {
        assert!(!steady.is_full());
        assert!(takes(
            &mut steady,
            packet(index),
            FROM,
            arrival_us(index.into())
        ));
    }
    assert!(steady.is_full());
    assert!(!takes(&mut steady, packet(10), FROM, arrival_us(10)));
    let owed: Vec<Owed> = steady.settle().collect();
    let expected: Vec<Owed> = (0..RUN as u16)
        .map(|index| Owed {
            packet: Packet {
                payload: &[],
                ..packet(index)
            },
            arrival_us: arrival_us(index.into()),
            due_us: DUE_US + u64::from(index) * FRAME_US,
        })
        .collect();
    assert_eq!(owed, expected);
    assert!(steady.is_settled() && steady.settle().next().is_none());
    assert!(takes(&mut steady, packet(10), FROM, arrival_us(10)));
}
