//! `recv`: one consumer of a stream, that keeps it, publishes it again, or only checks it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use swp_fast::{ConfirmEnd, Endpoint, SubscribeConfig, Subscriber};

use crate::cli::RecvArgs;
use crate::connect::{self, Broker, SESSION_CAPACITY};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::report::{Report, Transfer};
use crate::resume::{self, Continued, Found, Origin};
use crate::sink::Sink;
use crate::trailer::StreamTrailer;
use crate::units::{hex, show_count};

/// How long it may take until the publisher is known to have heard that this side is through: a moment, or as
/// long as it waits for a consumer by default.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the publisher's being told that this side leaves may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn recv(args: &RecvArgs, report: &mut Report) -> Result<(), Error> {
    let quiet = args.output.quiet;
    let mut config = subscribe_config(args)?;
    let Some(continued) = continued(args)? else {
        return Ok(());
    };
    config.resume = continued.as_ref().map(|continued| continued.resume.clone());
    let mut interrupt = Interrupt::listen()?;
    let broker = tokio::select! {
        broker = connect::connect(&args.connect, SESSION_CAPACITY, quiet) => broker?,
        () = interrupt.wait() => return Err(not_begun()),
    };
    // A new file is made before anybody else is troubled; an old one is replaced only when there is
    // something to replace it with.
    let held = continued.as_ref().map_or((0, 0), |one| (one.messages, one.bytes));
    let resumes = continued.is_some();
    let early = early_sink(args, continued)?;
    let mut progress = Progress::new(quiet, None);
    say_waiting(&progress, args, &broker);
    let subscriber = tokio::select! {
        subscriber = join(&broker, &args.stream, config) => subscriber,
        () = interrupt.wait() => Err(not_begun()),
    };
    let subscriber = match subscriber {
        Ok(subscriber) => subscriber,
        Err(error) => {
            if early.is_some() && !resumes {
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
    progress.say(&match held.0 {
        0 => "joined".to_owned(),
        messages => format!("joined; {} messages are here already", show_count(messages)),
    });
    progress.start(held.0, held.1);
    let file = args.output_file.clone();
    let (messages, bytes) = held;
    let joined_late = false;
    let mut consumer = Consumer { subscriber, sink, file, messages, bytes, resumes, joined_late };
    let started = Instant::now();
    let received = tokio::select! {
        received = consumer.take_all(args.max_rate, &mut progress) => received,
        () = interrupt.wait() => Err(Error::Interrupted("interrupted".to_owned())),
    };
    progress.done();
    let mut transfer = Transfer::default();
    transfer.received(&consumer.subscriber.stats());
    (transfer.messages, transfer.bytes) = (consumer.messages - held.0, consumer.bytes - held.1);
    transfer.resumed(held.0, held.1);
    transfer.dropped.insert("slow_consumer", broker.events.slow_consumer());
    let result = match received {
        Ok(()) => consumer.end(&mut transfer, &mut interrupt).await,
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
    /// The capture that is written, if one is.
    file: Option<PathBuf>,
    messages: u64,
    bytes: u64,
    /// The file held frames before.
    resumes: bool,
    /// The stream had begun: what comes is a part of it.
    joined_late: bool,
}

impl Consumer {
    /// Takes frames up to the end of the stream.
    async fn take_all(
        &mut self,
        max_rate: Option<u64>,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let mut pace = Pace::new(max_rate);
        let mut begun = false;
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
            if !begun {
                self.note_origin(len as u64)?;
                begun = true;
            }
            self.sink.take(frame).await?;
            self.messages += messages;
            self.bytes += len as u64;
            if let Some(due) = pace.took(len, tokio::time::Instant::now()) {
                tokio::time::sleep_until(due).await;
            }
        }
    }

    /// The first frame came: from here on the file can be gone on with.
    fn note_origin(&mut self, len: u64) -> Result<(), Error> {
        let Some(point) = self.subscriber.resume_point() else { return Ok(()) };
        let origin = match &self.file {
            Some(file) if self.resumes => Origin::read(file)?.taken_over(point.peer),
            _ => Origin::new(&point, len),
        };
        self.joined_late = origin.is_late();
        self.file.as_ref().map_or(Ok(()), |file| origin.write(file))
    }

    /// Makes what came safe, compares it with what was sent, and only then says that it is all there.
    async fn end(self, transfer: &mut Transfer, interrupt: &mut Interrupt) -> Result<(), Error> {
        let Consumer { subscriber, sink, file, messages, joined_late, .. } = self;
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
        // What is said of the whole stream cannot be compared with a part of it.
        if let Some(sent) = trailer.filter(|sent| *sent != got && !joined_late) {
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
        if let Some(file) = &file {
            resume::forget(file);
        }
        // Everything is safe here. A publisher that has gone, with its broker perhaps, need not know.
        tokio::select! {
            closed = subscriber.close() => Ok(closed?),
            () = tokio::time::sleep(CLOSE_TIMEOUT) => Ok(()),
            () = interrupt.wait() => Ok(()),
        }
    }

    /// Leaves before the end; returns the reason with what is left of the stream here.
    async fn leave(self, error: Error) -> Error {
        let Consumer { subscriber, sink, messages, file, .. } = self;
        let resumable = file.is_some_and(|file| resume::is_possible(&file));
        let interrupted = matches!(error, Error::Interrupted(_));
        if interrupted && resumable {
            // The publisher waits for one that may come back, and not for one that says that it leaves.
            let _ = tokio::time::timeout(CANCEL_TIMEOUT, subscriber.detach()).await;
        } else {
            cancel(subscriber, &error.to_string()).await;
        }
        let mut kept = sink.abandon().await;
        if interrupted && resumable {
            kept += ": --resume goes on with it, while the publisher waits (its --idle-timeout)";
        }
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

fn say_waiting(progress: &Progress, args: &RecvArgs, broker: &Broker) {
    let server = broker.is_managed().then_some(&broker.url).or(args.connect.server.as_ref());
    let option = connect::option(server.map(String::as_str));
    progress.say(&format!(
        "waiting for stream {0}: run `swp-replay CAPTURE --to {0}{option}` elsewhere",
        args.stream
    ));
}

fn early_sink(args: &RecvArgs, continued: Option<Continued>) -> Result<Option<Sink>, Error> {
    match continued {
        Some(continued) => Ok(Some(Sink::File(Box::new(continued.writer)))),
        None if args.force => Ok(None),
        None => Sink::file(args),
    }
}

/// The file to go on with, if there is one; `None` where nothing is left to be done.
fn continued(args: &RecvArgs) -> Result<Option<Option<Continued>>, Error> {
    let Some(path) = args.output_file.as_ref().filter(|_| args.resume) else {
        return Ok(Some(None));
    };
    match resume::open(path)? {
        Found::Nothing => Ok(Some(None)),
        Found::Part(continued) => Ok(Some(Some(*continued))),
        Found::Whole => {
            if !args.output.quiet {
                eprintln!("{} is whole already: there is nothing to go on with", path.display());
            }
            Ok(None)
        }
    }
}

async fn join(broker: &Broker, stream: &str, config: SubscribeConfig) -> Result<Subscriber, Error> {
    let endpoint = Endpoint::new(broker.client.clone(), broker.endpoint_config())
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
    config.tag.clone_from(&args.tag);
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
