//! A stream that goes on at another rate, as its bot asked (OP-1).

use super::{Here, Link};
use crate::event::RateSet;

impl Link {
    /// Changes the rate of both directions once everything queued was heard. `text` tells the bot so: between the
    /// last sound of the old rate and the first of the new one.
    pub fn set_rate(&mut self, rate_hz: u32, text: String, here: Here<'_>) {
        self.new_rate = Some((rate_hz, text));
        self.change_rate(here);
    }

    pub(super) fn change_rate(&mut self, here: Here<'_>) {
        if !self.is_open() || !self.voice.is_at_rest() {
            return;
        }
        let Some((rate_hz, text)) = self.new_rate.take() else {
            return;
        };
        if self.voice.tracks().has_some() {
            let sent = self.send_media(here);
            self.voice.chunks_done(sent, None);
        }
        self.send_text(&text, here);
        self.voice.set_rate(rate_hz);
        here.events.push(RateSet {
            leg_sid: here.leg_sid.to_owned(),
            at_ms: here.at_ms(),
            stream_sid: self.plan.stream_sid.clone(),
            rate_hz,
        });
    }
}
