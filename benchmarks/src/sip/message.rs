//! What a scripted peer reads of a SIP message (RFC 3261), and how it answers a request.

use std::net::SocketAddrV4;

/// The parts of a SIP message that a scripted peer looks at.
#[derive(Debug)]
pub struct Message<'a> {
    pub first: &'a str,
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: &'a str,
}

impl<'a> Message<'a> {
    pub fn parse(text: &'a str) -> Option<Message<'a>> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        Some(Message {
            first,
            headers,
            body,
        })
    }

    pub fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    pub fn header(&self, name: &str, short: &str) -> Option<&'a str> {
        self.headers(name, short).next()
    }

    pub fn headers<'b>(
        &'b self,
        name: &'b str,
        short: &'b str,
    ) -> impl Iterator<Item = &'a str> + 'b {
        self.headers
            .iter()
            .filter(move |(found, _)| {
                found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(short)
            })
            .map(|(_, value)| *value)
    }

    /// The method of a request.
    pub fn method(&self) -> &'a str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// A response to this request: its line and what is echoed (RFC 3261 8.2.6.2), without an end.
    pub fn answer(&self, status: &str) -> String {
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for (name, value) in &self.headers {
            let is_copied = ["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"]
                .iter()
                .any(|copied| name.eq_ignore_ascii_case(copied));
            if is_copied {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        answer
    }

    /// Address and port of the answer's audio.
    pub fn media(&self) -> Option<SocketAddrV4> {
        let value = |start| self.body.lines().find_map(|line| line.strip_prefix(start));
        let host = value("c=IN IP4 ")?.trim().parse().ok()?;
        let port: u16 = value("m=audio ")?.split(' ').next()?.parse().ok()?;
        (port != 0).then(|| SocketAddrV4::new(host, port))
    }
}

/// The URI of a Contact, with or without angle brackets.
pub fn uri(contact: &str) -> &str {
    match contact.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => contact.split(';').next().unwrap_or(contact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 127.0.0.1\r\nTo: <sip:a@b>;tag=9\r\n\
        Contact: \"Us\" <sip:us@127.0.0.1:5060;x=1>;q=1\r\nCSeq: 1 INVITE\r\n\r\n\
        v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n";

    #[test]
    fn an_answer_is_understood() {
        let message = Message::parse(ANSWER).unwrap();
        assert_eq!(message.status(), Some(200));
        assert_eq!(message.header("via", "v"), Some("SIP/2.0/UDP 127.0.0.1"));
        assert_eq!(
            uri(message.header("contact", "m").unwrap()),
            "sip:us@127.0.0.1:5060;x=1"
        );
        assert_eq!(message.media(), Some("127.0.0.1:4000".parse().unwrap()));
    }
}
