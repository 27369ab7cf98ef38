//! The digest of a body, and the key that authenticates a session's frames.

use std::fmt;
use std::str::FromStr;

/// How the bodies of data frames are protected. Chosen by the publisher, told in the handshake, and
/// then demanded of every data frame by the consumer.
///
/// Cost of one pass over 16 KiB (`cargo bench -p swp-bench --bench digest`, AVX-512): blake3 3.2 us, or twice that for
/// a body that ends at an unlucky place (see [`super::HASH_RUN`]); crc32c 0.2 us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Integrity {
    /// blake3 cut to 16 bytes: finds any damage, and lets a capture's stored digest serve the consumer.
    #[default]
    Blake3,
    /// crc32c (RFC 3720, section 12.1): finds accidental damage, and far more of it than the 16 bit sum
    /// of TCP beneath. Not to be had with a [`Key`], since anybody can make a body fit it.
    Crc32c,
    /// Nothing: the header alone is checked. For paths that are already protected. Not to be had with
    /// a [`Key`].
    None,
}

impl Integrity {
    /// The digest of `body` under this choice.
    pub fn digest(self, body: &[u8]) -> Digest {
        match self {
            Integrity::Blake3 => Digest::blake3(body),
            Integrity::Crc32c => Digest::Crc32c(crc_fast::crc32_iscsi(body)),
            Integrity::None => Digest::None,
        }
    }

    /// Its number on the wire.
    pub(super) fn code(self) -> u8 {
        match self {
            Integrity::None => 0,
            Integrity::Crc32c => 1,
            Integrity::Blake3 => 2,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Integrity> {
        match code {
            0 => Some(Integrity::None),
            1 => Some(Integrity::Crc32c),
            2 => Some(Integrity::Blake3),
            _ => None,
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Integrity::Blake3 => "blake3",
            Integrity::Crc32c => "crc32c",
            Integrity::None => "none",
        })
    }
}

/// A name that is none of an [`Integrity`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of blake3, crc32c, none")]
pub struct UnknownIntegrity(String);

impl FromStr for Integrity {
    type Err = UnknownIntegrity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "blake3" => Ok(Integrity::Blake3),
            "crc32c" => Ok(Integrity::Crc32c),
            "none" => Ok(Integrity::None),
            other => Err(UnknownIntegrity(other.to_owned())),
        }
    }
}

/// A body's digest as it stands in the header: its length tells its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// Not protected.
    None,
    /// crc32c of the body.
    Crc32c(u32),
    /// The first 16 bytes of the body's blake3 hash.
    Blake3([u8; 16]),
}

impl Digest {
    /// The first 16 bytes of the blake3 hash of `body`: 128 bits, so that a second body with the same
    /// digest is out of reach while the header stays near 40 bytes.
    pub fn blake3(body: &[u8]) -> Digest {
        Digest::Blake3(cut(*blake3::hash(body).as_bytes()))
    }

    /// Which choice this digest belongs to.
    pub fn integrity(&self) -> Integrity {
        match self {
            Digest::None => Integrity::None,
            Digest::Crc32c(_) => Integrity::Crc32c,
            Digest::Blake3(_) => Integrity::Blake3,
        }
    }

    /// Whether `body` has this digest. [`Digest::None`] fits every body.
    pub fn matches(&self, body: &[u8]) -> bool {
        self.integrity().digest(body) == *self
    }
}

/// A key shared by publisher and consumers. With one set, frames of anyone without it are refused, and
/// so are frames whose body is not covered by blake3.
///
/// It authenticates; it does not encrypt. For secrecy use TLS to the broker. It tells holders of the key
/// from others, not one holder from another.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; blake3::KEY_LEN]);

impl Key {
    /// A key of exactly 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// A key derived from any secret of high entropy (a key file's content) by blake3's own
    /// key derivation, with this protocol's name as the context.
    pub fn derive(secret: &[u8]) -> Key {
        Key(blake3::derive_key("swp-fast 2026-11 shared key v1", secret))
    }

    pub(super) fn tag(&self, header: &[u8]) -> [u8; 16] {
        cut(*blake3::keyed_hash(&self.0, header).as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

fn cut(hash: [u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

#[cfg(test)]
mod tests;
