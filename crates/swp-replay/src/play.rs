//! `play`: the blocks of a capture, from the disk to the consumers of a stream.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use swp_fast::wire::{Integrity, MAX_HEADER, PeerId};
use swp_fast::{
    Endpoint, LateJoin, LostReason, PackedBody, PublishConfig, PublishResume, Publisher,
    PublisherStats, SenderEvent, Slow,
};
use swp_replay::capture::{Block, BlockReader, Capture, CaptureError, Unpacker};
use swp_replay::disk::DiskOptions;
use swp_replay::past;

use crate::cli::{Late, OnSlow, PlayArgs};
use crate::connect::{self, Broker, SESSION_CAPACITY};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report::{Report, Transfer};
use crate::saved::{SAVE_INTERVAL, SavedFile};
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
    let stage = tokio::select! {
        stage = set_up(args, &stream, config) => stage?,
        () = interrupt.wait() => {
            return Err(Error::Interrupted("interrupted before anything was sent".to_owned()));
        }
    };
    let Some(Stage { capture, disk, broker, publisher, saved, skip, min_consumers }) = stage else {
        return Ok(());
    };
    let player = Player {
        publisher: &publisher,
        capture: &capture,
        verifies: args.integrity != Integrity::Blake3,
        wait: args.wait,
        skip,
        lost: Mutex::default(),
        saved: Mutex::new(saved),
    };
    let mut progress = Progress::new(quiet, Some(capture.totals().messages));
    let server = broker.is_managed().then(|| broker.url.clone());
    player.say_waiting(&progress, &stream, min_consumers, server.or(args.connect.server.clone()));
    let mut started = Instant::now();
    let result = tokio::select! {
        result = player.run(disk, &mut progress, &mut started) => result,
        () = interrupt.wait() => Err(Error::Interrupted("interrupted".to_owned())),
    };
    progress.done();
    let stats = publisher.stats();
    let kept = player.keep(result.is_ok());
    if let Err(error) = &result {
        // Where the broker is gone, nobody can be told.
        let _ = tokio::time::timeout(ABORT_TIMEOUT, publisher.abort(&error.to_string())).await;
    }
    let mut transfer = Transfer::default();
    transfer.published(&stats);
    transfer.dropped.insert("slow_consumer", broker.events.slow_consumer());
    // What was not delivered as a whole has no digest.
    transfer.content_digest = result.is_ok().then(|| hex(&capture.totals().content));
    transfer.resumed(skip.messages, skip.bytes);
    transfer.took(started.elapsed());
    report.transfer = Some(transfer);
    report.fields.insert("lost".to_owned(), player.lost_for_report());
    result.map_err(|error| {
        let total = capture.totals().messages;
        match error {
            Error::Interrupted(text) => Error::Interrupted(format!(
                "{text}: {} of {} messages were sent",
                show_count(skip.messages + stats.messages),
                show_count(total)
            )),
            other => other,
        }
    })?;
    kept?;
    player.all_through()
}

/// What must be there before a replay can begin.
struct Stage {
    capture: Capture,
    disk: BlockReader,
    broker: Broker,
    publisher: Publisher,
    saved: Option<SavedFile>,
    skip: Skip,
    min_consumers: usize,
}

/// What a replay that is gone on with does not read again.
#[derive(Debug, Clone, Copy, Default)]
struct Skip {
    /// The number of the frame to begin with.
    frame: u64,
    /// The position of its block in the index, and how many frames of that come before.
    block: usize,
    in_block: usize,
    /// The messages and bytes of body before it.
    messages: u64,
    bytes: u64,
}

impl Skip {
    fn to(capture: &Capture, point: &PublishResume) -> Result<Skip, Error> {
        let frame = point.next.get();
        let (block, in_block) = past::position_of(capture, frame);
        let messages = match capture.blocks(block).next() {
            None => capture.totals().messages,
            Some(found) => {
                let found = found?;
                let passed = found.frames.iter().take(in_block);
                let first = capture.index().first().map_or(0, |entry| entry.first_seq);
                let before = found.first_seq.saturating_sub(first);
                before + passed.map(|frame| u64::from(frame.messages)).sum::<u64>()
            }
        };
        Ok(Skip { frame, block, in_block, messages, bytes: point.next_bytes })
    }
}

/// Opens the capture, then finds the broker, then claims the stream: whatever is wrong is said before
/// anybody else is troubled. `None` where all of it was played already.
async fn set_up(
    args: &PlayArgs,
    stream: &str,
    config: PublishConfig,
) -> Result<Option<Stage>, Error> {
    let quiet = args.output.quiet;
    let capture = open(&args.capture, args.partial, quiet).await?;
    let mut config = fit_frames(config, &capture);
    let mut saved = match &args.resume_state {
        Some(path) => SavedFile::open(path, stream, &capture)?,
        None => None,
    };
    let mut skip = Skip::default();
    if let Some(file) = &mut saved {
        if file.is_finished() {
            say_finished(args);
            return Ok(None);
        }
        let point = file.take_over()?;
        skip = Skip::to(&capture, &point)?;
        config.resume = Some(point);
        config.min_consumers = config.min_consumers.saturating_sub(file.through()).max(1);
    }
    let disk_options = DiskOptions { engine: args.io, ..DiskOptions::default() };
    let disk = BlockReader::start(&capture, skip.block, disk_options).await?;
    if let Some(why) = disk.report().why.as_ref().filter(|_| !quiet) {
        eprintln!("{why}; reading with pread");
    }
    let broker = connect::connect(&args.connect, SESSION_CAPACITY, quiet).await?;
    let endpoint = Endpoint::new(broker.client.clone(), broker.endpoint_config())
        .await
        .map_err(|error| Error::Failed(error.to_string()))?;
    let max_frame = config.frame_bytes.min(broker.client.server_info().max_payload);
    let packed = capture.superblock().body_bytes as usize + MAX_HEADER <= max_frame;
    let min_consumers = config.min_consumers;
    let publisher = match packed {
        true => {
            let past = past::open(&capture, args.integrity != Integrity::Blake3);
            endpoint.publish_rewindable(stream, config, past).await?
        }
        false if config.late_join == LateJoin::FromStart || args.resume_state.is_some() => {
            let option = match args.resume_state {
                Some(_) => "--resume-state",
                None => "--late-join start",
            };
            return Err(Error::Usage(format!(
                "{option}: the server takes messages of {max_frame} bytes at most, and {} holds frames of {}; raise its max_payload",
                capture.path().display(),
                capture.superblock().body_bytes
            )));
        }
        false => endpoint.publish(stream, config).await?,
    };
    if let Some(path) = args.resume_state.as_ref().filter(|_| saved.is_none()) {
        saved = Some(SavedFile::begin(path, stream, &capture, &publisher)?);
    }
    Ok(Some(Stage { capture, disk, broker, publisher, saved, skip, min_consumers }))
}

fn say_finished(args: &PlayArgs) {
    if let Some(path) = args.resume_state.as_ref().filter(|_| !args.output.quiet) {
        eprintln!(
            "{} was played to its end already, says {}; remove that to play it again",
            args.capture.display(),
            path.display()
        );
    }
}

/// What a running replay works with.
struct Player<'a> {
    publisher: &'a Publisher,
    capture: &'a Capture,
    /// Bodies are compared with their digests here, because the consumer is not given those.
    verifies: bool,
    /// How long to wait for the consumers; `None` is for ever.
    wait: Option<Duration>,
    skip: Skip,
    /// Consumers that did not stay to the end, and did not come back.
    lost: Mutex<Vec<Lost>>,
    /// Where it is kept how far it is.
    saved: Mutex<Option<SavedFile>>,
}

/// A consumer that was lost.
struct Lost {
    id: PeerId,
    name: String,
    reason: LostReason,
}

impl Lost {
    /// It was lost because the user wanted slow consumers to be.
    fn by_policy(&self) -> bool {
        matches!(self.reason, LostReason::Stalled(_) | LostReason::LeftBehind)
    }
}

impl Player<'_> {
    fn say_waiting(&self, progress: &Progress, stream: &str, count: usize, server: Option<String>) {
        if self.skip.frame > 0 {
            progress.say(&format!(
                "going on behind the first {} of {} messages, which all consumers have",
                show_count(self.skip.messages),
                show_count(self.capture.totals().messages)
            ));
        }
        let option = connect::option(server.as_deref());
        progress.say(&format!(
            "waiting for {} consumer{} on stream {stream}: run `swp-replay recv {stream} -o FILE{option}` elsewhere",
            count,
            if count == 1 { "" } else { "s" },
        ));
    }

    /// Sends everything, and says meanwhile how far it is.
    async fn run(
        &self,
        disk: BlockReader,
        progress: &mut Progress,
        started: &mut Instant,
    ) -> Result<(), Error> {
        let ready = async {
            match self.wait {
                None => Ok(self.publisher.ready().await?),
                Some(limit) => match tokio::time::timeout(limit, self.publisher.ready()).await {
                    Ok(ready) => Ok(ready?),
                    Err(_) => Err(Error::Failed(format!(
                        "too few consumers came within {:.1} s; start them with `swp-replay recv`, or lower --min-consumers",
                        limit.as_secs_f64()
                    ))),
                },
            }
        };
        tokio::select! {
            result = ready => result,
            error = self.events(progress) => Err(error),
        }?;
        *started = Instant::now();
        progress.start(self.skip.messages, self.skip.bytes);
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
            error = self.keep_on() => Err(error),
        }
    }

    /// Keeps how far it is; returns only where that fails.
    async fn keep_on(&self) -> Error {
        let mut ticks = tokio::time::interval(SAVE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut saved = self.saved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let Some(file) = saved.as_mut() else { break };
            if let Err(error) = file.save(self.publisher) {
                return error;
            }
        }
        std::future::pending().await
    }

    /// The last time that it is kept.
    fn keep(&self, finished: bool) -> Result<(), Error> {
        let mut saved = self.saved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match saved.as_mut() {
            Some(file) if finished => file.finish(self.publisher),
            Some(file) => file.save(self.publisher),
            None => Ok(()),
        }
    }

    /// The blocks, one after the other.
    async fn send_all(&self, mut disk: BlockReader) -> Result<(), Error> {
        let packed =
            self.capture.superblock().body_bytes as usize <= self.publisher.max_body_bytes();
        let mut unpacker = Unpacker::default();
        let mut skip = self.skip.in_block;
        while let Some(block) = disk.next().await {
            let block = block?;
            if self.verifies || !packed {
                block.verify().map_err(|_| self.corrupt(block.number))?;
            }
            match packed {
                true => self.send_packed(block, std::mem::take(&mut skip)).await?,
                false => self.send_records(block, &mut unpacker).await?,
            }
        }
        Ok(())
    }

    /// The bodies as they are, but for the first few.
    async fn send_packed(&self, block: Block, skip: usize) -> Result<(), Error> {
        let bodies = block
            .frames
            .iter()
            .skip(skip)
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
            SenderEvent::Joined { name, consumers, replaces } => {
                progress.say(&format!("consumer {name} joined: {consumers} now"));
                // It was lost, and came back, maybe as another process.
                self.lost().retain(|lost| Some(lost.id) != *replaces);
            }
            SenderEvent::Refused { name, reason } => {
                progress.say(&format!("consumer {name} was refused: {reason}"));
            }
            SenderEvent::Lost { id, name, reason } => {
                progress.say(&format!("consumer {name} was lost: {reason}"));
                self.lost().push(Lost { id: *id, name: name.clone(), reason: reason.clone() });
            }
            _ => {}
        }
    }

    fn lost(&self) -> MutexGuard<'_, Vec<Lost>> {
        self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
                    let Skip { messages, bytes, .. } = self.skip;
                    progress.show(messages + stats.messages, bytes + stats.bytes, &standing(&stats));
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

    /// Refuses to call a replay complete of which a consumer did not get everything, unless it was to be
    /// left behind.
    fn all_through(&self) -> Result<(), Error> {
        let lost = self.lost();
        let lost: Vec<String> = lost
            .iter()
            .filter(|lost| !lost.by_policy())
            .map(|Lost { name, reason, .. }| format!("{name}: {reason}"))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let (count, lost) = (lost.len(), lost.join("; "));
        Err(Error::PeerLost(format!("{count} consumers were lost before the end: {lost}")))
    }

    /// The consumers that were lost, for the report.
    fn lost_for_report(&self) -> serde_json::Value {
        let lost = self.lost();
        let entry = |lost: &Lost| serde_json::json!({ "name": lost.name, "reason": lost.reason.to_string() });
        lost.iter().map(entry).collect()
    }
}

/// How the consumers stand, for the progress display.
fn standing(stats: &PublisherStats) -> String {
    let live = stats.consumers.iter().filter(|consumer| consumer.live).count();
    let slowest = stats.consumers.iter().find(|consumer| Some(consumer.id) == stats.held_back_by);
    let behind = match slowest {
        Some(slowest) => {
            let id = format!("{:016x}", slowest.id);
            let name = if slowest.name.is_empty() { &id } else { &slowest.name };
            format!(", held back by {name}: {} behind", show_bytes(slowest.lag_bytes as f64))
        }
        None => String::new(),
    };
    format!(", {live} consumer{}{behind}", if live == 1 { "" } else { "s" })
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
    let mut config = PublishConfig::with_integrity(args.integrity);
    config.min_consumers = args.min_consumers;
    config.max_consumers = config.max_consumers.max(args.min_consumers);
    config.key = connect::read_key(args.key_file.as_deref())?;
    config.idle_timeout = args.idle_timeout;
    config.keep_alive = config.keep_alive.min(args.idle_timeout / KEEP_ALIVES_IN_TIMEOUT);
    config.tag.clone_from(&args.tag);
    config.quorum = args.quorum;
    config.late_join = match args.late_join {
        Late::Refuse => LateJoin::Refuse,
        Late::Now => LateJoin::FromNow,
        Late::Start => LateJoin::FromStart,
    };
    config.slow = match args.on_slow {
        OnSlow::Wait => Slow::Wait,
        OnSlow::Evict => Slow::Evict { stalled_for: args.stalled_for },
    };
    config.validate().map_err(|error| Error::Usage(error.to_string()))?;
    Ok(config)
}

/// Frames as large as the capture's bodies need, and not as large as suits several consumers: those are for messages that
/// are packed now, and the less a frame may hold, the less a consumer that is behind has to keep free for each it misses.
fn fit_frames(mut config: PublishConfig, capture: &Capture) -> PublishConfig {
    let wanted = capture.superblock().body_bytes as usize + MAX_HEADER;
    config.frame_bytes = config.solo_frame_bytes.max(wanted.min(swp_fast::config::MAX_FRAME_BYTES));
    // A block is queued whole, beside the one of which frames are leaving.
    config.queue_bytes = config.queue_bytes.max(config.frame_bytes);
    config.retained_bytes = config.retained_bytes.max(config.frame_bytes as u64);
    config
}
