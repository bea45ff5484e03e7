//! A stream's sound and figures, without its socket: chunks for the bot, the bot's audio for the ear.

use std::sync::Arc;

use super::exotel::{self, Incoming, NotBase64};
use super::hush::Hush;
use super::keys::Keys;
use super::samples::Samples;
use super::tracks::{Side, Tracks};
use crate::audio::mixer;
use crate::convert::Converter;
use crate::event::StreamStats;
use crate::plan::StreamPlan;
use crate::playout::{Encoding, Playout, Taken};
use crate::stats::Histogram;

/// Payloads below this are counted (AS-150).
const SMALL_BYTES: usize = 3200;
/// Payloads that are no multiple of this are counted (AS-151).
const ALIGNMENT_BYTES: usize = 320;
/// Text that Python is given at most.
const MESSAGE_BYTES: usize = 65_536;
/// Messages for Python: this many at once, and one more every 10 ms.
const MESSAGE_BURST: u64 = 200;
const MESSAGE_EVERY_US: u64 = 10_000;

/// What a bot's message asks of the stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    /// A mark that has been reached already.
    Mark(String),
    /// The queue was emptied.
    Cleared {
        dropped_ms: u64,
        marks: Vec<String>,
    },
    /// For Python.
    Message,
}

/// One stream's sound.
#[derive(Debug)]
pub struct Voice {
    plan: Arc<StreamPlan>,
    rate_hz: u32,
    playout: Playout,
    tracks: Tracks,
    keys: Keys,
    hush: Option<Box<Hush>>,
    chunks_sent: u64,
    to_line: Converter,
    frame: Vec<i16>,
    fired: Vec<String>,
    taken: Taken,
    heard_ms: u64,
    was_playing: bool,
    came_us: Option<u64>,
    cleared_us: Option<u64>,
    messages_until_us: u64,
    samples: Samples,
    figures: StreamStats,
    rtp_to_ws: Histogram,
    ws_to_rtp: Histogram,
}

impl Voice {
    /// Silence in both directions.
    pub fn new(plan: Arc<StreamPlan>) -> Self {
        let encoding = encoding(&plan);
        Self {
            playout: Playout::new(encoding, plan.rate_hz, plan.buffer_ms),
            tracks: Tracks::new(&plan, encoding),
            keys: Keys::default(),
            hush: plan.hides_keys.then(Box::default),
            rate_hz: plan.rate_hz,
            chunks_sent: 0,
            to_line: Converter::new(),
            frame: Vec::new(),
            fired: Vec::new(),
            taken: Taken::default(),
            heard_ms: 0,
            was_playing: false,
            came_us: None,
            cleared_us: None,
            messages_until_us: 0,
            samples: Samples::new(plan.two_way),
            figures: StreamStats {
                first_audio_ms: -1,
                ..StreamStats::default()
            },
            rtp_to_ws: Histogram::new(),
            ws_to_rtp: Histogram::new(),
            plan,
        }
    }

    /// Whether `hear` wants to know what was said in the same frame.
    pub fn wants_said(&self) -> bool {
        !self.tracks.is_inbound()
    }

    /// 20 ms of the leg; true when the chunks for the bot are complete.
    pub fn hear(&mut self, heard: Side<'_>, said: Side<'_>) -> bool {
        self.heard_ms += 20;
        let heard = match &mut self.hush {
            Some(hush) => hush.over(heard),
            None => heard,
        };
        self.tracks.push(self.keys.over(heard), said)
    }

    /// A key that the bot shall hear as a tone.
    pub fn press(&mut self, digit: char, ms: u32) {
        self.keys.press(digit, ms);
    }

    /// Another rate from here on, in both directions; only while the playout is at rest.
    pub fn set_rate(&mut self, rate_hz: u32) {
        self.rate_hz = rate_hz;
        self.playout.set_rate(rate_hz, self.plan.buffer_ms);
        self.tracks.set_rate(rate_hz);
    }

    /// The complete chunks: one per track.
    pub fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    /// Audio time since the stream's start.
    pub fn heard_ms(&self) -> u64 {
        self.heard_ms
    }

    /// The index of the next media message of each track.
    pub fn next_chunk_number(&self) -> u64 {
        self.chunks_sent + 1
    }

    /// The chunks were sent, or dropped because the bot does not read.
    pub fn chunks_done(&mut self, sent: bool, latency_us: Option<u64>) {
        let count = self.tracks.count();
        if sent {
            let bytes: usize = (0..count).map(|at| self.tracks.chunk(at).1.len()).sum();
            self.chunks_sent += 1;
            self.figures.media_sent += count as u64;
            self.figures.bytes_sent += bytes as u64;
            if let Some(latency) = latency_us {
                self.rtp_to_ws.record(latency);
            }
        } else {
            self.figures.media_dropped_out += count as u64;
        }
        self.tracks.next();
    }

    /// A text of the bot.
    pub fn read(&mut self, text: &str, now_us: u64) -> Asked {
        if !self.plan.two_way {
            self.ignore();
            return Asked::Nothing;
        }
        let plan = &self.plan;
        let only_for = plan.rejects_other_sids.then_some(plan.stream_sid.as_str());
        match exotel::read(text, only_for) {
            Incoming::Media(payload) => {
                let was_empty = self.playout.is_empty();
                let pushed = self
                    .playout
                    .push_with(|out| exotel::decode_payload(&payload, out));
                self.note_payload(pushed, was_empty, now_us);
                Asked::Nothing
            }
            Incoming::Mark(name) => {
                self.figures.marks += 1;
                self.playout
                    .push_mark(name)
                    .map_or(Asked::Nothing, Asked::Mark)
            }
            Incoming::Clear => self.clear(now_us),
            Incoming::Other if self.may_report(text, now_us) => Asked::Message,
            Incoming::Other | Incoming::Unknown => {
                self.ignore();
                Asked::Nothing
            }
        }
    }

    /// Media messages so far.
    pub fn sounds(&self) -> u64 {
        self.figures.media_received
    }

    /// A message as Python is shown it, if it is among the first.
    pub fn show(&mut self, text: &str, is_sound: bool) -> Option<String> {
        self.samples.show(text, is_sound)
    }

    /// The bytes of audio so far, if they are to be told now.
    pub fn pace(&mut self, now_us: u64) -> Option<u64> {
        let is_due = self.samples.is_pace_due(now_us);
        is_due.then_some(self.figures.bytes_received)
    }

    /// Something came that nobody understands.
    pub fn ignore(&mut self) {
        self.figures.messages_ignored += 1;
    }

    /// Says nothing of what is queued in this beat.
    pub fn wait(&mut self) {
        self.taken = Taken::default();
    }

    /// Mixes the next 20 ms of the bot into `said`; true if there was any.
    pub fn say(&mut self, rate_hz: u32, said: &mut [i16]) -> bool {
        self.taken = self.playout.take(&mut self.frame, &mut self.fired);
        let mut plays = self.taken.samples > 0;
        if !plays && self.was_playing && self.to_line.is_converting() {
            // The resampler still holds the utterance's last sounds.
            self.frame.resize(self.rate_hz as usize / 50, 0);
            plays = true;
            self.was_playing = false;
        } else {
            self.was_playing = plays;
        }
        if plays {
            let pcm = self.to_line.convert(self.rate_hz, rate_hz, &self.frame);
            mixer::add_saturating(said, pcm);
        }
        plays
    }

    /// The frame is on the line: notes latencies. True when it began an utterance.
    pub fn was_said(&mut self, now_us: u64, open_us: u64) -> bool {
        if let Some(cleared_us) = self.cleared_us.take() {
            let ms = (now_us - cleared_us) as f64 / 1000.0;
            self.figures.clear_to_silence_max_ms = self.figures.clear_to_silence_max_ms.max(ms);
        }
        if self.taken.samples == 0 {
            return false;
        }
        if let Some(came_us) = self.came_us.take() {
            self.ws_to_rtp.record(now_us - came_us);
        }
        if self.figures.first_audio_ms < 0 {
            self.figures.first_audio_ms = (now_us.saturating_sub(open_us) / 1000) as i64;
        }
        std::mem::take(&mut self.taken).started
    }

    /// Marks that the last frame finished.
    pub fn take_fired(&mut self) -> Vec<String> {
        std::mem::take(&mut self.fired)
    }

    /// Bot audio that is not yet heard.
    pub fn queued_ms(&self) -> u64 {
        self.playout.queued_ms()
    }

    /// Bot audio heard so far.
    pub fn played_ms(&self) -> u64 {
        self.playout.played_ms()
    }

    /// Nothing is left to play.
    pub fn is_silent(&self) -> bool {
        self.playout.is_empty()
    }

    /// Nothing is left to play, and the last sound has left the resampler.
    pub fn is_at_rest(&self) -> bool {
        self.playout.is_empty() && !self.was_playing
    }

    /// The socket is gone: what is queued plays on, its marks interest nobody (AS-129).
    pub fn end(&mut self) {
        self.playout.end();
        self.playout.forget_marks();
    }

    /// Forgets what is left to play.
    pub fn drop_queued(&mut self) {
        self.playout.clear();
    }

    /// The figures so far.
    pub fn figures(&self) -> StreamStats {
        StreamStats {
            underruns: self.playout.underruns(),
            played_ms: self.playout.played_ms(),
            rtp_to_ws_p50_ms: ms(self.rtp_to_ws.p50_us()),
            rtp_to_ws_p99_ms: ms(self.rtp_to_ws.p99_us()),
            ws_to_rtp_p50_ms: ms(self.ws_to_rtp.p50_us()),
            ws_to_rtp_p99_ms: ms(self.ws_to_rtp.p99_us()),
            ..self.figures.clone()
        }
    }

    fn note_payload(
        &mut self,
        pushed: Result<(usize, usize), NotBase64>,
        was_empty: bool,
        now_us: u64,
    ) {
        let Ok((added, refused)) = pushed else {
            self.figures.payloads_undecodable += 1;
            return;
        };
        let bytes = added + refused;
        self.figures.media_received += 1;
        self.figures.bytes_received += bytes as u64;
        self.figures.payloads_small += u64::from(bytes < SMALL_BYTES);
        self.figures.payloads_misaligned += u64::from(bytes % ALIGNMENT_BYTES != 0);
        let bytes_per_s = self.rate_hz as usize * encoding(&self.plan).sample_bytes();
        self.figures.media_dropped_in_ms += (refused * 1000 / bytes_per_s.max(1)) as u64;
        if was_empty && added > 0 && self.came_us.is_none() {
            self.came_us = Some(now_us);
        }
    }

    fn clear(&mut self, now_us: u64) -> Asked {
        self.figures.clears += 1;
        self.came_us = None;
        if !self.playout.is_empty() || self.was_playing {
            self.cleared_us = Some(now_us);
        }
        let cleared = self.playout.clear();
        Asked::Cleared {
            dropped_ms: cleared.dropped_ms,
            marks: cleared.marks,
        }
    }

    fn may_report(&mut self, text: &str, now_us: u64) -> bool {
        let earliest_us = now_us.saturating_sub(MESSAGE_BURST * MESSAGE_EVERY_US);
        let used_until_us = self.messages_until_us.max(earliest_us);
        let may = text.len() <= MESSAGE_BYTES && used_until_us + MESSAGE_EVERY_US <= now_us;
        if may {
            self.messages_until_us = used_until_us + MESSAGE_EVERY_US;
        }
        may
    }
}

fn encoding(plan: &StreamPlan) -> Encoding {
    match plan.encoding.as_str() {
        "mulaw" => Encoding::Mulaw,
        "alaw" => Encoding::Alaw,
        _ => Encoding::Pcm16,
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}
