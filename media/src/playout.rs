//! The queue for the caller's ear: the bot's bytes, its marks, and what a clear does to them.
//!
//! ```text
//!  push(bytes) ─▶ [ b b b b │mark│ b b b b b │mark│ ]  ─▶ take() one 20 ms frame at a time
//!                   bytes are joined: the bot's message borders have no audible effect (AS-154)
//! ```
//! It knows no clock and no socket; the leg asks for one frame per tick.

use std::collections::VecDeque;

/// Silences of up to this many frames inside an utterance count as underruns (20 ms each).
const UTTERANCE_GAP_FRAMES: u32 = 20;
/// Bots that keep real time send pieces of at most this.
const PACED_MS: usize = 500;
/// Bytes that were played are removed from the front once there are this many.
const COMPACT_BYTES: usize = 16_384;
/// An empty queue gives memory above this back.
const KEEP_BYTES: usize = 32_768;
/// Marks that wait at most; beyond it the oldest is reported early rather than held for ever.
const MARK_LIMIT: usize = 65_536;

/// How the bot's samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Signed 16-bit little-endian.
    Pcm16,
    /// G.711 µ-law.
    Mulaw,
    /// G.711 A-law.
    Alaw,
}

impl Encoding {
    /// Bytes of one sample.
    pub fn sample_bytes(self) -> usize {
        match self {
            Encoding::Pcm16 => 2,
            Encoding::Mulaw | Encoding::Alaw => 1,
        }
    }
}

/// What one 20 ms step of the playout did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Samples of the bot in this frame, before silence that completes it.
    pub samples: usize,
    /// This frame begins an utterance.
    pub started: bool,
}

/// What a clear removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClearedAudio {
    /// Milliseconds of audio that will not be heard.
    pub dropped_ms: u64,
    /// Marks that were pending, in order.
    pub marks: Vec<String>,
}

/// One stream's queue.
#[derive(Debug)]
pub struct Playout {
    encoding: Encoding,
    rate_hz: u32,
    limit_bytes: usize,
    bytes: Vec<u8>,
    head: usize,
    /// Bytes taken since the stream's start; always a whole number of samples.
    taken_bytes: u64,
    marks: VecDeque<(u64, String)>,
    silent_frames: u32,
    speaking: bool,
    held: bool,
    ended: bool,
    last_push_samples: usize,
    frames_since_push: usize,
    underruns: u64,
}

impl Playout {
    /// A queue at `rate_hz` that holds at most `limit_ms` milliseconds (AS-125).
    pub fn new(encoding: Encoding, rate_hz: u32, limit_ms: u64) -> Self {
        let limit = u64::from(rate_hz) * encoding.sample_bytes() as u64 * limit_ms / 1000;
        Self {
            encoding,
            rate_hz,
            limit_bytes: usize::try_from(limit).unwrap_or(usize::MAX),
            bytes: Vec::new(),
            head: 0,
            taken_bytes: 0,
            marks: VecDeque::new(),
            silent_frames: 0,
            speaking: false,
            held: false,
            ended: false,
            last_push_samples: 0,
            frames_since_push: 0,
            underruns: 0,
        }
    }

    /// Goes on at another rate; only while nothing is queued.
    pub fn set_rate(&mut self, rate_hz: u32, limit_ms: u64) {
        let (sample, played) = (self.encoding.sample_bytes() as u64, self.taken_bytes);
        let samples = played / sample * u64::from(rate_hz) / u64::from(self.rate_hz);
        *self = Self {
            taken_bytes: samples * sample,
            underruns: self.underruns,
            ..Self::new(self.encoding, rate_hz, limit_ms)
        };
    }

    /// Bytes that are queued, a trailing half sample included.
    pub fn queued_bytes(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Milliseconds that are queued, rounded up.
    pub fn queued_ms(&self) -> u64 {
        self.ms(self.whole_samples() * self.encoding.sample_bytes(), true)
    }

    /// Milliseconds of the bot's audio that were taken so far.
    pub fn played_ms(&self) -> u64 {
        let samples = self.taken_bytes / self.encoding.sample_bytes() as u64;
        samples * 1000 / u64::from(self.rate_hz)
    }

    /// Silences inside an utterance so far.
    pub fn underruns(&self) -> u64 {
        self.underruns
    }

    /// No whole sample is queued: a mark that comes now fires at once (AS-127).
    pub fn is_empty(&self) -> bool {
        self.whole_samples() == 0
    }

    /// Appends what `decode` writes behind the vector it is given; if that is more than the queue may hold,
    /// it is removed again. Returns the bytes appended and those refused, or the error of `decode`.
    pub fn push_with<E>(
        &mut self,
        decode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(usize, usize), E> {
        self.compact();
        let before = self.bytes.len();
        if let Err(error) = decode(&mut self.bytes) {
            self.bytes.truncate(before);
            return Err(error);
        }
        let added = self.bytes.len() - before;
        if self.queued_bytes() > self.limit_bytes {
            self.bytes.truncate(before);
            return Ok((0, added));
        }
        self.last_push_samples = added / self.encoding.sample_bytes();
        self.frames_since_push = 0;
        Ok((added, 0))
    }

    /// Places a mark behind everything queued. Returns it when it fires at once.
    pub fn push_mark(&mut self, name: String) -> Option<String> {
        if self.is_empty() && self.marks.is_empty() {
            return Some(name);
        }
        let sample = self.encoding.sample_bytes();
        let queued = self.queued_bytes() / sample * sample;
        self.marks
            .push_back((self.taken_bytes + queued as u64, name));
        if self.marks.len() > MARK_LIMIT {
            return self.marks.pop_front().map(|(_, oldest)| oldest);
        }
        None
    }

    /// No more audio will come: the last partial frame need not wait.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Takes one 20 ms frame, completed with silence at an utterance's end; `fired` gets the marks that
    /// it finished. `frame` is left empty when there is nothing to play.
    ///
    /// Less than a frame waits one step if the bot, as far as it keeps real time, is about to send more:
    /// so a word is never padded in its middle, and the end of a burst is not torn from its body.
    pub fn take(&mut self, frame: &mut Vec<i16>, fired: &mut Vec<String>) -> Taken {
        frame.clear();
        let wanted = self.rate_hz as usize / 50;
        let have = self.whole_samples();
        let wait = have > 0 && have < wanted && self.expects_more(wanted);
        self.frames_since_push = self.frames_since_push.saturating_add(1);
        if have == 0 || wait {
            self.held = wait;
            self.silent_frames = self.silent_frames.saturating_add(1);
            if self.silent_frames > UTTERANCE_GAP_FRAMES {
                self.speaking = false;
            }
            return Taken::default();
        }
        let samples = have.min(wanted);
        self.decode(samples, frame);
        frame.resize(wanted, 0);
        let started = self.note_audio();
        self.fire(fired);
        Taken { samples, started }
    }

    /// Empties the queue (AS-126); pending marks are returned in order.
    pub fn clear(&mut self) -> ClearedAudio {
        let dropped_ms = self.queued_ms();
        self.bytes.clear();
        self.head = 0;
        self.held = false;
        self.speaking = false;
        self.silent_frames = 0;
        self.give_back_memory();
        let marks = self.marks.drain(..).map(|(_, name)| name).collect();
        ClearedAudio { dropped_ms, marks }
    }

    /// Removes the pending marks: the stream has ended and nobody waits for them (AS-129).
    pub fn forget_marks(&mut self) {
        self.marks.clear();
    }

    fn whole_samples(&self) -> usize {
        self.queued_bytes() / self.encoding.sample_bytes()
    }

    fn ms(&self, bytes: usize, up: bool) -> u64 {
        let samples = (bytes / self.encoding.sample_bytes()) as u64 * 1000;
        let rate = u64::from(self.rate_hz);
        if up {
            samples.div_ceil(rate)
        } else {
            samples / rate
        }
    }

    fn expects_more(&self, frame: usize) -> bool {
        let keeps_time = self.last_push_samples <= self.rate_hz as usize * PACED_MS / 1000
            && self.frames_since_push.saturating_mul(frame) <= self.last_push_samples + frame;
        keeps_time && !self.held && !self.ended
    }

    fn decode(&mut self, samples: usize, frame: &mut Vec<i16>) {
        let length = samples * self.encoding.sample_bytes();
        let bytes = &self.bytes[self.head..self.head + length];
        match self.encoding {
            Encoding::Pcm16 => {
                let words = bytes.chunks_exact(2);
                frame.extend(words.map(|word| i16::from_le_bytes([word[0], word[1]])));
            }
            Encoding::Mulaw => crate::audio::g711::decode_ulaw(bytes, frame),
            Encoding::Alaw => crate::audio::g711::decode_alaw(bytes, frame),
        }
        self.head += length;
        self.taken_bytes += length as u64;
        if self.head == self.bytes.len() {
            self.bytes.clear();
            self.head = 0;
            self.give_back_memory();
        }
    }

    /// Returns whether this frame begins an utterance, and counts the silence that it ends.
    fn note_audio(&mut self) -> bool {
        let started = !self.speaking;
        if self.speaking && self.silent_frames > 0 {
            self.underruns += 1;
        }
        self.speaking = true;
        self.silent_frames = 0;
        self.held = false;
        started
    }

    fn fire(&mut self, fired: &mut Vec<String>) {
        while let Some((position, _)) = self.marks.front() {
            if *position > self.taken_bytes {
                return;
            }
            if let Some((_, name)) = self.marks.pop_front() {
                fired.push(name);
            }
        }
    }

    fn compact(&mut self) {
        if self.head >= COMPACT_BYTES && self.head * 2 >= self.bytes.len() {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
    }

    fn give_back_memory(&mut self) {
        if self.bytes.capacity() > KEEP_BYTES {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests;
