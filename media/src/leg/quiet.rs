//! What of a leg's sound is silence, because somebody muted it. Keys pass all the same.

use super::Leg;
use crate::sound::Sound;
use crate::stream::link::Here;

/// What is not heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// What the far end says: streams, recordings, the bridged leg and those who hear this one have silence instead.
    pub heard: bool,
    /// What streams, the bridged leg and those who are heard here say to the far end.
    pub said: bool,
    /// What plays to the far end.
    pub prompts: bool,
}

impl Quiet {
    /// Whether all is heard.
    pub(super) fn is_off(self) -> bool {
        self == Self::default()
    }
}

impl Leg {
    /// Makes silence of what was heard, if it is muted.
    pub(super) fn hush_heard(&self, sound: &mut Sound) {
        if self.quiet.heard {
            sound.heard.payload.clear();
            sound.heard.pcm.fill(0);
        }
    }

    /// What the streams, the legs that are heard here and the prompt say in this frame; true if there was any. What is muted goes by unheard.
    pub(super) fn mix(&mut self, said: &mut Vec<i16>, here: Here<'_>) -> bool {
        let rate_hz = self.line.said_hz();
        said.resize(rate_hz as usize / 50, 0);
        let mut is_sound = false;
        let waits = self.streams_wait(here);
        for stream in &mut self.streams {
            is_sound |= stream.link.say(rate_hz, said, waits);
        }
        is_sound |= self.say_linked(rate_hz, said, here);
        if self.quiet.said {
            said.fill(0);
            is_sound = false;
        }
        let without_prompt = self.quiet.prompts.then(|| said.clone());
        let is_prompt = self.say_prompt(rate_hz, said, here);
        match without_prompt {
            Some(heard) => said.clone_from(&heard),
            None => is_sound |= is_prompt,
        }
        is_sound
    }
}
