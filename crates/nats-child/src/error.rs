//! What can go wrong: finding the binary, starting it, and steering the running process.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why [`find_binary`](crate::find_binary) found no `nats-server`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// There is none in any of the places that are looked at.
    #[error(
        "no nats-server found; install nats-server (https://nats.io/download), or set NATS_SERVER to its path"
    )]
    NotFound,
    /// The environment variable `NATS_SERVER` is set, but names nothing that can be run.
    #[error("NATS_SERVER is {path:?}, which is not an executable file; correct it or unset it")]
    NotExecutable {
        /// The value of `NATS_SERVER`.
        path: PathBuf,
    },
}

/// Why a server did not start, or not start again.
///
/// Whatever the cause, no process is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no binary to start.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The binary could not be run.
    #[error("cannot run {binary:?}")]
    Spawn {
        /// What was to be run.
        binary: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The server's own folder (configuration, log, ports) could not be made or read.
    #[error("cannot use the server's temporary folder")]
    Files(#[source] io::Error),
    /// The server exited before it was ready. A wrong line of configuration and a port that is in
    /// use both end here, and the log says which.
    #[error("nats-server exited before it was ready ({status}); its log ends:\n{log}")]
    Exited {
        /// How it exited.
        status: ExitStatus,
        /// The last lines that it logged.
        log: String,
    },
    /// The server ran, but was not ready in time; it was killed.
    #[error("nats-server was not ready within {timeout:?}; its log ends:\n{log}")]
    TimedOut {
        /// How long it was given.
        timeout: Duration,
        /// The last lines that it logged.
        log: String,
    },
    /// The process could not be awaited, or the one before it not be ended.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// Why a running server could not be steered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The process has ended, so it can neither be paused nor resumed.
    #[error("nats-server is not running")]
    NotRunning,
    /// The system refused to send the signal or to wait for the process.
    #[error("cannot signal or await nats-server")]
    System(#[from] io::Error),
}
