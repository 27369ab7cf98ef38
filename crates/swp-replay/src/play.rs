//! `play`: the blocks of a capture, from the disk to the consumers of a stream.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use swp_fast::wire::{Integrity, MAX_HEADER};
use swp_fast::{Endpoint, EndpointConfig, PackedBody, PublishConfig, Publisher, SenderEvent};
use swp_replay::capture::{Block, Capture, CaptureError, Unpacker};
use swp_replay::disk::{Disk, DiskOptions};

use crate::cli::PlayArgs;
use crate::connect::{self, Broker, SESSION_CAPACITY};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report::{Report, Transfer};
use crate::trailer::StreamTrailer;
use crate::units::{hex, show_bytes, show_count};

/// A keep-alive must fit three times into the idle time-out.
const KEEP_ALIVES_IN_TIMEOUT: u32 = 10;

/// How long the consumers' being told of an end before its time may take.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn play(args: &PlayArgs, report: &mut Report) -> Result<(), Error> {
    let quiet = args.output.quiet;
    let stream = stream_name(args)?;
    let config = publish_config(args)?;
    let mut interrupt = Interrupt::listen()?;
    let Stage { capture, disk, broker, publisher } = tokio::select! {
        stage = set_up(args, &stream, config) => stage?,
        () = interrupt.wait() => {
            return Err(Error::Interrupted("interrupted before anything was sent".to_owned()));
        }
    };
    let player = Player {
        publisher: &publisher,
        capture: &capture,
        verifies: args.integrity != Integrity::Blake3,
        lost: Mutex::default(),
    };
    let mut progress = Progress::new(quiet, Some(capture.totals().messages));
    let server = broker.is_managed().then(|| broker.url.clone());
    player.say_waiting(&progress, &stream, args, server.as_deref());
    let mut started = Instant::now();
    let result = tokio::select! {
        result = player.run(disk, &mut progress, &mut started) => result,
        () = interrupt.wait() => Err(Error::Interrupted("interrupted".to_owned())),
    };
    progress.done();
    let stats = publisher.stats();
    if let Err(error) = &result {
        // Where the broker is gone, nobody can be told.
        let _ = tokio::time::timeout(ABORT_TIMEOUT, publisher.abort(&error.to_string())).await;
    }
    let mut transfer = Transfer::default();
    transfer.published(&stats);
    transfer.dropped.insert("slow_consumer", broker.events.slow_consumer());
    transfer.content_digest = Some(hex(&capture.totals().content));
    transfer.took(started.elapsed());
    report.transfer = Some(transfer);
    result.map_err(|error| {
        let total = capture.totals().messages;
        match error {
            Error::Interrupted(text) => Error::Interrupted(format!(
                "{text}: {} of {} messages were sent",
                show_count(stats.messages),
                show_count(total)
            )),
            other => other,
        }
    })?;
    player.all_through()
}

/// What must be there before a replay can begin.
struct Stage {
    capture: Capture,
    disk: Disk,
    broker: Broker,
    publisher: Publisher,
}

/// Opens the capture, then finds the broker, then claims the stream: whatever is wrong is said before
/// anybody else is troubled.
async fn set_up(args: &PlayArgs, stream: &str, config: PublishConfig) -> Result<Stage, Error> {
    let quiet = args.output.quiet;
    let capture = open(&args.capture, args.partial, quiet).await?;
    let config = fit_frames(config, &capture);
    let disk_options = DiskOptions { engine: args.io, ..DiskOptions::default() };
    let disk = Disk::start(&capture, disk_options).await?;
    if let Some(why) = disk.report().why.as_ref().filter(|_| !quiet) {
        eprintln!("{why}; reading with pread");
    }
    let broker = connect::connect(&args.connect, SESSION_CAPACITY, quiet).await?;
    let endpoint = Endpoint::new(broker.client.clone(), EndpointConfig::default())
        .await
        .map_err(|error| Error::Failed(error.to_string()))?;
    let publisher = endpoint.publish(stream, config).await?;
    Ok(Stage { capture, disk, broker, publisher })
}

/// What a running replay works with.
struct Player<'a> {
    publisher: &'a Publisher,
    capture: &'a Capture,
    /// Bodies are compared with their digests here, because the consumer is not given those.
    verifies: bool,
    /// Consumers that did not stay to the end.
    lost: Mutex<Vec<String>>,
}

impl Player<'_> {
    fn say_waiting(&self, progress: &Progress, stream: &str, args: &PlayArgs, url: Option<&str>) {
        let server = url.or(args.connect.server.as_deref());
        let option = server.map_or(String::new(), |url| format!(" --server {url}"));
        progress.say(&format!(
            "waiting for {} consumer{} on stream {stream}: run `swp-replay recv {stream} -o FILE{option}` elsewhere",
            args.min_consumers,
            if args.min_consumers == 1 { "" } else { "s" },
        ));
    }

    /// Sends everything, and says meanwhile how far it is.
    async fn run(
        &self,
        disk: Disk,
        progress: &mut Progress,
        started: &mut Instant,
    ) -> Result<(), Error> {
        let ready = async { Ok(self.publisher.ready().await?) };
        tokio::select! {
            result = ready => result,
            error = self.events(progress) => Err(error),
        }?;
        *started = Instant::now();
        progress.start();
        let work = async {
            self.send_all(disk).await?;
            let totals = self.capture.totals();
            let trailer =
                StreamTrailer { content_digest: hex(&totals.content), messages: totals.messages };
            Ok(self.publisher.finish_with(Bytes::from(trailer.encode())).await?)
        };
        tokio::select! {
            result = work => result,
            error = self.watch(progress) => Err(error),
        }
    }

    /// The blocks, one after the other.
    async fn send_all(&self, mut disk: Disk) -> Result<(), Error> {
        let packed =
            self.capture.superblock().body_bytes as usize <= self.publisher.max_body_bytes();
        let mut unpacker = Unpacker::default();
        while let Some(block) = disk.next().await {
            let block = block?;
            if self.verifies || !packed {
                block.verify().map_err(|_| self.corrupt(block.number))?;
            }
            match packed {
                true => self.send_packed(block).await?,
                false => self.send_records(block, &mut unpacker).await?,
            }
        }
        Ok(())
    }

    /// The bodies as they are.
    async fn send_packed(&self, block: Block) -> Result<(), Error> {
        let bodies = block
            .frames
            .iter()
            .map(|frame| PackedBody {
                range: frame.range(),
                kind: frame.kind,
                messages: frame.messages,
                digest: frame.digest,
            })
            .collect();
        self.publisher.send_packed(block.buffer, bodies).await?;
        Ok(())
    }

    /// The records one by one, for a broker that takes no messages of a body's size.
    async fn send_records(&self, block: Block, unpacker: &mut Unpacker) -> Result<(), Error> {
        unpacker.start_block(block.first_seq);
        let bytes = Bytes::from_owner(block.buffer);
        for frame in &block.frames {
            unpacker.load(frame, bytes.slice(frame.range()));
            for record in &mut *unpacker {
                let record = record.map_err(|source| CaptureError::Content {
                    path: self.capture.path().to_owned(),
                    block: block.number,
                    source,
                })?;
                self.publisher.send(record.bytes).await?;
            }
        }
        Ok(())
    }

    fn corrupt(&self, block: u64) -> CaptureError {
        CaptureError::Corrupt {
            path: self.capture.path().to_owned(),
            block,
            what: "digest of a body",
        }
    }

    /// Tells of consumers that come and go; returns only when the session failed.
    async fn events(&self, progress: &Progress) -> Error {
        while let Some(event) = self.publisher.next_event().await {
            self.note(&event, progress);
        }
        match self.publisher.over().await {
            Err(error) => error.into(),
            // All consumers are through: whoever finishes the session says so.
            Ok(()) => std::future::pending().await,
        }
    }

    fn note(&self, event: &SenderEvent, progress: &Progress) {
        match event {
            SenderEvent::Joined { name, consumers } => {
                progress.say(&format!("consumer {name} joined: {consumers} now"));
            }
            SenderEvent::Refused { name, reason } => {
                progress.say(&format!("consumer {name} was refused: {reason}"));
            }
            SenderEvent::Lost { name, reason } => {
                progress.say(&format!("consumer {name} was lost: {reason}"));
                let mut lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                lost.push(format!("{name}: {reason}"));
            }
            _ => {}
        }
    }

    /// Shows progress and events. A consumer that refuses frames means that the network damages them
    /// or that the capture is damaged; which one, a look at the capture tells. Returns if it is damaged.
    async fn watch(&self, progress: &mut Progress) -> Error {
        let mut ticks = tokio::time::interval(progress.interval());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        ticks.tick().await;
        let mut looked = false;
        loop {
            tokio::select! {
                event = self.publisher.next_event() => match event {
                    Some(event) => self.note(&event, progress),
                    // The session is over; the sending side knows how.
                    None => return std::future::pending().await,
                },
                _ = ticks.tick() => {
                    let stats = self.publisher.stats();
                    let lag = stats.consumers.iter().map(|consumer| consumer.lag_frames).max();
                    let live = stats.consumers.iter().filter(|consumer| consumer.live).count();
                    let more = format!(", {live} consumers, lag {} frames", lag.unwrap_or(0));
                    progress.show(stats.messages, stats.bytes, &more);
                    if !looked && stats.consumers.iter().any(|consumer| consumer.dropped > 0) {
                        looked = true;
                        if let Err(error) = find_damage(self.capture).await {
                            return error;
                        }
                    }
                }
            }
        }
    }

    /// Refuses to call a replay complete of which a consumer did not get everything.
    fn all_through(&self) -> Result<(), Error> {
        let lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match lost.as_slice() {
            [] => Ok(()),
            lost => Err(Error::PeerLost(format!(
                "{} consumers were lost before the end: {}",
                lost.len(),
                lost.join("; ")
            ))),
        }
    }
}

/// The first damaged body of the capture, if there is one.
async fn find_damage(capture: &Capture) -> Result<(), Error> {
    let capture = capture.clone();
    let look = move || {
        for block in capture.blocks(0) {
            let block = block?;
            block.verify().map_err(|_| CaptureError::Corrupt {
                path: capture.path().to_owned(),
                block: block.number,
                what: "digest of a body",
            })?;
        }
        Ok::<(), Error>(())
    };
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| Error::Failed(format!("cannot verify the capture: {error}")))?
}

/// Opens the capture. Where the footer is missing that reads the whole file.
async fn open(path: &Path, partial: bool, quiet: bool) -> Result<Capture, Error> {
    let path = path.to_owned();
    let capture = tokio::task::spawn_blocking(move || Capture::open(path))
        .await
        .map_err(|error| Error::Failed(format!("cannot open the capture: {error}")))??;
    if let Some(recovered) = capture.recovered() {
        let found = format!(
            "{}: {recovered}; {} messages, {}, can be read",
            capture.path().display(),
            show_count(capture.totals().messages),
            show_bytes(capture.totals().payload_bytes as f64)
        );
        if !partial {
            return Err(Error::Incomplete(format!("{found}: --partial plays those")));
        }
        if !quiet {
            eprintln!("{found}");
        }
    }
    Ok(capture)
}

fn stream_name(args: &PlayArgs) -> Result<String, Error> {
    if let Some(name) = &args.to {
        return Ok(name.clone());
    }
    let stem = args.capture.file_stem().and_then(|stem| stem.to_str());
    stem.map(str::to_owned).ok_or_else(|| {
        Error::Usage(format!("{}: cannot name a stream after it; use --to", args.capture.display()))
    })
}

fn publish_config(args: &PlayArgs) -> Result<PublishConfig, Error> {
    let mut config = PublishConfig::default();
    config.min_consumers = args.min_consumers;
    config.max_consumers = config.max_consumers.max(args.min_consumers);
    config.integrity = args.integrity;
    config.key = connect::read_key(args.key_file.as_deref())?;
    config.idle_timeout = args.idle_timeout;
    config.keep_alive = config.keep_alive.min(args.idle_timeout / KEEP_ALIVES_IN_TIMEOUT);
    config.validate().map_err(|error| Error::Usage(error.to_string()))?;
    Ok(config)
}

/// Frames as large as the capture's bodies need.
fn fit_frames(mut config: PublishConfig, capture: &Capture) -> PublishConfig {
    let wanted = capture.superblock().body_bytes as usize + MAX_HEADER;
    config.frame_bytes = config.frame_bytes.max(wanted.min(swp_fast::config::MAX_FRAME_BYTES));
    // A block is queued whole, beside the one of which frames are leaving.
    config.queue_bytes = config.queue_bytes.max(config.frame_bytes);
    config.retained_bytes = config.retained_bytes.max(config.frame_bytes as u64);
    config
}
