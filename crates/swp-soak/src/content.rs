//! Messages that follow from a session's number and their own, so that a consumer knows each of them
//! without having seen the publisher.

/// What a session's messages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    /// The same on both sides.
    pub(crate) seed: u64,
    /// Which session of the stream.
    pub(crate) session: u64,
}

/// Session number and message number, in front of each message.
const HEAD_BYTES: usize = 16;

impl Content {
    /// Message `n`: mostly 16 to 1,039 bytes, each 300th up to 64 KiB (some frames), each 5,000th 300 KB.
    pub(crate) fn message(self, n: u64) -> Vec<u8> {
        let mut state = mix(self.seed ^ mix(self.session ^ mix(n)));
        let len = match n {
            n if n % 5_000 == 4_999 => 300_000,
            n if n % 300 == 299 => state % (64 << 10),
            _ => state % 1024,
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + len as usize + 8);
        bytes.extend(self.session.to_be_bytes());
        bytes.extend(n.to_be_bytes());
        while bytes.len() < HEAD_BYTES + len as usize {
            state = mix(state);
            bytes.extend(state.to_be_bytes());
        }
        bytes.truncate(HEAD_BYTES + len as usize);
        bytes
    }

    /// The session that a first message belongs to, if it can be one.
    pub(crate) fn session_of(first: &[u8]) -> Option<u64> {
        Some(u64::from_be_bytes(first.get(..8)?.try_into().ok()?))
    }
}

/// SplitMix64's step and output (Steele, Lea, Flood, OOPSLA 2014): every bit of the input counts.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
