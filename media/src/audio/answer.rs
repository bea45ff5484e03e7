//! Who answered a call: a person or a machine, by how the first seconds are spoken.
//!
//! ```text
//!   answer                 first word             last word
//!     ├──initial silence──────┤───────greeting────────┤──silence after it──▶ human
//!     │                       └── too long, or of too many words ──────────▶ machine ──▶ its beep
//!     └── too long, or nothing decided it in time ───────────────────────────▶ unknown
//! ```
//! A person says "Hello?" and waits; a machine goes on. A beep is a machine's whatever was said before. Tones of the
//! network are neither words nor silence: the measures of both stand still while one sounds.

use super::beep::{single_tone, Beep, BeepWatch};
use super::loudness::Loudness;
use super::network_tones::{dot, is_network_tone, Frame, FRAME};
use super::silence::power;
use crate::plan::AnswerPlan;

const FRAME_MS: u64 = 20;
/// The shortest syllable; a click of the line is shorter.
const SHORTEST_MS: u64 = 60;

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    Human,
    Machine,
    Unknown,
}

/// Something to be told; times count from the first frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    Judged {
        answerer: Answerer,
        elapsed_ms: u64,
        reason: &'static str,
    },
    /// A machine's beep ended at `elapsed_ms`.
    Beep { elapsed_ms: u64, hz: f32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Silence,
    Voice,
    Tone,
}

/// Listens to one answered call.
#[derive(Clone, Debug)]
pub struct AnswerWatch {
    plan: AnswerPlan,
    level: Loudness,
    beep: BeepWatch,
    elapsed_ms: u64,
    /// Of it, tones of the network.
    toned_ms: u64,
    words: Words,
    verdict: Option<Answerer>,
    is_over: bool,
}

/// What was spoken so far; its times leave out tones.
#[derive(Clone, Debug, Default)]
struct Words {
    count: u32,
    began_ms: u64,
    ended_ms: u64,
    /// Sound in a row, over gaps that separate no words.
    voiced_ms: u64,
    silent_ms: u64,
    is_in_word: bool,
}

impl AnswerWatch {
    /// Begins with the next frame.
    pub fn new(plan: AnswerPlan) -> Self {
        AnswerWatch {
            level: Loudness::new(plan.silence_threshold_dbov as f32),
            beep: BeepWatch::default(),
            elapsed_ms: 0,
            toned_ms: 0,
            words: Words::default(),
            verdict: None,
            is_over: false,
            plan,
        }
    }

    /// Whether there is nothing more to be told.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The next 20 ms at 8 or 16 kHz; appends what they decide to `told`, at most a verdict and a beep.
    pub fn hear(&mut self, pcm: &[i16], told: &mut Vec<Heard>) {
        self.elapsed_ms += FRAME_MS;
        let (kind, beep) = self.listen(pcm);
        match kind {
            Kind::Tone => self.toned_ms += FRAME_MS,
            Kind::Voice | Kind::Silence => {
                let spoken_ms = self.elapsed_ms - self.toned_ms;
                self.words.hear(kind == Kind::Voice, spoken_ms, &self.plan);
            }
        }
        if self.verdict.is_none() {
            if let Some((answerer, reason)) = self.judge(beep) {
                self.verdict = Some(answerer);
                told.push(Heard::Judged {
                    answerer,
                    elapsed_ms: self.elapsed_ms,
                    reason,
                });
            }
        }
        self.is_over |= self.verdict.is_some_and(|one| one != Answerer::Machine);
        let until_ms = self
            .plan
            .total_analysis_ms
            .saturating_add(self.plan.beep_wait_ms);
        self.is_over |= self.elapsed_ms >= until_ms;
        if let (Some(Answerer::Machine), Some(beep)) = (self.verdict, beep) {
            self.is_over = true;
            told.push(Heard::Beep {
                elapsed_ms: self.elapsed_ms.saturating_sub(beep.ago_ms),
                hz: beep.hz,
            });
        }
    }

    fn listen(&mut self, pcm: &[i16]) -> (Kind, Option<Beep>) {
        let power = power(pcm);
        if self.level.is_quiet(power) {
            return (Kind::Silence, self.beep.hear(true, None, 0.0));
        }
        let frame = frame_of(pcm);
        let energy = dot(&frame, &frame);
        let hz = single_tone(&frame, energy);
        if hz.is_some() || is_network_tone(&frame, energy) {
            return (Kind::Tone, self.beep.hear(false, hz, energy));
        }
        let (is_voice, is_leap) = self.level.note(power);
        if is_leap {
            self.words = Words::default();
        }
        let kind = if is_voice { Kind::Voice } else { Kind::Silence };
        (kind, self.beep.hear(!is_voice, None, energy))
    }

    fn judge(&self, beep: Option<Beep>) -> Option<(Answerer, &'static str)> {
        let (words, plan) = (&self.words, &self.plan);
        let spoken_ms = self.elapsed_ms - self.toned_ms;
        if beep.is_some() {
            return Some((Answerer::Machine, "beep"));
        }
        if words.count > plan.maximum_words {
            return Some((Answerer::Machine, "words"));
        }
        if words.count > 0 && words.ended_ms - words.began_ms >= plan.greeting_ms {
            return Some((Answerer::Machine, "greeting"));
        }
        if words.count > 0 && spoken_ms - words.ended_ms >= plan.after_greeting_silence_ms {
            return Some((Answerer::Human, "pause"));
        }
        let is_mute = words.count == 0 && words.voiced_ms == 0; // whoever begins just now may go on
        if is_mute && spoken_ms >= plan.initial_silence_ms {
            return Some((Answerer::Unknown, "silence"));
        }
        (self.elapsed_ms >= plan.total_analysis_ms).then_some((Answerer::Unknown, "time"))
    }
}

impl Words {
    fn hear(&mut self, is_voice: bool, at_ms: u64, plan: &AnswerPlan) {
        if !is_voice {
            self.silent_ms += FRAME_MS;
            if self.silent_ms >= plan.between_words_silence_ms {
                self.is_in_word = false;
                self.voiced_ms = 0;
            }
            return;
        }
        self.silent_ms = 0;
        self.voiced_ms += FRAME_MS;
        if self.voiced_ms >= plan.min_word_ms && !self.is_in_word {
            self.is_in_word = true;
            self.count += 1;
            if self.count == 1 {
                (self.began_ms, self.ended_ms) = (at_ms - self.voiced_ms, at_ms);
            }
        }
        // What is too short to count as a word goes on with the greeting all the same, unless it is a click.
        if self.count > 0 && self.voiced_ms >= SHORTEST_MS {
            self.ended_ms = at_ms;
        }
    }
}

/// The frame at 8 kHz, without what is constant in it.
fn frame_of(pcm: &[i16]) -> Frame {
    let per_sample = (pcm.len() / FRAME).max(1);
    let mut frame = [0.0; FRAME];
    for (sample, group) in frame.iter_mut().zip(pcm.chunks(per_sample)) {
        let sum: f32 = group.iter().map(|&one| f32::from(one)).sum();
        *sample = sum / per_sample as f32;
    }
    let mean = frame.iter().sum::<f32>() / FRAME as f32;
    frame.map(|sample| sample - mean)
}

#[cfg(test)]
mod tests;
