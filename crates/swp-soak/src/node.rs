//! A node: one publisher or one consumer that goes through session after session of a stream, and tells
//! what it sees. It goes on until its standard input closes, and then ends the session that runs.

mod consume;
mod publish;

use std::time::Duration;

use async_nats::ConnectOptions;
use clap::Args;
use swp_fast::{ClientEvents, Endpoint, EndpointConfig};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

pub(crate) use consume::consume;
pub(crate) use publish::publish;

/// Either side says that it stands still when nothing has moved for this long.
const STALL: Duration = Duration::from_secs(1);

/// The longest wait between two attempts to reach the broker again.
const RECONNECT_MAX: Duration = Duration::from_millis(500);

/// What both kinds of node have in common.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArgs {
    /// Server
    #[arg(long)]
    pub(crate) server: String,
    /// Stream
    #[arg(long)]
    pub(crate) stream: String,
    /// Seed of the content, the same for all nodes of a stream
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// End after this many sessions
    #[arg(long)]
    pub(crate) sessions: Option<u64>,
    /// Tell each time that this many messages are through
    #[arg(long)]
    pub(crate) progress: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Consumers of each session
    #[arg(long, default_value_t = 1)]
    pub(crate) consumers: usize,
    /// Messages of a session, at most; at least half of it
    #[arg(long, default_value_t = 100_000)]
    pub(crate) messages: u64,
    /// Bytes a second, at most
    #[arg(long, default_value_t = u64::MAX)]
    pub(crate) rate: u64,
    /// A consumer that is silent for this long is lost; the keep-alive is a fifth of it
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) idle_timeout: Duration,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConsumeArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Name in the publisher's reports
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// In every third session, read slowly for a while
    #[arg(long)]
    pub(crate) slow: bool,
}

impl NodeArgs {
    async fn endpoint(&self) -> Result<Endpoint, String> {
        let events = ClientEvents::default();
        let options = ConnectOptions::new()
            .retry_on_initial_connect()
            .reconnect_delay_callback(|n| (RECONNECT_MAX / 10 * n as u32).min(RECONNECT_MAX));
        let client = events.attach(options).connect(&self.server).await;
        let client = client.map_err(|error| format!("no server at {}: {error}", self.server))?;
        let mut config = EndpointConfig::default();
        config.events = Some(events);
        Endpoint::new(client, config).await.map_err(|error| error.to_string())
    }

    /// Whether the node is to begin another session.
    fn goes_on(&self, sessions: u64, stop: &watch::Receiver<bool>) -> bool {
        !*stop.borrow() && self.sessions.is_none_or(|most| sessions < most)
    }
}

/// Turns true when standard input closes.
fn stop_signal() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut rest = Vec::new();
        // Nothing is ever written to it; an error is an end too.
        let _ = tokio::io::stdin().read_to_end(&mut rest).await;
        sender.send_replace(true);
    });
    receiver
}
