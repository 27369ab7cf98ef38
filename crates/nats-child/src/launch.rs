//! Starts one nats-server process and waits until it serves: used for the first start and for
//! every restart.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    ControlError, StartError, log,
    ports::{self, Ports},
    process::{POLL_INTERVAL, Process},
};

/// Servers join only those of the same name; on loopback any name will do.
const CLUSTER_NAME: &str = "nats-child";

/// What the server logs once it takes leaf nodes; the address follows.
const LEAF_LISTENER: &str = "Listening for leafnode connections on";

/// More than a greeting needs that names every server of a large cluster.
const GREETING_BYTES_MAX: u64 = 64 * 1024;

/// Everything that stays the same from one start to the next.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) binary: PathBuf,
    pub(crate) dir: TempDir,
    pub(crate) jetstream: bool,
    pub(crate) own_process_group: bool,
    pub(crate) start_timeout: Duration,
    pub(crate) cluster: Option<ClusterAddress>,
    /// Its port for leaf nodes, if it takes any; 0 for a free one.
    pub(crate) leaf_port: Option<u16>,
    /// Of the configuration.
    pub(crate) config_lines: Vec<String>,
}

/// Where a server of a cluster meets the others.
#[derive(Debug)]
pub(crate) struct ClusterAddress {
    /// Its own port for them; 0 for a free one.
    pub(crate) port: u16,
    /// Theirs.
    pub(crate) routes: Vec<u16>,
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

    /// Runs the server on `port`, or on a free one for 0, and returns it with its ports once it
    /// serves, at the latest at `deadline`.
    pub(crate) fn run(&self, port: u16, deadline: Instant) -> Result<(Process, Ports), StartError> {
        ports::reset(&self.ports_dir()).map_err(StartError::Files)?;
        self.write_config().map_err(StartError::Files)?;
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
        let ports = self.wait_ready(&mut process, deadline, log_start)?;
        Ok((process, ports))
    }

    /// The port for leaf nodes, once it is open. The report of the ports leaves it out, the log names it.
    pub(crate) fn reported_leaf_port(&self, log_start: u64) -> Option<u16> {
        let log = log::read_from(&self.log_path(), log_start).ok()?;
        let (_, after) = log.split_once(LEAF_LISTENER)?;
        let (address, _) = after.split_once('\n')?;
        address.trim().rsplit_once(':')?.1.parse().ok()
    }

    fn write_config(&self) -> io::Result<()> {
        let mut text: String = self.config_lines.iter().map(|line| format!("{line}\n")).collect();
        if let Some(port) = self.leaf_port {
            // There is no argument for it.
            let port = port_argument(port);
            text += &format!("leafnodes {{ host: 127.0.0.1, port: {port} }}\n");
        }
        fs::write(self.config_path(), text)
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.binary);
        // What stands on the command line wins over the lines of the configuration.
        command.arg("-c").arg(self.config_path());
        command.args(["-a", &Ipv4Addr::LOCALHOST.to_string()]);
        command.args(["-p", &port_argument(port)]);
        command.arg("--ports_file_dir").arg(self.ports_dir());
        if self.jetstream {
            command.arg("-js").arg("-sd").arg(self.dir.path().join("jetstream"));
        }
        if let Some(cluster) = &self.cluster {
            command.args(["--cluster_name", CLUSTER_NAME, "--cluster"]);
            command.arg(format!("nats://127.0.0.1:{}", port_argument(cluster.port)));
            let routes = cluster.routes.iter().map(|port| format!("nats://127.0.0.1:{port}"));
            let routes = routes.collect::<Vec<_>>().join(",");
            if !routes.is_empty() {
                command.args(["--routes", &routes]);
            }
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
    ) -> Result<Ports, StartError> {
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
            if let Some(ports) = ports::read(&self.ports_dir())
                && (ports.cluster.is_some() || self.cluster.is_none())
                && (self.leaf_port.is_none() || self.reported_leaf_port(log_start).is_some())
                && greeting(ports.client, left).is_ok()
            {
                return Ok(ports);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// How the command line says "a free one".
fn port_argument(port: u16) -> String {
    if port == 0 { "-1".to_owned() } else { port.to_string() }
}

/// The first line that the server at `port` says to a client: `INFO {...}`.
pub(crate) fn greeting(port: u16, timeout: Duration) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let client = TcpStream::connect_timeout(&address, timeout)?;
    client.set_read_timeout(Some(timeout))?;
    let mut line = String::new();
    BufReader::new(client.take(GREETING_BYTES_MAX)).read_line(&mut line)?;
    if !line.starts_with("INFO ") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a nats-server's greeting"));
    }
    Ok(line)
}
