//! `recover`: what is whole in a damaged or unfinished capture, into a capture that is whole.
//!
//! Bodies are copied as they are, under the digests that were compared when they were found; what is left
//! out are blocks that do not fit their checks and records of which a part is missing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::Bytes;
use serde_json::json;
use swp_replay::capture::{ALIGN, Capture, CaptureWriter, Ending, WriterOptions, format};

use crate::cli::RecoverArgs;
use crate::error::Error;
use crate::inspect::describe;
use crate::report::Report;
use crate::units::{hex, show_bytes, show_count};

pub(crate) fn recover(args: &RecoverArgs, report: &mut Report) -> Result<(), Error> {
    if same_file(&args.capture, &args.output_file) {
        return Err(Error::Usage(format!(
            "{}: a capture cannot be recovered into itself; name another file",
            args.output_file.display()
        )));
    }
    let capture = Capture::recover(&args.capture)?;
    let recovered = capture.recovered().copied();
    let mut writer = CaptureWriter::create(&args.output_file, options(&capture, args.force))?;
    copy(&capture, &mut writer)?;
    let notes = match &recovered {
        None => capture.ending().map(|ending| ending.notes.clone()).unwrap_or_default(),
        Some(recovered) => recovered.to_string(),
    };
    let dropped = capture.ending().map_or(0, |ending| ending.dropped);
    let saved = writer.finish(Ending { dropped, notes })?.totals;
    describe(&Capture::open(&args.output_file)?, report);
    let lost_bytes = recovered.map_or(0, |recovered| recovered.lost_bytes);
    let lost_messages = recovered.map_or(0, |recovered| recovered.lost_messages);
    report.fields.extend([
        ("reason".to_owned(), json!(recovered.map(|recovered| recovered.reason.to_string()))),
        ("lost_bytes".to_owned(), json!(lost_bytes)),
        ("lost_messages".to_owned(), json!(lost_messages)),
    ]);
    if !args.output.quiet {
        eprintln!(
            "{}: {} messages saved, {} of payload, content digest {}",
            args.output_file.display(),
            show_count(saved.messages),
            show_bytes(saved.payload_bytes as f64),
            hex(&saved.content)
        );
    }
    match recovered {
        Some(recovered) if lost_bytes > 0 || lost_messages > 0 => {
            Err(Error::Incomplete(format!("{}: {recovered}", args.capture.display())))
        }
        Some(recovered) if !args.output.quiet => {
            eprintln!(
                "{}: {}, and nothing in it was lost",
                args.capture.display(),
                recovered.reason
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Sizes and notes of the original, where its front is to be believed.
pub(crate) fn options(capture: &Capture, overwrite: bool) -> WriterOptions {
    let front = capture.superblock();
    let block_bytes =
        (front.block_bytes as usize).clamp(format::MIN_BLOCK_BYTES, format::MAX_BLOCK);
    WriterOptions {
        block_bytes,
        body_bytes: (front.body_bytes as usize)
            .clamp(format::MIN_BODY_BYTES, block_bytes - 2 * ALIGN),
        notes: front.notes.clone(),
        overwrite,
        durable: true,
    }
}

/// Takes over every body that was found; returns how many there were, and their length.
pub(crate) fn copy(capture: &Capture, writer: &mut CaptureWriter) -> Result<(u64, u64), Error> {
    let (mut frames, mut length) = (0, 0);
    for block in capture.blocks(0) {
        let block = block?;
        let bytes = Bytes::from_owner(block.buffer);
        for frame in &block.frames {
            writer.append_body(frame.kind, &bytes.slice(frame.range()), frame.digest)?;
            frames += 1;
            length += frame.range().len() as u64;
        }
    }
    Ok((frames, length))
}

/// Whether both paths lead to one file, by whatever names.
fn same_file(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}
