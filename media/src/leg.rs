//! One leg's beat: hear 20 ms, hand them to streams, recordings and the bridged leg, say 20 ms.
//!
//! ```text
//!  line ─hear─▶ heard ─▶ streams ─▶ bots · bridge, links ─▶ other legs      recordings ◀─ heard, said
//!  line ◀─say── said ◀─ mix ◀─ streams' playouts, prompt, bridge, links ◀─ other legs
//! ```

mod bridged;
mod links;
mod orders;
mod prompt;
mod quiet;
mod streams;
mod tapes;
mod watches;

use std::sync::atomic::Ordering;
use std::sync::Arc;

use crate::audio::answer::AnswerWatch;
use crate::audio::silence::SilenceWatch;
use crate::bridge::{Bridge, BridgeFigures};
use crate::convert::Converter;
use crate::desk::Desk;
use crate::event::{LegClosed, LegStats};
use crate::groups::Member;
use crate::line::Line;
use crate::recorder::Channels;
use crate::rtp::ports::PortPair;
use crate::sound::Sound;
use crate::stream::link::{Here, Link};
use crate::sys;
use crate::worker::LegId;

use links::Links;
use prompt::Prompt;
pub use quiet::Quiet;
use tapes::Recording;

/// How long a leg's end waits for its recordings' files.
const FILES_WAIT_US: u64 = 10_000_000;

/// What a beat leaves to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beaten {
    /// A packet is late: strike this beat again in a few milliseconds.
    pub is_late: bool,
    /// By how many milliseconds to move the next one.
    pub shift_ms: i64,
    /// The leg that follows this one and is to say now what was heard.
    pub follower: Option<LegId>,
}

struct Stream {
    number: u64,
    link: Link,
}

/// One party of a call, as far as its sound goes.
#[repr(C)] // what a frame that passes through needs lies together, in front
pub struct Leg {
    pub id: LegId,
    line: Line,
    bridge: Option<Box<Bridge>>,
    /// Nothing but its bridge concerns this leg, until it is asked for something.
    is_relaying: bool,
    /// This leg says at the other's beat, and has done so since its own last one.
    is_following: bool,
    has_followed: bool,
    unread: bool,
    closing_until_us: Option<u64>,
    streams: Vec<Stream>,
    sid: Arc<str>,
    prompt: Option<Prompt>,
    /// What streams say waits until then, for the prompt that comes after one that has ended.
    streams_wait_until_us: u64,
    recordings: Vec<Recording>,
    files_open: usize,
    next_number: u64,
    /// What this beat has said already, while what it is to hear is late.
    said_before: Option<Vec<i16>>,
    from_bridge: Converter,
    bridge_figures: BridgeFigures,
    links: Links,
    silence: Option<SilenceWatch>,
    quiet: Quiet,
    answer: Option<Box<AnswerWatch>>,
    /// Keeps its group together as long as it lives.
    _group: Option<Member>,
}

impl Leg {
    /// A leg on its line.
    pub fn new(id: LegId, sid: String, line: Line) -> Self {
        Self {
            id,
            sid: sid.into(),
            line,
            streams: Vec::new(),
            prompt: None,
            streams_wait_until_us: 0,
            recordings: Vec::new(),
            files_open: 0,
            next_number: 0,
            closing_until_us: None,
            said_before: None,
            unread: false,
            bridge: None,
            is_relaying: false,
            is_following: false,
            has_followed: false,
            from_bridge: Converter::new(),
            bridge_figures: BridgeFigures::default(),
            links: Links::default(),
            silence: None,
            quiet: Quiet::default(),
            answer: None,
            _group: None,
        }
    }

    /// Lets the processor fetch what the coming beat will hear with, or will say with, while this leg relays.
    pub fn prefetch(&self, says: bool) {
        if let (true, Line::Rtp(line), Some(bridge)) = (self.is_relaying, &self.line, &self.bridge)
        {
            line.prefetch(says);
            sys::prefetch(&**bridge);
        }
    }

    /// Its id for people and events.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Makes it a member of a group.
    pub fn stay(&mut self, group: Option<Member>) {
        self._group = group;
    }

    /// Where what a file leg hears is written.
    pub fn write_to(&mut self, path: &str, desk: &Desk) {
        if let Line::File(line) = &self.line {
            let tap = self.open_file("", path, Channels::Mono, 0, line.rate_hz(), desk);
            if let Line::File(line) = &mut self.line {
                line.write_to(tap);
            }
            self.files_open += 1;
        }
    }

    /// One beat. What is said leaves in time; what is heard may come with a second look, if the leg `may_wait`.
    pub fn beat(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>, may_wait: bool) -> Beaten {
        if let Some(beaten) = self.relay(desk, due_us, here) {
            return beaten;
        }
        let mut follower = None;
        let said_before = self.said_before.take();
        if self.closing_until_us.is_none() {
            let mut sound = desk.sound.take().unwrap_or_default();
            let is_heard = self.hear(&mut sound, desk, due_us, here, may_wait);
            match said_before {
                Some(said) => sound.said.clone_from(&said),
                None => self.say_in_turn(&mut sound, desk, due_us, here),
            }
            if !is_heard {
                self.said_before = Some(sound.said.clone());
            } else {
                follower = self.follower();
                // Who follows has neither streams nor recordings, so there is nobody to tell.
                if !self.is_following {
                    self.tell_tracks(&sound, here);
                    self.record(&sound);
                }
            }
            desk.sound = Some(sound);
        }
        if !self.streams.is_empty() {
            self.tend_streams(Here {
                now_us: sys::monotonic_us(),
                ..here
            });
        }
        if self.said_before.is_some() {
            return Beaten {
                is_late: true,
                ..Beaten::default()
            };
        }
        self.is_relaying = self.may_relay();
        Beaten {
            is_late: false,
            shift_ms: self.line.advise_ms(),
            follower,
        }
    }

    /// The other leg of the bridge has heard a frame: it is said now, and not at our own beat.
    pub fn follow(&mut self, desk: &mut Desk, due_us: u64, here: Here<'_>) {
        if self.closing_until_us.is_none() {
            let mut sound = desk.sound.take().unwrap_or_default();
            self.has_followed = true;
            if !self.say_relayed(&mut sound, desk, due_us, here) {
                self.say(&mut sound, desk, due_us, here);
            }
            desk.sound = Some(sound);
        }
    }

    /// A socket of this leg is ready. True: there is more to read than may be read at once.
    pub fn ready(
        &mut self,
        number: u64,
        readable: bool,
        ends: bool,
        writable: bool,
        here: Here<'_>,
    ) {
        if let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.number & 0xff == number)
        {
            self.unread |= stream.link.ready(readable, ends, writable, here);
        }
    }

    /// Some socket holds more than could be read.
    pub fn has_unread(&self) -> bool {
        self.unread
    }

    /// Goes on reading.
    pub fn read_on(&mut self, here: Here<'_>) {
        self.unread = false;
        for stream in &mut self.streams {
            self.unread |= stream.link.read(here);
        }
    }

    /// The streams whose sockets are open.
    pub fn open_streams(&self) -> usize {
        self.streams
            .iter()
            .filter(|stream| stream.link.is_open())
            .count()
    }

    /// The leg was told to close and everything that ran on it has ended.
    pub fn is_over(&self, now_us: u64) -> bool {
        self.closing_until_us.is_some_and(|until_us| {
            let files = self.files_open == 0 || now_us >= until_us;
            files && self.streams.iter().all(|stream| stream.link.is_gone())
        })
    }

    /// Ends without waiting for anybody: its last event, and its ports.
    pub fn end(mut self, desk: &mut Desk, here: Here<'_>) -> (LegClosed, Option<PortPair>) {
        if self.closing_until_us.is_none() {
            self.close(desk, here);
        }
        for stream in &mut self.streams {
            stream.link.abandon(here);
        }
        let bridged = self.bridge_figures;
        let (line_stats, ports) = self.line.end();
        let stats = LegStats {
            bridge_frames: bridged.frames,
            bridge_passed: bridged.passed,
            bridge_inserted: bridged.inserted,
            bridge_dropped: bridged.dropped,
            ..line_stats
        };
        let foreign = &desk.counters.packets_foreign;
        foreign.fetch_add(stats.packets_foreign, Ordering::Relaxed);
        let refused = stats.srtp_rejected + stats.srtp_replayed;
        let counter = &desk.counters.srtp_refused;
        counter.fetch_add(refused, Ordering::Relaxed);
        (closed(here, stats, ""), ports)
    }

    /// The end of a leg whose own code failed: none of it is run again.
    pub fn salvage(self, fault: &str, here: Here<'_>) -> (LegClosed, Option<PortPair>) {
        (
            closed(here, LegStats::default(), fault),
            self.line.into_ports(),
        )
    }

    /// False: nothing was heard yet, and a second look is worth it.
    fn hear(
        &mut self,
        sound: &mut Sound,
        desk: &mut Desk,
        due_us: u64,
        here: Here<'_>,
        may_wait: bool,
    ) -> bool {
        let form = self.wanted_form();
        // Whoever hears this leg has a beat of its own, which would find nothing to say.
        let may_wait = may_wait && self.bridge.is_none() && !self.links.has_listeners();
        if !self.line.hear(desk, due_us, here, form, may_wait, sound) {
            return false;
        }
        self.watch(&sound.heard.pcm, here);
        self.hush_heard(sound);
        self.press_keys();
        self.give_linked(sound, here);
        self.give_bridged(sound, here);
        for stream in &mut self.streams {
            stream.link.hear(sound, here);
        }
        true
    }

    /// Says at our own beat, unless the other leg's beat does that. A change between the two leaves nothing out: the
    /// frame that waits is said before following, and after it what was said by following is not said again.
    fn say_in_turn(&mut self, sound: &mut Sound, desk: &mut Desk, due_us: u64, here: Here<'_>) {
        let follows = self.follows(desk);
        let has_followed = std::mem::take(&mut self.has_followed);
        if std::mem::replace(&mut self.is_following, follows) && follows {
            return;
        }
        if has_followed {
            // For whoever listens from now on: a frame of nothing, as long as any other.
            sound.said.clear();
            sound.said.resize(self.line.said_hz() as usize / 50, 0);
        } else {
            self.say(sound, desk, due_us, here);
        }
    }

    /// Says the next 20 ms.
    fn say(&mut self, sound: &mut Sound, desk: &mut Desk, due_us: u64, here: Here<'_>) {
        sound.said.clear();
        // Taken out meanwhile: if this beat panics, the bridge ends.
        if let Some(mut bridge) = self.bridge.take() {
            self.say_bridged(&mut bridge, sound, desk, due_us, here);
            self.bridge = Some(bridge);
            return;
        }
        self.mix(&mut sound.said, here);
        self.line.say(desk, due_us, here, &mut sound.said);
    }

    /// The frame is on the line.
    fn tend_streams(&mut self, here: Here<'_>) {
        for stream in &mut self.streams {
            stream.link.was_said(here);
        }
        self.streams.retain(|stream| !stream.link.is_over());
    }

    /// What was said is known now: streams that are to know it too hear both sides.
    fn tell_tracks(&mut self, sound: &Sound, here: Here<'_>) {
        let said_hz = self.line.said_hz();
        for stream in &mut self.streams {
            stream.link.hear_said(sound, said_hz, here);
        }
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn close(&mut self, desk: &Desk, here: Here<'_>) {
        self.closing_until_us = Some(here.now_us + FILES_WAIT_US);
        self.finish_prompt(false, "", here);
        for stream in &mut self.streams {
            stream.link.close(1000, "", None, here);
            stream.link.drop_queued();
        }
        desk.connector.look_around();
        self.recordings.clear();
        self.part();
        self.unlink();
        self.line.farewell(desk);
    }
}

fn closed(here: Here<'_>, stats: LegStats, fault: &str) -> LegClosed {
    LegClosed {
        leg_sid: here.leg_sid.to_owned(),
        at_ms: here.at_ms(),
        stats,
        fault: fault.to_owned(),
    }
}
