//! A leg's line when the far end is a sound file in and a sound file out, in real time.

use std::collections::VecDeque;

use crate::audio::tones::digit_tone;
use crate::bridge::Key;
use crate::event::{Digit, LegStats};
use crate::recorder::RecordingTap;
use crate::rtp_line::tell_started;
use crate::stream::link::Here;

/// How long a scripted key is held down.
const KEY_MS: u64 = 100;

/// A file line.
pub struct FileLine {
    rate_hz: u32,
    input: Vec<i16>,
    at: usize,
    digits: VecDeque<(u64, String)>,
    output: Option<RecordingTap>,
    tones: VecDeque<i16>,
    started_us: Option<u64>,
    told: bool,
    /// Keys of this beat.
    keys: Vec<Key>,
}

impl FileLine {
    /// The clock stands until `start`. `digits` are keys by the millisecond they are pressed at.
    pub fn new(rate_hz: u32, input: Vec<i16>, mut digits: Vec<(u64, String)>) -> Self {
        digits.sort_by_key(|(at_ms, _)| *at_ms);
        Self {
            rate_hz,
            input,
            at: 0,
            digits: digits.into(),
            output: None,
            tones: VecDeque::new(),
            started_us: None,
            told: false,
            keys: Vec::new(),
        }
    }

    /// Where to write what is said.
    pub fn write_to(&mut self, output: RecordingTap) {
        self.output = Some(output);
    }

    /// Starts the clock.
    pub fn start(&mut self, now_us: u64) {
        self.started_us.get_or_insert(now_us);
    }

    /// The clock runs.
    pub fn is_started(&self) -> bool {
        self.started_us.is_some()
    }

    /// The rate in both directions.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Appends the caller's next 20 ms to `heard`: the file, then silence.
    pub fn hear(&mut self, here: Here<'_>, heard: &mut Vec<i16>) {
        let wanted = self.rate_hz as usize / 50;
        self.keys.clear();
        if let Some(started_us) = self.started_us {
            let end = (self.at + wanted).min(self.input.len());
            heard.extend_from_slice(&self.input[self.at..end]);
            self.at = end;
            self.press_keys((here.now_us.saturating_sub(started_us)) / 1000, here);
            if !std::mem::replace(&mut self.told, true) {
                tell_started("in", here);
                tell_started("out", here);
            }
        }
        heard.resize(wanted, 0);
    }

    /// Writes what is said; tones are mixed in.
    pub fn say(&mut self, said: &mut [i16]) {
        if self.started_us.is_none() {
            return;
        }
        for sample in said.iter_mut() {
            let Some(tone) = self.tones.pop_front() else {
                break;
            };
            *sample = sample.saturating_add(tone);
        }
        if let Some(output) = &mut self.output {
            output.push(said, &[]);
        }
    }

    /// The keys that the last beat told of.
    pub fn keys(&mut self) -> std::vec::Drain<'_, Key> {
        self.keys.drain(..)
    }

    /// Digits as tones.
    pub fn send_digits(&mut self, digits: &str, tone_ms: u32, gap_ms: u32) {
        let mut pcm = Vec::new();
        for digit in digits.chars() {
            digit_tone(digit, self.rate_hz, tone_ms, &mut pcm);
            let gap = self.rate_hz as usize * gap_ms as usize / 1000;
            pcm.resize(pcm.len() + gap, 0);
        }
        self.tones.extend(pcm);
    }

    /// Closes the output file.
    pub fn farewell(&mut self) {
        self.output = None;
    }

    /// A file line has no packets.
    pub fn figures(&self) -> LegStats {
        LegStats {
            codec: format!("L16/{}", self.rate_hz),
            mos: 4.5,
            ..LegStats::default()
        }
    }

    fn press_keys(&mut self, at_ms: u64, here: Here<'_>) {
        // A key is told when it is released (AS-91).
        while self
            .digits
            .front()
            .is_some_and(|(pressed_ms, _)| pressed_ms + KEY_MS <= at_ms)
        {
            if let Some((_, digit)) = self.digits.pop_front() {
                self.keys.extend(digit.chars().map(|digit| Key {
                    digit,
                    duration_ms: KEY_MS as u32,
                }));
                here.events.push(Digit {
                    leg_sid: here.leg_sid.to_owned(),
                    at_ms: here.at_ms(),
                    digit,
                    duration_ms: KEY_MS,
                    source: "file".to_owned(),
                });
            }
        }
    }
}
