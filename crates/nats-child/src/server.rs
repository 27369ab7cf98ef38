//! The running server, and what can be done to it.

use std::{
    io,
    path::PathBuf,
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use crate::{
    ControlError, NatsServerBuilder, StartError,
    launch::{Launch, greeting},
    log,
    process::{POLL_INTERVAL, Process},
};

/// The server itself needs milliseconds to end. Twice what a client has to flush and leave.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What the server logs, then exits, when its port is taken.
const ADDRESS_IN_USE: &str = "address already in use";

/// A `nats-server` that runs as a child process, until it is dropped.
#[derive(Debug)]
pub struct NatsServer {
    // Dropped in this order: the process ends before its files go.
    process: Process,
    port: u16,
    url: String,
    launch: Launch,
}

impl NatsServer {
    /// Describes a server; [`NatsServerBuilder::start`] runs it.
    pub fn builder() -> NatsServerBuilder {
        NatsServerBuilder::default()
    }

    /// Starts a server with the defaults: on a free port, with no configuration.
    ///
    /// # Errors
    ///
    /// Those of [`NatsServerBuilder::start`].
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// The port for the other servers of its cluster. It stays the same over restarts.
    pub(crate) fn cluster_port(&self) -> Option<u16> {
        self.launch.cluster.as_ref().map(|cluster| cluster.port)
    }

    /// The port for leaf nodes, if it takes any. It stays the same over restarts.
    pub(crate) fn leaf_port(&self) -> Option<u16> {
        self.launch.leaf_port
    }

    /// From its next start on, the server looks for others at these ports.
    pub(crate) fn set_routes(&mut self, routes: Vec<u16>) {
        if let Some(cluster) = &mut self.launch.cluster {
            cluster.routes = routes;
        }
    }

    /// What it says first to a client, once it answers.
    pub(crate) fn info(&self, timeout: Duration) -> io::Result<String> {
        greeting(self.port, timeout)
    }

    pub(crate) fn new(process: Process, port: u16, launch: Launch) -> Self {
        Self { process, port, url: format!("nats://127.0.0.1:{port}"), launch }
    }

    /// Where clients connect: `nats://127.0.0.1:<port>`. It stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port for clients. It stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server, or of the last one that ran, if it has been killed or stopped.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the process runs; a paused one does.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.exited(), Ok(None))
    }

    /// Ends the server at once, as a crash would (SIGKILL). One that has ended already is no error.
    ///
    /// # Errors
    ///
    /// [`ControlError::System`] if the system refuses to signal the process or to wait for it.
    pub fn kill(&mut self) -> Result<ExitStatus, ControlError> {
        Ok(self.process.kill()?)
    }

    /// Asks the server to end (SIGTERM) and waits for it; kills it if it still runs after 10 s.
    /// One that has ended already is no error.
    ///
    /// # Errors
    ///
    /// [`ControlError::System`] if the system refuses to signal the process or to wait for it.
    pub fn stop(&mut self) -> Result<ExitStatus, ControlError> {
        Ok(self.process.stop(STOP_GRACE)?)
    }

    /// Starts the server again, on the same port and with the same configuration, and waits until
    /// it accepts clients. One that still runs is stopped before.
    ///
    /// While the server was down, another socket may have come by its port: a client that
    /// reconnects over loopback can do that by itself. So a port that is taken is tried again
    /// until the start times out.
    ///
    /// # Errors
    ///
    /// Any [`StartError`]. No server runs then; `restart` may be called again.
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.stop()?;
        let deadline = Instant::now() + self.launch.start_timeout;
        loop {
            match self.launch.run(self.port, deadline) {
                Ok((process, _)) => {
                    self.process = process;
                    return Ok(());
                }
                Err(StartError::Exited { log, .. })
                    if log.contains(ADDRESS_IN_USE) && Instant::now() < deadline =>
                {
                    thread::sleep(POLL_INTERVAL);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Suspends the server (SIGSTOP): its connections stay open, but nothing is read, written or
    /// answered. It has stopped when this returns.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotRunning`] if it has ended, [`ControlError::System`] if the system refuses.
    pub fn pause(&mut self) -> Result<(), ControlError> {
        self.process.pause()
    }

    /// Lets a paused server go on (SIGCONT). One that is not paused is no error.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotRunning`] if it has ended, [`ControlError::System`] if the system refuses.
    pub fn resume(&mut self) -> Result<(), ControlError> {
        self.process.resume()
    }

    /// Tells the server to wind down (lame duck mode, SIGUSR2): it takes no new clients, tells those it
    /// has, and after a grace period (`lame_duck_grace_period`, 10 s by default) closes their
    /// connections one by one, at most a second apart, and exits. Returns at once; see
    /// [`Self::is_running`] for the end.
    ///
    /// # Errors
    ///
    /// [`ControlError::NotRunning`] if it has ended, [`ControlError::System`] if the system refuses.
    pub fn lame_duck(&mut self) -> Result<(), ControlError> {
        self.process.lame_duck()
    }

    /// What the server has logged, over all its restarts; at most the last MiB.
    ///
    /// # Errors
    ///
    /// If the log file cannot be read.
    pub fn log(&self) -> io::Result<String> {
        log::read_from(&self.launch.log_path(), 0)
    }

    /// The log file. It is removed with the server.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.launch.log_path()
    }
}
