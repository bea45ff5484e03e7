//! A scripted SIP caller over UDP (RFC 3261): INVITE with an offer, ACK, BYE, a login where it is asked for one,
//! and nothing it does not need.
//!
//! ```text
//!    ┌─401, 407─┐ once
//! Inviting ◀────┴──200──▶ Up ──hang_up──▶ Leaving ──200──▶ Ended
//!    └─3xx..6xx, 32 s─▶ Failed   └─BYE from the server─▶ Ended
//! ```

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use crate::clock::now_ns;
use crate::sys::widen_buffers;

pub mod digest;
pub mod message;

use digest::Credentials;
use message::{uri, Message};

const T1_NS: u64 = 500_000_000;
const T2_NS: u64 = 4_000_000_000;
/// Timers B and F.
const GIVE_UP_NS: u64 = 64 * T1_NS;
const BUFFER_BYTES: i32 = 8 << 20;

/// What became of a call, told by `SipCaller::poll`.
#[derive(Debug)]
pub enum Progress {
    Answered {
        call: usize,
        media: SocketAddrV4,
        after_ns: u64,
    },
    Failed {
        call: usize,
        reason: String,
    },
    /// The BYE was answered.
    Ended {
        call: usize,
        after_ns: u64,
    },
    /// The server hung up.
    HungUp {
        call: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Inviting,
    Up,
    Leaving,
    Over,
}

#[derive(Debug)]
struct Call {
    phase: Phase,
    to: String,
    /// Request-URI of requests inside the dialog: the server's Contact.
    target: String,
    routes: Vec<String>,
    offer: String,
    /// Of its latest request.
    sequence: u32,
    /// The header line that answers a challenge, once there was one.
    login: String,
    request: Vec<u8>,
    ack: Vec<u8>,
    began_ns: u64,
    wait_ns: u64,
    is_provisional: bool,
}

/// Whom the calls are from and to.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// The number that is dialled.
    pub callee: String,
    /// The address in From, as `user@host`; empty: a number at the socket's own address.
    pub from: String,
    /// Without them a challenge is a refusal.
    pub credentials: Option<Credentials>,
}

/// Many calls on one socket.
pub struct SipCaller {
    socket: UdpSocket,
    server: SocketAddr,
    local: SocketAddr,
    who: Who,
    run: u64,
    calls: Vec<Call>,
    by_id: HashMap<String, usize>,
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    pub retransmissions: u64,
}

impl SipCaller {
    pub fn open(host: &str, server: SocketAddr, who: Who) -> io::Result<SipCaller> {
        let socket = UdpSocket::bind((host, 0))?;
        socket.set_nonblocking(true)?;
        widen_buffers(socket.as_raw_fd(), BUFFER_BYTES);
        Ok(SipCaller {
            local: socket.local_addr()?,
            socket,
            server,
            who,
            run: now_ns(),
            calls: Vec::new(),
            by_id: HashMap::new(),
            timers: BinaryHeap::new(),
            retransmissions: 0,
        })
    }

    /// Send an INVITE that offers PCMU on `rtp_port`; the call's number.
    pub fn invite(&mut self, rtp_port: u16) -> usize {
        let number = self.calls.len();
        let host = self.local.ip();
        let offer = format!(
            "v=0\r\no=- {number} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
             m=audio {rtp_port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
        );
        let target = self.callee_uri();
        let mut call = Call {
            phase: Phase::Inviting,
            to: format!("<{target}>"),
            target,
            routes: Vec::new(),
            offer,
            sequence: 1,
            login: String::new(),
            request: Vec::new(),
            ack: Vec::new(),
            began_ns: now_ns(),
            wait_ns: T1_NS,
            is_provisional: false,
        };
        call.request = self.request(number, &call, "INVITE");
        self.by_id.insert(self.call_id(number), number);
        self.calls.push(call);
        self.send_request(number);
        number
    }

    /// Send a BYE, when the call is up.
    pub fn hang_up(&mut self, number: usize) {
        if self.calls[number].phase == Phase::Up {
            self.calls[number].sequence += 1;
            let request = self.request(number, &self.calls[number], "BYE");
            let call = &mut self.calls[number];
            (call.phase, call.request) = (Phase::Leaving, request);
            (call.began_ns, call.wait_ns) = (now_ns(), T1_NS);
            self.send_request(number);
        }
    }

    /// Take what arrived, send what is due again.
    pub fn poll(&mut self) -> Vec<Progress> {
        let mut progress = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            if let Some(message) = Message::parse(&text) {
                progress.extend(self.receive(&message, from));
            }
        }
        let now = now_ns();
        while self
            .timers
            .peek()
            .is_some_and(|Reverse((due, _))| *due <= now)
        {
            if let Some(Reverse((_, number))) = self.timers.pop() {
                progress.extend(self.wake(number, now));
            }
        }
        progress
    }

    fn receive(&mut self, message: &Message<'_>, from: SocketAddr) -> Option<Progress> {
        let number = message
            .header("call-id", "i")
            .and_then(|id| self.by_id.get(id))
            .copied();
        match (message.status(), number) {
            (Some(status), Some(number)) => self.receive_response(number, status, message),
            (Some(_), None) => None,
            (None, number) => self.receive_request(number, message, from),
        }
    }

    fn receive_response(
        &mut self,
        number: usize,
        status: u16,
        message: &Message<'_>,
    ) -> Option<Progress> {
        let method = message.header("cseq", "cseq")?.split_whitespace().nth(1)?;
        match (method, self.calls[number].phase, status) {
            ("INVITE", Phase::Inviting, 100..=199) => {
                self.calls[number].is_provisional = true;
                None
            }
            ("INVITE", Phase::Inviting, 200..=299) => Some(self.answered(number, message)),
            ("INVITE", _, 200..=299) => {
                self.retransmissions += 1; // our ACK was lost, or is on its way
                let _ = self.socket.send_to(&self.calls[number].ack, self.server);
                None
            }
            ("INVITE", Phase::Inviting, 401 | 407) if self.log_in(number, message) => None,
            ("INVITE", phase, 300..) => {
                self.acknowledge_refusal(number, message);
                (phase == Phase::Inviting).then(|| self.fail(number, format!("INVITE {status}")))
            }
            ("BYE", Phase::Leaving, 200..=299) => {
                let call = &mut self.calls[number];
                call.phase = Phase::Over;
                Some(Progress::Ended {
                    call: number,
                    after_ns: now_ns() - call.began_ns,
                })
            }
            ("BYE", Phase::Leaving, 300..) => Some(self.fail(number, format!("BYE {status}"))),
            _ => None,
        }
    }

    /// RFC 3261 22.2: the same call again with an answer to the challenge, once.
    fn log_in(&mut self, number: usize, message: &Message<'_>) -> bool {
        let call = &self.calls[number];
        let Some(credentials) = self.who.credentials.as_ref() else {
            return false;
        };
        let asked = message.header("cseq", "cseq").unwrap_or_default();
        if !call.login.is_empty() {
            // A challenge that was sent again, or a refusal of what we answered.
            return asked.starts_with("1 ");
        }
        let Some(login) = credentials.answer(message, "INVITE", &call.target) else {
            return false;
        };
        self.acknowledge_refusal(number, message);
        let call = &mut self.calls[number];
        (call.login, call.sequence) = (login, 2);
        (call.wait_ns, call.is_provisional) = (T1_NS, false);
        self.calls[number].request = self.request(number, &self.calls[number], "INVITE");
        self.send_request(number);
        true
    }

    fn answered(&mut self, number: usize, message: &Message<'_>) -> Progress {
        let call = &mut self.calls[number];
        call.to = message.header("to", "t").unwrap_or_default().to_owned();
        let contact = message.header("contact", "m").unwrap_or_default();
        call.target = uri(contact).to_owned();
        call.routes = message
            .headers("record-route", "record-route")
            .map(str::to_owned)
            .collect();
        call.routes.reverse();
        call.phase = Phase::Up;
        let ack = self.request(number, &self.calls[number], "ACK");
        let call = &mut self.calls[number];
        call.ack = ack;
        let _ = self.socket.send_to(&call.ack, self.server);
        match message.media() {
            Some(media) => Progress::Answered {
                call: number,
                media,
                after_ns: now_ns() - call.began_ns,
            },
            None => self.fail(number, "200 without usable SDP".to_owned()),
        }
    }

    /// RFC 3261 17.1.1.3: the ACK of a refusal belongs to the INVITE's transaction.
    fn acknowledge_refusal(&mut self, number: usize, message: &Message<'_>) {
        let sequence = self.calls[number].sequence;
        let ack = self.format(
            number,
            &Line {
                method: "ACK",
                target: &self.callee_uri(),
                to: message.header("to", "t").unwrap_or_default(),
                sequence,
                branch: &format!("inv{sequence}"),
                more: "",
                body: "",
            },
        );
        let _ = self.socket.send_to(ack.as_bytes(), self.server);
    }

    fn receive_request(
        &mut self,
        number: Option<usize>,
        message: &Message<'_>,
        from: SocketAddr,
    ) -> Option<Progress> {
        let method = message.method();
        if method == "ACK" {
            return None;
        }
        let status = if number.is_some() || method == "OPTIONS" {
            "200 OK"
        } else {
            "481 No Such Call"
        };
        let mut answer = message.answer(status);
        answer.push_str("Content-Length: 0\r\n\r\n");
        let _ = self.socket.send_to(answer.as_bytes(), from);
        let number = number.filter(|_| method == "BYE")?;
        let before = std::mem::replace(&mut self.calls[number].phase, Phase::Over);
        match before {
            Phase::Up => Some(Progress::HungUp { call: number }),
            Phase::Leaving => Some(Progress::Ended {
                call: number,
                after_ns: 0,
            }),
            Phase::Inviting | Phase::Over => None,
        }
    }

    fn wake(&mut self, number: usize, now: u64) -> Option<Progress> {
        let call = &mut self.calls[number];
        let is_invite = call.phase == Phase::Inviting;
        if !is_invite && call.phase != Phase::Leaving {
            return None;
        }
        if now - call.began_ns >= GIVE_UP_NS {
            let what = if is_invite { "INVITE" } else { "BYE" };
            return Some(self.fail(number, format!("{what} unanswered")));
        }
        // RFC 3261 17.1.1.2: an INVITE is not repeated once a provisional answer came.
        if !(is_invite && call.is_provisional) {
            self.retransmissions += 1;
            call.wait_ns = (call.wait_ns * 2).min(if is_invite { GIVE_UP_NS } else { T2_NS });
            self.send_request(number);
        } else {
            self.timers.push(Reverse((now + T2_NS, number)));
        }
        None
    }

    fn fail(&mut self, number: usize, reason: String) -> Progress {
        self.calls[number].phase = Phase::Over;
        Progress::Failed {
            call: number,
            reason,
        }
    }

    fn send_request(&mut self, number: usize) {
        let call = &self.calls[number];
        let _ = self.socket.send_to(&call.request, self.server);
        self.timers.push(Reverse((now_ns() + call.wait_ns, number)));
    }

    fn callee_uri(&self) -> String {
        format!("sip:{}@{}", self.who.callee, self.server)
    }

    fn request(&self, number: usize, call: &Call, method: &str) -> Vec<u8> {
        let is_invite = method == "INVITE";
        let mut more: String = call
            .routes
            .iter()
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        let (branch, body) = match method {
            "INVITE" => (format!("inv{}", call.sequence), call.offer.as_str()),
            other => (other.to_ascii_lowercase(), ""), // the ACK of a 2xx is a transaction of its own
        };
        if is_invite {
            more.push_str(&call.login);
            more.push_str("Content-Type: application/sdp\r\n");
        }
        let line = Line {
            method,
            target: &call.target,
            to: &call.to,
            sequence: call.sequence,
            branch: &branch,
            more: &more,
            body,
        };
        self.format(number, &line).into_bytes()
    }

    fn format(&self, number: usize, line: &Line<'_>) -> String {
        let (local, id, run) = (self.local, self.call_id(number), self.run);
        let Line {
            method,
            target,
            to,
            sequence,
            branch,
            more,
            body,
        } = line;
        let from = match self.who.from.as_str() {
            "" => format!("+14155550100@{local}"),
            other => other.to_owned(),
        };
        let length = body.len();
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};rport;branch=z9hG4bK{run:x}-{number}-{branch}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{from}>;tag=c{number}\r\n\
             To: {to}\r\n\
             Call-ID: {id}\r\n\
             CSeq: {sequence} {method}\r\n\
             Contact: <sip:caller@{local}>\r\n\
             {more}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    fn call_id(&self, number: usize) -> String {
        format!("{:x}-{number}@bench", self.run)
    }
}

/// What differs from request to request.
struct Line<'a> {
    method: &'a str,
    target: &'a str,
    to: &'a str,
    sequence: u32,
    branch: &'a str,
    /// Whole header lines.
    more: &'a str,
    body: &'a str,
}
