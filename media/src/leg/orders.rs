//! What a leg is asked to do, and who does it.

use mio::Token;

use super::Leg;
use crate::audio::answer::AnswerWatch;
use crate::audio::silence::SilenceWatch;
use crate::command::Command;
use crate::desk::Desk;
use crate::line::Line;
use crate::stream::link::Here;

impl Leg {
    /// Carries out one command. `token` makes the token of a stream's socket from its number.
    pub fn obey(
        &mut self,
        command: Command,
        desk: &mut Desk,
        token: impl Fn(u64) -> Token,
        here: Here<'_>,
    ) {
        self.is_relaying = false;
        let is_closing = self.closing_until_us.is_some();
        match command {
            Command::StreamOutcome { number, outcome } => {
                self.stream_outcome(number, outcome, desk, token, here)
            }
            Command::RecordingDone {
                recording_sid,
                path,
                outcome,
            } => {
                self.recording_done(recording_sid, path, outcome, here);
            }
            Command::PromptLoaded { number, outcome } => self.prompt_loaded(number, outcome, here),
            Command::CloseStream {
                stream_sid,
                code,
                reason,
                last_text,
            } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.close(code, &reason, last_text.as_deref(), here);
                    desk.connector.look_around();
                }
            }
            Command::Close if !is_closing => self.close(desk, here),
            _ if is_closing => {}
            Command::Connect(plan) => {
                if let Line::Rtp(line) = &mut self.line {
                    line.connect(plan, here);
                }
            }
            Command::Start => {
                if let Line::File(line) = &mut self.line {
                    line.start(here.now_us);
                }
            }
            Command::OpenStream(plan) => self.open_stream(*plan, desk),
            Command::SendText { stream_sid, text } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.send_text(&text, here);
                }
            }
            Command::DrainStream { stream_sid } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.drain(here);
                }
            }
            Command::DropStream { stream_sid } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.drop_queued();
                }
            }
            Command::Play(plan) => self.play(plan, desk, here),
            Command::StopPlay => self.finish_prompt(false, "", here),
            Command::SendDigits {
                digits,
                tone_ms,
                gap_ms,
            } => self.line.send_digits(&digits, tone_ms, gap_ms),
            Command::Bridge(bridge) => self.join(bridge, desk),
            Command::Unbridge => self.part(),
            Command::Hear(link) => self.hear_link(link),
            Command::BeHeard(mouth) => self.be_heard(mouth),
            Command::Mute(quiet) => self.quiet = quiet,
            Command::WatchSilence { timeout_ms } => {
                self.silence = (timeout_ms > 0).then(|| SilenceWatch::new(timeout_ms));
            }
            Command::WatchAnswer(plan) => {
                self.answer = plan.map(|plan| Box::new(AnswerWatch::new(*plan)));
            }
            Command::BeginStream { stream_sid } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.begin(here);
                }
            }
            Command::PressStream {
                stream_sid,
                digit,
                tone_ms,
            } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.press(digit, tone_ms);
                }
            }
            Command::SetStreamRate {
                stream_sid,
                rate_hz,
                text,
            } => {
                if let Some(link) = self.link(&stream_sid) {
                    link.set_rate(rate_hz, text, here);
                }
            }
            Command::Record(plan) => self.record_to(plan, desk, here),
            Command::Capture(plan) => {
                if let Line::Rtp(line) = &mut self.line {
                    line.capture(&plan, &desk.recorder);
                }
            }
            Command::StopCapture => {
                if let Line::Rtp(line) = &mut self.line {
                    line.stop_capture();
                }
            }
            Command::PauseRecording { recording_sid } => self.pause(&recording_sid, true),
            Command::ResumeRecording { recording_sid } => self.pause(&recording_sid, false),
            Command::StopRecording { recording_sid } => self.stop_recording(&recording_sid),
            Command::Close => {}
        }
    }
}
