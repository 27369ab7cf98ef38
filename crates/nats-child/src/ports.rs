//! Reads the file in which nats-server reports the ports that it listens on
//! (`{"nats":["nats://127.0.0.1:37479"]}`, written once its listeners are open).

use std::{fs, io, path::Path};

#[cfg(test)]
mod tests;

/// More than any list of listeners needs. What is longer was not written by nats-server.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Empties the folder, so that the report of an earlier process is not taken for the next one's.
pub(crate) fn reset(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir(folder),
    }
}

/// Where the server listens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// For clients.
    pub(crate) client: u16,
    /// For the other servers of its cluster, if it is in one.
    pub(crate) cluster: Option<u16>,
}

/// The ports, once the server has reported them.
///
/// The name of the file holds the binary's name and its process id, but the folder is ours alone:
/// whatever ends in `.ports` is the report.
pub(crate) fn read(folder: &Path) -> Option<Ports> {
    let report = fs::read_dir(folder)
        .ok()?
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|extension| extension == "ports"))?;
    if report.metadata().ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    parse(&fs::read_to_string(report.path()).ok()?)
}

/// None if the report is not whole yet: the server does not write it in one step.
fn parse(report: &str) -> Option<Ports> {
    let client = parse_first(report, r#""nats":[""#)?;
    Some(Ports { client, cluster: parse_first(report, r#""cluster":[""#) })
}

/// The port of the first URL behind `key`.
fn parse_first(report: &str, key: &str) -> Option<u16> {
    let (_, urls) = report.split_once(key)?;
    let (first_url, _) = urls.split_once('"')?;
    let (_, port) = first_url.rsplit_once(':')?;
    port.parse().ok().filter(|port| *port != 0)
}
