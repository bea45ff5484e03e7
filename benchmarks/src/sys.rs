//! The system calls that the standard library lacks: batches of datagrams, kernel arrival times, CPU time.
#![allow(unsafe_code)] // libc only; each block says why it is sound

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

/// Datagrams of one batch.
pub const BATCH: usize = 64;
/// Longer datagrams are cut; RTP of the benchmarks has 172 bytes.
const DATAGRAM: usize = 256;
const CONTROL_WORDS: usize = 8;

/// Receives up to `BATCH` datagrams with one call.
pub struct ReceiveBatch {
    data: Box<[[u8; DATAGRAM]; BATCH]>,
    from: Box<[libc::sockaddr_in; BATCH]>,
    control: Box<[[u64; CONTROL_WORDS]; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
}

/// One datagram of a batch.
#[derive(Debug)]
pub struct Datagram<'a> {
    pub data: &'a [u8],
    pub from: SocketAddrV4,
    /// When the kernel received it (CLOCK_REALTIME), where `enable_arrival_times` was called.
    pub arrived_real_ns: Option<u64>,
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        // SAFETY: all of these are plain C structures for which zero bytes are a value.
        let (from, vectors, headers) = unsafe { (zeroed(), zeroed(), zeroed()) };
        ReceiveBatch {
            data: Box::new([[0; DATAGRAM]; BATCH]),
            from: Box::new(from),
            control: Box::new([[0; CONTROL_WORDS]; BATCH]),
            vectors: Box::new(vectors),
            headers: Box::new(headers),
        }
    }
}

impl ReceiveBatch {
    /// Take what waits, `limit` datagrams at most; 0 when nothing does. The socket must not block.
    pub fn receive(&mut self, socket: &UdpSocket, limit: usize) -> usize {
        let limit = limit.min(BATCH);
        for at in 0..limit {
            self.vectors[at] = libc::iovec {
                iov_base: self.data[at].as_mut_ptr().cast(),
                iov_len: DATAGRAM,
            };
            let header = &mut self.headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut self.from[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_iov = ptr::from_mut(&mut self.vectors[at]);
            header.msg_iovlen = 1;
            header.msg_control = self.control[at].as_mut_ptr().cast();
            header.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
        }
        // SAFETY: each header points to buffers of `self` of the lengths it names, and `limit` exist.
        let count = unsafe {
            let (fd, headers) = (socket.as_raw_fd(), self.headers.as_mut_ptr());
            libc::recvmmsg(
                fd,
                headers,
                limit as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// The datagram `at` of the last `receive`.
    pub fn get(&self, at: usize) -> Datagram<'_> {
        let length = (self.headers[at].msg_len as usize).min(DATAGRAM);
        Datagram {
            data: &self.data[at][..length],
            from: from_raw(&self.from[at]),
            arrived_real_ns: arrival_time(&self.headers[at].msg_hdr),
        }
    }
}

/// Sends up to `BATCH` datagrams with one call.
pub struct SendBatch {
    data: Box<[[u8; DATAGRAM]; BATCH]>,
    to: Box<[libc::sockaddr_in; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    count: usize,
}

impl Default for SendBatch {
    fn default() -> Self {
        // SAFETY: as in `ReceiveBatch`.
        let (to, vectors, headers) = unsafe { (zeroed(), zeroed(), zeroed()) };
        SendBatch {
            data: Box::new([[0; DATAGRAM]; BATCH]),
            to: Box::new(to),
            vectors: Box::new(vectors),
            headers: Box::new(headers),
            count: 0,
        }
    }
}

impl SendBatch {
    pub fn is_full(&self) -> bool {
        self.count == BATCH
    }

    /// Room for the next datagram of `length` bytes; the batch must not be full.
    pub fn push(&mut self, to: SocketAddrV4, length: usize) -> &mut [u8] {
        let at = self.count;
        self.to[at] = to_raw(to);
        self.vectors[at] = libc::iovec {
            iov_base: self.data[at].as_mut_ptr().cast(),
            iov_len: length.min(DATAGRAM),
        };
        let header = &mut self.headers[at].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.to[at]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        header.msg_iov = ptr::from_mut(&mut self.vectors[at]);
        header.msg_iovlen = 1;
        self.count += 1;
        &mut self.data[at][..length]
    }

    /// Send them all; how many the kernel took.
    pub fn flush(&mut self, socket: &UdpSocket) -> usize {
        let mut sent = 0;
        while sent < self.count {
            // SAFETY: the headers `sent..count` were filled by `push` and point into `self`.
            let count = unsafe {
                let headers = self.headers.as_mut_ptr().add(sent);
                libc::sendmmsg(socket.as_raw_fd(), headers, (self.count - sent) as u32, 0)
            };
            match usize::try_from(count) {
                Ok(some) if some > 0 => sent += some,
                _ => break,
            }
        }
        self.count = 0;
        sent
    }
}

/// Have the kernel note when each datagram or segment arrived.
pub fn enable_arrival_times(fd: RawFd) {
    set_option(fd, libc::SO_TIMESTAMPNS, 1);
}

/// Make room for bursts; beyond the system's limit where we may.
pub fn widen_buffers(fd: RawFd, bytes: i32) {
    for (forced, plain) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        if !set_option(fd, forced, bytes) {
            set_option(fd, plain, bytes);
        }
    }
}

/// Read from a stream socket with the kernel's arrival time of its last bytes.
pub fn receive_timed(fd: RawFd, data: &mut [u8]) -> io::Result<(usize, Option<u64>)> {
    let mut control = [0u64; CONTROL_WORDS];
    let mut vector = libc::iovec {
        iov_base: data.as_mut_ptr().cast(),
        iov_len: data.len(),
    };
    // SAFETY: a C structure for which zero bytes are a value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
    // SAFETY: the header points to live buffers of the lengths it names.
    let count = unsafe { libc::recvmsg(fd, &mut header, 0) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    Ok((count, arrival_time(&header)))
}

pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the write.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleep until CLOCK_MONOTONIC reaches `at_ns`; returns at once when it has.
pub fn sleep_until_ns(at_ns: u64) {
    let until = libc::timespec {
        tv_sec: (at_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (at_ns % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: `until` is valid; the remainder is not asked for.
    unsafe {
        let (clock, flags) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
        libc::clock_nanosleep(clock, flags, &until, ptr::null_mut());
    }
}

/// Wake up this thread when its time has come, not up to 50 µs later.
pub fn sharpen_timers() {
    // SAFETY: PR_SET_TIMERSLACK takes a number.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1usize, 0usize, 0usize, 0usize) };
}

/// Run before other programs where we may: a far end on another machine does not wait for the server
/// either. The CPU it takes is shared all the same.
pub fn run_first() {
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: `priority` is valid for the read; 0 is this thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &priority) };
}

/// User and system time of this process.
pub fn cpu_seconds() -> f64 {
    // SAFETY: `usage` is a plain C structure and valid for the write.
    let usage = unsafe {
        let mut usage: libc::rusage = zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Allow as many open files as the system lets us.
pub fn raise_file_limit() {
    // SAFETY: `limit` is valid for both calls.
    unsafe {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

pub fn set_nonblocking(fd: RawFd) {
    // SAFETY: flags of a descriptor that the caller owns.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

pub fn read(fd: RawFd, data: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `data` is valid for a write of its length.
    let count = unsafe { libc::read(fd, data.as_mut_ptr().cast(), data.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

fn set_option(fd: RawFd, option: i32, value: i32) -> bool {
    // SAFETY: the option's value is one int, as all that are used here expect.
    unsafe {
        let value = ptr::from_ref(&value).cast();
        libc::setsockopt(fd, libc::SOL_SOCKET, option, value, size_of::<i32>() as u32) == 0
    }
}

fn arrival_time(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel filled the control buffer, which outlives `header`; the CMSG macros walk it, and
    // an SCM_TIMESTAMPNS message holds one timespec.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let kind = ((*message).cmsg_level, (*message).cmsg_type);
            if kind == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                let time: libc::timespec = ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                return Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
        None
    }
}

fn to_raw(address: SocketAddrV4) -> libc::sockaddr_in {
    // SAFETY: a plain C structure.
    let mut raw: libc::sockaddr_in = unsafe { zeroed() };
    raw.sin_family = libc::AF_INET as u16;
    raw.sin_port = address.port().to_be();
    raw.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
    raw
}

fn from_raw(raw: &libc::sockaddr_in) -> SocketAddrV4 {
    let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
    SocketAddrV4::new(ip, u16::from_be(raw.sin_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{now_ns, KernelTime};

    #[test]
    fn a_batch_arrives_with_its_source_and_time() {
        let (near, far) = (socket(), socket());
        enable_arrival_times(far.as_raw_fd());
        let mut send = SendBatch::default();
        let to = address(&far);
        let before = now_ns();
        for number in 0..3 {
            send.push(to, 10).fill(number);
        }
        assert_eq!(send.flush(&near), 3);
        let mut batch = ReceiveBatch::default();
        assert_eq!(batch.receive(&far, BATCH), 3);
        for number in 0..3 {
            let datagram = batch.get(number);
            assert_eq!(datagram.data, [number as u8; 10]);
            assert_eq!(datagram.from, address(&near));
            if let Some(arrived) = datagram.arrived_real_ns {
                let arrived = KernelTime::read().to_monotonic_ns(arrived);
                assert!(arrived + 1_000_000 > before && arrived < now_ns() + 1_000_000);
            }
        }
        assert_eq!(batch.receive(&far, BATCH), 0);
    }

    fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    fn address(socket: &UdpSocket) -> SocketAddrV4 {
        match socket.local_addr().unwrap() {
            std::net::SocketAddr::V4(address) => address,
            std::net::SocketAddr::V6(_) => unreachable!("bound to IPv4"),
        }
    }
}
