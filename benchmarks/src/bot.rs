//! One bot on the exotel wire: what it does with a message, and what it says by itself.

use serde_json::{json, Value};

use crate::clock::{now_ns, BEAT_NS};
use crate::marker::{elapsed_us, speech_like, ulaw_to_pcm, Kind, Marker, FRAME};
use crate::samples::Samples;

const FRAME_BYTES: usize = FRAME * 2;
const SOURCES: u32 = 1 << 18;
/// Probe: long audio is this long, and always cleared before its end.
const LONG_FRAMES: u32 = 50;
const SHORT_FRAMES: u32 = 5;

/// What a bot does with the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Send back what it hears.
    Echo,
    /// Only listen.
    Sink,
    /// Speak all the time, in real time.
    Talk,
    /// Short utterances into an empty queue, and long ones that are cleared.
    Probe,
}

impl Mode {
    pub fn named(name: &str) -> Option<Mode> {
        match name {
            "echo" => Some(Mode::Echo),
            "sink" => Some(Mode::Sink),
            "talk" => Some(Mode::Talk),
            "probe" => Some(Mode::Probe),
            _ => None,
        }
    }

    /// Whether the bot speaks unasked, so that `Bot::wake` must be called.
    pub fn has_timer(self) -> bool {
        matches!(self, Mode::Talk | Mode::Probe)
    }
}

/// What all bots together saw in the window.
#[derive(Debug, Default)]
pub struct Heard {
    pub media: u64,
    pub frames: u64,
    pub frames_missing: u64,
    pub unmarked_frames: u64,
    pub other_messages: u64,
    /// From a packet's sending to its arrival here, for the last packet of each message.
    pub rtp_to_ws: Samples,
    pub clears_sent: u64,
}

impl Heard {
    pub fn report(&mut self) -> Value {
        json!({
            "media": self.media,
            "frames": self.frames,
            "frames_missing": self.frames_missing,
            "unmarked_frames": self.unmarked_frames,
            "other_messages": self.other_messages,
            "clears_sent": self.clears_sent,
            "rtp_to_ws": self.rtp_to_ws.report(),
        })
    }
}

/// One stream.
#[derive(Debug)]
pub struct Bot {
    mode: Mode,
    frame_ms: u32,
    stream_sid: String,
    last_index: Option<u32>,
    utterance: u32,
    spoken: u32,
    next_ns: u64,
    step: Step,
    cleared_us: u64,
    seed: u64,
    sound: std::rc::Rc<Vec<u8>>,
}

/// Where a probing bot stands in its round.
#[derive(Debug, Clone, Copy)]
enum Step {
    Short,
    Long,
    Clear,
    Confess,
}

/// The second of audio that bots share.
pub fn sound() -> std::rc::Rc<Vec<u8>> {
    std::rc::Rc::new(speech_like())
}

impl Bot {
    pub fn new(mode: Mode, frame_ms: u32, number: u32, sound: std::rc::Rc<Vec<u8>>) -> Bot {
        Bot {
            mode,
            frame_ms,
            stream_sid: String::new(),
            last_index: None,
            utterance: number.wrapping_mul(0x9e37) % SOURCES,
            spoken: 0,
            next_ns: u64::MAX,
            step: Step::Short,
            cleared_us: 0,
            seed: u64::from(number) + 1,
            sound,
        }
    }

    /// A message came; what to answer.
    pub fn receive(&mut self, text: &str, arrived_ns: u64, heard: &mut Heard) -> Option<String> {
        let Some(payload) = payload(text) else {
            heard.other_messages += 1;
            self.begin(text);
            return None;
        };
        self.listen(payload, arrived_ns, heard);
        (self.mode == Mode::Echo).then(|| self.media(payload))
    }

    /// When `wake` is wanted; `u64::MAX` for never.
    pub fn wake_at_ns(&self) -> u64 {
        self.next_ns
    }

    /// Its time has come; what to say.
    pub fn wake(&mut self, heard: &mut Heard) -> Option<String> {
        match self.mode {
            Mode::Talk => {
                self.next_ns += u64::from(self.frame_ms) * BEAT_NS;
                Some(self.speak(Kind::Probe, self.frame_ms / 20, 0))
            }
            Mode::Probe => Some(self.probe(heard)),
            Mode::Echo | Mode::Sink => {
                self.next_ns = u64::MAX;
                None
            }
        }
    }

    fn begin(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        if message["event"] == "start" {
            self.stream_sid = message["stream_sid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if self.mode.has_timer() {
                self.next_ns = now_ns() + self.random_ms(200, 1200);
            }
        }
    }

    fn listen(&mut self, payload: &str, arrived_ns: u64, heard: &mut Heard) {
        heard.media += 1;
        let Ok(pcm) = base64_simd::STANDARD.decode_to_vec(payload) else {
            heard.unmarked_frames += 1;
            return;
        };
        let mut last = None;
        for frame in pcm.chunks_exact(FRAME_BYTES) {
            heard.frames += 1;
            let Some(marker) = Marker::read_pcm(frame) else {
                heard.unmarked_frames += 1;
                continue;
            };
            if let Some(before) = self.last_index.replace(marker.index) {
                heard.frames_missing += u64::from(marker.index.saturating_sub(before + 1));
            }
            last = Some(marker);
        }
        if let Some(marker) = last {
            heard.rtp_to_ws.add(elapsed_us(marker.sent_us, arrived_ns));
        }
    }

    /// One round: short utterance, pause, long one, clear in its middle, short one that tells of it.
    fn probe(&mut self, heard: &mut Heard) -> String {
        match self.step {
            Step::Short => {
                self.step = Step::Long;
                self.next_ns = now_ns() + self.random_ms(250, 400);
                self.utter(Kind::Probe, SHORT_FRAMES, 0)
            }
            Step::Long => {
                self.step = Step::Clear;
                self.next_ns = now_ns() + self.random_ms(150, 400);
                self.utter(Kind::Long, LONG_FRAMES, 0)
            }
            Step::Clear => {
                self.step = Step::Confess;
                self.next_ns = now_ns() + self.random_ms(120, 180);
                self.cleared_us = now_ns() / 1000;
                heard.clears_sent += 1;
                format!(r#"{{"event":"clear","stream_sid":"{}"}}"#, self.stream_sid)
            }
            Step::Confess => {
                self.step = Step::Short;
                self.next_ns = now_ns() + self.random_ms(250, 400);
                self.speak(Kind::Cleared, SHORT_FRAMES, self.cleared_us)
            }
        }
    }

    /// Speak under the next utterance number.
    fn utter(&mut self, kind: Kind, frames: u32, aux_us: u64) -> String {
        self.utterance = (self.utterance + 1) % SOURCES;
        self.speak(kind, frames, aux_us)
    }

    fn speak(&mut self, kind: Kind, frames: u32, aux_us: u64) -> String {
        let mut codes = Vec::with_capacity(frames as usize * FRAME);
        let sent_us = now_ns() / 1000;
        for number in 0..frames {
            let at = self.spoken as usize % (self.sound.len() / FRAME) * FRAME;
            codes.extend_from_slice(&self.sound[at..at + FRAME]);
            let start = codes.len() - FRAME;
            // Talking is no probe: only frame 0 of an utterance is timed.
            let index = if self.mode == Mode::Talk {
                (1 + self.spoken) & 0xff_ffff
            } else {
                number
            };
            let marker = Marker {
                kind,
                source: self.utterance,
                index,
                sent_us,
                aux_us,
            };
            marker.write_ulaw(&mut codes[start..]);
            self.spoken = self.spoken.wrapping_add(1) & 0xff_ffff;
        }
        let pcm: Vec<u8> = codes
            .iter()
            .flat_map(|code| ulaw_to_pcm(*code).to_le_bytes())
            .collect();
        self.media(&base64_simd::STANDARD.encode_to_string(pcm))
    }

    fn media(&self, payload: &str) -> String {
        let sid = &self.stream_sid;
        let mut text = String::with_capacity(payload.len() + sid.len() + 64);
        text.push_str(r#"{"event":"media","stream_sid":""#);
        text.push_str(sid);
        text.push_str(r#"","media":{"payload":""#);
        text.push_str(payload);
        text.push_str(r#""}}"#);
        text
    }

    /// xorshift64: spreads the bots' moments over the server's 20 ms.
    fn random_ms(&mut self, low: u64, high: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        low * BEAT_NS + self.seed % ((high - low) * BEAT_NS)
    }
}

/// The base64 text of a media message; None for other messages.
fn payload(text: &str) -> Option<&str> {
    const KEY: &[u8] = b"\"payload\"";
    let at = memchr::memmem::find(text.as_bytes(), KEY)? + KEY.len();
    let rest = text.get(at..)?;
    let start = rest.find('"')? + 1;
    let length = memchr::memchr(b'"', &rest.as_bytes()[start..])?;
    rest.get(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller_frame(index: u32, sent_us: u64) -> Vec<u8> {
        let mut codes = [0xff; FRAME];
        let marker = Marker {
            kind: Kind::Caller,
            source: 1,
            index,
            sent_us,
            aux_us: 0,
        };
        marker.write_ulaw(&mut codes);
        codes
            .iter()
            .flat_map(|code| ulaw_to_pcm(*code).to_le_bytes())
            .collect()
    }

    #[test]
    fn an_echo_bot_counts_what_is_missing_and_answers_the_same() {
        let mut bot = Bot::new(Mode::Echo, 100, 1, sound());
        let mut heard = Heard::default();
        let start = r#"{"event":"start","stream_sid":"s1","start":{}}"#;
        assert_eq!(bot.receive(start, 0, &mut heard), None);
        let pcm = [caller_frame(3, 1000), caller_frame(6, 3000)].concat();
        let payload = base64_simd::STANDARD.encode_to_string(pcm);
        let text = format!(r#"{{"event":"media","media":{{"chunk":"1","payload": "{payload}"}}}}"#);
        let echo = bot.receive(&text, 5_000_000, &mut heard).unwrap();
        assert!(echo.contains(&payload) && echo.contains(r#""stream_sid":"s1""#));
        assert_eq!(
            (heard.frames, heard.frames_missing, heard.unmarked_frames),
            (2, 2, 0)
        );
        assert_eq!(heard.rtp_to_ws.as_slice(), [2000]);
    }

    #[test]
    fn a_probing_bot_goes_round() {
        let mut bot = Bot::new(Mode::Probe, 100, 1, sound());
        let mut heard = Heard::default();
        bot.receive(r#"{"event":"start","stream_sid":"s1"}"#, 0, &mut heard);
        let said: Vec<String> = (0..8).filter_map(|_| bot.wake(&mut heard)).collect();
        assert_eq!(said.len(), 8);
        assert_eq!(heard.clears_sent, 2);
        assert!(said[2].contains("clear") && said[1].len() > said[0].len());
    }
}
