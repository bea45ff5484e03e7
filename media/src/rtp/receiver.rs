//! What a leg hears: RTP datagrams in, 20 ms of sound out at every beat.

use super::events::EventReader;
use super::jitter::{JitterBuffer, FRAME_TICKS};
use super::queue::{Entry, Kind};
use super::report::{Arrival, Step};
pub use super::voice::Form;
use super::voice::Voice;
use super::{Formats, Packet};
use crate::audio::tones::{DigitHeard, ToneDetector};
use crate::audio::{Codec, Payload};
use std::ops::Range;

/// How the receiver behaves.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverConfig {
    /// Least delay of the jitter buffer, 0–200 ms; 0 adds none on a steady network.
    pub jitter_min_ms: u32,
    /// Most delay of the jitter buffer, up to 1000 ms.
    pub jitter_max_ms: u32,
    /// Listen for DTMF tones in the audio, until the far end sends its first telephone event.
    pub inband_dtmf: bool,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sound, kept for its turn.
    Audio,
    /// A telephone-event packet.
    Event,
    /// A comfort-noise description.
    Noise,
    /// Seen before.
    Duplicate,
    /// Its turn has passed, or it is so odd that it is believed only when the next one agrees.
    Late,
    /// A payload type that was not agreed.
    Unknown,
    /// Not RTP.
    Malformed,
}

/// Where a digit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// RFC 4733 telephone-event packets.
    Event,
    /// A tone in the audio.
    Inband,
}

/// A key press of the far end, complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// `0`–`9`, `*`, `#`, `A`–`D`.
    pub digit: char,
    pub duration_ms: u32,
    pub source: Source,
}

/// Counters since the start of the leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Well-formed RTP packets with an agreed payload type.
    pub packets: u64,
    /// Datagrams that were not RTP.
    pub malformed: u64,
    /// Packets with a payload type that was not agreed.
    pub unknown: u64,
    pub duplicates: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that arrived after one with a higher sequence number, in time to be played.
    pub reordered: u64,
    /// Packets that never came, or too late.
    pub lost: u64,
    /// Milliseconds of sound invented for missing packets.
    pub concealed_ms: u64,
    /// Milliseconds dropped, or inserted, to follow the far end's clock and the jitter.
    pub dropped_ms: u64,
    pub inserted_ms: u64,
    /// Times the stream began anew: another SSRC, or a jump of the timestamps.
    pub restarts: u64,
    /// Present delay of the jitter buffer.
    pub depth_ms: u32,
}

/// The receiving half of a leg.
#[repr(C)] // what a packet that passes through needs lies in front
pub struct Receiver {
    voice: Voice,
    formats: Formats,
    /// The payload type that came last, found without a search.
    usual: Option<(u8, Codec)>,
    buffer: JitterBuffer,
    events: EventReader,
    /// Ticks of the stream during which a key was down.
    muted: Range<i64>,
    tones: Option<ToneDetector>,
    /// The far end sends keys as events: what sounds like one is its echo, or a leak.
    has_events: bool,
    heard: Vec<DigitHeard>,
    digits: Vec<Digit>,
    config: ReceiverConfig,
    packets: u64,
    malformed: u64,
    unknown: u64,
}

impl Receiver {
    pub fn new(config: ReceiverConfig) -> Self {
        Receiver {
            formats: Formats::default(),
            usual: None,
            buffer: JitterBuffer::new(config.jitter_min_ms, config.jitter_max_ms),
            voice: Voice::new(),
            events: EventReader::default(),
            muted: 0..0,
            tones: config.inband_dtmf.then(|| ToneDetector::new(8_000)),
            has_events: false,
            heard: Vec::new(),
            digits: Vec::new(),
            config,
            packets: 0,
            malformed: 0,
            unknown: 0,
        }
    }

    /// What SDP agreed; may be called again in mid-call. What waits is played as it was understood.
    pub fn set_formats(&mut self, formats: &Formats) {
        self.formats = formats.clone();
        self.usual = None;
        self.events.set_factor(formats.dtmf_factor);
    }

    /// Takes in one datagram that arrived at `arrival_us` (monotonic).
    pub fn packet(&mut self, arrival_us: u64, datagram: &[u8]) -> Verdict {
        match Packet::parse(datagram) {
            Some(packet) => self.receive(arrival_us, &packet),
            None => self.malformed(),
        }
    }

    /// Counts a datagram that is no RTP.
    pub fn malformed(&mut self) -> Verdict {
        self.malformed += 1;
        Verdict::Malformed
    }

    /// Takes in one packet that arrived at `arrival_us`.
    pub fn receive(&mut self, arrival_us: u64, packet: &Packet<'_>) -> Verdict {
        let kind = self.kind(packet);
        match kind {
            // It explains a sequence number of a stream we know, but never begins one.
            Kind::Other => self.unknown += 1,
            _ => self.packets += 1,
        }
        let ready_ticks = self.voice.ready_ticks();
        let verdict = match self.buffer.arrive(packet, kind, arrival_us, ready_ticks) {
            Arrival::Duplicate => Verdict::Duplicate,
            Arrival::Late | Arrival::Suspect => Verdict::Late,
            Arrival::Kept(timestamp) => self.keep(packet, kind, timestamp, arrival_us),
            Arrival::Restarted(timestamp) => {
                self.events.finish(&mut self.digits);
                self.muted = 0..0;
                self.voice.forget();
                self.keep(packet, kind, timestamp, arrival_us)
            }
        };
        self.retune();
        if kind == Kind::Other {
            Verdict::Unknown
        } else {
            verdict
        }
    }

    /// Appends exactly 20 ms of sound at [`rate_hz`](Self::rate_hz) to `out`. Call it for every beat with the time
    /// when that was due, however late it is, after the packets that came until now. A due time that is whole beats
    /// later than expected says that those were skipped: their sound is passed over.
    pub fn take(&mut self, due_us: u64, out: &mut Vec<i16>) {
        self.take_as(Form::Sound, due_us, out, &mut Payload::NONE.clone());
    }

    /// The same, in the form that is wanted: `payload` is set when the 20 ms are exactly one packet's, and `out` gets
    /// nothing if that suffices.
    pub fn take_as(&mut self, form: Form, due_us: u64, out: &mut Vec<i16>, payload: &mut Payload) {
        // Tones must be listened to.
        let is_heard = self.tones.is_some() && form == Form::Payload;
        self.voice
            .set_form(if is_heard { Form::Both } else { form });
        let skipped = self.buffer.beat(due_us);
        if self.events.expire(due_us, &mut self.digits) {
            self.muted.end = self.muted.start;
        }
        if skipped > 0 {
            self.pass_over(due_us, skipped);
        }
        self.buffer.skip_silence();
        if self.buffer.inserts() {
            self.voice.guess(FRAME_TICKS as usize);
        }
        self.make(due_us, FRAME_TICKS);
        self.catch_up(due_us);
        let start = out.len();
        self.voice.take(out, payload);
        self.listen(&out[start..]);
        self.retune();
    }

    /// Whether the sound of the beat due at `due_us` has not come although it should: a short wait may save it from
    /// being made up.
    pub fn awaits_packet(&self, due_us: u64) -> bool {
        self.voice.ready_ticks() < FRAME_TICKS && self.buffer.is_starved(due_us)
    }

    /// The header of the next packet, and what it holds, while the stream is steady: 20 ms that the next `take_as` would
    /// give as a payload. Whoever takes it past the receiver says so with `remember` and, sooner or later, `passed`.
    pub fn expects(&self) -> Option<(Packet<'static>, Codec)> {
        let codec = self.voice.passing()?;
        let packet = self.buffer.expects()?;
        let (payload_type, _) = self.usual.filter(|(_, usual)| *usual == codec)?;
        let has_key = !self.events.is_idle() || self.muted.end > self.buffer.cursor();
        let is_steady = self.tones.is_none() && !has_key;
        is_steady.then_some((
            Packet {
                payload_type,
                ..packet
            },
            codec,
        ))
    }

    /// The payload of the packet that was expected: the concealment may need it.
    pub fn remember(&mut self, payload: &Payload) {
        self.voice.remember(*payload);
    }

    /// The packet that was expected came, and was heard by the beat due at `due_us`; told in the packets' order, before
    /// anything else.
    pub fn passed(&mut self, arrival_us: u64, due_us: u64) {
        self.packets += 1;
        self.buffer.passed(arrival_us, due_us);
    }

    /// The rate of the sound that the next `take` gives: 8000 or 16000.
    pub fn rate_hz(&self) -> u32 {
        self.voice.rate_hz()
    }

    /// The digits whose tone has ended since last asked.
    pub fn digits(&mut self) -> std::vec::Drain<'_, Digit> {
        self.digits.drain(..)
    }

    pub fn stats(&self) -> ReceiverStats {
        let counters = self.buffer.counters();
        ReceiverStats {
            packets: self.packets,
            malformed: self.malformed,
            unknown: self.unknown,
            duplicates: counters.duplicates,
            late: counters.late,
            reordered: counters.reordered,
            lost: counters.lost,
            concealed_ms: counters.concealed_ticks / 8,
            dropped_ms: counters.dropped_ticks / 8,
            inserted_ms: counters.inserted_ticks / 8,
            restarts: counters.restarts,
            depth_ms: self.buffer.depth_ms(),
        }
    }

    fn kind(&mut self, packet: &Packet<'_>) -> Kind {
        if let Some((number, codec)) = self.usual {
            if number == packet.payload_type && codec.ticks(packet.payload) > 0 {
                return Kind::Audio(codec);
            }
        }
        let number = Some(packet.payload_type);
        match self.formats.codec(packet.payload_type) {
            Some(codec) if codec.ticks(packet.payload) > 0 => {
                self.usual = Some((packet.payload_type, codec));
                Kind::Audio(codec)
            }
            None if number == self.formats.dtmf => Kind::Event,
            None if number == self.formats.comfort_noise => Kind::Noise,
            _ => Kind::Other,
        }
    }

    fn keep(
        &mut self,
        packet: &Packet<'_>,
        kind: Kind,
        timestamp: i64,
        arrival_us: u64,
    ) -> Verdict {
        match kind {
            Kind::Audio(_) => Verdict::Audio,
            Kind::Noise => Verdict::Noise,
            Kind::Other => Verdict::Unknown,
            Kind::Event => {
                if self.events.packet(packet, arrival_us, &mut self.digits) {
                    self.has_events = true;
                    let until = self
                        .events
                        .ended_ticks()
                        .map_or(i64::MAX, |ticks| timestamp + i64::from(ticks));
                    self.muted = timestamp..until;
                }
                Verdict::Event
            }
        }
    }

    /// Leaves out the sound of `skipped` beats: what would have come next fades into what is due now.
    fn pass_over(&mut self, due_us: u64, skipped: i64) {
        self.make(due_us, FRAME_TICKS);
        self.buffer.skip((skipped - 1) * FRAME_TICKS);
        self.make(due_us, 2 * FRAME_TICKS);
        self.voice.squeeze();
    }

    /// Makes sound until `ticks` of it are ready.
    fn make(&mut self, due_us: u64, ticks: i64) {
        while self.voice.ready_ticks() < ticks {
            let need = ticks - self.voice.ready_ticks();
            if self
                .buffer
                .due_codec()
                .is_some_and(|codec| codec.rate_hz() != self.voice.rate_hz())
            {
                // This frame's rate was promised; the next one will have the packet's.
                self.voice.conceal(need as usize);
                return;
            }
            match self.buffer.step(due_us, need) {
                Step::Play { entry, skip_ticks } => self.play(entry, skip_ticks),
                Step::Missing(ticks) => self.voice.conceal(ticks),
                Step::Silence(ticks) => self.voice.rest(ticks),
                Step::Empty(ticks) => self.voice.guess(ticks),
            }
        }
    }

    fn play(&mut self, entry: Entry, skip_ticks: usize) {
        match entry.kind {
            // It follows a packet that was passed over, and this frame's rate was promised.
            Kind::Audio(codec) if codec.rate_hz() != self.voice.rate_hz() => {
                self.voice.conceal(codec.ticks(&entry.payload) - skip_ticks);
            }
            Kind::Audio(codec) => {
                let length = codec.ticks(&entry.payload) as i64;
                let within = |tick: i64| (tick - entry.timestamp).clamp(0, length) as usize;
                // AS-93: what RFC 4733 says is not heard as well.
                let muted = within(self.muted.start)..within(self.muted.end);
                self.voice.play(codec, &entry.payload, skip_ticks, muted);
            }
            Kind::Noise => self.voice.describe_noise(&entry.payload),
            Kind::Event => self.voice.hush(),
            Kind::Other => {}
        }
        self.buffer.recycle(entry);
    }

    /// Drops a frame when packets wait longer than they need to.
    fn catch_up(&mut self, due_us: u64) {
        if self.buffer.wants_drop()
            && self.buffer.due_codec().map(Codec::rate_hz) == Some(self.rate_hz())
        {
            self.make(due_us, 2 * FRAME_TICKS);
            if self.buffer.may_drop(self.voice.is_quiet()) {
                self.voice.squeeze();
                self.buffer.dropped();
            }
        }
    }

    fn listen(&mut self, pcm: &[i16]) {
        if let Some(tones) = &mut self.tones {
            tones.process(pcm, &mut self.heard);
            if self.has_events {
                self.heard.clear();
            }
            self.digits.extend(self.heard.drain(..).map(|heard| Digit {
                digit: heard.digit,
                duration_ms: heard.duration_ms,
                source: Source::Inband,
            }));
        }
    }

    /// Follows the codec of the packet whose turn is next; between two beats only.
    fn retune(&mut self) {
        let Some(codec) = self.buffer.due_codec() else {
            return;
        };
        if codec.rate_hz() != self.voice.rate_hz() {
            self.voice.tune(codec);
            self.tones = self
                .config
                .inband_dtmf
                .then(|| ToneDetector::new(codec.rate_hz()));
        }
    }
}

#[cfg(test)]
mod tests;
