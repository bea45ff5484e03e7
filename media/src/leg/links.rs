//! The leg's links: whom its far end hears beside all else, and who hears what its far end says.

use super::Leg;
use crate::audio::mixer::Sum;
use crate::bridge::link::Link;
use crate::bridge::mouth::Mouth;
use crate::sound::Sound;
use crate::stream::link::Here;

/// The pause after a key that is sent on: as short as it may be, so that fast fingers build up no queue.
pub(super) const GAP_MS: u32 = 40;

/// Both kinds of ends.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Towards those who hear this leg.
    mouths: Vec<Mouth>,
    /// From those whom this leg hears; `Hearing` bounds them.
    heard: Vec<Link>,
}

impl Links {
    /// Somebody hears this leg.
    pub(super) fn has_listeners(&self) -> bool {
        !self.mouths.is_empty()
    }

    /// This leg hears somebody.
    pub(super) fn has_voices(&self) -> bool {
        !self.heard.is_empty()
    }
}

impl Leg {
    /// Hears another leg from now on.
    pub(super) fn hear_link(&mut self, link: Box<Link>) {
        self.links.heard.push(*link);
    }

    /// Is heard by another leg from now on.
    pub(super) fn be_heard(&mut self, mouth: Mouth) {
        self.links.mouths.push(mouth);
    }

    /// Hears nobody and is heard by nobody.
    pub(super) fn unlink(&mut self) {
        self.links.mouths.clear();
        for link in self.links.heard.drain(..) {
            self.bridge_figures.add(link.figures());
        }
    }

    /// The keys of this beat are for the bridge and for all who hear this leg, as far as these relay keys.
    pub(super) fn press_keys(&mut self) {
        for key in self.line.keys() {
            if let Some(bridge) = &mut self.bridge {
                bridge.press(key);
            }
            for mouth in &mut self.links.mouths {
                mouth.press(key);
            }
        }
    }

    /// Gives what was heard to all who hear this leg; it was decoded once.
    pub(super) fn give_linked(&mut self, sound: &Sound, here: Here<'_>) {
        let figures = &mut self.bridge_figures;
        self.links.mouths.retain_mut(|mouth| {
            let stands = !mouth.is_over();
            if stands && !mouth.give(here.now_us, &sound.heard) {
                figures.dropped += 1;
            }
            stands
        });
    }

    /// Mixes what the legs that are heard here gave into what is said, and sends their keys; true if one is heard.
    pub(super) fn say_linked(&mut self, rate_hz: u32, said: &mut [i16], here: Here<'_>) -> bool {
        if !self.links.has_voices() {
            return false;
        }
        let (line, figures) = (&mut self.line, &mut self.bridge_figures);
        let mut sum = Sum::new();
        let mut is_sound = false;
        self.links.heard.retain_mut(|link| {
            let is_over = link.is_over();
            if is_over {
                figures.add(link.figures());
            }
            if let Some(pcm) = link.take(here.now_us, rate_hz, is_over) {
                sum.add(pcm);
                is_sound = true;
            }
            while let Some(key) = link.take_key() {
                line.send_digits(&key.digit.to_string(), key.duration_ms, GAP_MS);
            }
            !is_over
        });
        sum.add_to(said);
        is_sound
    }
}
