//! Telephone events coming in (RFC 4733 §2.5): many packets, one key press.
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |     event     |E|R| volume    |          duration             |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//!  ts=T  E=0 160 │ E=0 320 │ … │ E=1 800 │ E=1 800 │ E=1 800     all packets of a press share T
//!                                └ reported here   └ ignored
//! ```
//! A press whose three ends are all lost is reported by the next press or by time.

use super::receiver::{Digit, Source};
use super::Packet;

/// Senders update every 20–50 ms; after so long without one the end was lost.
const END_LOST_US: u64 = 200_000;
/// Ticks per millisecond that all is counted in here, whatever the event clock.
const TICKS_PER_MS: u32 = 8;
/// A segment this long may be followed by another of the same press (RFC 4733 §2.5.1.3).
const SEGMENT_NEARLY_FULL: u32 = 0xf000;

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: char,
    /// Timestamp of the present segment.
    timestamp: u32,
    /// Ticks of the segments before it.
    earlier_ticks: u32,
    ticks: u32,
    seen_us: u64,
    is_reported: bool,
}

/// One packet's payload.
#[derive(Clone, Copy, Debug)]
struct Event {
    digit: char,
    is_end: bool,
    ticks: u32,
}

impl Event {
    fn parse(payload: &[u8]) -> Option<Self> {
        let [code, flags, high, low, ..] = *payload else {
            return None;
        };
        Some(Event {
            digit: char::from(*b"0123456789*#ABCD".get(usize::from(code))?),
            is_end: flags & 0x80 != 0,
            ticks: u32::from(u16::from_be_bytes([high, low])),
        })
    }
}

impl Event {
    fn slowed(self, factor: u32) -> Self {
        Event {
            ticks: self.ticks / factor,
            ..self
        }
    }
}

/// Joins event packets into digits.
#[derive(Clone, Debug, Default)]
pub(super) struct EventReader {
    press: Option<Press>,
    /// Less one: ticks of the event clock in one of 8 kHz.
    more: u32,
}

impl EventReader {
    /// How many ticks of the event clock are one of 8 kHz.
    pub(super) fn set_factor(&mut self, factor: u32) {
        self.more = factor.max(1) - 1;
    }

    /// Takes one event packet in; appends the digits that are complete. `false`: it was no DTMF event.
    pub(super) fn packet(
        &mut self,
        packet: &Packet<'_>,
        arrival_us: u64,
        digits: &mut Vec<Digit>,
    ) -> bool {
        let factor = 1 + self.more;
        let Some(event) = Event::parse(packet.payload).map(|event| event.slowed(factor)) else {
            return false;
        };
        match &mut self.press {
            Some(press) if press.timestamp == packet.timestamp => {
                press.ticks = press.ticks.max(event.ticks)
            }
            Some(press) if press.is_continued_by(packet, event, factor) => {
                press.earlier_ticks += packet.timestamp.wrapping_sub(press.timestamp);
                press.timestamp = packet.timestamp;
                press.ticks = event.ticks;
            }
            // A straggler of a press before.
            Some(press) if (packet.timestamp.wrapping_sub(press.timestamp) as i32) < 0 => {
                return true
            }
            _ => self.begin(packet, event, digits),
        }
        if let Some(press) = &mut self.press {
            press.seen_us = arrival_us;
            if event.is_end {
                press.report(digits);
            }
        }
        true
    }

    /// Reports a press whose end is overdue; `true` when there was one.
    pub(super) fn expire(&mut self, now_us: u64, digits: &mut Vec<Digit>) -> bool {
        match &mut self.press {
            Some(press) if !press.is_reported && now_us >= press.seen_us + END_LOST_US => {
                press.report(digits);
                true
            }
            _ => false,
        }
    }

    /// Whether no press waits for its end.
    pub(super) fn is_idle(&self) -> bool {
        self.press.is_none_or(|press| press.is_reported)
    }

    /// The stream ends or begins anew: reports what is pressed and forgets it.
    pub(super) fn finish(&mut self, digits: &mut Vec<Digit>) {
        if let Some(mut press) = self.press.take() {
            press.report(digits);
        }
    }

    /// Ticks that the present segment lasts, `None` while the key is down.
    pub(super) fn ended_ticks(&self) -> Option<u32> {
        self.press
            .filter(|press| press.is_reported)
            .map(|press| press.ticks)
    }

    fn begin(&mut self, packet: &Packet<'_>, event: Event, digits: &mut Vec<Digit>) {
        self.finish(digits);
        self.press = Some(Press {
            digit: event.digit,
            timestamp: packet.timestamp,
            earlier_ticks: 0,
            ticks: event.ticks,
            seen_us: 0,
            is_reported: false,
        });
    }
}

impl Press {
    fn is_continued_by(&self, packet: &Packet<'_>, event: Event, factor: u32) -> bool {
        let step = packet.timestamp.wrapping_sub(self.timestamp);
        let is_next_segment = (self.ticks..=0xffff / factor).contains(&step)
            && self.ticks >= SEGMENT_NEARLY_FULL / factor;
        is_next_segment && !self.is_reported && !packet.marker && event.digit == self.digit
    }

    fn report(&mut self, digits: &mut Vec<Digit>) {
        if !self.is_reported {
            self.is_reported = true;
            digits.push(Digit {
                digit: self.digit,
                duration_ms: (self.earlier_ticks + self.ticks) / TICKS_PER_MS,
                source: Source::Event,
            });
        }
    }
}
