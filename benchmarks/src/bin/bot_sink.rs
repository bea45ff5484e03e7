//! Many bots in one thread: `bot-sink --port P --mode echo|sink|talk|probe --frame-ms 100`.
//!
//! Any path and query is welcome. Arrival times are the kernel's.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use agentstream_bench::args::{fail, Args};
use agentstream_bench::bot::{sound, Bot, Heard, Mode};
use agentstream_bench::clock::{now_ns, KernelTime};
use agentstream_bench::control::{say, Command, Commands, CpuMeter};
use agentstream_bench::sys::{
    enable_arrival_times, raise_file_limit, receive_timed, sharpen_timers,
};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;
use tungstenite::handshake::server::NoCallback;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, ServerHandshake, WebSocket};

const LISTENER: Token = Token(usize::MAX);
/// A bot reads little at a time; a large buffer each would only cost memory.
const READ_BUFFER: usize = 8 * 1024;

fn main() {
    let args = Args::read();
    let port: u16 = args.get("port", 9000);
    let mode = args.get("mode", "echo".to_owned());
    let mode = Mode::named(&mode)
        .unwrap_or_else(|| fail(&format!("--mode {mode}: echo, sink, talk or probe")));
    raise_file_limit();
    sharpen_timers();
    let mut house = House::open(port, mode, args.get("frame-ms", 100))
        .unwrap_or_else(|error| fail(&format!("port {port}: {error}")));
    say("ready", json!({ "port": port }));
    if let Err(error) = house.run() {
        fail(&format!("poll: {error}"));
    }
}

/// All bots.
struct House {
    poll: Poll,
    listener: TcpListener,
    mode: Mode,
    frame_ms: u32,
    guests: Vec<Option<Guest>>,
    heard: Heard,
    sound: Rc<Vec<u8>>,
    time: KernelTime,
    accepted: u64,
    closed: u64,
    broken: u64,
}

struct Guest {
    socket: Socket,
    bot: Bot,
}

enum Socket {
    Greeting(Box<MidHandshake<ServerHandshake<TimedStream, NoCallback>>>),
    Open(Box<WebSocket<TimedStream>>),
}

/// Why a guest leaves.
enum Leaving {
    Closed,
    Broken,
}

impl House {
    fn open(port: u16, mode: Mode, frame_ms: u32) -> io::Result<House> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let poll = Poll::new()?;
        poll.registry().register(
            &mut SourceFd(&listener.as_raw_fd()),
            LISTENER,
            Interest::READABLE,
        )?;
        Ok(House {
            poll,
            listener,
            mode,
            frame_ms,
            guests: Vec::new(),
            heard: Heard::default(),
            sound: sound(),
            time: KernelTime::read(),
            accepted: 0,
            closed: 0,
            broken: 0,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let (mut commands, mut cpu, mut look_at_ns) = (Commands::open(), CpuMeter::start(), 0);
        let patience = Duration::from_millis(if self.mode.has_timer() { 1 } else { 20 });
        loop {
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.time.refresh();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept_all(),
                    Token(number) => self.serve(number),
                }
            }
            if self.mode.has_timer() {
                self.wake_all();
            }
            if now_ns() >= look_at_ns {
                look_at_ns = now_ns() + 20_000_000;
                match commands.take() {
                    None => {}
                    Some(Command::Reset) => {
                        (self.heard, cpu) = (Heard::default(), CpuMeter::start())
                    }
                    Some(Command::Report) => self.report(cpu.seconds()),
                    Some(Command::Exit) => return Ok(()),
                }
            }
        }
    }

    fn accept_all(&mut self) {
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        while let Ok((stream, _)) = self.listener.accept() {
            let number = self
                .guests
                .iter()
                .position(Option::is_none)
                .unwrap_or(self.guests.len());
            let fd = stream.as_raw_fd();
            let interest = Interest::READABLE | Interest::WRITABLE;
            let is_watched = stream.set_nonblocking(true).is_ok()
                && stream.set_nodelay(true).is_ok()
                && self
                    .poll
                    .registry()
                    .register(&mut SourceFd(&fd), Token(number), interest)
                    .is_ok();
            if !is_watched {
                continue;
            }
            enable_arrival_times(fd);
            self.accepted += 1;
            let bot = Bot::new(
                self.mode,
                self.frame_ms,
                self.accepted as u32,
                Rc::clone(&self.sound),
            );
            let stream = TimedStream {
                stream,
                arrived_real_ns: None,
            };
            let socket = match tungstenite::accept_hdr_with_config(stream, NoCallback, Some(config))
            {
                Ok(socket) => Socket::Open(Box::new(socket)),
                Err(HandshakeError::Interrupted(greeting)) => Socket::Greeting(Box::new(greeting)),
                Err(HandshakeError::Failure(_)) => continue,
            };
            if number == self.guests.len() {
                self.guests.push(None);
            }
            self.guests[number] = Some(Guest { socket, bot });
            self.serve(number); // what came with the accept raises no edge
        }
    }

    fn serve(&mut self, number: usize) {
        let Some(guest) = self.guests.get_mut(number).and_then(Option::take) else {
            return;
        };
        let Guest { socket, bot } = guest;
        let socket = match socket {
            Socket::Open(socket) => Ok(socket),
            Socket::Greeting(greeting) => match greeting.handshake() {
                Ok(socket) => Ok(Box::new(socket)),
                Err(HandshakeError::Interrupted(greeting)) => {
                    self.guests[number] = Some(Guest {
                        socket: Socket::Greeting(Box::new(greeting)),
                        bot,
                    });
                    return;
                }
                Err(HandshakeError::Failure(_)) => Err(Leaving::Broken),
            },
        };
        let mut bot = bot;
        let result = socket.and_then(|mut socket| {
            let _ = socket.flush(); // what waited for room
            self.listen(&mut socket, &mut bot).map(|()| socket)
        });
        match result {
            Ok(socket) => {
                self.guests[number] = Some(Guest {
                    socket: Socket::Open(socket),
                    bot,
                })
            }
            Err(Leaving::Closed) => self.closed += 1,
            Err(Leaving::Broken) => self.broken += 1,
        }
    }

    fn listen(
        &mut self,
        socket: &mut WebSocket<TimedStream>,
        bot: &mut Bot,
    ) -> Result<(), Leaving> {
        loop {
            let message = match socket.read() {
                Ok(message) => message,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Err(Leaving::Closed),
                Err(_) => return Err(Leaving::Broken),
            };
            if let Message::Text(text) = message {
                let arrived_ns = match socket.get_ref().arrived_real_ns {
                    Some(real_ns) => self.time.to_monotonic_ns(real_ns),
                    None => now_ns(),
                };
                if let Some(answer) = bot.receive(text.as_str(), arrived_ns, &mut self.heard) {
                    say_to(socket, answer)?;
                }
            }
        }
    }

    fn wake_all(&mut self) {
        let now = now_ns();
        for place in &mut self.guests {
            let Some(Guest {
                socket: Socket::Open(socket),
                bot,
            }) = place
            else {
                continue;
            };
            if bot.wake_at_ns() <= now {
                if let Some(text) = bot.wake(&mut self.heard) {
                    if say_to(socket, text).is_err() {
                        *place = None;
                        self.broken += 1;
                    }
                }
            }
        }
    }

    fn report(&mut self, cpu_s: f64) {
        let open = self.guests.iter().flatten().count();
        let body = json!({
            "open": open,
            "accepted": self.accepted,
            "closed": self.closed,
            "broken": self.broken,
            "cpu_s": cpu_s,
            "heard": self.heard.report(),
        });
        say("report", body);
    }
}

fn say_to(socket: &mut WebSocket<TimedStream>, text: String) -> Result<(), Leaving> {
    match socket.send(Message::text(text)) {
        Ok(()) => Ok(()),
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(_) => Err(Leaving::Broken),
    }
}

/// A TCP stream that remembers when the last bytes arrived.
struct TimedStream {
    stream: TcpStream,
    arrived_real_ns: Option<u64>,
}

impl Read for TimedStream {
    fn read(&mut self, data: &mut [u8]) -> io::Result<usize> {
        let (count, arrived) = receive_timed(self.stream.as_raw_fd(), data)?;
        self.arrived_real_ns = arrived.or(self.arrived_real_ns);
        Ok(count)
    }
}

impl Write for TimedStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
