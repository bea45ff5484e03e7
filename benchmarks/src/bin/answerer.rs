//! Somebody who answers every call over UDP and says back what is heard.
//!
//! `answerer --port PORT --host HOST`: 180, 200, audio until the BYE. The sound of the caller's tool is
//! known, so that a packet that is missing and one that was changed are seen. Driven as `floor` is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use agentstream_bench::args::{fail, Args};
use agentstream_bench::clock::{now_ns, Beats};
use agentstream_bench::control::{say, Command, Commands, CpuMeter};
use agentstream_bench::echo::EchoBank;
use agentstream_bench::sip::message::Message;
use agentstream_bench::sys::{raise_file_limit, run_first, widen_buffers};
use serde_json::{json, Value};

const T1_NS: u64 = 500_000_000;
const T2_NS: u64 = 4_000_000_000;
/// RFC 3261 13.3.1.4: a 200 without an ACK is given up.
const GIVE_UP_NS: u64 = 64 * T1_NS;
const BUFFER_BYTES: i32 = 8 << 20;

fn main() {
    let args = Args::read();
    let host: String = args.get("host", "127.0.0.1".to_owned());
    let port: u16 = args.get("port", 0);
    raise_file_limit();
    run_first();
    let mut bank = EchoBank::open(&host).unwrap_or_else(|error| fail(&format!("RTP: {error}")));
    let mut phone = Phone::open(&host, port);
    say("ready", json!({ "port": phone.local.port() }));
    let (mut commands, mut beats, mut cpu) = (Commands::open(), Beats::start(), CpuMeter::start());
    loop {
        let (beat, _) = beats.wait();
        bank.beat();
        phone.poll(&bank);
        if beat % 10 == 0 {
            match commands.take() {
                None => {}
                Some(Command::Reset) => {
                    bank.reset();
                    cpu = CpuMeter::start();
                }
                Some(Command::Report) => say(
                    "report",
                    json!({ "rtp": bank.report(), "sip": phone.report(), "cpu_s": cpu.seconds() }),
                ),
                Some(Command::Exit) => return,
            }
        }
    }
}

/// The calls, each until its BYE.
struct Phone {
    socket: UdpSocket,
    local: SocketAddr,
    answered: HashMap<String, Answer>,
    timers: BinaryHeap<Reverse<(u64, String)>>,
    invited: usize,
    ended: u64,
    unacknowledged: u64,
    retransmissions: u64,
}

/// A 200 that is sent until it is acknowledged.
struct Answer {
    text: String,
    to: SocketAddr,
    began_ns: u64,
    wait_ns: u64,
    is_acknowledged: bool,
}

impl Phone {
    fn open(host: &str, port: u16) -> Phone {
        let socket = UdpSocket::bind((host, port))
            .unwrap_or_else(|error| fail(&format!("{host}:{port}: {error}")));
        let _ = socket.set_nonblocking(true);
        widen_buffers(socket.as_raw_fd(), BUFFER_BYTES);
        let local = socket
            .local_addr()
            .unwrap_or_else(|error| fail(&format!("SIP socket: {error}")));
        Phone {
            socket,
            local,
            answered: HashMap::new(),
            timers: BinaryHeap::new(),
            invited: 0,
            ended: 0,
            unacknowledged: 0,
            retransmissions: 0,
        }
    }

    fn poll(&mut self, bank: &EchoBank) {
        let mut buffer = [0; 8192];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            if let Some(message) = Message::parse(&text) {
                if message.status().is_none() {
                    self.take(&message, from, bank);
                }
            }
        }
        let now = now_ns();
        while self.timers.peek().is_some_and(|due| due.0 .0 <= now) {
            if let Some(Reverse((_, id))) = self.timers.pop() {
                self.wake(&id, now);
            }
        }
    }

    fn take(&mut self, message: &Message<'_>, from: SocketAddr, bank: &EchoBank) {
        let id = message.header("call-id", "i").unwrap_or_default();
        match message.method() {
            "INVITE" => self.answer(id, message, from, bank.port(self.invited)),
            "ACK" => {
                if let Some(answer) = self.answered.get_mut(id) {
                    answer.is_acknowledged = true;
                }
            }
            "BYE" => {
                let status = if self.answered.remove(id).is_some() {
                    self.ended += 1;
                    "200 OK"
                } else {
                    "481 No Such Call"
                };
                self.say(
                    &(message.answer(status) + "Content-Length: 0\r\n\r\n"),
                    from,
                );
            }
            _ => self.say(
                &(message.answer("200 OK") + "Content-Length: 0\r\n\r\n"),
                from,
            ),
        }
    }

    fn answer(&mut self, id: &str, message: &Message<'_>, from: SocketAddr, rtp_port: u16) {
        if let Some(answer) = self.answered.get(id) {
            let (text, to) = (answer.text.clone(), answer.to);
            return self.say(&text, to);
        }
        self.invited += 1;
        let host = self.local.ip();
        let to = message.header("to", "t").unwrap_or_default();
        let tagged = |status| {
            let answer = message.answer(status);
            let tag = format!("To: {to};tag=a{}\r\n", self.invited);
            answer.replacen(&format!("To: {to}\r\n"), &tag, 1)
                + &format!("Contact: <sip:answerer@{}>\r\n", self.local)
        };
        let ringing = tagged("180 Ringing") + "Content-Length: 0\r\n\r\n";
        let sdp = format!(
            "v=0\r\no=- {number} 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
             m=audio {rtp_port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n",
            number = self.invited,
        );
        let text = format!(
            "{head}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}",
            head = tagged("200 OK"),
            length = sdp.len(),
        );
        self.say(&ringing, from);
        self.say(&text, from);
        let began_ns = now_ns();
        self.timers.push(Reverse((began_ns + T1_NS, id.to_owned())));
        let answer = Answer {
            text,
            to: from,
            began_ns,
            wait_ns: T1_NS,
            is_acknowledged: false,
        };
        self.answered.insert(id.to_owned(), answer);
    }

    fn wake(&mut self, id: &str, now: u64) {
        let Some(answer) = self.answered.get_mut(id) else {
            return;
        };
        if answer.is_acknowledged {
            return;
        }
        if now - answer.began_ns >= GIVE_UP_NS {
            self.unacknowledged += 1;
            return;
        }
        answer.wait_ns = (answer.wait_ns * 2).min(T2_NS);
        self.retransmissions += 1;
        let due = now + answer.wait_ns;
        let (text, to) = (answer.text.clone(), answer.to);
        self.timers.push(Reverse((due, id.to_owned())));
        self.say(&text, to);
    }

    fn say(&self, text: &str, to: SocketAddr) {
        let _ = self.socket.send_to(text.as_bytes(), to); // UDP: what is lost is sent again
    }

    fn report(&self) -> Value {
        json!({
            "invited": self.invited,
            "ended": self.ended,
            "unacknowledged": self.unacknowledged,
            "retransmissions": self.retransmissions,
        })
    }
}
