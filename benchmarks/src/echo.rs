//! The ears and mouths of those who are called: every packet goes back as it came, and is looked at.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use serde_json::{json, Value};

use crate::marker::{speech_like, Kind, Marker};
use crate::sys::{widen_buffers, ReceiveBatch, SendBatch, BATCH};

const SOCKETS: usize = 4;
const HEADER: usize = 12;
const BUFFER_BYTES: i32 = 8 << 20;

/// All RTP of all calls.
pub struct EchoBank {
    sockets: Vec<UdpSocket>,
    ports: Vec<u16>,
    sound: Vec<u8>,
    receive: ReceiveBatch,
    send: SendBatch,
    streams: HashMap<SocketAddrV4, Stream>,
    heard: Heard,
}

/// What came from one of the server's ports.
#[derive(Debug, Default)]
struct Stream {
    last_sequence: Option<u16>,
    /// Who speaks (a number of the caller's tool) and the frame that came last.
    last_mark: Option<(u32, u32)>,
}

#[derive(Debug, Default)]
struct Heard {
    packets: u64,
    refused: u64,
    sequence_gaps: u64,
    out_of_order: u64,
    marked: u64,
    marks_missing: u64,
    altered: u64,
    unmarked: u64,
}

impl EchoBank {
    pub fn open(host: &str) -> io::Result<EchoBank> {
        let mut sockets = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..SOCKETS {
            let socket = UdpSocket::bind((host, 0))?;
            socket.set_nonblocking(true)?;
            widen_buffers(socket.as_raw_fd(), BUFFER_BYTES);
            ports.push(socket.local_addr()?.port());
            sockets.push(socket);
        }
        Ok(EchoBank {
            sockets,
            ports,
            sound: speech_like(),
            receive: ReceiveBatch::default(),
            send: SendBatch::default(),
            streams: HashMap::new(),
            heard: Heard::default(),
        })
    }

    /// The port to write into the answer to call `number`.
    pub fn port(&self, number: usize) -> u16 {
        self.ports[number % SOCKETS]
    }

    /// Take what arrived and send it back.
    pub fn beat(&mut self) {
        for socket in 0..SOCKETS {
            loop {
                let count = self.receive.receive(&self.sockets[socket], BATCH);
                let mut echoed = 0;
                for at in 0..count {
                    let datagram = self.receive.get(at);
                    if !is_audio(datagram.data) {
                        continue;
                    }
                    let stream = self.streams.entry(datagram.from).or_default();
                    stream.hear(datagram.data, &self.sound, &mut self.heard);
                    let packet = self.send.push(datagram.from, datagram.data.len());
                    packet.copy_from_slice(datagram.data);
                    echoed += 1;
                }
                let sent = self.send.flush(&self.sockets[socket]);
                self.heard.refused += (echoed - sent) as u64;
                if count < BATCH {
                    break;
                }
            }
        }
    }

    /// Forget what was counted, not where the streams are.
    pub fn reset(&mut self) {
        self.heard = Heard::default();
    }

    pub fn report(&self) -> Value {
        let heard = &self.heard;
        json!({
            "streams": self.streams.len(),
            "packets": heard.packets,
            "packets_refused": heard.refused,
            "sequence_gaps": heard.sequence_gaps,
            "out_of_order": heard.out_of_order,
            "marked_frames": heard.marked,
            "marks_missing": heard.marks_missing,
            "altered_frames": heard.altered,
            "unmarked_frames": heard.unmarked,
            "rtp_ports": self.ports,
        })
    }
}

/// Version 2, µ-law: neither RTCP nor a key.
fn is_audio(packet: &[u8]) -> bool {
    packet.len() > HEADER && packet[0] >> 6 == 2 && packet[1] & 0x7f == 0
}

impl Stream {
    fn hear(&mut self, packet: &[u8], sound: &[u8], heard: &mut Heard) {
        heard.packets += 1;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        match self.last_sequence.map(|last| sequence.wrapping_sub(last)) {
            None | Some(1) => {}
            Some(step) if step != 0 && step < 0x8000 => heard.sequence_gaps += u64::from(step - 1),
            Some(_) => heard.out_of_order += 1,
        }
        self.last_sequence = Some(sequence);
        let frame = &packet[HEADER..];
        match Marker::read_ulaw(frame).filter(|marker| marker.kind == Kind::Caller) {
            None => heard.unmarked += 1,
            Some(marker) => {
                heard.marked += 1;
                heard.altered += u64::from(!marker.is_whole(frame, sound));
                // A port may serve another call later: it begins anew.
                match self.last_mark {
                    Some((source, last)) if source == marker.source => {
                        heard.marks_missing += u64::from(marker.index.saturating_sub(last + 1));
                    }
                    _ => {}
                }
                self.last_mark = Some((marker.source, marker.index));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::{frame_of, FRAME};

    fn packet(sequence: u16, index: u32, sound: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; HEADER + FRAME];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[HEADER..].copy_from_slice(frame_of(sound, index));
        let marker = Marker {
            kind: Kind::Caller,
            source: 1,
            index,
            sent_us: 0,
            aux_us: 0,
        };
        marker.write_ulaw(&mut packet[HEADER..]);
        packet
    }

    #[test]
    fn a_lost_packet_a_covered_frame_and_a_changed_one_are_counted() {
        let (sound, mut stream, mut heard) = (speech_like(), Stream::default(), Heard::default());
        stream.hear(&packet(65_535, 0, &sound), &sound, &mut heard);
        stream.hear(&packet(0, 1, &sound), &sound, &mut heard);
        stream.hear(&packet(2, 3, &sound), &sound, &mut heard); // one lost
        stream.hear(&packet(3, 5, &sound), &sound, &mut heard); // one covered
        let mut changed = packet(4, 6, &sound);
        changed[HEADER + 100] ^= 0x40;
        stream.hear(&changed, &sound, &mut heard);
        assert_eq!((heard.packets, heard.sequence_gaps), (5, 1));
        assert_eq!((heard.marks_missing, heard.altered), (2, 1));
    }
}
