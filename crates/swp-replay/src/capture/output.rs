//! The file that is being written, and errors that name it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::WriteError;

/// An open file that is written at the places that the caller names.
pub(super) struct Output {
    file: File,
    path: PathBuf,
    directory_synced: bool,
    /// For tests: how long the file may become before the disk is full.
    #[cfg(test)]
    pub(super) room_bytes: Option<u64>,
}

impl Output {
    /// A new file; where `overwrite` is set, an existing one is emptied.
    pub(super) fn create(path: &Path, overwrite: bool) -> Result<Output, WriteError> {
        let mut options = OpenOptions::new();
        options.write(true);
        match overwrite {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        let path = path.to_owned();
        match options.open(&path) {
            Ok(file) => Ok(Output {
                file,
                path,
                directory_synced: false,
                #[cfg(test)]
                room_bytes: None,
            }),
            Err(_) if path.is_dir() => Err(WriteError::IsDirectory { path }),
            Err(error) => Err(WriteError::io(&path, error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of `bytes` at `offset`.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        #[cfg(test)]
        if let Some(room) = self.room_bytes {
            let fits = room.saturating_sub(offset).min(bytes.len() as u64) as usize;
            self.file.write_all_at(&bytes[..fits], offset).map_err(|error| self.error(error))?;
            if fits < bytes.len() {
                return Err(self.error(io::ErrorKind::StorageFull.into()));
            }
        }
        self.file.write_all_at(bytes, offset).map_err(|error| self.error(error))
    }

    /// Makes what was written durable, and, the first time, the file's name as well.
    pub(super) fn sync(&mut self) -> Result<(), WriteError> {
        self.file.sync_data().map_err(|error| self.error(error))?;
        if !self.directory_synced {
            let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = File::open(parent.unwrap_or(Path::new(".")));
            parent.and_then(|parent| parent.sync_all()).map_err(|error| self.error(error))?;
            self.directory_synced = true;
        }
        Ok(())
    }

    fn error(&self, error: io::Error) -> WriteError {
        WriteError::io(&self.path, error)
    }
}
