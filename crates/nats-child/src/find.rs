//! Where to look for the `nats-server` binary.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::FindError;

#[cfg(test)]
mod tests;

const BINARY: &str = "nats-server";

/// Finds the `nats-server` to run. The first of these that is there:
///
/// 1. the environment variable `NATS_SERVER`: a path, or the name of a command in the `PATH`;
/// 2. `nats-server` in the `PATH`;
/// 3. `.cache/nats-server/<version>/nats-server` in the current folder or one above it, the newest
///    version first: where this project's `scripts/nats-server` puts what it downloads. A file that
///    belongs to neither this user nor root is left alone, for a folder above may be anybody's.
///
/// # Errors
///
/// [`FindError::NotFound`] if there is none, and [`FindError::NotExecutable`] if `NATS_SERVER` is
/// set to something that cannot be run: a wrong wish is not quietly replaced by something else.
pub fn find_binary() -> Result<PathBuf, FindError> {
    let current_dir = env::current_dir().unwrap_or_default();
    find_in(env::var_os("NATS_SERVER"), env::var_os("PATH"), &current_dir)
}

fn find_in(
    named: Option<OsString>,
    search_path: Option<OsString>,
    current_dir: &Path,
) -> Result<PathBuf, FindError> {
    let search_path = search_path.unwrap_or_default();
    // Set but empty is how a shell says "not set".
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return find_named(&named, &search_path, current_dir)
            .ok_or_else(|| FindError::NotExecutable { path: PathBuf::from(named) });
    }
    find_command(OsStr::new(BINARY), &search_path, current_dir)
        .or_else(|| find_cached(current_dir))
        .ok_or(FindError::NotFound)
}

fn find_named(named: &OsStr, search_path: &OsStr, current_dir: &Path) -> Option<PathBuf> {
    if Path::new(named).components().count() > 1 {
        let path = current_dir.join(named);
        return is_executable(&path).then_some(path);
    }
    find_command(named, search_path, current_dir)
}

fn find_command(name: &OsStr, search_path: &OsStr, current_dir: &Path) -> Option<PathBuf> {
    env::split_paths(search_path)
        .map(|folder| current_dir.join(folder).join(name))
        .find(|path| is_executable(path))
}

fn find_cached(current_dir: &Path) -> Option<PathBuf> {
    current_dir.ancestors().find_map(|folder| newest_in(&folder.join(".cache").join(BINARY)))
}

/// The newest `<version>/nats-server` in a cache folder.
fn newest_in(cache: &Path) -> Option<PathBuf> {
    fs::read_dir(cache)
        .ok()?
        .flatten()
        .filter_map(|entry| Some((parse_version(entry.file_name().to_str()?)?, entry.path())))
        .map(|(version, folder)| (version, folder.join(BINARY)))
        .filter(|(_, path)| is_executable(path) && is_trusted(path))
        .max_by(|left, right| left.0.cmp(&right.0))
        .map(|(_, path)| path)
}

/// `2.14.0` as numbers, so that 2.14 counts as newer than 2.9. None for any other name, such as
/// that of an installation under way.
fn parse_version(name: &str) -> Option<Vec<u32>> {
    name.split('.').map(|part| part.parse().ok()).collect()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn is_trusted(path: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    fs::metadata(path).is_ok_and(|found| found.uid() == user || found.uid() == 0)
}
