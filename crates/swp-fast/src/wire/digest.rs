//! The digest of a body, and the key that authenticates frames.

use std::fmt;
use std::str::FromStr;

/// The digest of data frames. The publisher states the choice in the SYN-ACK. The consumer
/// drops data frames with any other digest.
///
/// Cost of one body, on a processor with AVX-512 (`cargo bench -p swp-bench --bench digest`):
///
/// | digest | body of 15 KiB | body of 16 KiB |
/// |---|---|---|
/// | blake3 | 6.3 µs | 3.2 µs |
/// | crc32c | | 0.2 µs |
///
/// [`HASH_RUN`](super::HASH_RUN) explains why the longer body costs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Integrity {
    /// blake3, cut to 16 bytes. This digest detects any damage, accidental or intended. A replay
    /// can send the digests that its capture stores.
    #[default]
    Blake3,
    /// crc32c (RFC 3720 section 12.1). This digest detects accidental damage, and more of the
    /// damage than the 16-bit checksum of TCP. A crc32c cannot be combined with a [`Key`], because
    /// an attacker can construct a body for a given crc32c.
    Crc32c,
    /// No digest: only the header is checked. For paths that are already protected. This setting
    /// cannot be combined with a [`Key`].
    None,
}

impl Integrity {
    /// Computes the digest of `body`.
    pub fn digest(self, body: &[u8]) -> Digest {
        match self {
            Integrity::Blake3 => Digest::blake3(body),
            Integrity::Crc32c => Digest::Crc32c(crc_fast::crc32_iscsi(body)),
            Integrity::None => Digest::None,
        }
    }

    /// Returns the code of this digest in a SYN-ACK.
    pub(super) fn code(self) -> u8 {
        match self {
            Integrity::None => 0,
            Integrity::Crc32c => 1,
            Integrity::Blake3 => 2,
        }
    }

    /// Returns the digest whose code is `code`, or `None` if there is none.
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

/// The error for a name that is not the name of an [`Integrity`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown digest '{0}': use blake3, crc32c or none")]
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

/// The digest of a body, as in the header. On the wire, the length of the digest distinguishes the
/// variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// No digest.
    None,
    /// The crc32c of the body.
    Crc32c(u32),
    /// The first 16 bytes of the body's blake3 hash.
    Blake3([u8; 16]),
}

impl Digest {
    /// Computes the blake3 digest of `body`.
    ///
    /// 16 bytes are enough that nobody can find a second body for a digest, and keep the header
    /// short.
    pub fn blake3(body: &[u8]) -> Digest {
        Digest::Blake3(cut(*blake3::hash(body).as_bytes()))
    }

    /// Returns the setting that produces digests of this kind.
    pub fn integrity(&self) -> Integrity {
        match self {
            Digest::None => Integrity::None,
            Digest::Crc32c(_) => Integrity::Crc32c,
            Digest::Blake3(_) => Integrity::Blake3,
        }
    }

    /// Returns true if `body` has this digest. [`Digest::None`] matches every body.
    pub fn matches(&self, body: &[u8]) -> bool {
        self.integrity().digest(body) == *self
    }
}

/// A key that publisher and consumers share. If a key is set, frames without a tag of this key are
/// refused, and so are frames without a blake3 digest.
///
/// The key authenticates and does not encrypt. For secrecy, use TLS to the broker. A holder of the
/// key can seal frames in the name of any other holder.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; blake3::KEY_LEN]);

impl Key {
    /// Creates a key of exactly 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Derives a key from a secret of high entropy, such as the content of a key file. The
    /// derivation is that of blake3, with the name of this protocol as its context.
    pub fn derive(secret: &[u8]) -> Key {
        Key(blake3::derive_key("swp-fast 2026-11 shared key v1", secret))
    }

    /// Computes the tag of an encoded header: its keyed blake3 hash, cut to 16 bytes.
    pub(super) fn tag(&self, header: &[u8]) -> [u8; 16] {
        cut(*blake3::keyed_hash(&self.0, header).as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Returns the first 16 bytes of a hash.
fn cut(hash: [u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

#[cfg(test)]
mod tests;
