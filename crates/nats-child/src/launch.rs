//! Starts one nats-server process and waits until it serves: used for the first start and for
//! every restart.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    ControlError, StartError, log, ports,
    process::{POLL_INTERVAL, Process},
};

/// Everything that stays the same from one start to the next.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) binary: PathBuf,
    pub(crate) dir: TempDir,
    pub(crate) jetstream: bool,
    pub(crate) own_process_group: bool,
    pub(crate) start_timeout: Duration,
}

impl Launch {
    pub(crate) fn config_path(&self) -> PathBuf {
        self.dir.path().join("nats.conf")
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.path().join("nats.log")
    }

    fn ports_dir(&self) -> PathBuf {
        self.dir.path().join("ports")
    }

    /// Runs the server on `port`, or on a free one for 0, and returns it with its port once it
    /// serves, at the latest at `deadline`.
    pub(crate) fn run(&self, port: u16, deadline: Instant) -> Result<(Process, u16), StartError> {
        ports::reset(&self.ports_dir()).map_err(StartError::Files)?;
        let log_file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .map_err(StartError::Files)?;
        let log_start = log_file.metadata().map_err(StartError::Files)?.len();

        let child = self
            .command(port)
            .stdin(Stdio::null())
            .stdout(log_file.try_clone().map_err(StartError::Files)?)
            .stderr(log_file)
            .spawn()
            .map_err(|source| StartError::Spawn { binary: self.binary.clone(), source })?;
        let mut process = Process::new(child);
        let port = self.wait_ready(&mut process, deadline, log_start)?;
        Ok((process, port))
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.binary);
        // What stands on the command line wins over the lines of the configuration.
        command.arg("-c").arg(self.config_path());
        command.args(["-a", &Ipv4Addr::LOCALHOST.to_string()]);
        match port {
            0 => command.args(["-p", "-1"]),
            port => command.args(["-p", &port.to_string()]),
        };
        command.arg("--ports_file_dir").arg(self.ports_dir());
        if self.jetstream {
            command.arg("-js").arg("-sd").arg(self.dir.path().join("jetstream"));
        }
        if self.own_process_group {
            command.process_group(0);
        }
        command
    }

    fn wait_ready(
        &self,
        process: &mut Process,
        deadline: Instant,
        log_start: u64,
    ) -> Result<u16, StartError> {
        loop {
            if let Some(status) = process.exited().map_err(ControlError::from)? {
                let log = log::tail_from(&self.log_path(), log_start);
                return Err(StartError::Exited { status, log });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let log = log::tail_from(&self.log_path(), log_start);
                return Err(StartError::TimedOut { timeout: self.start_timeout, log });
            }
            // Connecting before the server has reported its port would not only be in vain: on
            // loopback a connection to a closed port can meet itself, and then holds that port.
            if let Some(port) = ports::read(&self.ports_dir())
                && greets(port, left).is_ok_and(|greeted| greeted)
            {
                return Ok(port);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Whether the server at `port` accepts a client and sends the protocol's first word.
fn greets(port: u16, timeout: Duration) -> io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut client = TcpStream::connect_timeout(&address, timeout)?;
    client.set_read_timeout(Some(timeout))?;
    let mut greeting = [0; b"INFO ".len()];
    client.read_exact(&mut greeting)?;
    Ok(&greeting == b"INFO ")
}

/// Writes the lines of the configuration file.
pub(crate) fn write_config(path: &Path, lines: &[String]) -> io::Result<()> {
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}
