//! The line's sound: datagrams in and out, once per beat.

use super::sealed::{send_sealed, Port};
use super::{tell_started, RtpLine};
use crate::audio::payload::FRAME_BYTES;
use crate::audio::Payload;
use crate::bridge::Key;
use crate::desk::{count, Desk};
use crate::event::{Digit, SourceChanged};
use crate::rtp::receiver::{Form, Source, Verdict};
use crate::rtp::rtcp::is_rtcp;
use crate::rtp::source::Origin;
use crate::rtp::Packet;
use crate::sound::Sound;
use crate::stream::link::Here;
use crate::sys::{self, Datagram};

/// Batches fetched per beat at most; the rest waits for the next one.
const BATCHES: usize = 16;
/// A frame sent later than this after its time is counted.
const LATE_US: u64 = 5_000;

/// What a datagram was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
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
        if form == Form::Payload {
            if self.hear_steady(desk, due_us, here, &mut sound.heard) {
                return true;
            }
        } else {
            self.let_go();
        }
        self.unsteady();
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
        self.expect_steady(due_us);
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
        let to = if self.holds {
            None
        } else {
            self.sound_goes_to()
        };
        if self.holds || to.is_some() {
            let kept_to = self.capture.as_ref().and_then(|_| self.sound_goes_to());
            let (port, capture) = (self.ports.port, &mut self.capture);
            let (socket, said_so_far) = (&self.ports.rtp, &mut self.said);
            let srtp = &mut self.srtp;
            let mut emit = |packet: &[u8]| {
                // What is kept is what was said, not what SRTP makes of it: it is there to be heard.
                if let (Some(tap), Some(to)) = (capture.as_mut(), kept_to) {
                    tap.said(sys::wall_us(), port, to, packet);
                }
                let sent = send_sealed(srtp, packet, |datagram| sys::send(socket, datagram, to));
                match sent {
                    Ok(length) => {
                        said_so_far.packets += 1;
                        said_so_far.bytes += length as u64;
                    }
                    Err(_) => said_so_far.errors += 1,
                }
            };
            match payload {
                Some(payload) => self.sender.pass(payload.bytes(), said, &mut emit),
                None => self.sender.frame(said, &mut emit),
            }
            let counters = &desk.counters;
            count(&counters.packets_sent, 1);
            count(&counters.frames_sent, 1);
            if here.now_us.saturating_sub(due_us) > LATE_US {
                self.figures.frames_late_5ms += 1;
                count(&counters.frames_late, 1);
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
            let fetched = desk.batch.fetch(&self.ports.rtp, is_single);
            total += fetched;
            let fetched_us = if fetched > 0 { sys::monotonic_us() } else { 0 };
            self.looked_us = self.looked_us.max(fetched_us);
            for index in 0..fetched {
                if !self.unseal(&mut desk.batch, index, Port::Rtp, here) {
                    is_single = false; // it says nothing about others
                    continue;
                }
                let Some(datagram) = desk.batch.datagram(index) else {
                    continue;
                };
                let arrival_us = desk.arrival_us(datagram.arrival_wall_us, fetched_us);
                let came = self.take_in(&datagram, arrival_us, due_us, desk.wall_offset_us, here);
                if came != Came::Other {
                    newest_us = newest_us.max(Some(arrival_us));
                }
                let is_new = (before_us..fetched_us).contains(&arrival_us);
                is_single &= came == Came::Expected && is_new;
            }
            if fetched == 0 || is_single || !desk.batch.is_full() {
                break;
            }
            is_single = false;
        }
        self.is_owed = total == 0;
        count(&desk.counters.packets_received, total as u64);
        newest_us
    }

    /// Takes in one datagram of the RTP port, for the beat due at `due_us`.
    pub(super) fn take_in(
        &mut self,
        datagram: &Datagram<'_>,
        arrival_us: u64,
        due_us: u64,
        wall_offset_us: u64,
        here: Here<'_>,
    ) -> Came {
        let came = self.judge(datagram, arrival_us, wall_offset_us, here);
        if let (true, Some(phase)) = (came != Came::Other, &mut self.phase) {
            phase.note(due_us as i64 - arrival_us as i64);
        }
        came
    }

    /// Whether a packet of sound is exactly 20 ms.
    fn is_one_frame(&self, packet: &Packet<'_>) -> bool {
        match self.clock {
            None => packet.payload.len() == FRAME_BYTES,
            Some(_) => self
                .formats
                .codec(packet.payload_type)
                .is_some_and(|codec| codec.ticks(packet.payload) == FRAME_BYTES),
        }
    }

    fn judge(
        &mut self,
        datagram: &Datagram<'_>,
        arrival_us: u64,
        wall_offset_us: u64,
        here: Here<'_>,
    ) -> Came {
        let (bytes, from) = (datagram.bytes, datagram.from);
        self.keep_heard(datagram, false);
        if is_rtcp(bytes) {
            self.report(bytes, from, arrival_us + wall_offset_us);
            return Came::Other;
        }
        let Some(mut packet) = Packet::parse(bytes) else {
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
        if let Some(clock) = &mut self.clock {
            if self.formats.is_fast(packet.payload_type) {
                packet.timestamp = clock.to_slow(packet.timestamp);
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
            Verdict::Audio if packet.sequence == next && self.is_one_frame(&packet) => {
                Came::Expected
            }
            Verdict::Audio => Came::Sound,
            _ => Came::Other,
        }
    }
}
