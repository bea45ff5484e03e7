//! The leg's recordings: both sides of every beat, written elsewhere.

use std::path::PathBuf;
use std::sync::Arc;

use super::Leg;
use crate::command::Command;
use crate::convert::Converter;
use crate::desk::Desk;
use crate::event::{RecordingFailed, RecordingReady};
use crate::plan::RecordPlan;
use crate::recorder::{Channels, Ready, RecordSpec, RecordingTap};
use crate::sound::Sound;
use crate::stream::link::Here;
use crate::worker::Order;

/// Recordings of one leg at a time.
const RECORDING_LIMIT: usize = 8;

/// A recording that runs.
pub(super) struct Recording {
    sid: String,
    rate_hz: u32,
    tap: RecordingTap,
    heard: Converter,
    said: Converter,
}

impl Leg {
    pub(super) fn record(&mut self, sound: &Sound) {
        if self.recordings.is_empty() || !self.line.is_started() {
            return;
        }
        let (heard_hz, said_hz) = (sound.heard.rate_hz, self.line.said_hz());
        for recording in &mut self.recordings {
            let heard = recording
                .heard
                .convert(heard_hz, recording.rate_hz, &sound.heard.pcm);
            let said = recording
                .said
                .convert(said_hz, recording.rate_hz, &sound.said);
            recording.tap.push(heard, said);
        }
        self.recordings.retain(|recording| !recording.tap.is_done());
    }

    pub(super) fn record_to(&mut self, plan: RecordPlan, desk: &Desk, here: Here<'_>) {
        if self.recordings.len() >= RECORDING_LIMIT {
            here.events.push(RecordingFailed {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                recording_sid: plan.recording_sid,
                path: plan.path,
                error: format!("the leg has {RECORDING_LIMIT} recordings already"),
            });
            return;
        }
        let rate_hz = self.line.heard_hz().max(self.line.said_hz());
        let channels = match plan.channels.as_str() {
            "stereo" => Channels::Stereo,
            "mirrored" => Channels::Mirrored,
            "heard" => Channels::Heard,
            "said" => Channels::Said,
            _ => Channels::Mono,
        };
        let tap = self.open_file(
            &plan.recording_sid,
            &plan.path,
            channels,
            plan.max_ms,
            rate_hz,
            desk,
        );
        self.files_open += 1;
        self.recordings.push(Recording {
            sid: plan.recording_sid,
            rate_hz,
            tap,
            heard: Converter::new(),
            said: Converter::new(),
        });
    }

    pub(super) fn open_file(
        &self,
        sid: &str,
        path: &str,
        channels: Channels,
        max_ms: u64,
        rate_hz: u32,
        desk: &Desk,
    ) -> RecordingTap {
        let (orders, leg) = (Arc::clone(&desk.orders), self.id);
        let (recording_sid, text) = (sid.to_owned(), path.to_owned());
        let on_done = move |outcome| {
            let done = Command::RecordingDone {
                recording_sid,
                path: text,
                outcome,
            };
            orders.post_always(Order::Leg(leg, done));
        };
        let spec = RecordSpec {
            path: PathBuf::from(path),
            channels,
            max_ms,
        };
        desk.recorder.open(spec, rate_hz, Box::new(on_done))
    }

    pub(super) fn recording_done(
        &mut self,
        recording_sid: String,
        path: String,
        outcome: Result<Ready, String>,
        here: Here<'_>,
    ) {
        self.files_open = self.files_open.saturating_sub(1);
        self.recordings
            .retain(|recording| recording.sid != recording_sid);
        let leg_sid = here.leg_sid.to_owned();
        match outcome {
            // A file leg's own output is nobody's recording.
            Ok(_) if recording_sid.is_empty() => {}
            Ok(ready) => here.events.push(RecordingReady {
                leg_sid,
                at_ms: here.at_ms(),
                recording_sid,
                path,
                duration_ms: ready.duration_ms,
                sha256: ready.sha256,
            }),
            Err(error) => here.events.push(RecordingFailed {
                leg_sid,
                at_ms: here.at_ms(),
                recording_sid,
                path,
                error,
            }),
        }
    }

    pub(super) fn pause(&mut self, recording_sid: &str, paused: bool) {
        let found = |recording: &&mut Recording| recording.sid == recording_sid;
        match self.recordings.iter_mut().find(found) {
            Some(recording) if paused => recording.tap.pause(),
            Some(recording) => recording.tap.resume(),
            None => {}
        }
    }

    /// The tap's end finishes the file.
    pub(super) fn stop_recording(&mut self, recording_sid: &str) {
        self.recordings
            .retain(|recording| recording.sid != recording_sid);
    }
}
