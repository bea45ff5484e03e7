//! The few system calls that the standard library does not offer. With `sys/` the only files with `unsafe`.
#![allow(unsafe_code)]

mod batch;

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::ptr;

pub use batch::{Batch, Datagram};

/// Looks at two clocks that took no longer belong together; after so many the best one counts.
const PROMPT_US: u64 = 3;
const LOOKS: usize = 8;
/// How much of a value is fetched beforehand: its front.
const PREFETCH_BYTES: usize = 128;
const CACHE_LINE_BYTES: usize = 64;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_EPOCH_S: u64 = 2_208_988_800;

/// CLOCK_MONOTONIC in microseconds.
pub fn monotonic_us() -> u64 {
    clock_us(libc::CLOCK_MONOTONIC)
}

/// CLOCK_REALTIME in microseconds since 1970.
pub fn wall_us() -> u64 {
    clock_us(libc::CLOCK_REALTIME)
}

/// CLOCK_REALTIME minus CLOCK_MONOTONIC in microseconds, exact to a few of them: a thread that is interrupted
/// between its looks at the two clocks looks again.
pub fn wall_offset_us() -> u64 {
    let mut best = (u64::MAX, 0);
    for _ in 0..LOOKS {
        let (before_us, wall_us, after_us) = (monotonic_us(), wall_us(), monotonic_us());
        let took_us = after_us - before_us;
        let offset_us = wall_us.saturating_sub(before_us + took_us / 2);
        best = best.min((took_us, offset_us));
        if took_us <= PROMPT_US {
            break;
        }
    }
    best.1
}

/// `wall_us` as a 64-bit NTP time (RFC 3550 §4).
pub fn ntp(wall_us: u64) -> u64 {
    let seconds = wall_us / 1_000_000 + NTP_EPOCH_S;
    let fraction = ((wall_us % 1_000_000) << 32) / 1_000_000;
    (seconds << 32) | fraction
}

fn clock_us(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid, writable timespec; the clocks used here exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// Sleeps until CLOCK_MONOTONIC reaches `at_us`; returns at once when that has passed.
pub fn sleep_until_us(at_us: u64) {
    let until = libc::timespec {
        tv_sec: (at_us / 1_000_000) as libc::time_t,
        tv_nsec: (at_us % 1_000_000 * 1000) as libc::c_long,
    };
    // SAFETY: `until` is a valid timespec and the remainder may be null with an absolute time.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &until,
            ptr::null_mut(),
        )
    };
}

/// Makes this thread's sleeps exact, and leaves all signals to the program's other threads.
pub fn prepare_thread() {
    // SAFETY: plain system calls on this thread; `set` is written by sigfillset before it is read.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1_000_u64);
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&mut set);
        libc::pthread_sigmask(libc::SIG_SETMASK, &set, ptr::null_mut());
    }
}

/// Asks the kernel to run this thread before others; without the right to ask it stays as it is.
pub fn prefer_thread() {
    // SAFETY: a plain system call on this thread: on Linux 0 means the calling thread alone.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -11) };
}

/// Lets the kernel note when each datagram of a socket arrived.
pub fn keep_arrival_times(socket: &impl AsRawFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open as long as `socket` is borrowed; `on` is a c_int of that size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    check(result).map(|_| ())
}

/// Lets a UDP socket hear nobody but `far_end`. Sending there costs less from now on: the way is looked up once.
pub fn hold(socket: &UdpSocket, far_end: SocketAddr) -> bool {
    socket.connect(far_end).is_ok()
}

/// Lets a socket hear everybody again. Its port stays bound if it was asked for by number; one that the kernel chose
/// would be lost.
pub fn let_go(socket: &UdpSocket) {
    let nobody = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    // SAFETY: the descriptor is open as long as `socket` is borrowed; `nobody` is an address of the stated size.
    unsafe {
        libc::connect(
            socket.as_raw_fd(),
            &raw const nobody,
            mem::size_of::<libc::sockaddr>() as libc::socklen_t,
        )
    };
}

/// Sends a datagram, to whom the socket holds if `to` is `None`.
///
/// A socket that holds a far end is told that an earlier datagram was refused there, instead of sending this one: it
/// is sent all the same, as from any other socket.
pub fn send(socket: &UdpSocket, datagram: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
    let once = || match to {
        Some(to) => socket.send_to(datagram, to),
        None => socket.send(datagram),
    };
    once().or_else(|error| {
        if is_refusal(&error) {
            once()
        } else {
            Err(error)
        }
    })
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// Lets the processor fetch the memory of a value that will be looked at soon, without waiting for it.
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..mem::size_of::<T>().min(PREFETCH_BYTES)).step_by(CACHE_LINE_BYTES) {
        // SAFETY: a hint to the processor, which reads nothing into the program; every x86-64 has it. The address lies
        // within `value`.
        unsafe {
            use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
            _mm_prefetch::<_MM_HINT_T0>(ptr::from_ref(value).cast::<i8>().add(at));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// A counter in the kernel that another program part can wait for.
#[derive(Debug)]
pub struct WakeFd(File);

impl WakeFd {
    /// A new eventfd, non-blocking.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers; a non-negative result is a descriptor that nobody else owns.
        let file = unsafe {
            let fd = check(libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC))?;
            File::from_raw_fd(fd)
        };
        Ok(Self(file))
    }

    /// Makes it readable.
    pub fn raise(&self) {
        // It can only fail when it is readable already.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    /// Makes it unreadable.
    pub fn lower(&self) {
        let _ = (&self.0).read(&mut [0; 8]);
    }

    /// The descriptor to wait for.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_socket_hears_its_far_end_alone_until_it_is_let_go() {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (far, stranger) = (bind(), bind());
        let near = (20_000..32_000).find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok());
        let near = near.unwrap();
        near.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let here = near.local_addr().unwrap();
        assert!(hold(&near, far.local_addr().unwrap()));
        stranger.send_to(&[1], here).unwrap();
        far.send_to(&[2], here).unwrap();
        let from = || near.recv_from(&mut [0; 8]).unwrap().1;
        assert_eq!(from(), far.local_addr().unwrap());
        let_go(&near);
        stranger.send_to(&[3], here).unwrap();
        assert_eq!(from(), stranger.local_addr().unwrap());
    }

    #[test]
    fn what_was_refused_hinders_neither_the_next_datagram_nor_what_came() {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (near, far) = (bind(), bind());
        let (here, there) = (near.local_addr().unwrap(), far.local_addr().unwrap());
        assert!(hold(&near, there));
        far.send_to(&[1; 5], here).unwrap();
        drop(far);
        for _ in 0..3 {
            assert_eq!(send(&near, &[1; 7], None).unwrap(), 7);
        }
        assert_eq!(send(&near, &[1; 7], Some(there)).unwrap(), 7);
        let mut batch = Batch::new();
        assert_eq!(batch.fetch(&near, true), 1);
        assert_eq!(batch.datagram(0).unwrap().bytes, [1; 5]);
    }

    #[test]
    fn a_sleep_ends_no_earlier_than_asked() {
        let at_us = monotonic_us() + 2_000;
        sleep_until_us(at_us);
        assert!(monotonic_us() >= at_us);
    }

    #[test]
    fn ntp_time_begins_in_1900() {
        assert_eq!(ntp(500_000), (NTP_EPOCH_S << 32) | 0x8000_0000);
    }
}
