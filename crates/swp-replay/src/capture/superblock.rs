//! The first 4 KiB of a capture: what it is, and of which version.

use bytes::BufMut;

use super::format::{self, ALIGN, Fields, FileId, What};

/// What the front of the file says, written before the first message, and again where a longer body is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// When the file was created, in nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// 16 random bytes that name this file.
    pub file_id: [u8; 16],
    /// The usual size of a block in bytes; single blocks may be longer.
    pub block_bytes: u32,
    /// The limit of a body in bytes; it grows with the longest that is given to be taken over from a frame.
    pub body_bytes: u32,
    /// Free text of whoever wrote it, at most [`format::MAX_NOTES`] bytes.
    pub notes: String,
}

/// Why a superblock was not taken.
pub(super) enum Refused {
    /// Does not begin like a capture.
    Magic,
    /// Whole, and of another version.
    Version(u32),
    /// Begins like a capture and is damaged.
    Damaged(What),
}

/// Where the check stands.
const CHECK: usize = ALIGN - 4;

impl Superblock {
    /// The page as it is written. The notes are within their bound.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ALIGN);
        out.put_slice(&format::SUPERBLOCK_MAGIC);
        out.put_u32_le(format::VERSION);
        out.put_u32_le(self.block_bytes);
        out.put_u32_le(self.body_bytes);
        out.put_u32_le(self.notes.len() as u32);
        out.put_slice(&self.file_id);
        out.put_u64_le(self.created_ns);
        out.put_slice(self.notes.as_bytes());
        out.resize(CHECK, 0);
        let check = crc_fast::crc32_iscsi(&out);
        out.put_u32_le(check);
        out
    }

    /// Reads the first [`ALIGN`] bytes of a file, or as many as there are.
    pub(super) fn decode(page: &[u8]) -> Result<Superblock, Refused> {
        if !page.starts_with(&format::SUPERBLOCK_MAGIC) {
            return Err(Refused::Magic);
        }
        let (covered, check) = page.split_at_checked(CHECK).ok_or(Refused::Damaged("cut short"))?;
        if check != crc_fast::crc32_iscsi(covered).to_le_bytes() {
            return Err(Refused::Damaged("check does not match"));
        }
        let mut fields = Fields(&covered[format::SUPERBLOCK_MAGIC.len()..]);
        match fields.u32() {
            Ok(format::VERSION) => {}
            Ok(version) => return Err(Refused::Version(version)),
            Err(what) => return Err(Refused::Damaged(what)),
        }
        Self::fields(fields).map_err(Refused::Damaged)
    }

    fn fields(mut fields: Fields<'_>) -> Result<Superblock, What> {
        let block_bytes = fields.u32()?;
        let body_bytes = fields.u32()?;
        let notes_len = fields.u32()? as usize;
        let file_id = fields.array()?;
        let created_ns = fields.u64()?;
        let notes = fields.text(notes_len)?;
        Ok(Superblock { created_ns, file_id, block_bytes, body_bytes, notes })
    }

    /// What is known of a file whose superblock is damaged and whose blocks are not.
    pub(super) fn unknown(file_id: FileId) -> Superblock {
        Superblock {
            created_ns: 0,
            file_id,
            block_bytes: format::DEFAULT_BLOCK_BYTES as u32,
            body_bytes: format::DEFAULT_BODY_BYTES as u32,
            notes: String::new(),
        }
    }
}
