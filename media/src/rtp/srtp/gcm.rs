//! AES-GCM (RFC 7714): one pass encrypts and authenticates.

use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_128_GCM, AES_256_GCM};

use super::derive::SessionKeys;
use super::session::{Place, INDEX_BYTES, RTCP_CLEAR_BYTES};
use crate::rtp::packet::DATAGRAM_LIMIT;

const TAG_BYTES: usize = 16;

/// The keys of one direction, ready for use.
pub struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub fn new(keys: &SessionKeys) -> Option<Self> {
        let algorithm = match keys.key().len() {
            16 => &AES_128_GCM,
            _ => &AES_256_GCM,
        };
        Some(Gcm {
            key: LessSafeKey::new(UnboundKey::new(algorithm, keys.key()).ok()?),
            salt: keys.salt().try_into().ok()?,
        })
    }

    /// §8.1: what is in clear is authenticated with the rest.
    pub fn seal_rtp(&self, buffer: &mut [u8], length: usize, clear: usize, place: Place) -> usize {
        let (header, rest) = buffer.split_at_mut(clear);
        let (payload, behind) = rest.split_at_mut(length - clear);
        self.seal(place, Aad::from(&*header), payload, behind);
        length + TAG_BYTES
    }

    pub fn open_rtp(&self, datagram: &mut [u8], clear: usize, place: Place) -> Option<usize> {
        let (header, rest) = datagram.split_at_mut_checked(clear)?;
        let payload = self
            .key
            .open_in_place(self.nonce(place), Aad::from(&*header), rest)
            .ok()?;
        Some(clear + payload.len())
    }

    /// §9.2: the first eight bytes and the word of the index are authenticated with the rest.
    pub fn seal_rtcp(&self, buffer: &mut [u8], length: usize, place: Place, word: u32) -> usize {
        let (header, rest) = buffer.split_at_mut(RTCP_CLEAR_BYTES);
        let (body, behind) = rest.split_at_mut(length - RTCP_CLEAR_BYTES);
        let mut known = [0; RTCP_CLEAR_BYTES + INDEX_BYTES];
        known[..RTCP_CLEAR_BYTES].copy_from_slice(header);
        known[RTCP_CLEAR_BYTES..].copy_from_slice(&word.to_be_bytes());
        self.seal(place, Aad::from(&known[..]), body, behind);
        behind[TAG_BYTES..TAG_BYTES + INDEX_BYTES].copy_from_slice(&word.to_be_bytes());
        length + TAG_BYTES + INDEX_BYTES
    }

    pub fn open_rtcp(
        &self,
        datagram: &mut [u8],
        place: Place,
        is_encrypted: bool,
    ) -> Option<usize> {
        let (packet, word) = datagram.split_at_mut(datagram.len().checked_sub(INDEX_BYTES)?);
        let length = packet.len().checked_sub(TAG_BYTES)?;
        // §9.3: what is not encrypted is known as a whole.
        let clear = if is_encrypted {
            RTCP_CLEAR_BYTES
        } else {
            length
        };
        let (header, rest) = packet.split_at_mut_checked(clear)?;
        let mut known = [0; DATAGRAM_LIMIT + INDEX_BYTES];
        known.get_mut(..clear)?.copy_from_slice(header);
        known[clear..clear + INDEX_BYTES].copy_from_slice(word);
        let aad = Aad::from(&known[..clear + INDEX_BYTES]);
        self.key.open_in_place(self.nonce(place), aad, rest).ok()?;
        Some(length)
    }

    /// Where SRTCP's index stands, counted from the end.
    pub const RTCP_INDEX_FROM_END: usize = INDEX_BYTES;

    fn seal(&self, place: Place, aad: Aad<&[u8]>, bytes: &mut [u8], behind: &mut [u8]) {
        // It fails for texts of gigabytes alone. A tag of zeros would be refused by the far end.
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(place), aad, bytes);
        match tag {
            Ok(tag) => behind[..TAG_BYTES].copy_from_slice(tag.as_ref()),
            Err(_) => behind[..TAG_BYTES].fill(0),
        }
    }

    /// §8.1 and §9.1: two zero bytes, SSRC, 48 bits of index; added to the salt. No nonce is used twice under one key:
    /// the index never is.
    fn nonce(&self, place: Place) -> Nonce {
        let mut nonce = self.salt;
        let (ssrc, index) = (place.ssrc.to_be_bytes(), place.index.to_be_bytes());
        for (byte, other) in nonce[2..].iter_mut().zip(ssrc.iter().chain(&index[2..])) {
            *byte ^= other;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}
