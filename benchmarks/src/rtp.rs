//! The callers' ears and mouths: 50 packets a second each way per call, every one of them marked.
//!
//! Few sockets serve many calls (a call is known by the server's port), so that the generator costs
//! little beside the server. Arrival times are the kernel's.

use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use serde_json::{json, Value};

use crate::clock::{now_ns, KernelTime};
use crate::marker::{elapsed_us, frame_of, speech_like, Kind, Marker, FRAME};
use crate::samples::Samples;
use crate::sys::{enable_arrival_times, widen_buffers, ReceiveBatch, SendBatch, BATCH};

const SOCKETS: usize = 4;
const PHASES: usize = 20;
const HEADER: usize = 12;
const PACKET: usize = HEADER + FRAME;
/// A packet this much after its place on the call's own 20 ms grid is late.
const LATE_US: i32 = 5_000;
/// Packets that share a grid: ten seconds.
const GRID_PACKETS: usize = 500;
const BUFFER_BYTES: i32 = 8 << 20;
const NOBODY: u32 = u32::MAX;

/// All RTP of all calls.
pub struct RtpBank {
    sockets: Vec<UdpSocket>,
    ports: Vec<u16>,
    calls: Vec<Ear>,
    phases: Vec<Vec<u32>>,
    by_port: Vec<u32>,
    sound: Vec<u8>,
    receive: ReceiveBatch,
    send: SendBatch,
    time: KernelTime,
    is_measuring: bool,
    packets_sent: u64,
    packets_refused: u64,
    send_late: Samples,
    figures: Figures,
}

/// One call.
#[derive(Debug)]
struct Ear {
    to: SocketAddrV4,
    /// Where its packets come from: what the offer said.
    socket: usize,
    is_talking: bool,
    started_ns: u64,
    sequence: u16,
    index: u32,
    /// Arrival minus media time, per packet in the window.
    grid: Vec<i32>,
    grid_base_ns: u64,
    first_time: u32,
    last_sequence: Option<u16>,
    has_heard: bool,
    has_heard_bot: bool,
    last_echo: Option<u32>,
    long: Option<(u32, u64)>,
}

/// What all calls together saw in the window.
#[derive(Debug, Default)]
struct Figures {
    packets_received: u64,
    sequence_gaps: u64,
    out_of_order: u64,
    echo_frames: u64,
    echo_missing: u64,
    /// Echoed frames whose sound is not what was said.
    echo_altered: u64,
    unmarked_frames: u64,
    strangers: u64,
    first_rtp: Samples,
    first_bot_audio: Samples,
    mouth_to_ear: Samples,
    ws_to_rtp: Samples,
    clear_to_silence: Samples,
}

impl RtpBank {
    pub fn open(host: &str) -> std::io::Result<RtpBank> {
        let mut sockets = Vec::new();
        let mut ports = Vec::new();
        for _ in 0..SOCKETS {
            let socket = UdpSocket::bind((host, 0))?;
            enable_arrival_times(socket.as_raw_fd());
            widen_buffers(socket.as_raw_fd(), BUFFER_BYTES);
            ports.push(socket.local_addr()?.port());
            sockets.push(socket);
        }
        Ok(RtpBank {
            sockets,
            ports,
            calls: Vec::new(),
            phases: vec![Vec::new(); PHASES],
            by_port: vec![NOBODY; 1 << 16],
            sound: speech_like(),
            receive: ReceiveBatch::default(),
            send: SendBatch::default(),
            time: KernelTime::read(),
            is_measuring: false,
            packets_sent: 0,
            packets_refused: 0,
            send_late: Samples::default(),
            figures: Figures::default(),
        })
    }

    /// The port to write into the offer of call `number`.
    pub fn port(&self, number: usize) -> u16 {
        self.ports[number % SOCKETS]
    }

    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Talk to the server's address for this call until `stop`; the calls' phases are spread evenly.
    pub fn start(&mut self, number: usize, to: SocketAddrV4, answered_ns: u64) {
        let id = self.calls.len() as u32;
        self.by_port[usize::from(to.port())] = id;
        self.phases[number % PHASES].push(id);
        self.calls.push(Ear {
            to,
            socket: number % SOCKETS,
            is_talking: true,
            started_ns: answered_ns,
            sequence: 0,
            index: 0,
            grid: Vec::new(),
            grid_base_ns: 0,
            first_time: 0,
            last_sequence: None,
            has_heard: false,
            has_heard_bot: false,
            last_echo: None,
            long: None,
        });
    }

    pub fn stop(&mut self, to: SocketAddrV4) {
        let id = std::mem::replace(&mut self.by_port[usize::from(to.port())], NOBODY);
        if let Some(call) = self.calls.get_mut(id as usize) {
            call.is_talking = false;
        }
    }

    /// Begin (forgetting what was) or end the window that is measured.
    pub fn measure(&mut self, is_measuring: bool) {
        self.is_measuring = is_measuring;
        if is_measuring {
            let first_rtp = std::mem::take(&mut self.figures.first_rtp);
            let first_bot_audio = std::mem::take(&mut self.figures.first_bot_audio);
            self.figures = Figures {
                first_rtp,
                first_bot_audio,
                ..Figures::default()
            };
            (self.packets_sent, self.packets_refused) = (0, 0);
            self.send_late.clear();
        }
    }

    /// One millisecond: send for the calls of this phase, then take what arrived.
    pub fn beat(&mut self, beat: u64, due_ns: u64) {
        self.time.refresh();
        let phase = beat as usize % PHASES;
        let now = now_ns();
        if self.is_measuring && !self.phases[phase].is_empty() {
            self.send_late.add(now.saturating_sub(due_ns) as i64 / 1000);
        }
        for socket in 0..SOCKETS {
            self.send_phase(phase, socket, now / 1000);
            self.receive_all(socket);
        }
    }

    fn send_phase(&mut self, phase: usize, socket: usize, sent_us: u64) {
        for id in &self.phases[phase] {
            let call = &mut self.calls[*id as usize];
            if !call.is_talking || call.socket != socket {
                continue;
            }
            let packet = self.send.push(call.to, PACKET);
            call.write_packet(*id, sent_us, &self.sound, packet);
            self.packets_sent += 1;
            if self.send.is_full() {
                self.packets_refused += (BATCH - self.send.flush(&self.sockets[socket])) as u64;
            }
        }
        self.send.flush(&self.sockets[socket]);
    }

    fn receive_all(&mut self, socket: usize) {
        loop {
            let count = self.receive.receive(&self.sockets[socket], BATCH);
            for at in 0..count {
                let datagram = self.receive.get(at);
                let id = self.by_port[usize::from(datagram.from.port())];
                let arrived_ns = match datagram.arrived_real_ns {
                    Some(real_ns) => self.time.to_monotonic_ns(real_ns),
                    None => now_ns(),
                };
                match self.calls.get_mut(id as usize) {
                    Some(call) if datagram.data.len() > HEADER => {
                        call.hear(
                            datagram.data,
                            arrived_ns,
                            self.is_measuring,
                            &self.sound,
                            &mut self.figures,
                        );
                    }
                    _ => self.figures.strangers += 1,
                }
            }
            if count < BATCH {
                return;
            }
        }
    }

    /// The figures of the window.
    pub fn report(&mut self) -> Value {
        let mut lateness = Samples::default();
        for call in &mut self.calls {
            call.add_lateness(&mut lateness);
        }
        let late = lateness
            .as_slice()
            .iter()
            .filter(|us| **us > LATE_US)
            .count();
        let figures = &mut self.figures;
        json!({
            "packets_sent": self.packets_sent,
            "packets_refused": self.packets_refused,
            "packets_received": figures.packets_received,
            "sequence_gaps": figures.sequence_gaps,
            "out_of_order": figures.out_of_order,
            "echo_frames": figures.echo_frames,
            "echo_missing": figures.echo_missing,
            "echo_altered": figures.echo_altered,
            "unmarked_frames": figures.unmarked_frames,
            "strangers": figures.strangers,
            "late_5ms_share": late as f64 / lateness.len().max(1) as f64,
            "lateness": lateness.report(),
            "generator_lateness": self.send_late.report(),
            "first_rtp": figures.first_rtp.report(),
            "first_bot_audio": figures.first_bot_audio.report(),
            "mouth_to_ear": figures.mouth_to_ear.report(),
            "ws_to_rtp": figures.ws_to_rtp.report(),
            "clear_to_silence": figures.clear_to_silence.report(),
        })
    }
}

impl Ear {
    fn write_packet(&mut self, id: u32, sent_us: u64, sound: &[u8], packet: &mut [u8]) {
        packet[0] = 0x80;
        packet[1] = if self.index == 0 { 0x80 } else { 0 }; // marker bit on the first; payload type 0
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(self.index.wrapping_mul(FRAME as u32)).to_be_bytes());
        packet[8..12].copy_from_slice(&(id + 1).wrapping_mul(0x9e37_79b9).to_be_bytes());
        packet[HEADER..].copy_from_slice(frame_of(sound, self.index));
        let (source, index) = (id & 0x3ffff, self.index & 0xff_ffff);
        let marker = Marker {
            kind: Kind::Caller,
            source,
            index,
            sent_us,
            aux_us: 0,
        };
        marker.write_ulaw(&mut packet[HEADER..]);
        self.sequence = self.sequence.wrapping_add(1);
        self.index += 1;
    }

    fn hear(
        &mut self,
        packet: &[u8],
        arrived_ns: u64,
        is_measuring: bool,
        sound: &[u8],
        figures: &mut Figures,
    ) {
        if packet[0] >> 6 != 2 || packet[1] & 0x7f != 0 {
            return; // RTCP and other payload types
        }
        let since_answer_us = (arrived_ns as i64 - self.started_ns as i64) / 1000;
        if !std::mem::replace(&mut self.has_heard, true) {
            figures.first_rtp.add(since_answer_us);
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let time = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        if is_measuring {
            figures.packets_received += 1;
            self.note_sequence(sequence, figures);
            self.note_grid(time, arrived_ns);
        }
        self.last_sequence = Some(sequence);
        match Marker::read_ulaw(&packet[HEADER..]) {
            None => figures.unmarked_frames += u64::from(is_measuring),
            Some(marker) => {
                if !std::mem::replace(&mut self.has_heard_bot, true) {
                    figures.first_bot_audio.add(since_answer_us);
                }
                let is_echo = is_measuring && marker.kind == Kind::Caller;
                if is_echo && !marker.is_whole(&packet[HEADER..], sound) {
                    figures.echo_altered += 1;
                }
                self.note_marker(marker, arrived_ns, is_measuring, figures);
            }
        }
    }

    fn note_sequence(&mut self, sequence: u16, figures: &mut Figures) {
        match self.last_sequence.map(|last| sequence.wrapping_sub(last)) {
            None | Some(1) => {}
            Some(step) if step != 0 && step < 0x8000 => {
                figures.sequence_gaps += u64::from(step - 1)
            }
            Some(_) => figures.out_of_order += 1,
        }
    }

    fn note_grid(&mut self, time: u32, arrived_ns: u64) {
        if self.grid.is_empty() {
            (self.first_time, self.grid_base_ns) = (time, arrived_ns);
        }
        let media_us = i64::from(time.wrapping_sub(self.first_time) as i32) * 125;
        let wall_us = (arrived_ns as i64 - self.grid_base_ns as i64) / 1000;
        self.grid.push((wall_us - media_us) as i32);
    }

    /// The grid is the one that fits this call's packets best, through their median, for each ten
    /// seconds anew: a beat that was left out once makes no later packet late.
    fn add_lateness(&mut self, lateness: &mut Samples) {
        for part in self.grid.chunks(GRID_PACKETS) {
            let mut sorted = Samples::default();
            part.iter().for_each(|us| sorted.add(i64::from(*us)));
            let fitted = sorted.percentile(0.5);
            part.iter()
                .for_each(|us| lateness.add(i64::from(us - fitted)));
        }
    }

    fn note_marker(
        &mut self,
        marker: Marker,
        arrived_ns: u64,
        is_measuring: bool,
        figures: &mut Figures,
    ) {
        let elapsed = elapsed_us(marker.sent_us, arrived_ns);
        match marker.kind {
            Kind::Caller => {
                if let (Some(last), true) = (self.last_echo, is_measuring) {
                    figures.echo_frames += 1;
                    figures.echo_missing += u64::from(marker.index.saturating_sub(last + 1));
                    figures.mouth_to_ear.add(elapsed);
                }
                self.last_echo = Some(marker.index);
            }
            Kind::Long => {
                if marker.index == 0 && is_measuring {
                    figures.ws_to_rtp.add(elapsed);
                }
                self.long = Some((marker.source, arrived_ns));
            }
            Kind::Probe | Kind::Cleared if marker.index > 0 || !is_measuring => {}
            Kind::Probe => figures.ws_to_rtp.add(elapsed),
            Kind::Cleared => {
                figures.ws_to_rtp.add(elapsed);
                if let Some((_, last_ns)) = self
                    .long
                    .take()
                    .filter(|(source, _)| *source == marker.source)
                {
                    // The last old packet sounds for its 20 ms.
                    let silent_ns = last_ns + FRAME as u64 * 125_000;
                    figures
                        .clear_to_silence
                        .add(elapsed_us(marker.aux_us, silent_ns).max(0));
                }
            }
        }
    }
}
