//! AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1 and §4.2, RFC 6188): authenticated first, decrypted after.

use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128, Aes256};
use ctr::{flavors::Ctr32BE, CtrCore};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::derive::SessionKeys;
use super::session::{Place, INDEX_BYTES, RTCP_CLEAR_BYTES};
use super::suite::Suite;

/// Bytes of SRTCP's tag, whatever the suite.
const RTCP_TAG_BYTES: usize = 10;

/// The block cipher with its key laid out.
enum Aes {
    Of128(Aes128),
    Of256(Aes256),
}

/// The keys of one direction, ready for use.
pub struct Counter {
    aes: Aes,
    mac: Hmac<Sha1>,
    salt: [u8; 14],
    tag_bytes: usize,
}

impl Counter {
    pub fn new(suite: Suite, keys: &SessionKeys) -> Option<Self> {
        Some(Counter {
            aes: match Aes128::new_from_slice(keys.key()) {
                Ok(aes) => Aes::Of128(aes),
                Err(_) => Aes::Of256(Aes256::new_from_slice(keys.key()).ok()?),
            },
            mac: <Hmac<Sha1> as KeyInit>::new_from_slice(&keys.auth).ok()?,
            salt: keys.salt().try_into().ok()?,
            tag_bytes: suite.tag_bytes(),
        })
    }

    pub fn seal_rtp(&self, buffer: &mut [u8], length: usize, clear: usize, place: Place) -> usize {
        self.crypt(&mut buffer[clear..length], place);
        let tag = self.rtp_tag(&buffer[..length], place);
        let end = length + self.tag_bytes;
        buffer[length..end].copy_from_slice(&tag[..self.tag_bytes]);
        end
    }

    pub fn open_rtp(&self, datagram: &mut [u8], clear: usize, place: Place) -> Option<usize> {
        let length = datagram.len().checked_sub(self.tag_bytes)?;
        let (packet, tag) = datagram.split_at_mut(length);
        if clear > length || !is_same(&self.rtp_tag(packet, place)[..tag.len()], tag) {
            return None;
        }
        self.crypt(&mut packet[clear..], place);
        Some(length)
    }

    pub fn seal_rtcp(&self, buffer: &mut [u8], length: usize, place: Place, word: u32) -> usize {
        self.crypt(&mut buffer[RTCP_CLEAR_BYTES..length], place);
        let end = length + INDEX_BYTES;
        buffer[length..end].copy_from_slice(&word.to_be_bytes());
        let tag = self.tag(&buffer[..end], &[]);
        buffer[end..end + RTCP_TAG_BYTES].copy_from_slice(&tag[..RTCP_TAG_BYTES]);
        end + RTCP_TAG_BYTES
    }

    pub fn open_rtcp(
        &self,
        datagram: &mut [u8],
        place: Place,
        is_encrypted: bool,
    ) -> Option<usize> {
        let end = datagram.len().checked_sub(RTCP_TAG_BYTES)?;
        let length = end.checked_sub(INDEX_BYTES)?;
        let (packet, tag) = datagram.split_at_mut(end);
        if !is_same(&self.tag(packet, &[])[..tag.len()], tag) {
            return None;
        }
        if is_encrypted {
            self.crypt(packet.get_mut(RTCP_CLEAR_BYTES..length)?, place);
        }
        Some(length)
    }

    /// Where SRTCP's index stands, counted from the end.
    pub const RTCP_INDEX_FROM_END: usize = RTCP_TAG_BYTES + INDEX_BYTES;

    /// §4.1.1: the counter begins at (salt · 2¹⁶) ⊕ (SSRC · 2⁶⁴) ⊕ (index · 2¹⁶).
    pub(super) fn crypt(&self, bytes: &mut [u8], place: Place) {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&self.salt);
        xor(&mut block[4..8], &place.ssrc.to_be_bytes());
        xor(&mut block[8..14], &place.index.to_be_bytes()[2..]);
        // A datagram has fewer than 2¹⁶ blocks, so that a counter of 32 bits carries into nothing else.
        match &self.aes {
            Aes::Of128(aes) => {
                let core: CtrCore<_, Ctr32BE> = CtrCore::inner_iv_init(aes, &block.into());
                core.apply_keystream_partial(bytes.into());
            }
            Aes::Of256(aes) => {
                let core: CtrCore<_, Ctr32BE> = CtrCore::inner_iv_init(aes, &block.into());
                core.apply_keystream_partial(bytes.into());
            }
        }
    }

    /// §4.2: the packet and its rollover counter.
    fn rtp_tag(&self, packet: &[u8], place: Place) -> [u8; 20] {
        self.tag(packet, &place.rollover().to_be_bytes())
    }

    fn tag(&self, packet: &[u8], behind: &[u8]) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(behind);
        mac.finalize().into_bytes().into()
    }
}

/// Compares in a time that tells nothing about where they differ.
fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    let differences = ours
        .iter()
        .zip(theirs)
        .fold(0, |found, (one, other)| found | (one ^ other));
    ours.len() == theirs.len() && std::hint::black_box(differences) == 0
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    for (byte, other) in bytes.iter_mut().zip(with) {
        *byte ^= other;
    }
}
