//! The bytes below a WebSocket: TCP or TLS, non-blocking, with a bounded queue for what does not fit.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::{ClientConnection, StreamOwned};

/// Queued memory above this is given back once it is empty.
const KEEP_BYTES: usize = 16_384;

/// A socket that remembers when it was read empty, which spares a system call per message.
#[derive(Debug)]
pub struct Tcp {
    socket: TcpStream,
    is_empty: bool,
    ends: bool,
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_empty {
            return Err(ErrorKind::WouldBlock.into());
        }
        let result = self.socket.read(buffer);
        match &result {
            // epoll(7): a short read means that nothing is left; unless the end was announced.
            Ok(size) => self.is_empty = *size < buffer.len() && *size > 0 && !self.ends,
            Err(error) => self.is_empty = error.kind() == ErrorKind::WouldBlock,
        }
        result
    }
}

impl Write for Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
enum Layer {
    Plain(Tcp),
    Tls(Box<StreamOwned<ClientConnection, Tcp>>),
}

/// A connection to a bot. Writing never blocks and never fails for lack of room until `limit_bytes`.
#[derive(Debug)]
pub struct Wire {
    layer: Layer,
    queued: Vec<u8>,
    sent: usize,
    limit_bytes: usize,
}

impl Wire {
    /// A connected socket, still without TLS.
    pub fn plain(socket: TcpStream) -> Self {
        let tcp = Tcp {
            socket,
            is_empty: false,
            ends: false,
        };
        Self {
            layer: Layer::Plain(tcp),
            queued: Vec::new(),
            sent: 0,
            limit_bytes: usize::MAX,
        }
    }

    /// Puts TLS on a plain wire.
    pub fn secured(self, session: ClientConnection) -> Self {
        let layer = match self.layer {
            Layer::Plain(tcp) => Layer::Tls(Box::new(StreamOwned::new(session, tcp))),
            tls @ Layer::Tls(_) => tls,
        };
        Self { layer, ..self }
    }

    /// Goes on with the TLS handshake; `WouldBlock` until it is done.
    pub fn handshake(&mut self) -> io::Result<()> {
        let Layer::Tls(tls) = &mut self.layer else {
            return Ok(());
        };
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(())
    }

    /// From now on at most this much may be queued beyond the kernel's buffer.
    pub fn limit(&mut self, bytes: usize) {
        self.limit_bytes = bytes;
    }

    /// Bytes that the kernel did not take yet.
    pub fn queued_bytes(&self) -> usize {
        self.queued.len() - self.sent
    }

    /// epoll says that there is something to read, or (`ends`) that the far end has finished.
    pub fn note_readable(&mut self, ends: bool) {
        let tcp = self.tcp_mut();
        tcp.is_empty = false;
        tcp.ends |= ends;
    }

    /// Sends what is queued, as far as it goes.
    pub fn send_queued(&mut self) -> io::Result<()> {
        while self.sent < self.queued.len() {
            match self.layer_write_at() {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(size) => self.sent += size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.queued.clear();
        self.sent = 0;
        if self.queued.capacity() > KEEP_BYTES {
            self.queued = Vec::new();
        }
        match self.layer_flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        let _ = self.send_queued();
        if let Layer::Tls(tls) = &mut self.layer {
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
        let _ = self.tcp_mut().socket.shutdown(std::net::Shutdown::Write);
    }

    /// Why a connection attempt failed, if it did.
    pub fn take_error(&self) -> io::Result<()> {
        match self.tcp().socket.take_error()? {
            Some(error) => Err(error),
            None => self.tcp().socket.peer_addr().map(|_| ()),
        }
    }

    /// Sends small messages at once, and lets the kernel find a far end that is gone.
    pub fn tune(&self) {
        let socket = &self.tcp().socket;
        let _ = socket.set_nodelay(true);
        let alive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(60))
            .with_interval(Duration::from_secs(20));
        let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&alive);
    }

    fn layer_write_at(&mut self) -> io::Result<usize> {
        let bytes = &self.queued[self.sent..];
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.write(bytes),
            Layer::Tls(tls) => tls.write(bytes),
        }
    }

    fn layer_flush(&mut self) -> io::Result<()> {
        match &mut self.layer {
            Layer::Plain(_) => Ok(()),
            Layer::Tls(tls) => tls.flush(),
        }
    }

    fn tcp(&self) -> &Tcp {
        match &self.layer {
            Layer::Plain(tcp) => tcp,
            Layer::Tls(tls) => &tls.sock,
        }
    }

    fn tcp_mut(&mut self) -> &mut Tcp {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp,
            Layer::Tls(tls) => &mut tls.sock,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.layer {
            Layer::Plain(tcp) => tcp.read(buffer),
            Layer::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        if self.queued.is_empty() {
            let result = match &mut self.layer {
                Layer::Plain(tcp) => tcp.write(bytes),
                Layer::Tls(tls) => tls.write(bytes),
            };
            taken = match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                other => other?,
            };
        }
        let rest = &bytes[taken..];
        if self.queued_bytes() + rest.len() > self.limit_bytes {
            return Err(io::Error::new(
                ErrorKind::OutOfMemory,
                "the bot does not read",
            ));
        }
        self.queued.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.layer_flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }
}

impl Source for Wire {
    fn register(&mut self, to: &Registry, token: Token, wanted: Interest) -> io::Result<()> {
        self.tcp_mut().socket.register(to, token, wanted)
    }

    fn reregister(&mut self, to: &Registry, token: Token, wanted: Interest) -> io::Result<()> {
        self.tcp_mut().socket.reregister(to, token, wanted)
    }

    fn deregister(&mut self, from: &Registry) -> io::Result<()> {
        self.tcp_mut().socket.deregister(from)
    }
}
