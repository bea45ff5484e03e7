//! A leg's line when the far end speaks RTP: one beat fetches what came and sends what is said.

mod reports;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use crate::audio::Codec;
use crate::desk::Desk;
use crate::event::{Digit, LegStats, MediaStarted, RtpTimeout, SourceChanged};
use crate::phase::PhaseLock;
use crate::plan::{RemotePlan, RtpLegPlan};
use crate::rtp::ports::PortPair;
use crate::rtp::receiver::{Receiver, ReceiverConfig, Source, Verdict};
use crate::rtp::rtcp::{is_rtcp, RtcpSession};
use crate::rtp::sender::Sender;
use crate::rtp::source::{Origin, SourceLock};
use crate::rtp::{Formats, Packet};
use crate::stats::mos;
use crate::stream::link::Here;
use crate::sys;

/// Batches fetched per beat at most; the rest waits for the next one.
const BATCHES: usize = 16;
/// A frame sent later than this after its time is counted.
const LATE_US: u64 = 5_000;

/// What SDP said of the far end.
struct Remote {
    plan: RemotePlan,
    codec: Option<Codec>,
}

/// What a line has for a beat.
pub enum Heard {
    /// Its packet is late; look again in a few milliseconds.
    NotYet,
    /// 20 ms of sound. When the newest packet of it arrived, if packets there are.
    Frame { newest_us: Option<u64> },
}

/// An RTP line.
pub struct RtpLine {
    plan: RtpLegPlan,
    ports: PortPair,
    receiver: Receiver,
    sender: Sender,
    source: SourceLock,
    rtcp: RtcpSession,
    formats: Formats,
    remote: Option<Remote>,
    /// The beat's place relative to the packets.
    /// `None`: the beat is our own, whatever the far end's clock does.
    phase: Option<PhaseLock>,
    binds_v6: bool,
    waiting_since_us: u64,
    last_packet_us: Option<u64>,
    timeout_told: bool,
    out_told: bool,
    next_rtcp_us: u64,
    next_look_us: u64,
    figures: LegStats,
}

impl RtpLine {
    /// A line on a pair of ports, silent until `connect`. `chance` gives the start values of RTP.
    pub fn new(plan: RtpLegPlan, ports: PortPair, chance: [u64; 3]) -> Self {
        let ssrc = chance[0] as u32;
        let binds_v6 = ports
            .rtp
            .local_addr()
            .is_ok_and(|address| address.is_ipv6());
        // RFC 7022: a random name, so that calls cannot be linked.
        let cname = format!("{:016x}", chance[2]);
        Self {
            receiver: Receiver::new(ReceiverConfig {
                jitter_min_ms: plan.jitter_min_ms,
                jitter_max_ms: plan.jitter_max_ms,
                inband_dtmf: plan.inband_dtmf,
            }),
            sender: Sender::new(ssrc, (chance[1] & 0x7fff) as u16, (chance[1] >> 16) as u32),
            source: SourceLock::new(),
            rtcp: RtcpSession::new(ssrc, &cname, chance[2]),
            formats: Formats::default(),
            remote: None,
            phase: plan.follows_clock.then(PhaseLock::new),
            binds_v6,
            waiting_since_us: 0,
            last_packet_us: None,
            timeout_told: false,
            out_told: false,
            next_rtcp_us: 0,
            next_look_us: 0,
            figures: LegStats::default(),
            plan,
            ports,
        }
    }

    /// Starts the media, or changes it after a re-INVITE.
    pub fn connect(&mut self, plan: RemotePlan, here: Here<'_>) {
        let Ok(ip) = plan.address.parse::<IpAddr>() else {
            return; // Python checks addresses; an unusable one leaves the line as it is
        };
        let codecs: Vec<(u8, Codec)> = plan
            .codecs
            .iter()
            .filter_map(|codec| Some((codec.payload_type, codec_named(&codec.encoding)?)))
            .collect();
        self.formats = Formats {
            dtmf: plan.dtmf_receive_payload_type.or(plan.dtmf_payload_type),
            comfort_noise: plan.cn_payload_type,
            codecs,
        };
        self.receiver.set_formats(&self.formats);
        let first = self.formats.codecs.first().copied();
        if let Some((payload_type, codec)) = first {
            let dtmf = plan.dtmf_payload_type;
            self.figures.codec = name_of(codec).to_owned();
            self.sender
                .set_formats(codec, payload_type, plan.ptime_ms, dtmf);
        }
        self.source
            .set_remote(SocketAddr::new(ip, plan.port), here.at_ms());
        if self.remote.is_none() {
            self.next_rtcp_us = here.now_us + self.rtcp.next_interval_ms() * 1000;
        }
        self.unsettle();
        self.waiting_since_us = here.now_us;
        self.timeout_told = false;
        self.remote = Some(Remote {
            plan,
            codec: first.map(|(_, codec)| codec),
        });
    }

    /// By how many milliseconds the next beat should move, to follow the far end's clock.
    pub fn advise_ms(&mut self) -> i64 {
        self.phase.as_mut().map_or(0, PhaseLock::advise_ms)
    }

    fn unsettle(&mut self) {
        if let Some(phase) = &mut self.phase {
            phase.unsettle();
        }
    }

    /// The rate of what the leg hears at this beat.
    pub fn heard_hz(&self) -> u32 {
        self.receiver.rate_hz()
    }

    /// The rate of what is to be said.
    pub fn said_hz(&self) -> u32 {
        self.sender.rate_hz()
    }

    /// Fetches what came. Then, unless it should be looked for once more (`may_wait`), appends 20 ms of it to `heard`
    /// and returns when the newest packet arrived.
    pub fn hear(
        &mut self,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
        heard: &mut Vec<i16>,
        may_wait: bool,
    ) -> Heard {
        let newest_us = self.fetch(desk, due_us, here);
        if may_wait && self.receiver.awaits_packet(due_us) {
            return Heard::NotYet;
        }
        self.receiver.take(due_us, heard);
        for digit in self.receiver.digits() {
            here.events.push(Digit {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                digit: digit.digit.to_string(),
                duration_ms: u64::from(digit.duration_ms),
                source: match digit.source {
                    Source::Event => "rfc4733".to_owned(),
                    Source::Inband => "inband".to_owned(),
                },
            });
        }
        self.watch_silence(here);
        Heard::Frame { newest_us }
    }

    /// Takes in what the socket holds; returns when the newest sound arrived.
    fn fetch(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>) -> Option<u64> {
        let mut newest_us = None;
        for _ in 0..BATCHES {
            let count = desk.batch.fetch(&self.ports.rtp);
            let fetched_us = if count > 0 { sys::monotonic_us() } else { 0 };
            for index in 0..count {
                if let Some(datagram) = desk.batch.datagram(index) {
                    let arrival_us = desk.arrival_us(datagram.arrival_wall_us, fetched_us);
                    if self.datagram(
                        datagram.bytes,
                        datagram.from,
                        arrival_us,
                        desk.wall_offset_us,
                        here,
                    ) {
                        if let Some(phase) = &mut self.phase {
                            phase.note(due_us as i64 - arrival_us as i64);
                        }
                        newest_us = newest_us.max(Some(arrival_us));
                    }
                }
            }
            desk.counters
                .packets_received
                .fetch_add(count as u64, Ordering::Relaxed);
            if !desk.batch.is_full() {
                break;
            }
        }
        newest_us
    }

    /// Sends 20 ms, or lets it fall when the far end does not want it.
    pub fn say(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>, said: &[i16]) {
        let destination = self.destination();
        let sends = self
            .remote
            .as_ref()
            .is_some_and(|remote| remote.plan.sends && remote.codec.is_some());
        if let (true, Some(to)) = (sends, destination) {
            let (socket, figures) = (&self.ports.rtp, &mut self.figures);
            self.sender
                .frame(said, &mut |datagram| match socket.send_to(datagram, to) {
                    Ok(_) => {
                        figures.packets_sent += 1;
                        figures.bytes_sent += datagram.len() as u64;
                    }
                    Err(_) => figures.send_errors += 1,
                });
            let counters = &desk.counters;
            counters.packets_sent.fetch_add(1, Ordering::Relaxed);
            counters.frames_sent.fetch_add(1, Ordering::Relaxed);
            if here.now_us.saturating_sub(due_us) > LATE_US {
                self.figures.frames_late_5ms += 1;
                counters.frames_late.fetch_add(1, Ordering::Relaxed);
            }
            if !self.out_told {
                self.out_told = true;
                tell_started("out", here);
            }
        }
        self.rtcp(desk, here);
    }

    /// Sends digits as RFC 4733 events, or as tones when that was not agreed.
    pub fn send_digits(&mut self, digits: &str, tone_ms: u32, gap_ms: u32) {
        self.sender.queue_digits(digits, tone_ms, gap_ms);
    }

    /// The ports, once nothing more will be sent.
    pub fn into_ports(self) -> PortPair {
        self.ports
    }

    /// The local RTP port.
    pub fn port(&self) -> u16 {
        self.ports.port
    }

    /// The figures so far.
    pub fn figures(&self) -> LegStats {
        let received = self.receiver.stats();
        let quality = self.rtcp.quality();
        let codec = self.remote.as_ref().and_then(|remote| remote.codec);
        let lost = quality.lost.max(0) as u64;
        let loss = lost as f32 / quality.expected.max(1) as f32;
        let round_trip_ms = quality.round_trip_ms.unwrap_or(0.0);
        let jitter_ms = f64::from(quality.jitter_ms);
        let score = mos(
            codec.unwrap_or(Codec::Pcmu),
            loss,
            round_trip_ms / 2.0,
            received.depth_ms as f32,
        );
        LegStats {
            packets_received: received.packets,
            packets_lost: lost,
            packets_late: received.late,
            packets_duplicate: received.duplicates,
            packets_foreign: self.source.foreign(),
            packets_malformed: received.malformed,
            concealed_ms: received.concealed_ms,
            jitter_ms,
            jitter_max_ms: self.figures.jitter_max_ms.max(jitter_ms),
            round_trip_ms: f64::from(round_trip_ms),
            mos: f64::from(score),
            remote_loss: f64::from(quality.far_loss),
            ..self.figures.clone()
        }
    }

    /// Takes in one datagram of the RTP port; true when it carried sound.
    fn datagram(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        arrival_us: u64,
        wall_offset_us: u64,
        here: Here<'_>,
    ) -> bool {
        if is_rtcp(bytes) {
            self.report(bytes, from, arrival_us + wall_offset_us);
            return false;
        }
        let Some(packet) = Packet::parse(bytes) else {
            self.receiver.packet(arrival_us, bytes);
            return false;
        };
        match self
            .source
            .judge(from, &packet, &self.formats, here.at_ms())
        {
            Origin::Foreign => return false,
            Origin::Remote => {}
            Origin::Learnt => {
                self.unsettle();
                here.events.push(SourceChanged {
                    leg_sid: here.leg_sid.to_owned(),
                    at_ms: here.at_ms(),
                    address: from.to_string(),
                });
            }
        }
        self.figures.bytes_received += bytes.len() as u64;
        if self.last_packet_us.replace(arrival_us).is_none() {
            tell_started("in", here);
        }
        self.timeout_told = false;
        self.rtcp.on_received(&packet, arrival_us);
        self.receiver.packet(arrival_us, bytes) == Verdict::Audio
    }

    fn destination(&self) -> Option<SocketAddr> {
        let to = self.source.destination()?;
        Some(match to.ip() {
            IpAddr::V4(ip) if self.binds_v6 => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), to.port())
            }
            _ => to,
        })
    }

    fn watch_silence(&mut self, here: Here<'_>) {
        let receives = self
            .remote
            .as_ref()
            .is_some_and(|remote| remote.plan.receives);
        if !receives || self.timeout_told {
            return;
        }
        let limit_ms = match self.last_packet_us {
            Some(_) => self.plan.packet_timeout_ms,
            None => self.plan.first_packet_timeout_ms,
        };
        let since_us = self.waiting_since_us.max(self.last_packet_us.unwrap_or(0));
        let silent_ms = here.now_us.saturating_sub(since_us) / 1000;
        if limit_ms > 0 && silent_ms >= limit_ms {
            self.timeout_told = true;
            here.events.push(RtpTimeout {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                silent_ms,
                ever_received: self.last_packet_us.is_some(),
            });
        }
    }
}

/// The codec of a plan's name.
pub fn codec_named(name: &str) -> Option<Codec> {
    match name {
        "PCMU" => Some(Codec::Pcmu),
        "PCMA" => Some(Codec::Pcma),
        "G722" => Some(Codec::G722),
        _ => None,
    }
}

fn name_of(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
        Codec::G722 => "G722",
    }
}

/// Tells the first packet or frame in a direction.
pub fn tell_started(direction: &str, here: Here<'_>) {
    here.events.push(MediaStarted {
        leg_sid: here.leg_sid.to_owned(),
        at_ms: here.at_ms(),
        direction: direction.to_owned(),
    });
}
