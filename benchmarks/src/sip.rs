//! A scripted SIP caller over UDP (RFC 3261): INVITE with an offer, ACK, BYE, and nothing it does not need.
//!
//! ```text
//! Inviting ──200──▶ Up ──hang_up──▶ Leaving ──200──▶ Ended
//!    └─3xx..6xx, 32 s─▶ Failed   └─BYE from the server─▶ Ended
//! ```

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use crate::clock::now_ns;
use crate::sys::widen_buffers;

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
    request: Vec<u8>,
    ack: Vec<u8>,
    began_ns: u64,
    wait_ns: u64,
    is_provisional: bool,
}

/// Many calls on one socket.
pub struct SipCaller {
    socket: UdpSocket,
    server: SocketAddr,
    local: SocketAddr,
    callee: String,
    run: u64,
    calls: Vec<Call>,
    by_id: HashMap<String, usize>,
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    pub retransmissions: u64,
}

impl SipCaller {
    /// `callee`: the number that is dialled.
    pub fn open(host: &str, server: SocketAddr, callee: &str) -> io::Result<SipCaller> {
        let socket = UdpSocket::bind((host, 0))?;
        socket.set_nonblocking(true)?;
        widen_buffers(socket.as_raw_fd(), BUFFER_BYTES);
        Ok(SipCaller {
            local: socket.local_addr()?,
            socket,
            server,
            callee: callee.to_owned(),
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
        let target = format!("sip:{}@{}", self.callee, self.server);
        let mut call = Call {
            phase: Phase::Inviting,
            to: format!("<{target}>"),
            target,
            routes: Vec::new(),
            offer,
            request: Vec::new(),
            ack: Vec::new(),
            began_ns: now_ns(),
            wait_ns: T1_NS,
            is_provisional: false,
        };
        call.request = self.request(number, &call, "INVITE", 1);
        self.by_id.insert(self.call_id(number), number);
        self.calls.push(call);
        self.send_request(number);
        number
    }

    /// Send a BYE, when the call is up.
    pub fn hang_up(&mut self, number: usize) {
        if self.calls[number].phase == Phase::Up {
            let request = self.request(number, &self.calls[number], "BYE", 2);
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
        let ack = self.request(number, &self.calls[number], "ACK", 1);
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
        let to = message.header("to", "t").unwrap_or_default();
        let ack = self.format(
            number,
            "ACK",
            &format!("sip:{}@{}", self.callee, self.server),
            to,
            1,
            "",
            "",
        );
        let _ = self.socket.send_to(ack.as_bytes(), self.server);
    }

    fn receive_request(
        &mut self,
        number: Option<usize>,
        message: &Message<'_>,
        from: SocketAddr,
    ) -> Option<Progress> {
        let method = message.first.split(' ').next()?;
        if method == "ACK" {
            return None;
        }
        let status = if number.is_some() || method == "OPTIONS" {
            "200 OK"
        } else {
            "481 No Such Call"
        };
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for (name, value) in &message.headers {
            let is_copied = ["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"]
                .iter()
                .any(|copied| name.eq_ignore_ascii_case(copied));
            if is_copied {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
        }
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

    fn request(&self, number: usize, call: &Call, method: &str, sequence: u32) -> Vec<u8> {
        let routes: String = call
            .routes
            .iter()
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        let offer = if method == "INVITE" {
            call.offer.as_str()
        } else {
            ""
        };
        self.format(
            number,
            method,
            &call.target,
            &call.to,
            sequence,
            &routes,
            offer,
        )
        .into_bytes()
    }

    #[allow(clippy::too_many_arguments)] // the parts of one message, each used once
    fn format(
        &self,
        number: usize,
        method: &str,
        target: &str,
        to: &str,
        sequence: u32,
        routes: &str,
        body: &str,
    ) -> String {
        let (local, id) = (self.local, self.call_id(number));
        // The ACK of a 2xx is a transaction of its own, the ACK of a refusal is not.
        let branch = if method == "ACK"
            && to.contains(";tag=")
            && !self.calls[number].target.is_empty()
            && self.calls[number].phase == Phase::Up
        {
            "ack"
        } else if method == "BYE" {
            "bye"
        } else {
            "inv"
        };
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};rport;branch=z9hG4bK{run:x}-{number}-{branch}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+14155550100@{local}>;tag=c{number}\r\n\
             To: {to}\r\n\
             Call-ID: {id}\r\n\
             CSeq: {sequence} {method}\r\n\
             Contact: <sip:caller@{local}>\r\n\
             {routes}{kind}Content-Length: {length}\r\n\r\n{body}",
            run = self.run,
            length = body.len(),
        )
    }

    fn call_id(&self, number: usize) -> String {
        format!("{:x}-{number}@bench", self.run)
    }
}

/// The parts of a SIP message that a scripted caller looks at.
#[derive(Debug)]
struct Message<'a> {
    first: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

impl<'a> Message<'a> {
    fn parse(text: &'a str) -> Option<Message<'a>> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        Some(Message {
            first,
            headers,
            body,
        })
    }

    fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    fn header(&self, name: &str, short: &str) -> Option<&'a str> {
        self.headers(name, short).next()
    }

    fn headers<'b>(&'b self, name: &'b str, short: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        self.headers
            .iter()
            .filter(move |(found, _)| {
                found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(short)
            })
            .map(|(_, value)| *value)
    }

    /// Address and port of the answer's audio.
    fn media(&self) -> Option<SocketAddrV4> {
        let value = |start| self.body.lines().find_map(|line| line.strip_prefix(start));
        let host = value("c=IN IP4 ")?.trim().parse().ok()?;
        let port: u16 = value("m=audio ")?.split(' ').next()?.parse().ok()?;
        (port != 0).then(|| SocketAddrV4::new(host, port))
    }
}

/// The URI of a Contact, with or without angle brackets.
fn uri(contact: &str) -> &str {
    match contact.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => contact.split(';').next().unwrap_or(contact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1\r\nTo: <sip:a@b>;tag=9\r\n\
        Contact: \"Us\" <sip:us@127.0.0.1:5060;x=1>;q=1\r\nCSeq: 1 INVITE\r\n\r\n\
        v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n";

    #[test]
    fn an_answer_is_understood() {
        let message = Message::parse(ANSWER).unwrap();
        assert_eq!(message.status(), Some(200));
        assert_eq!(message.header("via", "v"), Some("SIP/2.0/UDP 127.0.0.1"));
        assert_eq!(
            uri(message.header("contact", "m").unwrap()),
            "sip:us@127.0.0.1:5060;x=1"
        );
        assert_eq!(message.media(), Some("127.0.0.1:4000".parse().unwrap()));
    }
}
