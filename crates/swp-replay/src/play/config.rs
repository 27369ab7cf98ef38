//! The settings of the publisher, from the arguments and the capture.

use swp_fast::wire::MAX_HEADER;
use swp_fast::{LateJoin, PublishConfig, Slow};
use swp_replay::capture::Capture;

use crate::cli::{Late, OnSlow, PlayArgs};
use crate::connect;
use crate::error::Error;

/// Keep-alives in one idle time-out. The configuration demands at least three.
const KEEP_ALIVES_IN_TIMEOUT: u32 = 10;

/// Returns the name of the stream: `--to`, or the file name of the capture without its extension.
pub(super) fn stream_name(args: &PlayArgs) -> Result<String, Error> {
    if let Some(name) = &args.to {
        return Ok(name.clone());
    }
    let stem = args.capture.file_stem().and_then(|stem| stem.to_str());
    stem.map(str::to_owned).ok_or_else(|| {
        Error::Usage(format!("{}: cannot name a stream after it; use --to", args.capture.display()))
    })
}

/// Returns the configuration that the arguments ask for.
pub(super) fn publish_config(args: &PlayArgs) -> Result<PublishConfig, Error> {
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

/// Sets the largest frame to the size that the bodies of the capture need.
///
/// The larger frames for several consumers gain only where messages are packed. A consumer reserves
/// window for each frame that it misses, so a smaller bound reserves less.
pub(super) fn fit_frames(mut config: PublishConfig, capture: &Capture) -> PublishConfig {
    let wanted = capture.superblock().body_bytes as usize + MAX_HEADER;
    config.frame_bytes = config.solo_frame_bytes.max(wanted.min(swp_fast::config::MAX_FRAME_BYTES));
    // The publisher queues a whole block while frames of the block before it leave.
    config.queue_bytes = config.queue_bytes.max(config.frame_bytes);
    config.retained_bytes = config.retained_bytes.max(config.frame_bytes as u64);
    config
}

#[cfg(test)]
mod tests;
