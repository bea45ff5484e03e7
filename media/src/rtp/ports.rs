//! The RTP ports of this server: bound once at start, lent to legs, rested before they are lent again.
//!
//! ```text
//!   bind ──▶ READY ── take ──▶ lent to a leg ── give_back ──▶ RESTING ── rest_ms over ──▶ READY (emptied)
//! ```
//! Binding at start means that no other program can take a port in between, and that a wrong range is found out before
//! the first call. Resting means that the last packets of one call are not the first of the next.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::ops::RangeInclusive;

/// Files that the process needs beside RTP: SIP, HTTP, the bots' sockets, the store, logs.
const OTHER_FILES: u64 = 64;
/// Datagrams thrown away from one socket before it is lent; more than its kernel buffer holds.
const STALE_LIMIT: usize = 4_096;

/// An even port for RTP and the odd one above it for RTCP (RFC 3550 §11); both non-blocking.
#[derive(Debug)]
pub struct PortPair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// The RTP port.
    pub port: u16,
}

/// Why the range could not be reserved; the operator must act.
#[derive(Debug)]
pub enum PortError {
    /// The range holds no even port with its odd neighbour.
    Empty,
    /// This port could not be bound: another program has it, or the host is not ours.
    Taken { port: u16, reason: io::Error },
    /// The process may not open as many files as the range needs.
    FileLimit { needed: u64, allowed: u64 },
}

impl fmt::Display for PortError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::Empty => write!(
                out,
                "the RTP range holds no even port with the odd one above it"
            ),
            PortError::Taken { port, reason } => {
                write!(out, "RTP port {port} cannot be bound: {reason}")
            }
            PortError::FileLimit { needed, allowed } => write!(
                out,
                "the RTP range needs {needed} open files and this process may have {allowed}: \
                 raise the hard limit (ulimit -n, LimitNOFILE) or make the range smaller"
            ),
        }
    }
}

impl std::error::Error for PortError {}

/// Every pair of the range.
#[derive(Debug)]
pub struct PortPool {
    ready: VecDeque<PortPair>,
    /// When each pair's rest is over; the earliest first.
    resting: VecDeque<(u64, PortPair)>,
    rest_ms: u64,
}

impl PortPool {
    /// Binds every even/odd pair of `range` on `host` (IPv4 or IPv6). Returned pairs rest for `rest_ms`.
    pub fn bind(host: IpAddr, range: RangeInclusive<u16>, rest_ms: u64) -> Result<Self, PortError> {
        let first = u32::from(*range.start()).next_multiple_of(2);
        let evens = (first..u32::from(*range.end()))
            .step_by(2)
            .map(|port| port as u16);
        let pairs = evens.len();
        if pairs == 0 {
            return Err(PortError::Empty);
        }
        let needed = 2 * pairs as u64 + OTHER_FILES;
        let allowed = raise_file_limit();
        if needed > allowed {
            return Err(PortError::FileLimit { needed, allowed });
        }
        let ready = evens
            .map(|port| PortPair::bind(host, port))
            .collect::<Result<_, _>>()?;
        Ok(PortPool {
            ready,
            resting: VecDeque::with_capacity(pairs),
            rest_ms,
        })
    }

    /// Lends the pair that was unused longest; `None` when all are lent or resting.
    pub fn take(&mut self, now_ms: u64) -> Option<PortPair> {
        self.wake(now_ms);
        let pair = self.ready.pop_front()?;
        drain(&pair.rtp);
        drain(&pair.rtcp);
        Some(pair)
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

impl PortPair {
    fn bind(host: IpAddr, port: u16) -> Result<Self, PortError> {
        let open = |port: u16| {
            UdpSocket::bind((host, port))
                .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
                .map_err(|reason| PortError::Taken { port, reason })
        };
        Ok(PortPair {
            rtp: open(port)?,
            rtcp: open(port + 1)?,
            port,
        })
    }
}

/// Throws away what came while nobody listened.
fn drain(socket: &UdpSocket) {
    let mut scrap = [0; 1];
    for _ in 0..STALE_LIMIT {
        match socket.recv_from(&mut scrap) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP error of an earlier send is waiting in the socket, too.
            Err(_) => {}
        }
    }
}

/// Lifts this process's soft limit of open files to its hard one; returns what is allowed.
#[allow(
    unsafe_code,
    reason = "the standard library has no call for resource limits"
)]
fn raise_file_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls only read and write `limit`, which lives on this stack and has the type they expect.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return u64::MAX;
        }
        let raised = libc::rlimit {
            rlim_cur: limit.rlim_max,
            rlim_max: limit.rlim_max,
        };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 {
            return raised.rlim_cur;
        }
    }
    limit.rlim_cur
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A pool of `pairs` pairs somewhere above `base`.
    fn pool(host: IpAddr, base: u16, pairs: u16) -> (PortPool, u16) {
        (base..base + 2_000)
            .step_by(100)
            .find_map(|first| {
                Some((
                    PortPool::bind(host, first..=first + 2 * pairs - 1, 1_000).ok()?,
                    first,
                ))
            })
            .expect("no free range on this machine")
    }

    #[test]
    fn pairs_are_even_and_odd_and_come_back_after_their_rest() {
        let (mut pool, first) = pool(HOST, 41_000, 2);
        let pair = pool.take(0).unwrap();
        assert_eq!(
            (pair.port, pair.rtp.local_addr().unwrap().port()),
            (first, first)
        );
        assert_eq!(pair.rtcp.local_addr().unwrap().port(), first + 1);
        pool.give_back(pair, 500);
        let other = pool.take(501).unwrap();
        assert_eq!((other.port, pool.free(1_499)), (first + 2, 0));
        assert!(pool.take(1_499).is_none());
        assert_eq!(pool.free(1_500), 1);
        assert_eq!(pool.take(1_500).unwrap().port, first);
    }

    #[test]
    fn what_came_during_the_rest_is_thrown_away() {
        let (mut pool, first) = pool(HOST, 44_000, 1);
        let pair = pool.take(0).unwrap();
        pool.give_back(pair, 0);
        let sender = UdpSocket::bind((HOST, 0)).unwrap();
        for _ in 0..10 {
            sender.send_to(b"old words", (HOST, first)).unwrap();
        }
        let pair = pool.take(1_000).unwrap();
        assert_eq!(
            pair.rtp.recv_from(&mut [0; 9]).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        sender.send_to(b"new", (HOST, first)).unwrap();
        assert_eq!(pair.rtp.recv_from(&mut [0; 9]).unwrap().0, 3);
    }

    #[test]
    fn a_port_that_another_has_is_named() {
        let other = UdpSocket::bind((HOST, 0)).unwrap();
        let port = other.local_addr().unwrap().port();
        let even = port & !1;
        let error = PortPool::bind(HOST, even..=even | 1, 0).unwrap_err();
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }

    #[test]
    fn a_range_without_a_pair_or_too_wide_for_the_process_is_refused() {
        for range in [
            40_001..=40_002,
            40_000..=40_000,
            RangeInclusive::new(40_010, 40_000),
        ] {
            assert!(matches!(
                PortPool::bind(HOST, range, 0),
                Err(PortError::Empty)
            ));
        }
        let text = PortError::FileLimit {
            needed: 20_064,
            allowed: 1_024,
        }
        .to_string();
        assert!(text.contains("20064") && text.contains("1024") && text.contains("ulimit"));
    }

    #[test]
    fn ipv6_hosts_work() {
        let host = IpAddr::V6(Ipv6Addr::LOCALHOST);
        if UdpSocket::bind((host, 0)).is_ok() {
            let (mut pool, _) = pool(host, 47_000, 1);
            assert!(pool.take(0).unwrap().rtp.local_addr().unwrap().is_ipv6());
        }
    }
}
