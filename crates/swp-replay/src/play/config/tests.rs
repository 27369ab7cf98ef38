use clap::Parser;
use swp_replay::capture::{CaptureWriter, Ending, WriterOptions};

use super::*;
use crate::cli::{Cli, Command};

fn args(more: &[&str]) -> PlayArgs {
    let cli = Cli::try_parse_from([&["swp-replay", "play"], more].concat()).expect("parses");
    let Command::Play(args) = cli.command else { panic!("play") };
    args
}

#[test]
fn stream_is_named_by_the_option_or_the_file() {
    assert_eq!(stream_name(&args(&["dir/ticks.dat"])).expect("a name"), "ticks");
    assert_eq!(stream_name(&args(&["dir/ticks.dat", "--to", "s"])).expect("a name"), "s");
    let error = stream_name(&args(&[".."])).expect_err("no file name");
    assert_eq!(error.to_string(), "..: cannot name a stream after it; use --to");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn keep_alive_fits_into_a_short_idle_timeout() {
    let config = publish_config(&args(&["c", "--idle-timeout", "300ms"])).expect("valid");
    assert!(config.keep_alive * 3 <= config.idle_timeout);
}

#[test]
fn option_out_of_bounds_is_a_usage_error() {
    let error = publish_config(&args(&["c", "--idle-timeout", "1ms"])).expect_err("too short");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn largest_frame_holds_the_bodies_of_the_capture_and_fits_the_queues() {
    let folder = tempfile::tempdir().expect("a folder");
    for body_bytes in [4 << 10, 16 << 10, 900 << 10] {
        let path = folder.path().join(body_bytes.to_string());
        let options = WriterOptions { body_bytes, durable: false, ..WriterOptions::default() };
        let writer = CaptureWriter::create(&path, options).expect("creates");
        writer.finish(Ending::default()).expect("finishes");
        let capture = Capture::open(&path).expect("opens");
        let mut config = publish_config(&args(&["c"])).expect("valid");
        config.queue_bytes = 0;
        config.retained_bytes = 0;
        let fitted = fit_frames(config.clone(), &capture);
        assert_eq!(fitted.frame_bytes, config.solo_frame_bytes.max(body_bytes + MAX_HEADER));
        assert_eq!(fitted.queue_bytes, fitted.frame_bytes);
        assert_eq!(fitted.retained_bytes, fitted.frame_bytes as u64);
    }
}
