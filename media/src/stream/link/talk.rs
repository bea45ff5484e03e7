//! What passes over an open socket: the bot's messages in, sound and marks out.

use tungstenite::Message;

use super::{Here, Link, Socket, State};
use crate::event::{BotMessage, BotPace, BotSample, Cleared, MarkPlayed, StreamDrained};
use crate::stream::template::{escape_json, Filling};
use crate::stream::voice::Asked;

impl Link {
    pub(super) fn handle(&mut self, message: Message, here: Here<'_>) {
        match message {
            Message::Text(text) => self.handle_text(text.as_str(), false, here),
            // AS-5: JSON in a binary frame is meant as text; other bytes are no message at all.
            Message::Binary(bytes) => {
                let text = std::str::from_utf8(&bytes).unwrap_or_default();
                self.handle_text(text, true, here);
            }
            Message::Close(frame) => self.closed_by_bot(frame, here),
            Message::Ping(_) => {
                // The pong is queued by now; it goes out at once (AS-118).
                if let Some(Err(error)) = self.socket().map(Socket::flush) {
                    self.broken(&error, here);
                }
            }
            Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn handle_text(&mut self, text: &str, is_binary: bool, here: Here<'_>) {
        if !self.is_open() {
            return; // our goodbye was said
        }
        if self.held.is_some() {
            return self.voice.ignore(); // nothing has begun yet (OP-6)
        }
        let sounds = self.voice.sounds();
        let asked = self.voice.read(text, here.now_us);
        self.show(text, is_binary, self.voice.sounds() > sounds, here);
        match asked {
            Asked::Nothing => {}
            Asked::Mark(name) => self.echo_mark(name, false, here),
            Asked::Cleared { dropped_ms, marks } => {
                here.events.push(Cleared {
                    leg_sid: here.leg_sid.to_owned(),
                    at_ms: here.at_ms(),
                    stream_sid: self.plan.stream_sid.clone(),
                    played_ms: self.voice.played_ms(),
                    dropped_ms,
                });
                if self.plan.marks_on_clear == "echo" {
                    for name in marks {
                        self.echo_mark(name, true, here);
                    }
                }
            }
            Asked::Message => here.events.push(BotMessage {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                stream_sid: self.plan.stream_sid.clone(),
                text: text.to_owned(),
            }),
        }
    }

    /// Shows Python what the bot's messages look like, and how fast its audio comes (OP-12).
    fn show(&mut self, text: &str, is_binary: bool, is_sound: bool, here: Here<'_>) {
        if let Some(text) = self.voice.show(text, is_sound) {
            here.events.push(BotSample {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                stream_sid: self.plan.stream_sid.clone(),
                text,
                is_binary,
            });
        }
        let bytes = is_sound.then(|| self.voice.pace(here.now_us)).flatten();
        if let Some(bytes_received) = bytes {
            here.events.push(BotPace {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                stream_sid: self.plan.stream_sid.clone(),
                bytes_received,
            });
        }
    }

    pub(super) fn echo_mark(&mut self, name: String, cleared: bool, here: Here<'_>) {
        if !self.is_open() {
            return;
        }
        let played_ms = self.voice.played_ms();
        if !self.templates.mark.is_empty() {
            let filling = Filling {
                timestamp_ms: self.voice.heard_ms(),
                mark_name: &escape_json(&name),
                played_ms,
                ..Filling::default()
            };
            let text = self.templates.mark.write(&mut self.seq, &filling);
            self.write(Message::text(text), here);
        }
        here.events.push(MarkPlayed {
            leg_sid: here.leg_sid.to_owned(),
            at_ms: here.at_ms(),
            stream_sid: self.plan.stream_sid.clone(),
            name,
            played_ms,
            cleared,
        });
    }

    /// Sends the complete chunks; false when the bot does not read what it was sent before.
    pub(super) fn send_media(&mut self, here: Here<'_>) -> bool {
        let State::Open(socket) = &mut self.state else {
            return false;
        };
        if socket.get_ref().queued_bytes() > self.plan.send_buffer_bytes {
            return false;
        }
        for number in 0..self.voice.tracks().count() {
            let (track, payload) = self.voice.tracks().chunk(number);
            let filling = Filling {
                timestamp_ms: self.voice.heard_ms(),
                chunk: self.voice.next_chunk_number(),
                payload,
                played_ms: self.voice.played_ms(),
                track,
                ..Filling::default()
            };
            let text = self.templates.media.write(&mut self.seq, &filling);
            self.write(Message::text(text), here);
        }
        true
    }

    pub(super) fn write(&mut self, message: Message, here: Here<'_>) {
        if let State::Open(socket) = &mut self.state {
            if let Err(error) = socket.write(message) {
                self.broken(&error, here);
            }
        }
    }

    pub(super) fn report_drained(&mut self, here: Here<'_>) {
        if self.drain_asked && self.voice.is_silent() {
            self.drain_asked = false;
            here.events.push(StreamDrained {
                leg_sid: here.leg_sid.to_owned(),
                at_ms: here.at_ms(),
                stream_sid: self.plan.stream_sid.clone(),
            });
        }
    }
}
