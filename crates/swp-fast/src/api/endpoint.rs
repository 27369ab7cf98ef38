//! Where streams begin: a NATS client, and what must be known of how it was made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client;
use tokio::sync::{Notify, watch};

use super::publisher::Publisher;
use super::subscriber::Subscriber;
use super::{EndpointError, PublishError, SubscribeError};
use crate::config::{LateJoin, PublishConfig, SubscribeConfig};
use crate::driver::{
    ClientEvents, Clock, DenialWatch, OpenPast, Outbox, Past, Progress, PublishShared, SpinLock,
    Subjects, SubscribeShared, random_id, run_publisher, run_subscriber,
};
use crate::proto::{Accepts, Packer, Receiver, Sender, SenderIds};
use crate::wire::{PeerId, SessionId};

/// What an endpoint must know of its client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// The client's `subscription_capacity`, in messages: past it the client drops silently, so no window
    /// may exceed it. Default 65,536, which is async-nats' own.
    pub subscription_capacity: u64,
    /// How long the connection to NATS may be away before sessions give up. Default 60 s.
    pub outage_timeout: Duration,
    /// The events that were attached to the client's options. With them a session ends, and names the
    /// subject, when the server does not permit what it needs; without them it waits for ever, for NATS
    /// itself answers neither a publish nor a subscribe that it refuses. Default none.
    pub events: Option<ClientEvents>,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            subscription_capacity: 1 << 16,
            outage_timeout: Duration::from_secs(60),
            events: None,
        }
    }
}

/// Publishes and subscribes over one NATS client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoint {
    client: Client,
    config: EndpointConfig,
    clock: Clock,
}

impl Endpoint {
    /// Takes a connected client, of any tokio runtime.
    ///
    /// # Errors
    /// Where the client is closed.
    pub async fn new(client: Client, config: EndpointConfig) -> Result<Endpoint, EndpointError> {
        client.flush().await.map_err(|error| EndpointError::NotConnected(error.to_string()))?;
        Ok(Endpoint { client, config, clock: Clock::start() })
    }

    /// Begins a stream, once no other publisher claims it. Consumers may join from then on; nothing is
    /// sent before `min_consumers` have.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(
        &self,
        stream: &str,
        config: PublishConfig,
    ) -> Result<Publisher, PublishError> {
        self.begin(stream, config, None).await
    }

    /// Like [`Self::publish`], for a stream whose frames can be read again: `past` opens it at the frame
    /// with the given number. Then consumers that were cut off for long can resume, and late ones can have
    /// everything ([`crate::LateJoin::FromStart`]). Frame numbers are those of the bodies given to
    /// [`Publisher::send_packed`], in that order, counted from 0; nothing else can be sent.
    ///
    /// Such a stream can also be gone on with when its publisher's process died: keep what
    /// [`Publisher::resume_point`] says, and give it to the next process as [`PublishConfig::resume`]. It
    /// begins with the body whose number that is.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish_rewindable(
        &self,
        stream: &str,
        config: PublishConfig,
        past: OpenPast,
    ) -> Result<Publisher, PublishError> {
        self.begin(stream, config, Some(past)).await
    }

    async fn begin(
        &self,
        stream: &str,
        mut config: PublishConfig,
        past: Option<OpenPast>,
    ) -> Result<Publisher, PublishError> {
        let subjects = Subjects::new(stream)
            .map_err(|reason| PublishError::InvalidStream { stream: stream.to_owned(), reason })?;
        config.frame_bytes = config.frame_bytes.min(self.client.server_info().max_payload);
        let random = |error: getrandom::Error| PublishError::Random(error.to_string());
        let (session, epoch) = match config.resume {
            Some(resume) => (resume.session, resume.epoch.saturating_add(1)),
            None => (SessionId(random_id().map_err(random)?), 1),
        };
        let ids = SenderIds { session, epoch, inbox: PeerId(random_id().map_err(random)?) };
        let accepts = if past.is_some() { Accepts::Blocks } else { Accepts::Anything };
        let packer = Packer::new(&config, accepts);
        let limits = packer.limits();
        if past.is_none() && (config.late_join == LateJoin::FromStart || config.resume.is_some()) {
            return Err(PublishError::NoPast);
        }
        let mut sender = Sender::new(config, ids, self.clock.now())?;
        if past.is_some() {
            sender.set_rewindable();
        }
        let denials = DenialWatch::start(self.config.events.clone());
        let nats = |error: async_nats::SubscribeError| PublishError::Nats(error.to_string());
        let control = self.client.subscribe(subjects.control.clone()).await.map_err(nats)?;
        let inbox = self.client.subscribe(subjects.inbox(ids.inbox)).await.map_err(nats)?;
        let shared = Arc::new(PublishShared {
            outbox: SpinLock::new(Outbox::new(packer)),
            sender: Mutex::new(sender),
            wake: Notify::new(),
            room: Notify::new(),
            request: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
        });
        let events = run_publisher(
            self.client.clone(),
            subjects,
            self.clock,
            (control, inbox),
            Arc::clone(&shared),
            past.map(Past::new),
            (self.config.outage_timeout, denials),
        );
        let publisher = Publisher::new(shared, events, limits);
        publisher.claimed().await?;
        Ok(publisher)
    }

    /// Joins a stream; returns once its publisher has let this consumer in.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn subscribe(
        &self,
        stream: &str,
        config: SubscribeConfig,
    ) -> Result<Subscriber, SubscribeError> {
        let subjects = Subjects::new(stream).map_err(|reason| SubscribeError::InvalidStream {
            stream: stream.to_owned(),
            reason,
        })?;
        let random = |error: getrandom::Error| SubscribeError::Random(error.to_string());
        let id = PeerId(random_id().map_err(random)?);
        let timeout = config.connect_timeout;
        let confirm_end = config.confirm_end;
        let receiver =
            Receiver::new(config, id, self.config.subscription_capacity, self.clock.now())?;
        let denials = DenialWatch::start(self.config.events.clone());
        let nats = |error: async_nats::SubscribeError| SubscribeError::Nats(error.to_string());
        let data = self.client.subscribe(subjects.data.clone()).await.map_err(nats)?;
        let inbox = self.client.subscribe(subjects.inbox(id)).await.map_err(nats)?;
        let shared = Arc::new(SubscribeShared::new(receiver, self.clock, (data, inbox)));
        run_subscriber(
            self.client.clone(),
            subjects,
            self.clock,
            Arc::clone(&shared),
            (self.config.outage_timeout, denials),
        );
        let mut subscriber = Subscriber::new(shared, self.clock, confirm_end);
        match timeout {
            None => subscriber.connected().await?,
            Some(limit) => tokio::time::timeout(limit, subscriber.connected())
                .await
                .map_err(|_| SubscribeError::NoPublisher(limit))??,
        }
        Ok(subscriber)
    }
}
