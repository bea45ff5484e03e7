//! The answer to a digest challenge (RFC 2617, MD5): what the callers of trunks log in with.

use md5::{Digest, Md5};

use super::message::Message;

/// Who logs in.
#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Credentials({})", self.user)
    }
}

impl Credentials {
    /// The header line that answers a 401 or 407; nothing when there is no challenge in it.
    pub fn answer(&self, challenge: &Message<'_>, method: &str, uri: &str) -> Option<String> {
        let (name, asked) = [
            ("Proxy-Authorization", "proxy-authenticate"),
            ("Authorization", "www-authenticate"),
        ]
        .iter()
        .find_map(|(name, asked)| Some((*name, challenge.header(asked, asked)?)))?;
        let (realm, nonce) = (parameter(asked, "realm")?, parameter(asked, "nonce")?);
        let ha1 = hex(&format!("{}:{realm}:{}", self.user, self.password));
        let ha2 = hex(&format!("{method}:{uri}"));
        let (response, more) = match parameter(asked, "qop") {
            Some(_) => (
                hex(&format!("{ha1}:{nonce}:00000001:c0ffee:auth:{ha2}")),
                ", qop=auth, nc=00000001, cnonce=\"c0ffee\"",
            ),
            None => (hex(&format!("{ha1}:{nonce}:{ha2}")), ""),
        };
        let opaque = parameter(asked, "opaque")
            .map(|opaque| format!(", opaque=\"{opaque}\""))
            .unwrap_or_default();
        Some(format!(
            "{name}: Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5{more}{opaque}\r\n",
            self.user
        ))
    }
}

/// A parameter of a challenge, with or without quotes around it.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let parameters = challenge.trim().strip_prefix("Digest ")?;
    parameters.split(',').find_map(|part| {
        let (found, value) = part.trim().split_once('=')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim_matches('"'))
    })
}

fn hex(text: &str) -> String {
    Md5::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_that_of_rfc_2617_3_5() {
        let text = "SIP/2.0 401 Unauthorized\r\n\
            WWW-Authenticate: Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"\r\n\
            \r\n";
        let ann = Credentials {
            user: "Mufasa".to_owned(),
            password: "Circle Of Life".to_owned(),
        };
        let message = Message::parse(text).unwrap();
        let said = ann.answer(&message, "GET", "/dir/index.html").unwrap();
        // The same values without qop (RFC 2069), as published in its errata.
        assert!(said.starts_with("Authorization: Digest username=\"Mufasa\""));
        assert!(
            said.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""),
            "{said}"
        );
        assert!(!format!("{ann:?}").contains("Circle"));
    }

    #[test]
    fn a_proxy_is_answered_with_its_own_header_and_with_qop_where_it_wants_one() {
        let text =
            "SIP/2.0 407 P\r\nProxy-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"n\"\r\n\r\n";
        let ann = Credentials {
            user: "ann".to_owned(),
            password: "x".to_owned(),
        };
        let message = Message::parse(text).unwrap();
        let said = ann.answer(&message, "INVITE", "sip:a@b").unwrap();
        assert!(
            said.starts_with("Proxy-Authorization: ") && said.contains("qop=auth, nc=00000001")
        );
    }
}
