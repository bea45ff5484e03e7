//! The RTP ports of this server: bound once at start, lent to legs, rested before they are lent again.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::ops::RangeInclusive;

/// An even port for RTP and the odd one above it for RTCP (RFC 3550 §11); both non-blocking.
#[derive(Debug)]
pub struct PortPair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// The RTP port.
    pub port: u16,
}

/// Why the range could not be reserved.
#[derive(Debug)]
pub enum PortError {
    /// The range holds no even port with its odd neighbour.
    Empty,
    /// Another program has this port.
    Taken { port: u16, reason: io::Error },
    /// The process may not open as many files as the range needs.
    FileLimit { needed: u64, allowed: u64 },
}

/// Every pair of the range.
#[derive(Debug)]
pub struct PortPool {
    ready: Vec<PortPair>,
    resting: VecDeque<(u64, PortPair)>,
    rest_ms: u64,
}

impl PortPool {
    /// Binds every even/odd pair of `range` on `host`.
    pub fn bind(host: IpAddr, range: RangeInclusive<u16>, rest_ms: u64) -> Result<Self, PortError> {
        let mut ready = Vec::new();
        let one = |port: u16| -> Result<UdpSocket, PortError> {
            let socket = UdpSocket::bind((host, port))
                .map_err(|reason| PortError::Taken { port, reason })?;
            socket
                .set_nonblocking(true)
                .map_err(|reason| PortError::Taken { port, reason })?;
            Ok(socket)
        };
        let mut port = u32::from(*range.start()).next_multiple_of(2);
        while port < u32::from(*range.end()) {
            let number = port as u16;
            ready.push(PortPair {
                rtp: one(number)?,
                rtcp: one(number + 1)?,
                port: number,
            });
            port += 2;
        }
        if ready.is_empty() {
            return Err(PortError::Empty);
        }
        Ok(PortPool {
            ready,
            resting: VecDeque::new(),
            rest_ms,
        })
    }

    /// Lends a pair; `None` when all are lent or resting.
    pub fn take(&mut self, now_ms: u64) -> Option<PortPair> {
        self.wake(now_ms);
        self.ready.pop()
    }

    /// A leg is over; its ports rest.
    pub fn give_back(&mut self, pair: PortPair, now_ms: u64) {
        self.resting.push_back((now_ms + self.rest_ms, pair));
    }

    /// Pairs that `take` could lend at `now_ms`.
    pub fn free(&mut self, now_ms: u64) -> usize {
        self.wake(now_ms);
        self.ready.len()
    }

    fn wake(&mut self, now_ms: u64) {
        while self
            .resting
            .front()
            .is_some_and(|(until_ms, _)| *until_ms <= now_ms)
        {
            self.ready
                .extend(self.resting.pop_front().map(|(_, pair)| pair));
        }
    }
}
