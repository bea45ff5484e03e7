//! Captures: datagrams of a leg as they were on the wire, in a pcap file (microseconds, raw IP) that is whole at any time.
//!
//! A tap never waits. What the disk does not take in time is left out and counted; at its longest or its largest a
//! capture ends by itself, so that a fault's beginning stays.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use crossbeam_channel::Sender;

const CHUNK_BYTES: usize = 32 * 1024;
/// A chunk that is not full goes to the disk after so long, for whoever looks while the call lives.
const CHUNK_US: u64 = 500_000;
/// Chunks that may wait for the disk, per capture.
const WAITING_LIMIT: u32 = 16;
const RECORD_BYTES: usize = 16;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
const UDP_BYTES: usize = 8;
const UDP: u8 = 17;
const HOPS: u8 = 64;
/// Magic, version 2.4, no zone, no accuracy, 65,535 bytes of each, LINKTYPE_RAW.
const HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101];

/// What to capture.
#[derive(Debug, Clone)]
pub struct PacketSpec {
    pub path: PathBuf,
    /// Our address, where the socket has all of them.
    pub local: IpAddr,
    pub max_bytes: u64,
    pub max_us: u64,
}

/// What the writer is told.
pub enum Message {
    Open {
        id: u64,
        path: PathBuf,
    },
    Bytes {
        id: u64,
        bytes: Vec<u8>,
        waiting: Arc<AtomicU32>,
    },
    End {
        id: u64,
    },
}

/// The files that are being written; one that fails is given up.
#[derive(Default)]
pub struct Files(HashMap<u64, File>);

impl Files {
    pub fn take(&mut self, message: Message) {
        match message {
            Message::Open { id, path } => {
                let head: Vec<u8> = HEADER.iter().flat_map(|word| word.to_le_bytes()).collect();
                if let Ok(mut file) = File::create(path) {
                    if file.write_all(&head).is_ok() {
                        self.0.insert(id, file);
                    }
                }
            }
            Message::Bytes { id, bytes, waiting } => {
                waiting.fetch_sub(1, Ordering::AcqRel);
                let failed = self
                    .0
                    .get_mut(&id)
                    .is_some_and(|file| file.write_all(&bytes).is_err());
                if failed {
                    self.0.remove(&id);
                }
            }
            Message::End { id } => drop(self.0.remove(&id)),
        }
    }
}

/// The end of a capture that lives on the leg's thread. Dropping it ends the capture.
pub struct PacketTap {
    id: u64,
    writer: Sender<super::Message>,
    waiting: Arc<AtomicU32>,
    local: IpAddr,
    chunk: Vec<u8>,
    chunk_since_us: u64,
    left_bytes: u64,
    max_us: u64,
    until_us: u64,
}

impl PacketTap {
    pub(super) fn open(id: u64, spec: PacketSpec, writer: Sender<super::Message>) -> Self {
        let path = spec.path;
        let _ = writer.send(super::Message::Packets(Message::Open { id, path }));
        Self {
            id,
            writer,
            waiting: Arc::default(),
            local: spec.local,
            chunk: Vec::with_capacity(CHUNK_BYTES + 2_048),
            chunk_since_us: 0,
            left_bytes: spec.max_bytes,
            max_us: spec.max_us,
            until_us: 0,
        }
    }

    /// Keeps a datagram that came to the port `port` of ours at `wall_us`.
    pub fn heard(&mut self, wall_us: u64, from: SocketAddr, port: u16, payload: &[u8]) {
        self.keep(wall_us, from, SocketAddr::new(self.local, port), payload);
    }

    /// Keeps a datagram that was sent from there.
    pub fn said(&mut self, wall_us: u64, port: u16, to: SocketAddr, payload: &[u8]) {
        self.keep(wall_us, SocketAddr::new(self.local, port), to, payload);
    }

    fn keep(&mut self, wall_us: u64, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        if self.until_us == 0 {
            self.until_us = wall_us.saturating_add(self.max_us);
        }
        let packet_bytes = IPV6_BYTES + UDP_BYTES + payload.len();
        if wall_us > self.until_us || self.left_bytes < (RECORD_BYTES + packet_bytes) as u64 {
            self.left_bytes = 0;
            self.send_chunk();
            return;
        }
        if self.chunk.is_empty() {
            self.chunk_since_us = wall_us;
        }
        let before = self.chunk.len();
        write_record(&mut self.chunk, wall_us, from, to, payload);
        self.left_bytes -= (self.chunk.len() - before) as u64;
        if self.chunk.len() >= CHUNK_BYTES || wall_us > self.chunk_since_us + CHUNK_US {
            self.send_chunk();
        }
    }

    fn send_chunk(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        if self.waiting.load(Ordering::Acquire) >= WAITING_LIMIT {
            self.chunk.clear(); // the disk does not keep up
            return;
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let room = Vec::with_capacity(CHUNK_BYTES + 2_048);
        let bytes = std::mem::replace(&mut self.chunk, room);
        let (id, waiting) = (self.id, Arc::clone(&self.waiting));
        let message = Message::Bytes { id, bytes, waiting };
        let _ = self.writer.send(super::Message::Packets(message));
    }
}

impl Drop for PacketTap {
    fn drop(&mut self) {
        self.send_chunk();
        let end = Message::End { id: self.id };
        let _ = self.writer.send(super::Message::Packets(end));
    }
}

/// Appends one record: its time, then an IP packet with one datagram.
fn write_record(out: &mut Vec<u8>, wall_us: u64, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
    let udp_bytes = (UDP_BYTES + payload.len()) as u16;
    let both_v4 = match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => Some((from, to)),
        _ => None,
    };
    let head_bytes = if both_v4.is_some() {
        IPV4_BYTES
    } else {
        IPV6_BYTES
    };
    let length = (head_bytes + udp_bytes as usize) as u32;
    for word in [
        (wall_us / 1_000_000) as u32,
        (wall_us % 1_000_000) as u32,
        length,
        length,
    ] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let start = out.len();
    let mut sum = u32::from(UDP) + u32::from(udp_bytes);
    if let Some((from, to)) = both_v4 {
        out.extend_from_slice(&[0x45, 0]);
        out.extend_from_slice(&(length as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, HOPS, UDP, 0, 0]);
        out.extend_from_slice(&from.octets());
        out.extend_from_slice(&to.octets());
        let checksum = folded(added(0, &out[start..]));
        out[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
        sum = added(sum, &out[start + 12..]);
    } else {
        out.extend_from_slice(&[0x60, 0, 0, 0]);
        out.extend_from_slice(&udp_bytes.to_be_bytes());
        out.extend_from_slice(&[UDP, HOPS]);
        for ip in [from.ip(), to.ip()] {
            let v6 = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            out.extend_from_slice(&v6.octets());
        }
        sum = added(sum, &out[start + 8..]);
    }
    let udp = out.len();
    for word in [from.port(), to.port(), udp_bytes, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(payload);
    let checksum = match folded(added(sum, &out[udp..])) {
        0 => 0xffff, // RFC 768: none would be 0
        checksum => checksum,
    };
    out[udp + 6..udp + 8].copy_from_slice(&checksum.to_be_bytes());
}

fn added(sum: u32, bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2);
    words.fold(sum, |sum, word| {
        sum + (u32::from(word[0]) << 8) + u32::from(word.get(1).copied().unwrap_or(0))
    })
}

/// RFC 1071.
fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_whole_packet_of_either_family() {
        for (from, to, head) in [
            ("192.0.2.1:4000", "198.51.100.2:5000", IPV4_BYTES),
            ("[2001:db8::1]:4000", "[2001:db8::2]:5000", IPV6_BYTES),
        ] {
            let mut out = Vec::new();
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            write_record(&mut out, 7_000_009, from, to, &[1, 2, 3]);
            assert_eq!(out.len(), RECORD_BYTES + head + UDP_BYTES + 3);
            assert_eq!(out[..8], [7, 0, 0, 0, 9, 0, 0, 0]);
            let packet = &out[RECORD_BYTES..];
            let addresses = if head == IPV4_BYTES { 12 } else { 8 };
            let pseudo = u32::from(UDP) + (UDP_BYTES + 3) as u32;
            assert_eq!(folded(added(pseudo, &packet[addresses..])), 0);
            if head == IPV4_BYTES {
                assert_eq!(folded(added(0, &packet[..head])), 0);
            }
            assert_eq!(packet[packet.len() - 3..], [1, 2, 3]);
        }
    }

    #[test]
    fn a_capture_ends_at_its_largest_and_at_its_longest() {
        let (writer, messages) = crossbeam_channel::unbounded();
        let spec = |max_bytes, max_us| PacketSpec {
            path: PathBuf::from("/dev/null"),
            local: IpAddr::from([127, 0, 0, 1]),
            max_bytes,
            max_us,
        };
        let far: SocketAddr = "127.0.0.1:9".parse().unwrap();
        for (spec, kept) in [(spec(300, u64::MAX), 1), (spec(9_000, 25), 3)] {
            let mut tap = PacketTap::open(1, spec, writer.clone());
            for at in 0..5 {
                tap.heard(1_000 + at * 10, far, 4000, &[0; 160]);
            }
            drop(tap);
            let bytes: usize = messages
                .try_iter()
                .map(|message| match message {
                    super::super::Message::Packets(Message::Bytes { bytes, .. }) => bytes.len(),
                    _ => 0,
                })
                .sum();
            assert_eq!(bytes, kept * (RECORD_BYTES + IPV4_BYTES + UDP_BYTES + 160));
        }
    }
}
