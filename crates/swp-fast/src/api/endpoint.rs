//! Where streams begin: an endpoint publishes and subscribes over one NATS client.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;

use super::publisher::Publisher;
use super::subscriber::Subscriber;
use super::{EndpointError, PublishError, SubscribeError};
use crate::config::{LateJoin, PublishConfig, SubscribeConfig};
use crate::driver::{
    Clock, Connection, ConsumerSubscriptions, OpenPast, Past, PublishShared, PublisherParts,
    SendPath, Subjects, SubscribeShared, random_id, run_publisher, run_subscriber,
};
use crate::link::{AsyncNats, ClientEvents, Link, LinkError};
use crate::proto::{Accepts, Packer, Receiver, Sender, SenderIds};
use crate::wire::{PeerId, SessionId};

/// What an endpoint has to know of its client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// The client's `subscription_capacity`, in messages. Beyond it the client drops messages, so
    /// no window may exceed it. Default 65,536, which is async-nats' own default.
    pub subscription_capacity: u64,
    /// How long the connection to NATS may be down before sessions end with an error. Default 60 s.
    pub outage_timeout: Duration,
    /// The events that were attached to the client's options. With them a session ends, and names
    /// the subject, when the server denies a permission. Without them the session waits forever,
    /// because NATS answers neither a publish nor a subscribe that it denies. Default none.
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

/// Publishes and subscribes over one NATS client.
///
/// Begin with [`Self::new`]. Then call [`Self::publish`] and [`Self::subscribe`] for any number of
/// streams, in any order. Each session runs a task of its own on the tokio runtime of the caller. A
/// clone is cheap and shares the client.
#[derive(Debug, Clone)]
pub struct Endpoint {
    link: Arc<dyn Link>,
    config: EndpointConfig,
    clock: Clock,
}

impl Endpoint {
    /// Takes a connected client, of any tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future drops the client and has no other effect.
    ///
    /// # Errors
    /// Returns an error if the client is closed.
    pub async fn new(client: Client, config: EndpointConfig) -> Result<Endpoint, EndpointError> {
        let link = AsyncNats::new(client, config.events.as_ref()).await;
        let link = link.map_err(|error| EndpointError::NotConnected(error.0))?;
        Ok(Endpoint { link: Arc::new(link), config, clock: Clock::start() })
    }

    /// Begins a stream, once the claim time-out has passed without an objection of another
    /// publisher. Consumers may join from then on. Nothing is sent before `min_consumers` have
    /// joined.
    ///
    /// # Cancel safety
    /// Dropping the future withdraws the claim. No session is left behind.
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

    /// Begins a stream whose source can be read again: `past` opens the source at a sequence
    /// number. Consumers that were cut off for long can resume then, and late ones can have the
    /// whole stream ([`crate::LateJoin::FromStart`]).
    ///
    /// Sequence numbers count the bodies given to [`Publisher::send_packed`], in that order, from
    /// 0. Nothing else can be sent to such a stream.
    ///
    /// Another process can continue such a stream after its publisher's process died. Store what
    /// [`Publisher::resume_point`] returns, and give it to the next process as
    /// [`PublishConfig::resume`]. That process sends the body with the sequence number of the
    /// resume point first.
    ///
    /// # Cancel safety
    /// As [`Self::publish`].
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
        config.frame_bytes = config.frame_bytes.min(self.link.max_payload());
        let random = |error: getrandom::Error| PublishError::Random(error.to_string());
        let (session, epoch) = match config.resume {
            Some(resume) => (resume.session, resume.epoch.saturating_add(1)),
            None => (SessionId(random_id().map_err(random)?), 1),
        };
        let ids = SenderIds { session, epoch, inbox: PeerId(random_id().map_err(random)?) };
        if past.is_none() && (config.late_join == LateJoin::FromStart || config.resume.is_some()) {
            return Err(PublishError::NoPast);
        }
        let accepts = if past.is_some() { Accepts::Blocks } else { Accepts::Anything };
        let packer = Packer::new(&config, accepts);
        let limits = packer.limits();
        // Refuses settings out of bounds, before the packer is used.
        let mut sender = Sender::new(config, ids, self.clock.now())?;
        if past.is_some() {
            sender.set_rewindable();
        }
        let connection = self.connection(subjects.clone());
        let nats = |error: LinkError| PublishError::Nats(error.0);
        let control = self.link.subscribe(&subjects.control).await.map_err(nats)?;
        let inbox = self.link.subscribe(&subjects.inbox(ids.inbox)).await.map_err(nats)?;
        let path = SendPath::new(sender, Arc::clone(&self.link), subjects);
        let (clock, past) = (self.clock, past.map(Past::new));
        let shared = Arc::new(PublishShared::new(path, packer, clock));
        let parts = PublisherParts { connection, clock, control, inbox, past };
        let events = run_publisher(parts, Arc::clone(&shared));
        let publisher = Publisher::new(shared, events, limits);
        publisher.claimed().await?;
        Ok(publisher)
    }

    /// Joins a stream. Returns once its publisher has accepted this consumer.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the stream, and the publisher is told.
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
        let (clock, timeout, confirm_end) =
            (self.clock, config.connect_timeout, config.confirm_end);
        let receiver = Receiver::new(config, id, self.config.subscription_capacity, clock.now())?;
        let connection = self.connection(subjects.clone());
        let nats = |error: LinkError| SubscribeError::Nats(error.0);
        let data = self.link.subscribe(&subjects.data).await.map_err(nats)?;
        let inbox = self.link.subscribe(&subjects.inbox(id)).await.map_err(nats)?;
        let subscriptions = ConsumerSubscriptions { data, inbox };
        let shared = Arc::new(SubscribeShared::new(receiver, subscriptions, clock, confirm_end));
        run_subscriber(connection, clock, Arc::clone(&shared));
        let subscriber = Subscriber::new(shared);
        match timeout {
            None => subscriber.connected().await?,
            Some(limit) => tokio::time::timeout(limit, subscriber.connected())
                .await
                .map_err(|_| SubscribeError::NoPublisher(limit))??,
        }
        Ok(subscriber)
    }

    fn connection(&self, subjects: Subjects) -> Connection {
        Connection::new(Arc::clone(&self.link), subjects, self.config.outage_timeout)
    }
}
