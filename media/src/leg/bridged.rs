//! The leg's bridge: what its far end says goes to another leg, what that one's says is heard here.

use std::sync::Arc;

use super::links::GAP_MS;
use super::{Beaten, Leg};
use crate::audio::mixer;
use crate::bridge::Bridge;
use crate::desk::Desk;
use crate::line::Line;
use crate::rtp::receiver::Form;
use crate::sound::Sound;
use crate::stream::link::Here;
use crate::worker::LegId;

impl Leg {
    /// Joins another leg, and parts from the one before.
    pub(super) fn join(&mut self, bridge: Box<Bridge>, desk: &Desk) {
        self.part();
        bridge.sit(thread_of(desk));
        self.bridge = Some(bridge);
    }

    /// Leaves the bridge.
    pub(super) fn part(&mut self) {
        if let Some(bridge) = self.bridge.take() {
            self.bridge_figures.add(bridge.figures());
        }
    }

    /// In which form to hear: the payload suffices where nobody but the other leg listens.
    pub(super) fn wanted_form(&mut self) -> Form {
        match &self.bridge {
            None => Form::Sound,
            Some(bridge) if bridge.is_over() => {
                self.part();
                Form::Sound
            }
            Some(_) if self.has_listeners() => Form::Both,
            Some(_) => Form::Payload,
        }
    }

    /// Whether this leg says a frame as soon as the other has heard it. Recordings and streams need what is heard and
    /// what is said in step, on the leg's own beat.
    pub(super) fn follows(&mut self, desk: &Desk) -> bool {
        let is_free = self.is_private() && !matches!(self.line, Line::File(_));
        let Some(bridge) = &mut self.bridge else {
            return false;
        };
        bridge.follow(is_free.then_some(self.id.0), thread_of(desk))
    }

    /// The leg that is to say now what was heard here.
    pub(super) fn follower(&self) -> Option<LegId> {
        self.bridge.as_ref()?.follower().map(LegId)
    }

    /// Whether this leg's beats may go the short way: nobody listens here but the other leg, and nobody else speaks.
    pub(super) fn may_relay(&self) -> bool {
        let is_alone = !self.has_listeners() && self.prompt.is_none();
        self.is_following && is_alone && self.closing_until_us.is_none()
    }

    /// The short way of a beat: the next packet of a steady stream is handed to the leg that follows. `None`: the beat
    /// goes the usual way.
    pub(super) fn relay(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>) -> Option<Beaten> {
        let (true, Line::Rtp(line)) = (self.is_relaying, &mut self.line) else {
            return None;
        };
        let bridge = self.bridge.as_mut()?;
        let follower = LegId(bridge.free_follower()?);
        let mut sound = desk.sound.take()?;
        let is_heard = line.hear_steady(desk, due_us, here, &mut sound.heard);
        if is_heard {
            bridge.hand(&mut sound.heard);
            sound.handed_to = Some(follower);
            self.has_followed = false; // what is not following any more at the next beat speaks there
        }
        desk.sound = Some(sound);
        is_heard.then(|| Beaten {
            is_late: false,
            shift_ms: line.advise_ms(),
            follower: Some(follower),
        })
    }

    /// The short way of `say`: a packet that was handed over is sent on as it came. False: nothing is said yet.
    pub(super) fn say_relayed(
        &mut self,
        sound: &mut Sound,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
    ) -> bool {
        let (true, Line::Rtp(line), Some(bridge)) =
            (self.is_relaying, &mut self.line, &mut self.bridge)
        else {
            return false;
        };
        let heard = &mut sound.heard;
        let is_handed = sound.handed_to == Some(self.id) && bridge.is_keyless(heard);
        if !is_handed || !line.passes(heard.payload.codec()) {
            return false;
        }
        sound.handed_to = None;
        bridge.take_handed(heard);
        bridge.note_passed();
        line.say(desk, due_us, here, &[], Some(&heard.payload));
        true
    }

    /// Gives what was heard to the other leg.
    pub(super) fn give_bridged(&mut self, sound: &mut Sound, here: Here<'_>) {
        sound.handed_to = None;
        let Some(bridge) = &mut self.bridge else {
            return;
        };
        match bridge.follower() {
            Some(follower) if bridge.is_clear() => {
                bridge.hand(&mut sound.heard);
                sound.handed_to = Some(LegId(follower));
            }
            _ => bridge.give(here.now_us, &sound.heard),
        }
    }

    /// Says what the other leg gave, mixed with what plays here; as it came where nothing has to be changed.
    pub(super) fn say_bridged(
        &mut self,
        bridge: &mut Bridge,
        sound: &mut Sound,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
    ) {
        while let Some(key) = bridge.take_key() {
            let digit = key.digit.to_string();
            self.line.send_digits(&digit, key.duration_ms, GAP_MS);
        }
        let is_handed = sound.handed_to.take_if(|leg| *leg == self.id).is_some();
        let Sound { heard, said, .. } = sound;
        let (rate_hz, is_private) = (self.line.said_hz(), self.is_private());
        let is_alone = (is_private && self.prompt.is_none()) || !self.mix(said, here);
        let frame = if is_handed {
            Some(bridge.take_handed(heard))
        } else {
            bridge.take(here.now_us)
        };
        let Some(frame) = frame else {
            said.resize(rate_hz as usize / 50, 0);
            return self.line.say(desk, due_us, here, said);
        };
        if self.quiet.said {
            said.resize(rate_hz as usize / 50, 0);
            return self.line.say(desk, due_us, here, said);
        }
        let passes = is_alone && self.line.passes(frame.payload.codec());
        if !(passes && is_private) {
            said.resize(rate_hz as usize / 50, 0);
            let from_hz = frame.rate_hz;
            let pcm = self.from_bridge.convert(from_hz, rate_hz, frame.decoded());
            mixer::add_saturating(said, pcm);
        }
        if !passes {
            return self.line.say(desk, due_us, here, said);
        }
        let pcm = if is_private { &frame.pcm } else { said };
        self.line.pass(desk, due_us, here, pcm, &frame.payload);
        bridge.note_passed();
    }

    /// Somebody here wants what is heard as sound.
    fn has_listeners(&self) -> bool {
        let is_watched = self.silence.is_some() || self.answer.is_some();
        is_watched || !self.is_private() || self.links.has_listeners()
    }

    /// Nobody looks at what is said, or changes it: no recording, no stream, nobody heard through a link, nothing muted.
    fn is_private(&self) -> bool {
        let is_alone = self.recordings.is_empty() && self.streams.is_empty();
        is_alone && !self.links.has_voices() && self.quiet.is_off()
    }
}

/// A number for the thread of a desk: where its orders lie.
fn thread_of(desk: &Desk) -> usize {
    Arc::as_ptr(&desk.orders) as usize
}
