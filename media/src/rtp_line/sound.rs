//! The line's sound: datagrams in and out, once per beat.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::{tell_started, RtpLine};
use crate::audio::payload::FRAME_BYTES;
use crate::audio::Payload;
use crate::bridge::Key;
use crate::desk::Desk;
use crate::event::{Digit, SourceChanged};
use crate::rtp::receiver::{Form, Source, Verdict};
use crate::rtp::rtcp::is_rtcp;
use crate::rtp::source::Origin;
use crate::rtp::Packet;
use crate::sound::Sound;
use crate::stream::link::Here;
use crate::sys;

/// Batches fetched per beat at most; the rest waits for the next one.
const BATCHES: usize = 16;
/// A frame sent later than this after its time is counted.
const LATE_US: u64 = 5_000;

/// What a datagram was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// The next 20 ms of the stream, and nothing odd about it.
    Expected,
    /// Sound.
    Sound,
    Other,
}

impl RtpLine {
    /// Fetches what came. Then, unless it should be looked for once more (`may_wait`: false is returned), gives 20 ms
    /// of it.
    pub fn hear(
        &mut self,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
        form: Form,
        may_wait: bool,
        sound: &mut Sound,
    ) -> bool {
        sound.newest_us = self.fetch(desk, due_us, here);
        if may_wait && self.receiver.awaits_packet(due_us) {
            return false;
        }
        let heard = &mut sound.heard;
        heard.rate_hz = self.receiver.rate_hz();
        self.receiver
            .take_as(form, due_us, &mut heard.pcm, &mut heard.payload);
        self.keys.clear();
        for digit in self.receiver.digits() {
            if digit.source == Source::Event {
                self.keys.push(Key {
                    digit: digit.digit,
                    duration_ms: digit.duration_ms,
                });
            }
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
        true
    }

    /// Sends 20 ms, as they came if a payload is given, or lets it fall when the far end does not want it.
    pub fn say(
        &mut self,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
        said: &[i16],
        payload: Option<&Payload>,
    ) {
        let destination = self.destination();
        let sends = self
            .remote
            .as_ref()
            .is_some_and(|remote| remote.plan.sends && remote.codec.is_some());
        if let (true, Some(to)) = (sends, destination) {
            let (socket, figures) = (&self.ports.rtp, &mut self.figures);
            let mut emit = |datagram: &[u8]| match socket.send_to(datagram, to) {
                Ok(_) => {
                    figures.packets_sent += 1;
                    figures.bytes_sent += datagram.len() as u64;
                }
                Err(_) => figures.send_errors += 1,
            };
            match payload {
                Some(payload) => self.sender.pass(payload.bytes(), said, &mut emit),
                None => self.sender.frame(said, &mut emit),
            }
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

    /// Takes in what waits in the socket; returns when the newest sound arrived.
    ///
    /// A steady far end sends one packet per beat. Looking for a second one costs as much as fetching the first, so it
    /// is left out where the first says that there is none: it came since the last look, is the next of its stream, and
    /// none is owed.
    fn fetch(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>) -> Option<u64> {
        let mut newest_us = None;
        let mut is_single = !self.is_owed;
        let (before_us, mut total) = (self.looked_us, 0);
        for _ in 0..BATCHES {
            let count = desk.batch.fetch(&self.ports.rtp, is_single);
            total += count;
            let fetched_us = if count > 0 { sys::monotonic_us() } else { 0 };
            self.looked_us = self.looked_us.max(fetched_us);
            for index in 0..count {
                let Some(datagram) = desk.batch.datagram(index) else {
                    continue;
                };
                let arrival_us = desk.arrival_us(datagram.arrival_wall_us, fetched_us);
                let (bytes, from) = (datagram.bytes, datagram.from);
                let came = self.datagram(bytes, from, arrival_us, desk.wall_offset_us, here);
                if came != Came::Other {
                    if let Some(phase) = &mut self.phase {
                        phase.note(due_us as i64 - arrival_us as i64);
                    }
                    newest_us = newest_us.max(Some(arrival_us));
                }
                let is_new = (before_us..fetched_us).contains(&arrival_us);
                is_single &= came == Came::Expected && is_new;
            }
            if count == 0 || is_single || !desk.batch.is_full() {
                break;
            }
            is_single = false;
        }
        self.is_owed = total == 0;
        let counters = &desk.counters;
        counters
            .packets_received
            .fetch_add(total as u64, Ordering::Relaxed);
        newest_us
    }

    /// Takes in one datagram of the RTP port.
    fn datagram(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        arrival_us: u64,
        wall_offset_us: u64,
        here: Here<'_>,
    ) -> Came {
        if is_rtcp(bytes) {
            self.report(bytes, from, arrival_us + wall_offset_us);
            return Came::Other;
        }
        let Some(packet) = Packet::parse(bytes) else {
            self.receiver.malformed();
            return Came::Other;
        };
        match self
            .source
            .judge(from, &packet, &self.formats, here.at_ms())
        {
            Origin::Foreign => return Came::Other,
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
        let next = std::mem::replace(&mut self.next_sequence, packet.sequence.wrapping_add(1));
        match self.receiver.receive(arrival_us, &packet) {
            Verdict::Audio if packet.sequence == next && packet.payload.len() == FRAME_BYTES => {
                Came::Expected
            }
            Verdict::Audio => Came::Sound,
            _ => Came::Other,
        }
    }
}
