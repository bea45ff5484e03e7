//! The RTP packet (RFC 3550 §5.1): parsed where it arrives, written in front of a payload.
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |                           timestamp                           |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  |           synchronization source (SSRC) identifier            |
//!  +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//!  |            CC contributing sources, four bytes each           |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  | X: profile (2 bytes) · length n (2 bytes) · n words           |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!  | payload …               P: padding, its last byte is its size |
//!  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

/// Bytes of the header that every packet has.
pub const HEADER_BYTES: usize = 12;
/// The longest datagram we look into; an Ethernet frame carries no more.
pub const DATAGRAM_LIMIT: usize = 1_500;

/// One RTP packet, borrowed from the datagram it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    /// In ticks of the RTP clock; 8000 per second for every codec here.
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: &'a [u8],
}

/// Where the payload begins: behind contributors and extension, of which SRTP encrypts nothing (RFC 3711 §3.1). `None`
/// when the datagram is no RTP packet of version 2.
pub fn header_bytes(datagram: &[u8]) -> Option<usize> {
    let first = *datagram.first()?;
    if datagram.len() > DATAGRAM_LIMIT || first >> 6 != 2 {
        return None;
    }
    let mut end = HEADER_BYTES + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = u16::from_be_bytes([*datagram.get(end + 2)?, *datagram.get(end + 3)?]);
        end += 4 + usize::from(words) * 4;
    }
    (end <= datagram.len()).then_some(end)
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` when it is not a well-formed RTP packet of version 2.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let mut payload = datagram.get(header_bytes(datagram)?..)?;
        let header = datagram.first_chunk::<HEADER_BYTES>()?;
        if header[0] & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            if padding == 0 {
                return None;
            }
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        Some(Packet {
            marker: header[1] & 0x80 != 0,
            payload_type: header[1] & 0x7f,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload,
        })
    }

    /// The header of this packet, without contributors, extension or padding.
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[0] = 2 << 6;
        header[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        header
    }

    /// Appends header and payload to `datagram`.
    pub fn write(&self, datagram: &mut Vec<u8>) {
        datagram.extend_from_slice(&self.header());
        datagram.extend_from_slice(self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(parts: &[&[u8]]) -> Option<(Packet<'static>, Vec<u8>)> {
        let datagram = parts.concat();
        Packet::parse(&datagram).map(|packet| {
            (
                Packet {
                    payload: &[],
                    ..packet
                },
                packet.payload.to_vec(),
            )
        })
    }

    const PLAIN: [u8; 12] = [0x80, 0x80 | 101, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8];

    #[test]
    fn the_fields_lie_where_the_rfc_draws_them() {
        let (packet, payload) = parse(&[&PLAIN, b"sound"]).unwrap();
        let expected = Packet {
            marker: true,
            payload_type: 101,
            sequence: 0x1234,
            timestamp: 0x0102_0304,
            ssrc: 0x0506_0708,
            payload: &[],
        };
        assert_eq!((packet, payload.as_slice()), (expected, &b"sound"[..]));
        assert_eq!(packet.header(), PLAIN);
    }

    #[test]
    fn contributors_extension_and_padding_are_not_payload() {
        let mut header = PLAIN;
        header[0] = 0x80 | 0x20 | 0x10 | 2;
        let extension = [0xbe, 0xde, 0, 1, 9, 9, 9, 9];
        let (_, payload) = parse(&[&header, &[7; 8], &extension, b"sound", &[0, 0, 3]]).unwrap();
        assert_eq!(payload, b"sound");
    }

    #[test]
    fn what_does_not_add_up_is_no_packet() {
        let with = |first: u8| [&[first], &PLAIN[1..]].concat();
        assert_eq!(parse(&[&PLAIN[..11]]), None);
        assert_eq!(parse(&[&with(0x40), b"version 1"]), None);
        assert_eq!(parse(&[&with(0x8f), b"fifteen contributors, but"]), None);
        assert_eq!(parse(&[&with(0x90), &[0, 0, 0]]), None);
        assert_eq!(parse(&[&with(0x90), &[0, 0, 0xff, 0xff, 1]]), None);
        assert_eq!(
            parse(&[&with(0xa0), b"more padding than payload", &[200]]),
            None
        );
        assert_eq!(parse(&[&with(0xa0), b"padding of none", &[0]]), None);
        assert_eq!(parse(&[&with(0xa0)]), None);
        assert_eq!(parse(&[&PLAIN, &[0; 1_489]]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(mut bytes in prop::collection::vec(any::<u8>(), 0..1_600), is_rtp in any::<bool>()) {
            if let Some(first) = bytes.first_mut().filter(|_| is_rtp) {
                *first = 0x80 | *first & 0x3f;
            }
            if let Some(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() + HEADER_BYTES <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            (marker, payload_type, sequence) in (any::<bool>(), 0..128_u8, any::<u16>()),
            (timestamp, ssrc) in any::<(u32, u32)>(),
            payload in prop::collection::vec(any::<u8>(), 0..500),
        ) {
            let packet = Packet { marker, payload_type, sequence, timestamp, ssrc, payload: &payload };
            let mut datagram = Vec::new();
            packet.write(&mut datagram);
            prop_assert_eq!(Packet::parse(&datagram), Some(packet));
        }
    }
}
