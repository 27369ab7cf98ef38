//! Opens the capture, finds the broker, and claims the stream, in this order.

use std::path::Path;

use swp_fast::wire::{Integrity, MAX_HEADER};
use swp_fast::{Endpoint, LateJoin, PublishConfig, Publisher};
use swp_replay::capture::{BlockReader, Capture};
use swp_replay::disk::DiskOptions;
use swp_replay::past;

use super::config::fit_frames;
use super::resume::StartPoint;
use crate::cli::PlayArgs;
use crate::connect::{self, Broker, SESSION_CAPACITY};
use crate::error::Error;
use crate::saved::SavedFile;
use crate::units::{show_bytes, show_count};

/// Everything that a replay needs before it can begin.
pub(super) struct Stage {
    pub(super) capture: Capture,
    pub(super) blocks: BlockReader,
    pub(super) broker: Broker,
    pub(super) publisher: Publisher,
    pub(super) saved: Option<SavedFile>,
    pub(super) start: StartPoint,
    /// Consumers that must join before sending begins.
    pub(super) min_consumers: usize,
}

/// Sets up a replay. Returns `None` if the saved state says that everything was played already.
///
/// The order reports a fault of the capture before the broker or a consumer sees this publisher.
pub(super) async fn set_up(
    args: &PlayArgs,
    stream: &str,
    config: PublishConfig,
) -> Result<Option<Stage>, Error> {
    let quiet = args.output.quiet;
    let capture = open_capture(&args.capture, args.partial, quiet).await?;
    let mut config = fit_frames(config, &capture);
    let mut saved = match &args.resume_state {
        Some(path) => SavedFile::open(path, stream, &capture)?,
        None => None,
    };
    let mut start = StartPoint::default();
    if let Some(file) = &mut saved {
        if file.is_finished() {
            say_finished(args);
            return Ok(None);
        }
        let point = file.take_over()?;
        start = StartPoint::resume(&capture, &point)?;
        config.resume = Some(point);
        config.min_consumers = config.min_consumers.saturating_sub(file.through()).max(1);
    }
    let options = DiskOptions { engine: args.io, ..DiskOptions::default() };
    let blocks = BlockReader::start(&capture, start.block, options).await?;
    if let Some(why) = blocks.report().why.as_ref().filter(|_| !quiet) {
        eprintln!("{why}; reading with pread");
    }
    let broker = connect::connect(&args.connect, SESSION_CAPACITY, quiet).await?;
    let min_consumers = config.min_consumers;
    let publisher = claim(args, stream, config, &broker, &capture).await?;
    if let Some(path) = args.resume_state.as_ref().filter(|_| saved.is_none()) {
        saved = Some(SavedFile::begin(path, stream, &capture, &publisher)?);
    }
    Ok(Some(Stage { capture, blocks, broker, publisher, saved, start, min_consumers }))
}

/// Claims the stream.
///
/// If the broker takes messages as large as the bodies of the capture, the publisher sends the
/// bodies as they are, and late joiners can catch up from the capture.
async fn claim(
    args: &PlayArgs,
    stream: &str,
    config: PublishConfig,
    broker: &Broker,
    capture: &Capture,
) -> Result<Publisher, Error> {
    let endpoint = Endpoint::new(broker.client.clone(), broker.endpoint_config())
        .await
        .map_err(|error| Error::Failed(error.to_string()))?;
    let max_frame = config.frame_bytes.min(broker.client.server_info().max_payload);
    let body_bytes = capture.superblock().body_bytes;
    if body_bytes as usize + MAX_HEADER <= max_frame {
        let past = past::open(capture, args.integrity != Integrity::Blake3);
        return Ok(endpoint.publish_rewindable(stream, config, past).await?);
    }
    if config.late_join == LateJoin::FromStart || args.resume_state.is_some() {
        let option = match args.resume_state {
            Some(_) => "--resume-state",
            None => "--late-join start",
        };
        return Err(Error::Usage(format!(
            "{option}: the server takes messages of {max_frame} bytes at most, and {} holds \
             frames of {body_bytes}; raise its max_payload",
            capture.path().display(),
        )));
    }
    Ok(endpoint.publish(stream, config).await?)
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

/// Opens the capture. If the footer is missing, this reads the whole file.
async fn open_capture(path: &Path, partial: bool, quiet: bool) -> Result<Capture, Error> {
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
