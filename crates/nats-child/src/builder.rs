//! What a server is to be like, before it runs.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    NatsServer, StartError, find_binary,
    launch::{ClusterAddress, Launch},
};

/// A server is ready after some 10 ms, and one that fails is noticed at once. This bounds what is
/// left: a machine under heavy load, or a server that recovers large JetStream files.
const START_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Nobody waits longer, and the clock can still hold the end of it.
const START_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Describes a [`NatsServer`]; made by [`NatsServer::builder`].
#[derive(Debug, Clone)]
#[must_use = "the server runs once `start` is called"]
pub struct NatsServerBuilder {
    binary: Option<PathBuf>,
    port: u16,
    config_lines: Vec<String>,
    jetstream: bool,
    own_process_group: bool,
    start_timeout: Duration,
    routes: Option<Vec<u16>>,
    takes_leaves: bool,
}

impl Default for NatsServerBuilder {
    fn default() -> Self {
        Self {
            binary: None,
            port: 0,
            config_lines: Vec::new(),
            jetstream: false,
            own_process_group: false,
            start_timeout: START_TIMEOUT_DEFAULT,
            routes: None,
            takes_leaves: false,
        }
    }
}

impl NatsServerBuilder {
    /// Runs this binary. Default: the one that [`find_binary`] finds.
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// The port of 127.0.0.1 for clients. Default: 0, a free port that the server picks itself.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds a line, or several, to the server's configuration file, in the server's own syntax:
    ///
    /// ```
    /// # let builder = nats_child::NatsServer::builder();
    /// builder
    ///     .config_line("max_payload: 8MB")
    ///     .config_line("authorization { user: ann, password: secret }")
    /// # ;
    /// ```
    ///
    /// Host, port and the folder for the ports' report are given on the command line, which wins.
    /// With `log_file` the log goes there, and [`NatsServer::log`] stays empty. A server with
    /// `tls { handshake_first: true }` greets nobody in plain text, so it never counts as ready.
    pub fn config_line(mut self, line: impl Into<String>) -> Self {
        self.config_lines.push(line.into());
        self
    }

    /// Enables JetStream, with its storage among the server's temporary files: it survives
    /// [`NatsServer::restart`], and is removed with the server.
    pub fn jetstream(mut self) -> Self {
        self.jetstream = true;
        self
    }

    /// Keeps Ctrl-C in the terminal from reaching the server. Default: it does.
    ///
    /// For a command that winds down in order when it is interrupted, and needs its broker until
    /// then. Anything else is better off without: a parent that Ctrl-C kills drops nothing, and
    /// would leave the server running.
    pub fn shield_from_ctrl_c(mut self) -> Self {
        self.own_process_group = true;
        self
    }

    /// Makes the server one of a cluster, which finds the others at these ports.
    pub(crate) fn routes(mut self, ports: Vec<u16>) -> Self {
        self.routes = Some(ports);
        self
    }

    /// Takes leaf nodes, at a free port that [`Self::leaf_of`] finds by itself.
    pub fn takes_leaves(mut self) -> Self {
        self.takes_leaves = true;
        self
    }

    /// Makes the server a leaf node of `hub`, which [takes leaves](Self::takes_leaves). It connects by itself
    /// soon after it has started, and again whenever the hub was away.
    ///
    /// ```
    /// use nats_child::NatsServer;
    ///
    /// let hub = NatsServer::builder().takes_leaves().start()?;
    /// let leaf = NatsServer::builder().leaf_of(&hub).start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Where the hub takes no leaves.
    pub fn leaf_of(self, hub: &NatsServer) -> Self {
        let port = hub.leaf_port().expect("a hub takes leaves");
        let remote = format!("remotes: [{{ url: \"nats-leaf://127.0.0.1:{port}\" }}]");
        // In seconds; the least.
        self.config_line(format!("leafnodes {{ reconnect: 1, {remote} }}"))
    }

    /// How long the server may take until it serves. Default: 30 s; at most a day.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout.min(START_TIMEOUT_MAX);
        self
    }

    /// Starts the server, and waits until it accepts clients.
    ///
    /// # Errors
    ///
    /// Any [`StartError`]. In particular [`StartError::Exited`], with the end of the log, for a
    /// wrong line of configuration and for a port that is in use.
    pub fn start(self) -> Result<NatsServer, StartError> {
        let binary = match self.binary {
            Some(binary) => binary,
            None => find_binary()?,
        };
        let dir =
            tempfile::Builder::new().prefix("nats-child-").tempdir().map_err(StartError::Files)?;
        let mut launch = Launch {
            binary,
            dir,
            jetstream: self.jetstream,
            own_process_group: self.own_process_group,
            start_timeout: self.start_timeout,
            // Port 0 until the server has picked one.
            cluster: self.routes.map(|routes| ClusterAddress { port: 0, routes }),
            leaf_port: self.takes_leaves.then_some(0),
            config_lines: self.config_lines,
        };
        let (process, ports) = launch.run(self.port, Instant::now() + self.start_timeout)?;
        if let (Some(cluster), Some(port)) = (&mut launch.cluster, ports.cluster) {
            cluster.port = port;
        }
        if launch.leaf_port.is_some() {
            launch.leaf_port = launch.reported_leaf_port(0);
        }
        Ok(NatsServer::new(process, ports.client, launch))
    }
}
