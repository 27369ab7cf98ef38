//! `play`: sends the blocks of a capture to the consumers of a stream.
//!
//! ```text
//!   set_up     opens the capture, finds the broker, claims the stream
//!   config     the settings of the publisher, from the arguments and the capture
//!   resume     --resume-state: where the replay starts, and how far the consumers are
//!   player     sends the blocks
//!   watcher    shows progress and events, and searches the capture for damage
//!   outcome    the consumers that were lost, and the report
//! ```

mod config;
mod outcome;
mod player;
mod resume;
mod set_up;
mod watcher;

use std::time::{Duration, Instant};

use swp_fast::wire::Integrity;
use swp_replay::capture::BlockReader;

use self::player::Player;
use self::resume::Saver;
use self::set_up::{Stage, set_up};
use self::watcher::Watcher;
use crate::cli::PlayArgs;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report::Report;

/// The longest time to tell the consumers that the replay ends early.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the command, and fills the report even if the replay fails.
pub(crate) async fn play(args: &PlayArgs, report: &mut Report) -> Result<(), Error> {
    let stream = config::stream_name(args)?;
    let config = config::publish_config(args)?;
    let mut interrupt = Interrupt::listen()?;
    let stage = tokio::select! {
        stage = set_up(args, &stream, config) => stage?,
        () = interrupt.wait() => {
            return Err(Error::Interrupted("interrupted before anything was sent".to_owned()));
        }
    };
    let Some(Stage { capture, blocks, broker, publisher, saved, start, min_consumers }) = stage
    else {
        return Ok(());
    };
    // Consumers check the digests of the capture only with blake3, so otherwise the player does.
    let verifies = args.integrity != Integrity::Blake3;
    let mut replay = Replay {
        player: Player::new(&publisher, &capture, verifies, start.in_block),
        watcher: Watcher::new(&publisher, &capture, start),
        saver: Saver::new(&publisher, saved),
        progress: Progress::new(args.output.quiet, Some(capture.totals().messages)),
        started: Instant::now(),
    };
    let server = broker.is_managed().then(|| broker.url.clone());
    let server = server.or(args.connect.server.clone());
    replay.watcher.say_waiting(&replay.progress, &stream, min_consumers, server.as_deref());
    let result = tokio::select! {
        result = replay.run(blocks, args.wait) => result,
        () = interrupt.wait() => Err(Error::Interrupted("interrupted".to_owned())),
    };
    replay.progress.done();
    let stats = publisher.stats();
    let saved = replay.saver.save_last(result.is_ok());
    if let Err(error) = &result {
        // If the broker is gone, the consumers cannot be told.
        let _ = tokio::time::timeout(ABORT_TIMEOUT, publisher.abort(&error.to_string())).await;
    }
    let mut transfer = outcome::transfer(&stats, &capture, start, result.is_ok());
    transfer.dropped.insert("slow_consumer", broker.events.slow_consumer());
    transfer.took(replay.started.elapsed());
    report.transfer = Some(transfer);
    let lost = replay.watcher.lost();
    report.fields.insert("lost".to_owned(), lost.to_json());
    result.map_err(|error| {
        outcome::count_sent(error, start.messages + stats.messages, capture.totals().messages)
    })?;
    saved?;
    lost.check()
}

/// A replay in progress: its parts run at the same time.
struct Replay<'a> {
    player: Player<'a>,
    watcher: Watcher<'a>,
    saver: Saver<'a>,
    progress: Progress,
    /// When sending began; before that, when the replay began to wait for consumers.
    started: Instant,
}

impl Replay<'_> {
    /// Waits for the consumers at most `wait`, then sends everything and finishes the session.
    async fn run(&mut self, blocks: BlockReader, wait: Option<Duration>) -> Result<(), Error> {
        let Replay { player, watcher, saver, progress, started } = self;
        tokio::select! {
            result = player.wait_for_consumers(wait) => result,
            error = watcher.watch_events(progress) => Err(error),
        }?;
        *started = Instant::now();
        watcher.start(progress);
        tokio::select! {
            result = player.play(blocks) => result,
            error = watcher.watch(progress) => Err(error),
            error = saver.save_regularly() => Err(error),
        }
    }
}
