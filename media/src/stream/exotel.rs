//! The AgentStream dialect: what the audio path itself understands of a bot's messages.
//!
//! `media`, `mark` and `clear` are done here, every 20 ms; anything else that is a JSON object is for
//! Python. Keys may come in any order, with `Event` and `Payload` capitalised (AS-113, AS-115).

use base64_simd::STANDARD;

use super::envelope::{RawText, Scanner};

/// A mark's name is at most this many bytes (AS-117 asks for 256 letters).
const MARK_NAME_BYTES: usize = 1024;

/// A payload that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBase64;

/// What a bot said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Audio, still base64.
    Media(RawText<'a>),
    /// A name to return once everything before it was heard.
    Mark(String),
    /// Drop what is not yet heard.
    Clear,
    /// A JSON object for Python.
    Other,
    /// Not JSON, not an object, or one of the above without what it needs.
    Unknown,
}

/// The parts of a message that decide what it is.
#[derive(Default)]
struct Parts<'a> {
    event: Option<RawText<'a>>,
    payload: Option<RawText<'a>>,
    name: Option<RawText<'a>>,
    sid: Option<RawText<'a>>,
}

/// Reads one message; never fails, never panics. With `only_for`, media, marks and clears that name another
/// stream are unknown (AS-114).
pub fn read<'a>(text: &'a str, only_for: Option<&str>) -> Incoming<'a> {
    let Some(parts) = scan(text) else {
        return Incoming::Unknown;
    };
    let Some(event) = parts.event else {
        return other(text);
    };
    let is_stray = match (only_for, parts.sid) {
        (Some(wanted), Some(sid)) => !sid.is(wanted),
        _ => false,
    };
    if is_stray && ["media", "mark", "clear"].iter().any(|own| event.is(own)) {
        return Incoming::Unknown;
    }
    if event.is("media") {
        return parts.payload.map_or(Incoming::Unknown, Incoming::Media);
    }
    if event.is("mark") {
        return mark(parts.name);
    }
    if event.is("clear") {
        return Incoming::Clear;
    }
    other(text)
}

/// Appends the samples of a `media` payload to `out`. What is not base64 leaves nothing (AS-157).
pub fn decode_payload(payload: &RawText<'_>, out: &mut Vec<u8>) -> Result<(), NotBase64> {
    match payload.plain() {
        Some(plain) => decode_base64(plain, out),
        None => decode_base64(&payload.to_text().ok_or(NotBase64)?, out),
    }
}

fn decode_base64(text: &str, out: &mut Vec<u8>) -> Result<(), NotBase64> {
    if STANDARD.decode_append(text, out).is_ok() {
        return Ok(());
    }
    // Padding left out and line breaks put in are read as meant.
    let decoded = base64_simd::forgiving_decode_to_vec(text.as_bytes()).map_err(|_| NotBase64)?;
    out.extend_from_slice(&decoded);
    Ok(())
}

fn scan(text: &str) -> Option<Parts<'_>> {
    let mut parts = Parts::default();
    let mut scanner = Scanner::new(text);
    scanner.object(|scanner, key| match key.plain() {
        Some("event" | "Event") => scanner.string_or_skip().map(|value| parts.event = value),
        Some("media" | "Media") => inner(scanner, &["payload", "Payload"], &mut parts.payload),
        Some("mark" | "Mark") => inner(scanner, &["name", "Name"], &mut parts.name),
        Some("stream_sid" | "streamSid") => scanner.string_or_skip().map(|value| parts.sid = value),
        _ => scanner.skip(),
    })?;
    scanner.is_done().then_some(parts)
}

fn inner<'a>(
    scanner: &mut Scanner<'a>,
    wanted: &[&str],
    found: &mut Option<RawText<'a>>,
) -> Option<()> {
    if !scanner.is_object() {
        return scanner.skip();
    }
    scanner.object(|scanner, key| {
        if key.plain().is_some_and(|key| wanted.contains(&key)) {
            scanner.string_or_skip().map(|value| *found = value)
        } else {
            scanner.skip()
        }
    })
}

fn mark<'a>(name: Option<RawText<'a>>) -> Incoming<'a> {
    let name = name.and_then(|name| name.to_text());
    match name {
        Some(name) if name.len() <= MARK_NAME_BYTES => Incoming::Mark(name),
        _ => Incoming::Unknown,
    }
}

/// The scanner skips without looking closely; what Python gets is checked by a JSON library.
fn other(text: &str) -> Incoming<'_> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Incoming::Other,
        Err(_) => Incoming::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples(text: &str) -> Vec<u8> {
        let Incoming::Media(payload) = read(text, None) else {
            panic!("not media: {text}");
        };
        let mut out = Vec::new();
        decode_payload(&payload, &mut out).unwrap();
        out
    }

    #[test]
    fn media_is_read_in_any_dress() {
        for text in [
            r#"{"event":"media","stream_sid":"x","media":{"payload":"AAEC"}}"#,
            r#" { "media" : { "chunk" : 1, "Payload" : "AAEC" } , "Event" : "media" } "#,
            r#"{"a":{"b":[{"c":"}\"]"}]},"event":"m\u0065dia","media":{"x":null,"payload":"AAEC"}}"#,
        ] {
            assert_eq!(samples(text), [0, 1, 2]);
        }
    }

    #[test]
    fn escaped_slashes_and_missing_padding_are_understood() {
        let plain = samples(r#"{"event":"media","media":{"payload":"//8="}}"#);
        assert_eq!(plain, [0xff, 0xff]);
        assert_eq!(
            samples(r#"{"event":"media","media":{"payload":"\/\/8="}}"#),
            plain
        );
        assert_eq!(
            samples(r#"{"event":"media","media":{"payload":"//8"}}"#),
            plain
        );
    }

    #[test]
    fn a_payload_that_is_not_base64_is_refused_and_leaves_nothing() {
        let Incoming::Media(payload) =
            read(r#"{"event":"media","media":{"payload":"AAEC%%%%"}}"#, None)
        else {
            panic!();
        };
        let mut out = vec![7];
        assert!(decode_payload(&payload, &mut out).is_err());
        assert_eq!(out, [7]);
    }

    #[test]
    fn marks_clears_and_the_rest_are_told_apart() {
        assert_eq!(
            read(r#"{"event":"mark","mark":{"name":"a\"b"}}"#, None),
            Incoming::Mark("a\"b".into())
        );
        assert_eq!(
            read(r#"{"event":"clear","stream_sid":"x"}"#, None),
            Incoming::Clear
        );
        assert_eq!(read(r#"{"event":"stop"}"#, None), Incoming::Other);
        assert_eq!(read(r#"{"hello":[1,2,{"a":true}]}"#, None), Incoming::Other);
        for text in [
            "",
            "hello",
            "[1]",
            "\"event\"",
            r#"{"event":"media"}"#,
            r#"{"event":"mark","mark":"x"}"#,
            r#"{"event":"clear"} x"#,
            r#"{"event":"x",}"#,
            r#"{"event":"stop","a":tru}"#,
            "{",
            r#"{"a":"\"#,
        ] {
            assert_eq!(read(text, None), Incoming::Unknown, "{text}");
        }
    }

    #[test]
    fn another_streams_sound_mark_and_clear_are_unknown_where_that_is_wanted_as_114() {
        for (text, is_stray) in [
            (r#"{"event":"clear","stream_sid":"other"}"#, true),
            (r#"{"streamSid":"other","event":"clear"}"#, true),
            (
                r#"{"event":"media","media":{"payload":"AAAA"},"stream_sid":"other"}"#,
                true,
            ),
            (
                r#"{"event":"mark","mark":{"name":"m"},"stream_sid":"other"}"#,
                true,
            ),
            (r#"{"event":"clear","stream_sid":"ours"}"#, false),
            (r#"{"event":"clear","stream_sid":7}"#, false),
            (r#"{"event":"clear"}"#, false),
            (r#"{"event":"stop","stream_sid":"other"}"#, false),
        ] {
            assert_eq!(
                read(text, Some("ours")) == Incoming::Unknown,
                is_stray,
                "{text}"
            );
            assert_ne!(read(text, None), Incoming::Unknown, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            read(&text, None);
        }

        #[test]
        fn any_mutilated_message_is_read_without_a_panic(cut in 0_usize..90, byte in any::<u8>()) {
            let whole = br#"{"event":"media","x":{"a":["\"",{}]},"media":{"payload":"AAECAwQFBgcICQ=="},"z":1}"#;
            let mut bytes = whole.to_vec();
            let at = cut % bytes.len();
            bytes[at] = byte;
            if let Ok(text) = std::str::from_utf8(&bytes) {
                read(text, None);
            }
            bytes.truncate(at);
            read(std::str::from_utf8(&bytes).unwrap(), None);
        }

        #[test]
        fn whatever_a_json_library_writes_is_read(bytes in prop::collection::vec(any::<u8>(), 0..2000), extra in any::<String>()) {
            let payload = STANDARD.encode_to_string(&bytes);
            let text = serde_json::json!({"event": "media", extra: {"deep": [1, "x\\"]}, "media": {"payload": payload}}).to_string();
            prop_assert_eq!(samples(&text), bytes);
        }
    }
}
