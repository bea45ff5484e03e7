//! The leg's prompt: loaded elsewhere, mixed into what is said.

use std::path::PathBuf;
use std::sync::Arc;

use super::Leg;
use crate::command::Command;
use crate::convert::Converter;
use crate::desk::Desk;
use crate::event::PlayFinished;
use crate::plan::PromptPlan;
use crate::player::Playback;
use crate::stream::link::Here;
use crate::worker::Order;

/// A prompt that is loaded or plays.
pub(super) struct Prompt {
    number: u64,
    plan: PromptPlan,
    rate_hz: u32,
    playback: Option<Playback>,
    converter: Converter,
    frame: Vec<i16>,
}

impl Leg {
    /// Whether what the streams say is kept for later: a prompt comes first.
    pub(super) fn streams_wait(&self, here: Here<'_>) -> bool {
        let comes_first = |prompt: &Prompt| prompt.plan.streams_wait_ms > 0;
        self.prompt.as_ref().is_some_and(comes_first) || here.now_us < self.streams_wait_until_us
    }

    /// Mixes the prompt's next 20 ms into what is said; true if there is one.
    pub(super) fn say_prompt(&mut self, rate_hz: u32, said: &mut [i16], here: Here<'_>) -> bool {
        let Some(prompt) = &mut self.prompt else {
            return false;
        };
        let Some(playback) = &mut prompt.playback else {
            return false;
        };
        prompt.frame.resize(prompt.rate_hz as usize / 50, 0);
        let ended = playback.take(&mut prompt.frame);
        let pcm = prompt
            .converter
            .convert(prompt.rate_hz, rate_hz, &prompt.frame);
        crate::audio::mixer::add_saturating(said, pcm);
        if ended {
            self.finish_prompt(true, "", here);
        }
        true
    }

    pub(super) fn play(&mut self, plan: PromptPlan, desk: &Desk, here: Here<'_>) {
        self.finish_prompt(false, "", here);
        let number = self.number();
        let (orders, leg) = (Arc::clone(&desk.orders), self.id);
        let rate_hz = self.line.said_hz();
        let path = PathBuf::from(&plan.path);
        self.prompt = Some(Prompt {
            number,
            plan,
            rate_hz,
            playback: None,
            converter: Converter::new(),
            frame: Vec::new(),
        });
        let reply = move |outcome| {
            orders.post_always(Order::Leg(leg, Command::PromptLoaded { number, outcome }));
        };
        desk.prompts.load(&path, rate_hz, Box::new(reply));
    }

    pub(super) fn prompt_loaded(
        &mut self,
        number: u64,
        outcome: Result<Arc<[i16]>, String>,
        here: Here<'_>,
    ) {
        let Some(prompt) = self
            .prompt
            .as_mut()
            .filter(|prompt| prompt.number == number)
        else {
            return;
        };
        match outcome {
            Ok(pcm) => {
                let plan = &prompt.plan;
                prompt.playback = Some(Playback::new(pcm, prompt.rate_hz, plan.loops, plan.max_ms));
            }
            Err(error) => self.finish_prompt(false, &error, here),
        }
    }

    pub(super) fn finish_prompt(&mut self, completed: bool, error: &str, here: Here<'_>) {
        if let Some(prompt) = self.prompt.take() {
            let wait_us = u64::from(completed) * prompt.plan.streams_wait_ms * 1000;
            self.streams_wait_until_us = here.now_us + wait_us;
            here.events.push(PlayFinished {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                prompt_id: prompt.plan.prompt_id,
                completed,
                error: error.to_owned(),
            });
        }
    }
}
