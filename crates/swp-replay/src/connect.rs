//! Finds a broker and connects to it: the one that was named, the one on this machine, or a child
//! process that lives as long as the command.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};
use nats_child::NatsServer;
use swp_fast::wire::Key;
use swp_fast::{ClientEvents, EndpointConfig};

use crate::cli::ConnectArgs;
use crate::error::Error;

/// The port of NATS, where a server is looked for and, failing that, started.
const DEFAULT_PORT: u16 = 4222;

/// A server on this machine answers in microseconds; this is for one under heavy load.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection may take until it is greeted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages that a subscription of a session queues; async-nats' own default, and what
/// `EndpointConfig` assumes. The protocol's window stays well below it.
pub(crate) const SESSION_CAPACITY: usize = 1 << 16;

/// A connection, and the server if it is ours.
pub(crate) struct Broker {
    pub(crate) client: Client,
    /// What the client tells of itself.
    pub(crate) events: ClientEvents,
    /// The server's address, as in `--server`.
    pub(crate) url: String,
    /// Stopped when dropped.
    managed: Option<NatsServer>,
}

impl Broker {
    /// What an endpoint over this connection has to know.
    pub(crate) fn endpoint_config(&self) -> EndpointConfig {
        let mut config = EndpointConfig::default();
        config.subscription_capacity = SESSION_CAPACITY as u64;
        config.events = Some(self.events.clone());
        config
    }

    /// Whether the server is a child of this command.
    pub(crate) fn is_managed(&self) -> bool {
        self.managed.is_some()
    }
}

/// Connects to the server that `args` name. `capacity` is in messages a subscription.
pub(crate) async fn connect(
    args: &ConnectArgs,
    capacity: usize,
    quiet: bool,
) -> Result<Broker, Error> {
    let (url, managed) = match &args.server {
        Some(url) => (url.clone(), None),
        None => local_server(quiet).await?,
    };
    let mut broker = connect_to(&url, args, capacity).await?;
    broker.managed = managed;
    Ok(broker)
}

/// Connects to `url` with the credentials in `args`.
pub(crate) async fn connect_to(
    url: &str,
    args: &ConnectArgs,
    capacity: usize,
) -> Result<Broker, Error> {
    let addresses = url
        .split(',')
        .map(|url| url.trim().parse::<ServerAddr>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| {
            Error::Usage(format!("'{url}' is no server; write for example nats://127.0.0.1:4222"))
        })?;
    let events = ClientEvents::default();
    let options = options(args)?
        .name("swp-replay")
        .connection_timeout(CONNECT_TIMEOUT)
        .subscription_capacity(capacity);
    let client = events.attach(options).connect(addresses).await.map_err(|error| {
        let url = without_secrets(url);
        Error::Failed(match error.kind() {
            ConnectErrorKind::AuthorizationViolation => format!(
                "the server at {url} refused these credentials; see --user, --password, --creds and --nkey"
            ),
            ConnectErrorKind::Authentication => {
                format!("the server at {url} wants credentials that were not given or are not valid: {error}")
            }
            ConnectErrorKind::Tls => {
                format!("no TLS with the server at {url}: {error}; see --tls-ca, --tls-cert and --tls-key")
            }
            _ => format!("no NATS server at {url}: {error}; start one there, or name another with --server"),
        })
    })?;
    Ok(Broker { client, events, url: without_secrets(url), managed: None })
}

/// The server on this machine; one is started where none answers.
async fn local_server(quiet: bool) -> Result<(String, Option<NatsServer>), Error> {
    let url = format!("nats://127.0.0.1:{DEFAULT_PORT}");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let answers = || async {
        let attempt = tokio::time::timeout(PROBE_TIMEOUT, tokio::net::TcpStream::connect(address));
        matches!(attempt.await, Ok(Ok(_)))
    };
    if answers().await {
        return Ok((url, None));
    }
    let start = || NatsServer::builder().port(DEFAULT_PORT).shield_from_ctrl_c().start();
    let started = tokio::task::spawn_blocking(start)
        .await
        .map_err(|error| Error::Failed(format!("cannot start a nats-server: {error}")))?;
    match started {
        Ok(server) => {
            if !quiet {
                eprintln!(
                    "no server on 127.0.0.1:{DEFAULT_PORT}: started a nats-server there, until this command ends"
                );
            }
            Ok((url, Some(server)))
        }
        // Another command may have started one in between.
        Err(_) if answers().await => Ok((url, None)),
        Err(error) => Err(Error::Failed(format!(
            "no NATS server on 127.0.0.1:{DEFAULT_PORT}, and none could be started: {error}; name one with --server"
        ))),
    }
}

fn options(args: &ConnectArgs) -> Result<ConnectOptions, Error> {
    let mut options = ConnectOptions::new();
    if let Some(path) = &args.creds {
        let text = read_text(path)?;
        options = options.credentials(&text).map_err(|error| {
            Error::Failed(format!("{}: not a credentials file: {error}", path.display()))
        })?;
    }
    if let Some(path) = &args.nkey {
        options = options.nkey(read_text(path)?.trim().to_owned());
    }
    if let (Some(user), Some(password)) = (&args.user, &args.password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(path) = &args.tls_ca {
        read_text(path)?;
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        read_text(cert)?;
        read_text(key)?;
        options = options.add_client_certificate(cert.clone(), key.clone()).require_tls(true);
    }
    Ok(options)
}

/// The key that a file's content makes.
pub(crate) fn read_key(path: Option<&Path>) -> Result<Option<Key>, Error> {
    let Some(path) = path else { return Ok(None) };
    let secret = std::fs::read(path)
        .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))?;
    // Less than 16 bytes can be guessed, whatever they are.
    if secret.len() < 16 {
        return Err(Error::Usage(format!(
            "{}: a key file holds at least 16 bytes; make one with `head -c 32 /dev/urandom`",
            path.display()
        )));
    }
    Ok(Some(Key::derive(&secret)))
}

fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))
}

/// How another command is told of the same server.
pub(crate) fn option(server: Option<&str>) -> String {
    server.map_or(String::new(), |url| format!(" --server {}", without_secrets(url)))
}

/// The address without user and password, for messages.
fn without_secrets(url: &str) -> String {
    let clean = |url: &str| {
        let (scheme, rest) =
            url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
    };
    url.split(',').map(|url| clean(url.trim())).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
