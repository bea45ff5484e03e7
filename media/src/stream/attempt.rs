//! One attempt to reach a bot: its addresses in order, then TLS, then the upgrade, by one deadline.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use tungstenite::handshake::client::{generate_key, ClientHandshake, Request};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::header::{HeaderName, HeaderValue};
use tungstenite::http::Uri;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::Error;

use super::connector::{Connect, Connected, Failure, Outcome};
use super::tls::{explain, Trust};
use super::wire::Wire;
use crate::plan::StreamPlan;

/// Bytes read at once from a bot; a 100 ms message at 8 kHz has about 2300.
const READ_BYTES: usize = 4096;
/// Headers that the upgrade itself sets.
const OWN_HEADERS: [&str; 7] = [
    "host",
    "connection",
    "upgrade",
    "sec-websocket-version",
    "sec-websocket-key",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
];

type Reply = Box<dyn FnOnce(Outcome) + Send>;
type Upgrade = MidHandshake<ClientHandshake<Wire>>;

/// Where an attempt is after a step.
pub enum Progress {
    Waiting(Box<Attempt>),
    Failed(Reply, Failure),
    Done(Reply, Connected),
}

enum Stage {
    Idle,
    Tcp(Wire),
    Tls(Wire),
    Upgrade(Box<Upgrade>),
    Open(Box<super::connector::Socket>),
}

/// What a step came to.
enum Turn {
    Next(Stage),
    Wait(Stage),
}

/// An attempt under way.
pub struct Attempt {
    order: Connect,
    stage: Stage,
    address: usize,
    began_us: u64,
    address_began_us: u64,
    tcp_us: u64,
    tls_us: u64,
}

impl Attempt {
    /// Nothing has been tried yet.
    pub fn new(order: Connect, now_us: u64) -> Self {
        Self {
            order,
            stage: Stage::Idle,
            address: 0,
            began_us: now_us,
            address_began_us: now_us,
            tcp_us: 0,
            tls_us: 0,
        }
    }

    /// Nobody waits for the outcome any more.
    pub fn is_cancelled(&self) -> bool {
        self.order.is_cancelled()
    }

    /// When to step next if the socket says nothing.
    pub fn deadline_us(&self) -> u64 {
        let end_us = self.began_us + self.order.plan.connect_timeout_ms * 1000;
        if !matches!(self.stage, Stage::Tcp(_)) {
            return end_us;
        }
        // The addresses that are left share the time that is left.
        let left = self
            .order
            .plan
            .addresses
            .len()
            .saturating_sub(self.address)
            .max(1) as u64;
        self.address_began_us + end_us.saturating_sub(self.address_began_us) / left
    }

    /// The socket has something to read.
    pub fn note_readable(&mut self, ends: bool) {
        match &mut self.stage {
            Stage::Tcp(wire) | Stage::Tls(wire) => wire.note_readable(ends),
            Stage::Upgrade(upgrade) => upgrade.get_mut().get_mut().note_readable(ends),
            Stage::Idle | Stage::Open(_) => {}
        }
    }

    /// Goes as far as it goes without waiting.
    pub fn step(
        mut self,
        now_us: u64,
        trust: &mut Trust,
        register: &mut dyn FnMut(&mut Wire) -> io::Result<()>,
    ) -> Progress {
        if now_us >= self.deadline_us() && !self.try_next_address(now_us) {
            let failure = self.too_late();
            return Progress::Failed(self.order.reply, failure);
        }
        loop {
            let stage = std::mem::replace(&mut self.stage, Stage::Idle);
            match self.turn(stage, now_us, trust, register) {
                Ok(Turn::Next(Stage::Open(socket))) => {
                    let connected = self.connected(socket, now_us);
                    return Progress::Done(self.order.reply, connected);
                }
                Ok(Turn::Next(stage)) => self.stage = stage,
                Ok(Turn::Wait(stage)) => {
                    self.stage = stage;
                    return Progress::Waiting(Box::new(self));
                }
                Err(failure) => {
                    if failure.phase == "tcp" && self.try_next_address(now_us) {
                        continue;
                    }
                    return Progress::Failed(self.order.reply, failure);
                }
            }
        }
    }

    fn turn(
        &mut self,
        stage: Stage,
        now_us: u64,
        trust: &mut Trust,
        register: &mut dyn FnMut(&mut Wire) -> io::Result<()>,
    ) -> Result<Turn, Failure> {
        match stage {
            Stage::Idle => self.dial(register),
            Stage::Tcp(wire) => self.tcp(wire, now_us, trust),
            Stage::Tls(wire) => self.tls(wire, now_us),
            Stage::Upgrade(upgrade) => self.upgrade(*upgrade),
            open @ Stage::Open(_) => Ok(Turn::Next(open)),
        }
    }

    fn dial(&self, register: &mut dyn FnMut(&mut Wire) -> io::Result<()>) -> Result<Turn, Failure> {
        let text = self.address_text();
        let address: SocketAddr = text
            .parse()
            .map_err(|_| failure("tcp", format!("{text} is not an address")))?;
        let from = self.order.plan.local_address.as_deref();
        let socket = start_tcp(address, from).map_err(|error| self.tcp_failure(&error))?;
        let mut wire = Wire::plain(socket);
        register(&mut wire).map_err(|error| self.tcp_failure(&error))?;
        Ok(Turn::Wait(Stage::Tcp(wire)))
    }

    fn tcp(&mut self, wire: Wire, now_us: u64, trust: &mut Trust) -> Result<Turn, Failure> {
        match wire.take_error() {
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                return Ok(Turn::Wait(Stage::Tcp(wire)));
            }
            Err(error) => return Err(self.tcp_failure(&error)),
            Ok(()) => {}
        }
        wire.tune();
        self.tcp_us = now_us - self.began_us;
        let plan = &self.order.plan;
        if !plan.secure {
            return Ok(Turn::Next(start_upgrade(wire, plan)?));
        }
        let session = trust
            .session(&plan.server_name, plan.verify_tls, plan.ca_file.as_deref())
            .map_err(|detail| failure("tls", detail))?;
        Ok(Turn::Next(Stage::Tls(wire.secured(session))))
    }

    fn tls(&mut self, mut wire: Wire, now_us: u64) -> Result<Turn, Failure> {
        match wire.handshake() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Turn::Wait(Stage::Tls(wire))),
            Err(error) => Err(failure("tls", tls_detail(&error))),
            Ok(()) => {
                self.tls_us = now_us - self.began_us - self.tcp_us;
                Ok(Turn::Next(start_upgrade(wire, &self.order.plan)?))
            }
        }
    }

    fn upgrade(&self, mut upgrade: Upgrade) -> Result<Turn, Failure> {
        let wire = upgrade.get_mut().get_mut();
        wire.send_queued()
            .map_err(|error| upgrade_failure(&Error::Io(error)))?;
        match upgrade.handshake() {
            Ok((socket, _)) => Ok(Turn::Next(Stage::Open(Box::new(socket)))),
            Err(HandshakeError::Interrupted(upgrade)) => {
                Ok(Turn::Wait(Stage::Upgrade(Box::new(upgrade))))
            }
            Err(HandshakeError::Failure(error)) => Err(upgrade_failure(&error)),
        }
    }

    fn connected(&self, mut socket: Box<super::connector::Socket>, now_us: u64) -> Connected {
        // Room beyond what media may take, for control texts.
        let limit = self.order.plan.send_buffer_bytes;
        socket.get_mut().limit(limit.saturating_mul(2).max(65_536));
        Connected {
            socket,
            tcp_ms: self.tcp_us / 1000,
            tls_ms: self.tls_us / 1000,
            upgrade_ms: (now_us - self.began_us - self.tcp_us - self.tls_us) / 1000,
        }
    }

    fn try_next_address(&mut self, now_us: u64) -> bool {
        let is_dialling = matches!(self.stage, Stage::Idle | Stage::Tcp(_));
        if !is_dialling || self.address + 1 >= self.order.plan.addresses.len() {
            return false;
        }
        self.address += 1;
        self.address_began_us = now_us;
        self.stage = Stage::Idle;
        true
    }

    fn address_text(&self) -> &str {
        let addresses = &self.order.plan.addresses;
        addresses
            .get(self.address)
            .map_or("(no address)", String::as_str)
    }

    fn tcp_failure(&self, error: &io::Error) -> Failure {
        let address = self.address_text();
        failure(
            "tcp",
            match error.kind() {
                ErrorKind::ConnectionRefused => format!("connection refused by {address}"),
                ErrorKind::ConnectionReset => format!("connection reset by {address}"),
                ErrorKind::TimedOut => format!("no answer from {address}"),
                ErrorKind::HostUnreachable => {
                    format!("{address} cannot be reached: no route to host")
                }
                ErrorKind::NetworkUnreachable => {
                    format!("{address} cannot be reached: no route to its network")
                }
                _ => format!("cannot connect to {address}: {error}"),
            },
        )
    }

    fn too_late(&self) -> Failure {
        let within = format!("within {} ms", self.order.plan.connect_timeout_ms);
        match &self.stage {
            Stage::Idle | Stage::Tcp(_) => failure(
                "tcp",
                format!("no answer from {} {within}", self.address_text()),
            ),
            Stage::Tls(_) => failure("tls", format!("TLS was not set up {within}")),
            Stage::Upgrade(_) | Stage::Open(_) => failure(
                "upgrade",
                format!("connected, but the bot did not answer the WebSocket upgrade {within}"),
            ),
        }
    }
}

/// Begins to connect, by setting from one address of this machine (AS-36).
fn start_tcp(address: SocketAddr, from: Option<&str>) -> io::Result<TcpStream> {
    let Some(from) = from else {
        return TcpStream::connect(address);
    };
    let from: IpAddr = from
        .parse()
        .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "the local address is none"))?;
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

fn start_upgrade(wire: Wire, plan: &StreamPlan) -> Result<Stage, Failure> {
    let request = request(plan).map_err(|detail| failure("upgrade", detail))?;
    let limit = Some(plan.max_message_bytes);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(limit)
        .max_frame_size(limit);
    let upgrade = ClientHandshake::start(wire, request, Some(config))
        .map_err(|error| failure("upgrade", format!("the request cannot be made: {error}")))?;
    Ok(Stage::Upgrade(Box::new(upgrade)))
}

fn request(plan: &StreamPlan) -> Result<Request, String> {
    let uri = Uri::builder()
        .scheme(if plan.secure { "wss" } else { "ws" })
        .authority(plan.host_header.as_str())
        .path_and_query(plan.target.as_str())
        .build()
        .map_err(|error| format!("the address cannot stand in an HTTP request: {error}"))?;
    let mut request = Request::builder()
        .uri(uri)
        .header("Host", &plan.host_header)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .body(())
        .map_err(|error| format!("the request cannot be made: {error}"))?;
    for (name, value) in &plan.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name} is not the name of an HTTP header"))?;
        if OWN_HEADERS.contains(&name.as_str()) {
            continue;
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the header {name} has a value that HTTP does not allow"))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

fn failure(phase: &'static str, detail: String) -> Failure {
    Failure {
        phase,
        http_status: 0,
        detail,
    }
}

fn tls_detail(error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (inner, error.kind()) {
        (Some(inner), _) => explain(inner),
        (None, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            "the bot closed the connection during the TLS handshake".to_owned()
        }
        (None, _) => format!("TLS failed: {error}"),
    }
}

fn upgrade_failure(error: &Error) -> Failure {
    use tungstenite::error::ProtocolError;
    match error {
        Error::Http(response) => Failure {
            phase: "upgrade",
            http_status: response.status().as_u16(),
            detail: format!("the bot answered HTTP {}", response.status()),
        },
        Error::Protocol(ProtocolError::HandshakeIncomplete) | Error::ConnectionClosed => failure(
            "upgrade",
            "the bot closed the connection without answering the WebSocket upgrade".to_owned(),
        ),
        Error::Io(error) => failure("upgrade", format!("the connection broke: {error}")),
        Error::HttpFormat(_) | Error::Protocol(ProtocolError::HttparseError(_)) => {
            failure("upgrade", "the bot's answer is not HTTP".to_owned())
        }
        other => failure(
            "upgrade",
            format!("the bot's answer is not a WebSocket upgrade: {other}"),
        ),
    }
}
