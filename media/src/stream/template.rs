//! Texts for the bot with places that only the audio path can fill in.
//!
//! A control character that can never stand inside valid JSON text marks each place; the text is cut
//! there once, when the stream opens, and then written without any JSON library.

use std::fmt::Write as _;

use base64_simd::STANDARD;

/// The values that a text may ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filling<'a> {
    /// Audio time since the stream's start.
    pub timestamp_ms: u64,
    /// Index of the media message, from 1.
    pub chunk: u64,
    /// Samples, encoded for the bot.
    pub payload: &'a [u8],
    /// A mark's name, already escaped for JSON.
    pub mark_name: &'a str,
    /// Bot audio heard by the line.
    pub played_ms: u64,
    /// Whose sound it is.
    pub track: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Seq,
    Chunk,
    TimestampMs,
    Payload,
    MarkName,
    PlayedMs,
    Track,
}

/// One text, cut at its places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    has_seq: bool,
}

impl Template {
    /// Cuts `text` at the placeholders of `agentstream.media.plan`.
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(|letter| ('\x01'..='\x07').contains(&letter)) {
            push_text(&mut pieces, &rest[..at]);
            pieces.push(match rest.as_bytes()[at] {
                1 => Piece::Seq,
                2 => Piece::Chunk,
                3 => Piece::TimestampMs,
                4 => Piece::Payload,
                5 => Piece::MarkName,
                6 => Piece::PlayedMs,
                _ => Piece::Track,
            });
            rest = &rest[at + 1..];
        }
        push_text(&mut pieces, rest);
        let has_seq = pieces.contains(&Piece::Seq);
        Self { pieces, has_seq }
    }

    /// An empty text is not sent.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes the text; takes a new number from `seq` when it carries one.
    pub fn write(&self, seq: &mut u64, filling: &Filling<'_>) -> String {
        if self.has_seq {
            *seq += 1;
        }
        let mut out = String::with_capacity(self.length_hint(filling));
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Seq => push_number(&mut out, *seq),
                Piece::Chunk => push_number(&mut out, filling.chunk),
                Piece::TimestampMs => push_number(&mut out, filling.timestamp_ms),
                Piece::Payload => STANDARD.encode_append(filling.payload, &mut out),
                Piece::MarkName => out.push_str(filling.mark_name),
                Piece::PlayedMs => push_number(&mut out, filling.played_ms),
                Piece::Track => out.push_str(filling.track),
            }
        }
        out
    }

    fn length_hint(&self, filling: &Filling<'_>) -> usize {
        let lengths = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Payload => filling.payload.len().div_ceil(3) * 4,
            Piece::MarkName => filling.mark_name.len(),
            _ => 20,
        });
        lengths.sum()
    }
}

/// Writes `name` so that it may stand between quotes in JSON (RFC 8259 §7).
pub fn escape_json(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if (control as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

fn push_number(out: &mut String, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    for digit in &digits[at..] {
        out.push(char::from(*digit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_media_text_is_filled_in() {
        let template =
            Template::new("{\"n\":\"\x01\",\"c\":\"\x02\",\"t\":\"\x03\",\"p\":\"\x04\"}");
        let mut seq = 1;
        let filling = Filling {
            timestamp_ms: 200,
            chunk: 2,
            payload: b"abc",
            ..Filling::default()
        };
        let text = template.write(&mut seq, &filling);
        assert_eq!(text, r#"{"n":"2","c":"2","t":"200","p":"YWJj"}"#);
        assert_eq!(seq, 2);
    }

    #[test]
    fn a_media_text_names_its_track() {
        let template = Template::new("{\"track\":\"\x07\",\"c\":\"\x02\"}");
        let filling = Filling {
            chunk: 3,
            track: "outbound",
            ..Filling::default()
        };
        let text = template.write(&mut 0, &filling);
        assert_eq!(text, r#"{"track":"outbound","c":"3"}"#);
    }

    #[test]
    fn a_text_without_a_number_takes_none() {
        let mut seq = 0;
        let text = Template::new(r#"{"event":"connected"}"#).write(&mut seq, &Filling::default());
        assert_eq!((text.as_str(), seq), (r#"{"event":"connected"}"#, 0));
    }

    proptest! {
        #[test]
        fn an_escaped_name_is_read_back_by_a_json_library(name in any::<String>()) {
            let text = format!("\"{}\"", escape_json(&name));
            prop_assert_eq!(serde_json::from_str::<String>(&text).unwrap(), name);
        }

        #[test]
        fn numbers_are_written_in_decimal(number in any::<u64>()) {
            let mut out = String::new();
            push_number(&mut out, number);
            prop_assert_eq!(out, number.to_string());
        }
    }
}
