//! Session keys from a master key (RFC 3711 §4.3): AES in counter mode over an almost constant block.

use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128, Aes256};
use ctr::{flavors::Ctr128BE, CtrCore};

use super::suite::Suite;

/// What a session key is for (§4.3.2); SRTCP's labels are three higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Rtp = 0,
    Rtcp = 3,
}

/// Bytes of HMAC-SHA1's key (§5.2).
pub const AUTH_BYTES: usize = 20;
const ENCRYPTION: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALT: u8 = 2;

/// The keys of one direction and kind of packet. GCM needs no `auth`.
pub struct SessionKeys {
    key: [u8; 32],
    pub auth: [u8; AUTH_BYTES],
    salt: [u8; 14],
    suite: Suite,
}

impl SessionKeys {
    /// Derives them; `None` when `master`, a key with its salt behind it, does not have the suite's length.
    pub fn derive(suite: Suite, master: &[u8], stream: Stream) -> Option<Self> {
        let (key, salt) = master.split_at_checked(suite.key_bytes())?;
        if salt.len() != suite.salt_bytes() {
            return None;
        }
        let mut keys = SessionKeys {
            key: [0; 32],
            auth: [0; AUTH_BYTES],
            salt: [0; 14],
            suite,
        };
        let first = stream as u8;
        derive(key, salt, first + ENCRYPTION, &mut keys.key[..key.len()]);
        derive(key, salt, first + AUTHENTICATION, &mut keys.auth);
        derive(key, salt, first + SALT, &mut keys.salt[..salt.len()]);
        Some(keys)
    }

    /// Session keys as they are stated.
    #[cfg(test)]
    pub fn stated(suite: Suite, key: &[u8], salt: &[u8]) -> Self {
        let mut keys = SessionKeys {
            key: [0; 32],
            auth: [0; AUTH_BYTES],
            salt: [0; 14],
            suite,
        };
        keys.key[..key.len()].copy_from_slice(key);
        keys.salt[..salt.len()].copy_from_slice(salt);
        keys
    }

    /// The key of the cipher.
    pub fn key(&self) -> &[u8] {
        &self.key[..self.suite.key_bytes()]
    }

    /// The salt of the cipher.
    pub fn salt(&self) -> &[u8] {
        &self.salt[..self.suite.salt_bytes()]
    }
}

/// Fills `out` with the keystream of a label. Its rate is 0 (RFC 4568 §6.3.1, the default): keys are derived once.
pub(super) fn derive(key: &[u8], salt: &[u8], label: u8, out: &mut [u8]) {
    // A salt of 96 bits has zeros behind it (RFC 7714 §11).
    let mut block = [0; 16];
    block[..salt.len()].copy_from_slice(salt);
    block[7] ^= label;
    out.fill(0);
    keystream(key, &block, out);
}

/// Adds the keystream that begins at `block` to `bytes`; `key` has 16 or 32 bytes.
fn keystream(key: &[u8], block: &[u8; 16], bytes: &mut [u8]) {
    if let Ok(aes) = Aes128::new_from_slice(key) {
        let core: CtrCore<_, Ctr128BE> = CtrCore::inner_iv_init(&aes, &(*block).into());
        core.apply_keystream_partial(bytes.into());
    } else if let Ok(aes) = Aes256::new_from_slice(key) {
        let core: CtrCore<_, Ctr128BE> = CtrCore::inner_iv_init(&aes, &(*block).into());
        core.apply_keystream_partial(bytes.into());
    }
}
