use super::*;
use crate::plan::StreamPlan;

pub(crate) fn plan(track: &str, rate_hz: u32, encoding: &str) -> StreamPlan {
    StreamPlan {
        stream_sid: "s".into(),
        addresses: Vec::new(),
        local_address: None,
        secure: false,
        server_name: String::new(),
        host_header: String::new(),
        target: "/".into(),
        headers: Vec::new(),
        rate_hz,
        encoding: encoding.into(),
        frame_ms: 40,
        two_way: false,
        track: track.into(),
        holds_opening: false,
        hides_keys: false,
        opening: Vec::new(),
        media_template: String::new(),
        mark_template: String::new(),
        connect_timeout_ms: 1,
        max_message_bytes: 1,
        rejects_other_sids: false,
        buffer_ms: 1,
        marks_on_clear: "echo".into(),
        send_buffer_bytes: 1,
        ping_interval_ms: 0,
        pong_timeout_ms: 0,
        verify_tls: false,
        ca_file: None,
    }
}

/// Two frames, of which the far end says 100 and hears 23.
fn chunks(track: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut tracks = Tracks::new(&plan(track, 8_000, "pcm16"), Encoding::Pcm16);
    let side = |pcm| Side {
        rate_hz: 8_000,
        pcm,
    };
    assert!(!tracks.push(side(&[100; 160]), side(&[23; 160])));
    assert!(tracks.push(side(&[100; 160]), side(&[23; 160])));
    let sent = (0..tracks.count())
        .map(|number| tracks.chunk(number))
        .map(|(name, bytes)| (name, bytes.to_vec()))
        .collect();
    tracks.next();
    assert!(!tracks.push(side(&[100; 160]), side(&[23; 160])));
    sent
}

fn pcm(level: i16) -> Vec<u8> {
    [level.to_le_bytes(); 320].concat()
}

#[test]
fn each_track_holds_the_side_that_it_names() {
    assert_eq!(chunks("inbound"), [("inbound", pcm(100))]);
    assert_eq!(chunks("outbound"), [("outbound", pcm(23))]);
    assert_eq!(chunks("mixed"), [("mixed", pcm(123))]);
    assert_eq!(
        chunks("both"),
        [("inbound", pcm(100)), ("outbound", pcm(23))]
    );
}

#[test]
fn sides_of_different_rates_meet_at_the_bots_rate_and_loud_ones_clip() {
    let mut tracks = Tracks::new(&plan("mixed", 24_000, "pcm16"), Encoding::Pcm16);
    let mut sent = Vec::new();
    for _ in 0..10 {
        let heard = Side {
            rate_hz: 8_000,
            pcm: &[30_000; 160],
        };
        let said = Side {
            rate_hz: 16_000,
            pcm: &[30_000; 320],
        };
        if tracks.push(heard, said) {
            sent.push(tracks.chunk(0).1.to_vec());
            tracks.next();
        }
    }
    assert_eq!(sent.len(), 5);
    assert!(sent.iter().all(|chunk| chunk.len() == 24_000 / 25 * 2));
    let last = i16::from_le_bytes([sent[4][100], sent[4][101]]);
    assert_eq!(last, i16::MAX);
}
