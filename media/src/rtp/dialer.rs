//! Keys on their way out, frame by frame: how long each sounds, how long it is quiet after it.

use crate::audio::tones::digit_tone;
use std::collections::VecDeque;

/// Keys that may wait.
const WAITING_LIMIT: usize = 64;
const FRAME_MS: u32 = 20;
const FRAME_TICKS: u32 = 160;
/// Shortest and longest tone or gap. ITU-T Q.24 hears nothing under 40 ms; one event counts to 65535 ticks.
const MS_RANGE: std::ops::RangeInclusive<u32> = 40..=5_000;
/// What `,` and `w` mean in a dial string.
const PAUSE_MS: u32 = 500;
/// Level of the tone, −dBm0 (RFC 4733 §2.3.3): 10 is usual.
const VOLUME: u8 = 10;

/// One key, or a pause when it has no frames of tone.
#[derive(Clone, Copy, Debug)]
struct Key {
    digit: char,
    tone_frames: u32,
    gap_frames: u32,
}

/// One frame of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    digit: char,
    is_tone: bool,
    /// RTP ticks of the key before this frame.
    pub(super) before_ticks: u32,
    /// The last frame of the tone.
    pub(super) is_last: bool,
}

/// The queue of keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialer {
    keys: VecDeque<Key>,
    /// Frames of the front key that are over.
    done: u32,
    /// The front key's tone, when it is sent as sound.
    sound: Vec<i16>,
}

impl Dialer {
    pub(super) fn queue(&mut self, digits: &str, tone_ms: u32, gap_ms: u32) -> usize {
        let frames = |ms: u32| {
            ms.clamp(*MS_RANGE.start(), *MS_RANGE.end())
                .div_ceil(FRAME_MS)
        };
        let before = self.keys.len();
        for digit in digits.chars().map(|letter| letter.to_ascii_uppercase()) {
            let (tone_frames, gap_frames) = match digit {
                ',' | 'W' => (0, PAUSE_MS / FRAME_MS),
                _ if event_code(digit).is_some() => (frames(tone_ms), frames(gap_ms)),
                _ => continue,
            };
            if self.keys.len() < WAITING_LIMIT {
                self.keys.push_back(Key {
                    digit,
                    tone_frames,
                    gap_frames,
                });
            }
        }
        self.keys.len() - before
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The next 20 ms; `None` when no key is left.
    pub(super) fn next_frame(&mut self) -> Option<Moment> {
        let key = *self.keys.front()?;
        let moment = Moment {
            digit: key.digit,
            is_tone: self.done < key.tone_frames,
            before_ticks: self.done * FRAME_TICKS,
            is_last: self.done + 1 == key.tone_frames,
        };
        self.done += 1;
        if self.done >= key.tone_frames + key.gap_frames {
            self.keys.pop_front();
            self.done = 0;
        }
        Some(moment)
    }

    /// Appends the next 20 ms as sound: the tone, or silence in a gap.
    pub(super) fn tone_frame(&mut self, rate_hz: u32, pcm: &mut Vec<i16>) {
        let frame = (rate_hz / 1_000 * FRAME_MS) as usize;
        let end = pcm.len() + frame;
        if let Some(key) = self
            .keys
            .front()
            .filter(|key| self.done == 0 && key.tone_frames > 0)
        {
            self.sound.clear();
            digit_tone(
                key.digit,
                rate_hz,
                key.tone_frames * FRAME_MS,
                &mut self.sound,
            );
        }
        let start = self.done as usize * frame;
        if let Some(moment) = self.next_frame().filter(|moment| moment.is_tone) {
            debug_assert!(moment.is_tone);
            pcm.extend(self.sound.iter().skip(start).take(frame));
        }
        pcm.resize(end, 0);
    }
}

impl Moment {
    /// The event code (RFC 4733 §3.2), `None` in a gap.
    pub(super) fn code(&self) -> Option<u8> {
        event_code(self.digit).filter(|_| self.is_tone)
    }

    /// The payload of this frame's event packet (RFC 4733 §2.3): how long the tone sounds at its end.
    /// `factor` ticks of the event clock are one of 8 kHz; a key longer than its 16 bits tell stays at their most.
    pub(super) fn event(&self, code: u8, factor: u32) -> [u8; 4] {
        let ticks = ((self.before_ticks + FRAME_TICKS) * factor).min(u32::from(u16::MAX));
        let [high, low] = (ticks as u16).to_be_bytes();
        [code, u8::from(self.is_last) << 7 | VOLUME, high, low]
    }
}

fn event_code(digit: char) -> Option<u8> {
    "0123456789*#ABCD".find(digit).map(|code| code as u8)
}
