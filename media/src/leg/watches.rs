//! What is listened for in a leg's sound: its silence, and who answered.

use super::Leg;
use crate::audio::answer::{AnswerWatch, Answerer, Heard};
use crate::event::{AnswerJudged, BeepHeard, Silence};
use crate::stream::link::Here;

impl Leg {
    /// The next 20 ms that the far end said. Without a watch this costs nothing.
    pub(super) fn watch(&mut self, heard: &[i16], here: Here<'_>) {
        if !self.line.is_started() {
            return;
        }
        if let Some(silent_ms) = self.silence.as_mut().and_then(|watch| watch.hear(heard)) {
            here.events.push(Silence {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                silent_ms,
            });
        }
        if let Some(watch) = &mut self.answer {
            tell_answer(watch, heard, here);
            if watch.is_over() {
                self.answer = None;
            }
        }
    }
}

fn tell_answer(watch: &mut AnswerWatch, heard: &[i16], here: Here<'_>) {
    let mut told = Vec::new();
    watch.hear(heard, &mut told);
    for one in told {
        match one {
            Heard::Judged {
                answerer,
                elapsed_ms,
                reason,
            } => here.events.push(AnswerJudged {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                result: word_of(answerer).to_owned(),
                elapsed_ms,
                reason: reason.to_owned(),
            }),
            Heard::Beep { elapsed_ms, hz } => here.events.push(BeepHeard {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                elapsed_ms,
                hz: hz.round() as u32,
            }),
        }
    }
}

fn word_of(answerer: Answerer) -> &'static str {
    match answerer {
        Answerer::Human => "human",
        Answerer::Machine => "machine",
        Answerer::Unknown => "unknown",
    }
}
