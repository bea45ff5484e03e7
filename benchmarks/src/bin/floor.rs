//! The kernel floor: receives and sends the packets of N calls and does nothing else.
//!
//! `floor --calls N --port FIRST`: one socket per call on even ports from FIRST, each polled and sent
//! from on its own phase of 20 ms, one thread. The caller's tool drives it as it drives the server.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};

use agentstream_bench::args::{fail, Args};
use agentstream_bench::clock::Beats;
use agentstream_bench::control::{say, Command, Commands, CpuMeter};
use agentstream_bench::sys::raise_file_limit;
use serde_json::json;

const PHASES: usize = 20;
const PACKET: [u8; 172] = [0; 172];

struct Line {
    socket: UdpSocket,
    far_end: Option<SocketAddrV4>,
    packet: [u8; 172],
    sequence: u16,
    time: u32,
}

fn main() {
    let args = Args::read();
    let calls: usize = args.get("calls", 500);
    let first_port: u16 = args.get("port", 30_000);
    raise_file_limit();
    let mut lines: Vec<Line> = (0..calls)
        .map(|call| line(first_port + 2 * call as u16))
        .collect();
    say("ready", json!({ "calls": calls }));

    let (mut commands, mut beats, mut packet) = (Commands::open(), Beats::start(), [0; 2048]);
    let (mut received, mut sent, mut cpu) = (0u64, 0u64, CpuMeter::start());
    loop {
        let (beat, _) = beats.wait();
        for line in lines
            .iter_mut()
            .skip(beat as usize % PHASES)
            .step_by(PHASES)
        {
            // One packet is due per phase; now and then a second look drains what a late sender left.
            for _ in 0..1 + usize::from(beat / PHASES as u64 % 16 == 0) {
                if let Ok((_, SocketAddr::V4(from))) = line.socket.recv_from(&mut packet) {
                    line.far_end = Some(from);
                    received += 1;
                }
            }
            if let Some(far_end) = line.far_end {
                line.sequence = line.sequence.wrapping_add(1);
                line.packet[2..4].copy_from_slice(&line.sequence.to_be_bytes());
                line.time = line.time.wrapping_add(160);
                line.packet[4..8].copy_from_slice(&line.time.to_be_bytes());
                sent += u64::from(line.socket.send_to(&line.packet, far_end).is_ok());
            }
        }
        if beat % 10 == 0 {
            match commands.take() {
                None => {}
                Some(Command::Reset) => (received, sent, cpu) = (0, 0, CpuMeter::start()),
                Some(Command::Report) => {
                    let cpu_s = cpu.seconds();
                    say(
                        "report",
                        json!({ "received": received, "sent": sent, "cpu_s": cpu_s }),
                    );
                }
                Some(Command::Exit) => return,
            }
        }
    }
}

fn line(port: u16) -> Line {
    let socket = UdpSocket::bind(("127.0.0.1", port))
        .unwrap_or_else(|error| fail(&format!("port {port}: {error}")));
    let _ = socket.set_nonblocking(true); // else the first silence would show it
    let mut packet = PACKET;
    packet[0] = 0x80; // RTP version 2, payload type 0
    Line {
        socket,
        far_end: None,
        packet,
        sequence: 0,
        time: 0,
    }
}
