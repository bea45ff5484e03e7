//! A leg's line when the far end speaks RTP: one beat fetches what came and sends what is said.

mod capturing;
mod passing;
mod reports;
mod sealed;
mod sound;

use std::net::{IpAddr, SocketAddr};

use crate::audio::Codec;
use crate::bridge::Key;
use crate::event::{LegStats, MediaStarted, RtpTimeout};
use crate::phase::PhaseLock;
use crate::plan::{RemotePlan, RtpLegPlan};
use crate::recorder::PacketTap;
use crate::rtp::ports::PortPair;
use crate::rtp::receiver::{Receiver, ReceiverConfig};
use crate::rtp::rtcp::RtcpSession;
use crate::rtp::sender::Sender;
use crate::rtp::source::SourceLock;
use crate::rtp::srtp::Srtp;
use crate::rtp::steady::Steady;
use crate::rtp::{ClockScale, Formats};
use crate::stats::mos;
use crate::stream::link::Here;

/// What SDP said of the far end.
struct Remote {
    plan: RemotePlan,
    codec: Option<Codec>,
}

/// Datagrams of sound and reports.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    packets: u64,
    bytes: u64,
    errors: u64,
}

/// An RTP line.
#[repr(C)] // what a packet that passes through needs lies together, in front
pub struct RtpLine {
    /// What is to come, while one packet follows the other without surprises.
    steady: Option<Steady>,
    ports: PortPair,
    /// The RTP socket hears the far end alone, and what is said goes there.
    holds: bool,
    out_told: bool,
    /// When to look for reports again; never before there is a far end.
    next_look_us: u64,
    /// When the socket was looked at last.
    looked_us: u64,
    said: Said,
    /// The keys; `None`: all is in clear.
    srtp: Option<Box<Srtp>>,
    sender: Sender,
    receiver: Receiver,
    source: SourceLock,
    rtcp: RtcpSession,
    /// Of a far end whose timestamps count in 48 kHz.
    clock: Option<ClockScale>,
    formats: Formats,
    remote: Option<Remote>,
    /// The beat's place relative to the packets.
    /// `None`: the beat is our own, whatever the far end's clock does.
    phase: Option<PhaseLock>,
    binds_v6: bool,
    binds_all: bool,
    /// More than one packet may lie in the socket.
    is_owed: bool,
    next_sequence: u16,
    waiting_since_us: u64,
    last_packet_us: Option<u64>,
    timeout_told: bool,
    next_rtcp_us: u64,
    figures: LegStats,
    /// Keys of this beat that were pressed as events.
    keys: Vec<Key>,
    plan: RtpLegPlan,
    /// Keeps every datagram as it is on the wire, while somebody looks for a fault.
    capture: Option<Box<PacketTap>>,
}

impl RtpLine {
    /// A line on a pair of ports, silent until `connect`. `chance` gives the start values of RTP.
    pub fn new(plan: RtpLegPlan, ports: PortPair, chance: [u64; 3]) -> Self {
        let ssrc = chance[0] as u32;
        let bound = ports.rtp.local_addr().ok();
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
            clock: None,
            formats: Formats::default(),
            remote: None,
            phase: plan.follows_clock.then(PhaseLock::new),
            binds_v6: bound.is_some_and(|address| address.is_ipv6()),
            binds_all: bound.is_none_or(|address| address.ip().is_unspecified()),
            waiting_since_us: 0,
            last_packet_us: None,
            timeout_told: false,
            out_told: false,
            next_rtcp_us: 0,
            next_look_us: u64::MAX,
            figures: LegStats::default(),
            looked_us: 0,
            is_owed: true,
            next_sequence: 0,
            steady: None,
            holds: false,
            said: Said::default(),
            srtp: None,
            keys: Vec::new(),
            plan,
            ports,
            capture: None,
        }
    }

    /// Starts the media, or changes it after a re-INVITE.
    pub fn connect(&mut self, plan: RemotePlan, here: Here<'_>) {
        let Ok(ip) = plan.address.parse::<IpAddr>() else {
            return; // Python checks addresses; an unusable one leaves the line as it is
        };
        self.unsteady();
        self.let_go();
        if !self.take_keys(plan.srtp.as_ref(), here) {
            return; // the same for keys
        }
        let codecs: Vec<(u8, Codec)> = plan
            .codecs
            .iter()
            .filter_map(|codec| Some((codec.payload_type, codec_named(&codec.encoding)?)))
            .collect();
        self.formats = Formats {
            dtmf: plan.dtmf_receive_payload_type.or(plan.dtmf_payload_type),
            dtmf_factor: plan.dtmf_rate_hz / 8_000,
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
            self.sender.set_event_clock(self.formats.dtmf_factor);
            self.rtcp.set_clock_factor(codec.clock_factor());
            self.clock = (codec == Codec::Opus).then(ClockScale::default);
        }
        self.source
            .set_remote(SocketAddr::new(ip, plan.port), here.at_ms());
        if self.remote.is_none() {
            self.next_look_us = here.now_us;
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
        if self
            .steady
            .as_ref()
            .is_some_and(|steady| !steady.is_settled())
        {
            return 0; // nothing new is known
        }
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

    /// Whether a payload of `codec` may be sent as it is at this beat.
    pub fn passes(&self, codec: Option<Codec>) -> bool {
        self.sender.passes(codec)
    }

    /// The keys of the last beat that came as events.
    pub fn keys(&mut self) -> std::vec::Drain<'_, Key> {
        self.keys.drain(..)
    }

    /// Sends digits as RFC 4733 events, or as tones when that was not agreed.
    pub fn send_digits(&mut self, digits: &str, tone_ms: u32, gap_ms: u32) {
        self.sender.queue_digits(digits, tone_ms, gap_ms);
    }

    /// The ports, once nothing more will be sent.
    pub fn into_ports(mut self) -> PortPair {
        self.let_go();
        self.ports
    }

    /// The local RTP port.
    pub fn port(&self) -> u16 {
        self.ports.port
    }

    /// The figures so far.
    pub fn figures(&mut self) -> LegStats {
        self.settle();
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
        let refused = self.srtp.as_ref().map(|srtp| srtp.refused());
        let refused = refused.unwrap_or_default();
        let (rejected, replayed) = (refused.rejected, refused.replayed);
        LegStats {
            packets_received: received.packets,
            packets_lost: lost,
            packets_late: received.late,
            packets_duplicate: received.duplicates,
            packets_foreign: self.source.foreign(),
            packets_malformed: received.malformed,
            srtp_rejected: self.figures.srtp_rejected + rejected,
            srtp_replayed: self.figures.srtp_replayed + replayed,
            concealed_ms: received.concealed_ms,
            jitter_ms,
            jitter_max_ms: self.figures.jitter_max_ms.max(jitter_ms),
            round_trip_ms: f64::from(round_trip_ms),
            mos: f64::from(score),
            remote_loss: f64::from(quality.far_loss),
            packets_sent: self.said.packets,
            bytes_sent: self.said.bytes,
            send_errors: self.said.errors,
            ..self.figures.clone()
        }
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

    /// Where sound goes, if the far end wants any.
    fn sound_goes_to(&self) -> Option<SocketAddr> {
        let remote = self.remote.as_ref()?;
        (remote.plan.sends && remote.codec.is_some())
            .then(|| self.destination())
            .flatten()
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
        "OPUS" => Some(Codec::Opus),
        _ => None,
    }
}

fn name_of(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "PCMU",
        Codec::Pcma => "PCMA",
        Codec::G722 => "G722",
        Codec::Opus => "OPUS",
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
