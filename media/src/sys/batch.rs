//! Fetching datagrams: many with one system call, each with its sender and the time when the kernel got it.

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::ptr;

use super::is_refusal;

/// Datagrams that one call may fetch.
const BATCH: usize = 8;
/// More than any RTP packet on an Ethernet.
const DATAGRAM_BYTES: usize = 2048;
/// Room for one timestamp message.
const CONTROL_BYTES: usize = 64;
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// Buffers that `recvmmsg` fills; the headers point into the same boxed allocation for life.
struct Buffers {
    headers: [libc::mmsghdr; BATCH],
    vectors: [libc::iovec; BATCH],
    names: [libc::sockaddr_storage; BATCH],
    controls: [Control; BATCH],
    bytes: [[u8; DATAGRAM_BYTES]; BATCH],
}

/// Fetches waiting datagrams with one call.
pub struct Batch {
    buffers: Box<Buffers>,
    asked: usize,
    filled: usize,
}

/// One datagram of a batch.
pub struct Datagram<'a> {
    pub bytes: &'a [u8],
    pub from: SocketAddr,
    /// CLOCK_REALTIME in microseconds when the kernel received it; 0 when it did not say.
    pub arrival_wall_us: u64,
}

impl Batch {
    /// Empty buffers.
    pub fn new() -> Self {
        // SAFETY: all members are plain C data or bytes, for which zero is a valid value.
        let mut buffers: Box<Buffers> = Box::new(unsafe { mem::zeroed() });
        let parts = &mut *buffers;
        for index in 0..BATCH {
            parts.vectors[index] = libc::iovec {
                iov_base: parts.bytes[index].as_mut_ptr().cast(),
                iov_len: DATAGRAM_BYTES,
            };
            let header = &mut parts.headers[index].msg_hdr;
            header.msg_iov = &raw mut parts.vectors[index];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut parts.names[index]).cast();
            header.msg_control = parts.controls[index].0.as_mut_ptr().cast();
        }
        Self {
            buffers,
            asked: BATCH,
            filled: 0,
        }
    }

    /// Fetches up to eight datagrams without waiting, or one if `is_single`; returns how many.
    pub fn fetch(&mut self, socket: &impl AsRawFd, is_single: bool) -> usize {
        let count = self.fetch_now(socket, is_single);
        // Told that the far end refused something, the socket has not said yet what lies in it.
        if count == 0 && is_refusal(&io::Error::last_os_error()) {
            return self.fetch_now(socket, is_single);
        }
        count
    }

    fn fetch_now(&mut self, socket: &impl AsRawFd, is_single: bool) -> usize {
        self.asked = if is_single { 1 } else { BATCH };
        for header in &mut self.buffers.headers[..self.asked] {
            header.msg_hdr.msg_namelen =
                mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_controllen = CONTROL_BYTES as _;
        }
        if is_single {
            return self.fetch_one(socket);
        }
        // SAFETY: `asked` headers exist, and every one points to buffers of the stated sizes inside `self.buffers`, which is
        // boxed, so they do not move; the descriptor is open as long as `socket` is borrowed.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.buffers.headers.as_mut_ptr(),
                self.asked as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.filled = usize::try_from(count).unwrap_or(0);
        self.filled
    }

    fn fetch_one(&mut self, socket: &impl AsRawFd) -> usize {
        let first = &mut self.buffers.headers[0];
        // SAFETY: the header points to buffers of the stated sizes inside `self.buffers`, which is boxed, so they do
        // not move; the descriptor is open as long as `socket` is borrowed.
        let length =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &mut first.msg_hdr, libc::MSG_DONTWAIT) };
        first.msg_len = length.max(0) as libc::c_uint;
        self.filled = usize::from(length >= 0);
        self.filled
    }

    /// The last fetch was full: more may wait.
    pub fn is_full(&self) -> bool {
        self.filled == self.asked
    }

    /// Lets `change` work on a datagram of the last fetch where it lies, and say how long it is then; at most as long as
    /// it was. False, and nothing is left of it, when that says `None`. True when there is no such datagram.
    pub fn shorten(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        if index >= self.filled {
            return true;
        }
        let header = &mut self.buffers.headers[index];
        let length = (header.msg_len as usize).min(DATAGRAM_BYTES);
        let changed = change(&mut self.buffers.bytes[index][..length]);
        header.msg_len = changed.unwrap_or(0).min(length) as libc::c_uint;
        changed.is_some()
    }

    /// One datagram of the last fetch; `None` for an address family that we do not speak.
    pub fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        if index >= self.filled {
            return None;
        }
        let header = &self.buffers.headers[index];
        let length = (header.msg_len as usize).min(DATAGRAM_BYTES);
        Some(Datagram {
            bytes: &self.buffers.bytes[index][..length],
            from: socket_address(&self.buffers.names[index])?,
            arrival_wall_us: self.arrival(&header.msg_hdr),
        })
    }

    fn arrival(&self, header: &libc::msghdr) -> u64 {
        // SAFETY: the kernel has written well-formed control messages of msg_controllen bytes into the
        // buffer that the header points to; CMSG_FIRSTHDR checks that one fits, and a message of this
        // type carries a timespec, read without assuming its alignment.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(header);
            if message.is_null()
                || (*message).cmsg_level != libc::SOL_SOCKET
                || (*message).cmsg_type != libc::SCM_TIMESTAMPNS
            {
                return 0;
            }
            let time: libc::timespec = ptr::read_unaligned(libc::CMSG_DATA(message).cast());
            time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

/// The address that the kernel wrote; IPv4 inside IPv6 is given as IPv4.
fn socket_address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let storage: *const libc::sockaddr_storage = name;
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds a sockaddr_in, which is smaller.
            let v4 = unsafe { *storage.cast::<libc::sockaddr_in>() };
            let ip = IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(ip, u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds a sockaddr_in6, which is smaller.
            let v6 = unsafe { *storage.cast::<libc::sockaddr_in6>() };
            let ip = IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)).to_canonical();
            Some(SocketAddr::new(ip, u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{keep_arrival_times, wall_us};
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn datagrams_come_with_sender_and_arrival_time() {
        let ears = UdpSocket::bind("127.0.0.1:0").unwrap();
        keep_arrival_times(&ears).unwrap();
        let mouth = UdpSocket::bind("127.0.0.1:0").unwrap();
        for size in 1..=9_u8 {
            mouth
                .send_to(&vec![size; size.into()], ears.local_addr().unwrap())
                .unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!((batch.fetch(&ears, false), batch.is_full()), (8, true));
        let datagram = batch.datagram(7).unwrap();
        assert_eq!(datagram.bytes, [8; 8]);
        assert_eq!(datagram.from, mouth.local_addr().unwrap());
        assert!(wall_us().abs_diff(datagram.arrival_wall_us) < 5_000_000);
        assert_eq!(batch.fetch(&ears, true), 1);
        assert!(batch.is_full());
        assert_eq!(batch.fetch(&ears, false), 0);
        assert!(batch.datagram(0).is_none());
    }
}
