//! Makes the sound of a leg piece by piece: decoded, concealed, comfort noise or silence.

use super::jitter::FRAME_TICKS;
use crate::audio::codec::{Codec, Decoder};
use crate::audio::noise::ComfortNoise;
use crate::audio::payload::Payload;
use crate::audio::plc::Concealer;
use std::collections::VecDeque;
use std::ops::Range;

/// Ticks per second that all is counted in.
const CLOCK_HZ: u32 = 8_000;
/// Mean magnitude below which a frame counts as quiet (about −48 dBov).
const QUIET_LEVEL: i32 = 130;

/// Frames handed over undecoded that the concealment may still need: more than it looks back on.
const UNHEARD: usize = 3;

/// In which form a frame is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As sound.
    #[default]
    Sound,
    /// As sound, and as the payload of one packet when it is exactly that.
    Both,
    /// As payload alone where that says all, else as sound: nobody listens here.
    Payload,
}

/// What is heard while nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filler {
    /// Sound was lost, or its end was not said: go on with what was heard, and fade.
    Speech,
    /// The far end described its silence.
    Noise,
    /// Nothing was heard yet, or a key is pressed.
    Silence,
}

#[repr(C)] // what a packet that passes through needs lies in front
pub(super) struct Voice {
    /// Payloads that the concealment does not know: the last few that were handed over undecoded, and the next one.
    unheard: VecDeque<Payload>,
    codec: Option<Codec>,
    decoder: Decoder,
    rate_hz: u32,
    concealer: Concealer,
    noise: ComfortNoise,
    filler: Filler,
    /// Sound made and not yet taken.
    pcm: Vec<i16>,
    form: Form,
    /// The payloads that stretches of `pcm` are, with the tick where each begins.
    payloads: VecDeque<(i64, Payload)>,
    /// The newest of these is what comes next; `pcm` is empty.
    is_undecoded: bool,
}

impl Voice {
    pub(super) fn new() -> Self {
        Voice {
            codec: None,
            decoder: Decoder::new(Codec::Pcmu),
            rate_hz: CLOCK_HZ,
            concealer: Concealer::new(CLOCK_HZ),
            noise: ComfortNoise::new(1),
            filler: Filler::Silence,
            pcm: Vec::new(),
            form: Form::Sound,
            payloads: VecDeque::new(),
            unheard: VecDeque::new(),
            is_undecoded: false,
        }
    }

    /// In which form the frames are wanted from now on.
    pub(super) fn set_form(&mut self, form: Form) {
        if std::mem::replace(&mut self.form, form) == form {
            return;
        }
        self.settle();
        if form == Form::Sound {
            self.payloads.clear();
        }
    }

    pub(super) fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Sound made and not yet taken, in ticks.
    pub(super) fn ready_ticks(&self) -> i64 {
        if self.is_undecoded {
            return FRAME_TICKS;
        }
        (self.pcm.len() / self.samples(1)) as i64
    }

    /// Gets ready for another rate; what was made at the old one is lost.
    pub(super) fn tune(&mut self, codec: Codec) {
        if self.rate_hz != codec.rate_hz() {
            self.rate_hz = codec.rate_hz();
            self.concealer = Concealer::new(self.rate_hz);
            self.pcm.clear();
            self.payloads.clear();
            self.is_undecoded = false;
            self.unheard.clear();
        }
    }

    /// Another stream begins: the codec's memory is of the old one.
    pub(super) fn forget(&mut self) {
        self.codec = None;
    }

    /// Sound from a payload, without its first `skip` ticks; the `muted` ticks are silence.
    pub(super) fn play(&mut self, codec: Codec, payload: &[u8], skip: usize, muted: Range<usize>) {
        if self.codec != Some(codec) {
            self.codec = Some(codec);
            self.decoder = Decoder::new(codec);
        }
        let is_whole = skip == 0 && muted.is_empty();
        if self.form != Form::Sound && is_whole && self.keep_payload(codec, payload) {
            self.filler = Filler::Speech;
            return;
        }
        self.settle();
        let start = self.pcm.len();
        self.decoder.decode(payload, &mut self.pcm);
        let muted = start + self.samples(muted.start)..start + self.samples(muted.end);
        self.pcm[muted].fill(0);
        self.pcm.drain(start..start + self.samples(skip));
        self.concealer.good(&mut self.pcm[start..]);
        self.filler = Filler::Speech;
    }

    /// Notes that what comes now is a payload as a whole; `true` when it need not be decoded for now.
    fn keep_payload(&mut self, codec: Codec, bytes: &[u8]) -> bool {
        let at = self.ready_ticks();
        // After a gap its beginning is blended with what was made up.
        if self.concealer.is_inventing() {
            return false;
        }
        let mut payload = Payload::NONE;
        payload.set(codec, bytes);
        if payload.codec().is_none() {
            return false;
        }
        if self.form == Form::Payload && at == 0 && !codec.has_memory() {
            self.remember(payload);
            self.is_undecoded = true;
            return true;
        }
        self.settle();
        self.payloads.push_back((at, payload));
        false
    }

    /// The codec whose payloads pass undecoded, with nothing left of earlier frames; `None` when they do not.
    pub(super) fn passing(&self) -> Option<Codec> {
        let is_even = self.pcm.is_empty() && !self.is_undecoded && self.payloads.is_empty();
        let is_speech = self.filler == Filler::Speech && !self.concealer.is_inventing();
        let is_passing = self.form == Form::Payload && is_even && is_speech;
        self.codec.filter(|codec| is_passing && !codec.has_memory())
    }

    /// A payload was handed over undecoded, which the concealment may need.
    pub(super) fn remember(&mut self, payload: Payload) {
        if self.unheard.len() > UNHEARD {
            self.unheard.pop_front();
        }
        self.unheard.push_back(payload);
    }

    /// Sound for a lost packet.
    pub(super) fn conceal(&mut self, ticks: usize) {
        let samples = self.samples(ticks);
        // A decoder that makes it up itself fits the packet that comes next.
        if self.codec.map(Codec::rate_hz) == Some(self.rate_hz) && samples > 0 {
            self.settle();
            let from = self.pcm.len();
            if self.decoder.conceal(samples, &mut self.pcm) {
                self.concealer.good(&mut self.pcm[from..]);
                return;
            }
        }
        let from = self.lengthen(ticks);
        self.concealer.lost(&mut self.pcm[from..]);
    }

    /// Nothing was sent for so long: silence, or noise when it was described.
    pub(super) fn rest(&mut self, ticks: usize) {
        let from = self.lengthen(ticks);
        if self.filler == Filler::Noise {
            self.noise.fill(&mut self.pcm[from..]);
        }
        self.concealer.good(&mut self.pcm[from..]);
    }

    /// Nothing is known: the best guess from what was heard last.
    pub(super) fn guess(&mut self, ticks: usize) {
        match self.filler {
            Filler::Speech => self.conceal(ticks),
            Filler::Noise | Filler::Silence => self.rest(ticks),
        }
    }

    /// From now on silence sounds as this comfort-noise payload says.
    pub(super) fn describe_noise(&mut self, payload: &[u8]) {
        self.noise.describe(payload);
        self.filler = Filler::Noise;
    }

    /// A key is pressed.
    pub(super) fn hush(&mut self) {
        self.filler = Filler::Silence;
    }

    /// Whether the next two frames are quiet.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.settle();
        let two = &self.pcm[..self.pcm.len().min(2 * self.frame())];
        let sum: i32 = two.iter().map(|&sample| i32::from(sample).abs()).sum();
        sum < QUIET_LEVEL * two.len() as i32
    }

    /// Makes one frame of the next two, the first fading into the second.
    pub(super) fn squeeze(&mut self) {
        self.settle();
        let frame = self.frame();
        let length = frame as i32;
        for place in 0..frame {
            let (first, second) = (
                i32::from(self.pcm[place]),
                i32::from(self.pcm[frame + place]),
            );
            let second_share = place as i32;
            self.pcm[frame + place] =
                ((first * (length - second_share) + second * second_share) / length) as i16;
        }
        self.pcm.drain(..frame);
        self.advance();
        self.payloads.retain(|(at, _)| *at >= FRAME_TICKS);
    }

    /// Gives the next frame: its payload if it is one and that was asked for; appends its sound to `out` unless the
    /// payload says all.
    pub(super) fn take(&mut self, out: &mut Vec<i16>, payload: &mut Payload) {
        if std::mem::take(&mut self.is_undecoded) {
            if let Some(newest) = self.unheard.back() {
                payload.copy_from(newest);
            }
            return;
        }
        payload.clear();
        if let Some((0, front)) = self.payloads.front() {
            payload.copy_from(front);
        }
        let frame = self.frame();
        out.extend(self.pcm.drain(..frame));
        self.advance();
    }

    /// A frame was taken from the front.
    fn advance(&mut self) {
        if self.payloads.is_empty() {
            return;
        }
        self.payloads.retain_mut(|(at, _)| {
            *at -= FRAME_TICKS;
            *at >= 0
        });
    }

    /// Decodes what was left undecoded, and lets the concealment know of what was handed over undecoded.
    fn settle(&mut self) {
        let waiting = std::mem::take(&mut self.is_undecoded)
            .then(|| self.unheard.pop_back())
            .flatten();
        for payload in self.unheard.drain(..) {
            self.pcm.clear();
            payload.decode(&mut self.pcm);
            self.concealer.good(&mut self.pcm);
            self.pcm.clear();
        }
        if let Some(payload) = waiting {
            self.payloads.push_back((0, payload));
            payload.decode(&mut self.pcm);
            self.concealer.good(&mut self.pcm);
        }
    }

    fn lengthen(&mut self, ticks: usize) -> usize {
        self.settle();
        let from = self.pcm.len();
        self.pcm.resize(from + self.samples(ticks), 0);
        from
    }

    fn frame(&self) -> usize {
        self.samples(FRAME_TICKS as usize)
    }

    fn samples(&self, ticks: usize) -> usize {
        ticks * (self.rate_hz / CLOCK_HZ) as usize
    }
}
