//! What can be set for a connection, with defaults, bounds and cost in memory.

use std::{path::PathBuf, time::Duration};

use crate::{
    credentials::Credentials,
    parse::Limits,
    server::{ServerUrl, ServerUrlError},
};

/// How to connect, and how the connection behaves.
///
/// ```
/// use nats_link::{ConnectOptions, Credentials};
///
/// let mut options = ConnectOptions::new(["nats://a.example", "nats://b.example:4223"])?;
/// options.credentials = Some(Credentials::creds_file("/etc/nats/user.creds"));
/// options.tls.ca_files.push("/etc/nats/ca.pem".into());
/// # Ok::<(), nats_link::ServerUrlError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// The servers to try, in random order unless [`ReconnectOptions::in_order`] is set.
    pub servers: Vec<ServerUrl>,
    /// The name that the server shows for this connection. Default: none.
    pub name: Option<String>,
    /// The credentials for servers whose URL has none. Default: none.
    pub credentials: Option<Credentials>,
    /// Whether the connection's own subscriptions get what it publishes. Default: true.
    pub echo: bool,
    /// Whether the server answers a request that nobody serves with status 503. Default: false.
    pub no_responders: bool,
    /// How long each attempt to connect may take, from the look-up of the host to the server's
    /// acceptance of the credentials. Default: 5 s.
    pub connect_timeout: Duration,
    /// The connection sends `PING` this often. It is broken if nothing arrives for one more
    /// interval after the socket has taken the `PING`, or if the socket takes nothing for so long.
    /// So an interval must exceed the time that the system's send buffer takes to drain.
    /// Default: 5 s. At least 1 ms, at most a day.
    pub ping_interval: Duration,
    /// Bounds on what the server may send.
    pub limits: Limits,
    /// Bounds on what is queued to be written.
    pub queue: QueueOptions,
    /// Encryption.
    pub tls: TlsOptions,
    /// What happens when the connection breaks.
    pub reconnect: ReconnectOptions,
}

/// Bounds on messages that the socket has not taken yet, also while there is no connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QueueOptions {
    /// The most bytes on the wire. They are kept in memory. A larger message is accepted if the
    /// queue is empty. Default: 16 MiB.
    pub bytes: usize,
    /// The most messages. Each costs some 100 bytes beside its own. Default: 65,536.
    pub messages: usize,
}

/// How the connection is encrypted.
///
/// The connection is encrypted if the server demands it. It is an error if the server has no TLS
/// and one of these holds: [`Self::required`] or [`Self::first`] is set, there are `ca_files` or a
/// `client_cert`, a server's URL starts with `tls://`, or an earlier connection was encrypted. The
/// error comes before credentials are sent.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// Demands encryption. Default: false.
    pub required: bool,
    /// Starts TLS before the server has said anything, as `handshake_first` in the server's
    /// configuration wants it. Default: false.
    pub first: bool,
    /// PEM files of the authorities that may sign the server's certificate. Default: none, for
    /// those of the system.
    pub ca_files: Vec<PathBuf>,
    /// PEM files of the client's certificate chain and its key. Default: none.
    pub client_cert: Option<(PathBuf, PathBuf)>,
}

/// When and where to connect again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReconnectOptions {
    /// The most that is waited, at random, before all servers are tried for the first time. The
    /// wait doubles with each round, and after a connection that lasted less than `delay_max`.
    /// Default: 50 ms.
    pub delay_min: Duration,
    /// The longest wait. Default: 4 s.
    pub delay_max: Duration,
    /// The connection closes if no server was reached for so long. Default: none, for ever.
    pub give_up_after: Option<Duration>,
    /// Tries the servers in the order given, discovered servers last. Default: false, at random.
    pub in_order: bool,
    /// Ignores the servers that a server names. Default: false.
    pub ignore_discovered: bool,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { bytes: 16 << 20, messages: 65_536 }
    }
}

impl Default for ReconnectOptions {
    fn default() -> Self {
        Self {
            delay_min: Duration::from_millis(50),
            delay_max: Duration::from_secs(4),
            give_up_after: None,
            in_order: false,
            ignore_discovered: false,
        }
    }
}

impl ConnectOptions {
    /// Creates options with the defaults for these servers, each as [`ServerUrl`] describes it.
    ///
    /// # Errors
    ///
    /// [`ServerUrlError`] for the first text that is no server's URL.
    pub fn new<T: AsRef<str>>(
        servers: impl IntoIterator<Item = T>,
    ) -> Result<Self, ServerUrlError> {
        let servers = servers.into_iter().map(|server| server.as_ref().parse());
        Ok(Self {
            servers: servers.collect::<Result<_, _>>()?,
            name: None,
            credentials: None,
            echo: true,
            no_responders: false,
            connect_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(5),
            limits: Limits::default(),
            queue: QueueOptions::default(),
            tls: TlsOptions::default(),
            reconnect: ReconnectOptions::default(),
        })
    }

    /// Returns true if nothing may be sent in plain text, whatever the server says.
    pub(crate) fn demands_tls(&self) -> bool {
        let tls = &self.tls;
        tls.required
            || tls.first
            || !tls.ca_files.is_empty()
            || tls.client_cert.is_some()
            || self.servers.iter().any(ServerUrl::is_tls)
    }
}
