//! `recv`: one consumer of a stream, that keeps it, publishes it again, or only checks it.

use std::time::{Duration, Instant};

use swp_fast::{ConfirmEnd, Endpoint, EndpointConfig, SubscribeConfig, Subscriber};

use crate::cli::RecvArgs;
use crate::connect::{self, Broker, SESSION_CAPACITY};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::report::{Report, Transfer};
use crate::sink::Sink;
use crate::trailer::StreamTrailer;
use crate::units::{hex, show_count};

/// How long the publisher's being told that this side leaves may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn recv(args: &RecvArgs, report: &mut Report) -> Result<(), Error> {
    let quiet = args.output.quiet;
    let config = subscribe_config(args)?;
    let mut interrupt = Interrupt::listen()?;
    let broker = tokio::select! {
        broker = connect::connect(&args.connect, SESSION_CAPACITY, quiet) => broker?,
        () = interrupt.wait() => return Err(not_begun()),
    };
    // A new file is made before anybody else is troubled; an old one is replaced only when there is
    // something to replace it with.
    let early = if args.force { None } else { Sink::file(args)? };
    let mut progress = Progress::new(quiet, None);
    progress.say(&format!(
        "waiting for stream {}: run `swp-replay CAPTURE --to {}` elsewhere",
        args.stream, args.stream
    ));
    let subscriber = tokio::select! {
        subscriber = join(&broker, &args.stream, config) => subscriber,
        () = interrupt.wait() => Err(not_begun()),
    };
    let subscriber = match subscriber {
        Ok(subscriber) => subscriber,
        Err(error) => {
            if early.is_some() {
                remove_empty(args);
            }
            return Err(error);
        }
    };
    let sink = match early {
        Some(sink) => sink,
        None => match Sink::make(args, &broker).await {
            Ok(sink) => sink,
            Err(error) => {
                cancel(subscriber, &error.to_string()).await;
                return Err(error);
            }
        },
    };
    progress.say("joined");
    progress.start();
    let mut consumer = Consumer { subscriber, sink, messages: 0, bytes: 0 };
    let started = Instant::now();
    let received = tokio::select! {
        received = consumer.take_all(args.max_rate, &mut progress) => received,
        () = interrupt.wait() => Err(Error::Interrupted("interrupted".to_owned())),
    };
    progress.done();
    let mut transfer = Transfer::default();
    transfer.received(&consumer.subscriber.stats());
    (transfer.messages, transfer.bytes) = (consumer.messages, consumer.bytes);
    transfer.dropped.insert("slow_consumer", broker.events.slow_consumer());
    let result = match received {
        Ok(()) => consumer.end(&mut transfer).await,
        Err(error) => Err(consumer.leave(error).await),
    };
    transfer.took(started.elapsed());
    report.transfer = Some(transfer);
    result
}

/// A session and where its frames go.
struct Consumer {
    subscriber: Subscriber,
    sink: Sink,
    messages: u64,
    bytes: u64,
}

impl Consumer {
    /// Takes frames up to the end of the stream.
    async fn take_all(
        &mut self,
        max_rate: Option<u64>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let mut pace = Pace::new(max_rate);
        let mut ticks = tokio::time::interval(progress.interval());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        ticks.tick().await;
        loop {
            let frame = tokio::select! {
                frame = self.subscriber.recv_frame() => frame?,
                _ = ticks.tick() => {
                    progress.show(self.messages, self.bytes, "");
                    continue;
                }
            };
            let Some(frame) = frame else { return Ok(()) };
            let (len, messages) = (frame.body.len(), u64::from(frame.messages));
            self.sink.take(frame).await?;
            self.messages += messages;
            self.bytes += len as u64;
            if let Some(due) = pace.took(len, tokio::time::Instant::now()) {
                tokio::time::sleep_until(due).await;
            }
        }
    }

    /// Makes what came safe, compares it with what was sent, and only then says that it is all there.
    async fn end(self, transfer: &mut Transfer) -> Result<(), Error> {
        let Consumer { subscriber, sink, messages, .. } = self;
        let trailer = subscriber.trailer().and_then(|bytes| StreamTrailer::decode(&bytes));
        let digest = match sink.finish().await {
            Ok(digest) => hex(&digest),
            Err(error) => {
                cancel(subscriber, &error.to_string()).await;
                return Err(error);
            }
        };
        transfer.content_digest = Some(digest.clone());
        let got = StreamTrailer { content_digest: digest, messages };
        if let Some(sent) = trailer.filter(|sent| *sent != got) {
            let error = Error::Incomplete(format!(
                "what came is not what was sent: {} messages with digest {} came, {} with digest {} were sent",
                show_count(got.messages),
                got.content_digest,
                show_count(sent.messages),
                sent.content_digest
            ));
            cancel(subscriber, "the content digest differs").await;
            return Err(error);
        }
        Ok(subscriber.close().await?)
    }

    /// Leaves before the end; returns the reason with what is left of the stream here.
    async fn leave(self, error: Error) -> Error {
        let Consumer { subscriber, sink, messages, .. } = self;
        cancel(subscriber, &error.to_string()).await;
        let kept = sink.abandon().await;
        let tell = |text: String| format!("{text}; {} messages came{kept}", show_count(messages));
        match error {
            Error::Failed(text) => Error::Failed(tell(text)),
            Error::Usage(text) => Error::Usage(text),
            Error::Incomplete(text) => Error::Incomplete(tell(text)),
            Error::PeerLost(text) => Error::PeerLost(tell(text)),
            Error::Interrupted(text) => Error::Interrupted(tell(text)),
        }
    }
}

async fn join(broker: &Broker, stream: &str, config: SubscribeConfig) -> Result<Subscriber, Error> {
    let endpoint = Endpoint::new(broker.client.clone(), EndpointConfig::default())
        .await
        .map_err(|error| Error::Failed(error.to_string()))?;
    Ok(endpoint.subscribe(stream, config).await?)
}

/// Where the broker is gone, nobody can be told; then this is given up.
async fn cancel(subscriber: Subscriber, reason: &str) {
    let _ = tokio::time::timeout(CANCEL_TIMEOUT, subscriber.cancel(reason)).await;
}

fn subscribe_config(args: &RecvArgs) -> Result<SubscribeConfig, Error> {
    let mut config = SubscribeConfig::default();
    config.name.clone_from(&args.name);
    config.key = connect::read_key(args.key_file.as_deref())?;
    config.connect_timeout = args.wait;
    config.confirm_end = ConfirmEnd::Explicitly;
    config.max_message_bytes = swp_replay::record::MAX_RECORD as u64;
    config.validate(SESSION_CAPACITY as u64).map_err(|error| Error::Usage(error.to_string()))?;
    Ok(config)
}

fn not_begun() -> Error {
    Error::Interrupted("interrupted before anything came".to_owned())
}

/// A file into which nothing came is in nobody's way.
fn remove_empty(args: &RecvArgs) {
    if let Some(path) = &args.output_file {
        // It stays if it cannot be removed; then the next try asks for --force.
        let _ = std::fs::remove_file(path);
    }
}
