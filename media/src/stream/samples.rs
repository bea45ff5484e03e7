//! What Python is shown of a bot: its first messages without their length, and the pace of its audio.
//!
//! Enough to say at once what would not be understood, here or elsewhere (OP-12), and whether the audio
//! has another rate than was agreed (US-3). When all has been shown, a message costs two comparisons.

use memchr::memchr;

use super::envelope::Scanner;
use super::link::cut;

/// First messages that are audio, and first others.
const SOUNDS: u8 = 4;
const OTHERS: u8 = 12;
/// How often the bytes so far are told, and how long apart. A bot that pauses is told of later.
const PACES: u8 = 16;
const PACE_US: u64 = 1_000_000;
/// Longer JSON strings are cut: base64 of 513 bytes is left, which shows what kind of audio it is.
const STRING_BYTES: usize = 684;
/// Of a message whose strings were cut.
const TEXT_BYTES: usize = 4_096;

/// What is still to be shown of one socket.
#[derive(Debug, Default)]
pub struct Samples {
    sounds: u8,
    others: u8,
    paces: u8,
    paced_us: Option<u64>,
}

impl Samples {
    /// Counts down from the beginning; nobody wants to know of a bot that only listens.
    pub fn new(two_way: bool) -> Self {
        if !two_way {
            return Self::default();
        }
        Self {
            sounds: SOUNDS,
            others: OTHERS,
            paces: PACES,
            paced_us: None,
        }
    }

    /// The message as it is shown, if it is among the first of its sort.
    pub fn show(&mut self, text: &str, is_sound: bool) -> Option<String> {
        let left = if is_sound {
            &mut self.sounds
        } else {
            &mut self.others
        };
        *left = left.checked_sub(1)?;
        shortened(text)
    }

    /// Whether the bytes so far are to be told with this piece of audio.
    pub fn is_pace_due(&mut self, now_us: u64) -> bool {
        let is_early = self.paced_us.is_some_and(|last| now_us < last + PACE_US);
        if self.paces == 0 || is_early {
            return false;
        }
        self.paces -= 1;
        self.paced_us = Some(now_us);
        true
    }
}

/// The text with its long strings cut. `None`: an object that stays too long, cut it would be none.
fn shortened(text: &str) -> Option<String> {
    let mut short = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(quote) = text
        .as_bytes()
        .get(at..)
        .and_then(|rest| memchr(b'"', rest))
    {
        let begin = at + quote + 1;
        let Some(behind) = Scanner::new(text).string_end(begin) else {
            break;
        };
        if behind - 1 - begin > STRING_BYTES {
            short.push_str(&text[copied..begin + whole_bytes(&text[begin..])]);
            copied = behind - 1;
        }
        at = behind;
    }
    short.push_str(&text[copied..]);
    if short.len() > TEXT_BYTES {
        let is_object = short.trim_start().starts_with('{');
        return (!is_object).then(|| cut(&short, TEXT_BYTES).to_owned());
    }
    Some(short)
}

/// How much of a long string can be shown: no letter, escape or group of base64 is torn.
fn whole_bytes(string: &str) -> usize {
    let plain = memchr(b'\\', &string.as_bytes()[..STRING_BYTES]).unwrap_or(STRING_BYTES);
    let mut end = plain / 4 * 4;
    while !string.is_char_boundary(end) {
        end -= 4;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn media(payload: &str) -> String {
        serde_json::json!({"event": "media", "media": {"payload": payload}, "z": 1}).to_string()
    }

    #[test]
    fn the_first_of_each_sort_are_shown() {
        let mut samples = Samples::new(true);
        let sounds = (0..9)
            .filter(|_| samples.show("{}", true).is_some())
            .count();
        let others = (0..99)
            .filter(|_| samples.show("{}", false).is_some())
            .count();
        assert_eq!((sounds, others), (4, 12));
        assert_eq!(Samples::new(false).show("{}", false), None);
        assert!(!Samples::new(false).is_pace_due(0));
    }

    #[test]
    fn a_payload_is_cut_between_groups_of_base64() {
        let short = shortened(&media(&"ABCD".repeat(20_000))).unwrap();
        assert_eq!(short, media(&"ABCD".repeat(171)));
        assert_eq!(shortened(&media("AAAA")).unwrap(), media("AAAA"));
    }

    #[test]
    fn what_is_no_object_is_cut_anywhere() {
        assert_eq!(shortened(&"ü".repeat(9_000)).unwrap().len(), 4_096);
        assert_eq!(
            shortened(&format!("{{\"a\":[{}0]}}", "0,".repeat(5_000))),
            None
        );
        assert_eq!(shortened(r#"{"a":"open"#).unwrap(), r#"{"a":"open"#);
    }

    #[test]
    fn the_pace_is_told_once_a_second_and_not_for_ever() {
        let mut samples = Samples::new(true);
        let told: Vec<u64> = (0..30_000)
            .step_by(20)
            .filter(|ms| samples.is_pace_due(ms * 1_000))
            .collect();
        assert_eq!(
            told,
            (0..16).map(|second| second * 1_000).collect::<Vec<u64>>()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_shown_without_a_panic(text in any::<String>()) {
            shortened(&text);
        }

        #[test]
        fn an_object_stays_one(long in r#"[a-zü"\\]{0,1500}"#, key in any::<String>()) {
            let text = serde_json::json!({"event": long, key: {"deep": [1, "x\\"]}}).to_string();
            let short = shortened(&text).unwrap();
            let read: serde_json::Value = serde_json::from_str(&short).unwrap();
            prop_assert!(short.len() <= text.len());
            let shown = read["event"].as_str().unwrap();
            prop_assert!(long.starts_with(shown), "{shown}");
        }
    }
}
