//! What a leg is asked to do, by Python and by threads that finished something for it.

use std::sync::Arc;

use crate::bridge::link::Link;
use crate::bridge::mouth::Mouth;
use crate::bridge::Bridge;
use crate::leg::Quiet;
use crate::plan::{AnswerPlan, CapturePlan, PromptPlan, RecordPlan, RemotePlan, StreamPlan};
use crate::recorder::Ready;
use crate::stream::connector::Outcome;

/// What a leg is asked to do.
#[derive(Debug)]
pub enum Command {
    Connect(RemotePlan),
    Start,
    OpenStream(Box<StreamPlan>),
    SendText {
        stream_sid: String,
        text: String,
    },
    DrainStream {
        stream_sid: String,
    },
    CloseStream {
        stream_sid: String,
        code: u16,
        reason: String,
        last_text: Option<String>,
    },
    DropStream {
        stream_sid: String,
    },
    Play(PromptPlan),
    StopPlay,
    SendDigits {
        digits: String,
        tone_ms: u32,
        gap_ms: u32,
    },
    Bridge(Box<Bridge>),
    Unbridge,
    Hear(Box<Link>),
    BeHeard(Mouth),
    Mute(Quiet),
    WatchSilence {
        timeout_ms: u64,
    },
    WatchAnswer(Option<Box<AnswerPlan>>),
    BeginStream {
        stream_sid: String,
    },
    PressStream {
        stream_sid: String,
        digit: char,
        tone_ms: u32,
    },
    SetStreamRate {
        stream_sid: String,
        rate_hz: u32,
        text: String,
    },
    Record(RecordPlan),
    Capture(CapturePlan),
    StopCapture,
    PauseRecording {
        recording_sid: String,
    },
    ResumeRecording {
        recording_sid: String,
    },
    StopRecording {
        recording_sid: String,
    },
    Close,
    StreamOutcome {
        number: u64,
        outcome: Outcome,
    },
    PromptLoaded {
        number: u64,
        outcome: Result<Arc<[i16]>, String>,
    },
    RecordingDone {
        recording_sid: String,
        path: String,
        outcome: Result<Ready, String>,
    },
}
