//! `info`, `verify`, `cat` and `gen`: captures without a broker.

use std::io::{self, BufWriter, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use swp_fast::wire::{Fragment, Kind};
use swp_replay::capture::{
    BodyError, Capture, CaptureError, CaptureWriter, ContentDigest, Ending, FrameEntry, Unpacker,
    WriterOptions,
};
use swp_replay::generate::{GenerateOptions, generate as fill};
use swp_replay::record::Record;

use crate::cli::{CatArgs, GenArgs, InspectArgs};
use crate::error::Error;
use crate::report::{Report, Transfer};
use crate::units::{hex, show_bytes, show_count};

/// What is in a capture, going by its index.
pub(crate) fn info(args: &InspectArgs, report: &mut Report) -> Result<(), Error> {
    let capture = Capture::open(&args.capture)?;
    describe(&capture, report);
    if !args.output.json {
        print_info(&capture).or_else(|error| ignore_closed_pipe(&error))?;
    }
    whole(&capture)
}

/// Reads everything and compares every digest.
pub(crate) fn verify(args: &InspectArgs, report: &mut Report) -> Result<(), Error> {
    let capture = Capture::open(&args.capture)?;
    describe(&capture, report);
    let mut check = Check::default();
    for block in capture.blocks(0) {
        match block {
            Ok(block) => {
                check.unpacker.start_block(block.first_seq);
                let number = block.number;
                let frames = block.frames;
                let bytes = bytes::Bytes::from_owner(block.buffer);
                for frame in &frames {
                    check.frame(&capture, number, frame, bytes.slice(frame.range()));
                }
            }
            Err(error) => check.damaged(error),
        }
    }
    if let Some(first) = check.first_damage {
        let more = match check.damages {
            1 => String::new(),
            number => format!(", and {} more places", number - 1),
        };
        return Err(Error::Incomplete(format!("{first}{more}")));
    }
    whole(&capture)?;
    let content = check.content.finish().map(|digest| digest == capture.totals().content);
    if content != Ok(true) || check.messages != capture.totals().messages {
        return Err(Error::Incomplete(format!(
            "{}: every body is intact, but together they are not what the footer says",
            args.capture.display()
        )));
    }
    if !args.output.quiet {
        eprintln!(
            "{}: intact, {} messages in {} frames, content digest {}",
            args.capture.display(),
            show_count(check.messages),
            show_count(capture.totals().frames),
            hex(&capture.totals().content)
        );
    }
    Ok(())
}

/// What `verify` has found.
#[derive(Default)]
struct Check {
    unpacker: Unpacker,
    content: ContentDigest,
    messages: u64,
    first_damage: Option<CaptureError>,
    damages: u64,
}

impl Check {
    fn frame(&mut self, capture: &Capture, block: u64, frame: &FrameEntry, body: bytes::Bytes) {
        let path = || capture.path().to_owned();
        if !frame.digest.matches(&body) {
            self.unpacker.pass_over(frame);
            let what = "digest of a body";
            return self.damaged(CaptureError::Corrupt { path: path(), block, what });
        }
        let hashed = match frame.kind {
            Kind::Fragment => Fragment::decode(&body)
                .map_err(BodyError::from)
                .and_then(|fragment| self.content.update_fragment(&fragment)),
            _ => self.content.update_body(&body),
        };
        if let (Err(source), None) = (hashed, &self.first_damage) {
            self.damaged(CaptureError::Content { path: path(), block, source });
        }
        self.unpacker.load(frame, body);
        while let Some(record) = self.unpacker.next() {
            let decoded = record.and_then(|record| Ok(record.decode().map(|_| ())?));
            match decoded {
                Ok(()) => self.messages += 1,
                Err(source) => {
                    self.damaged(CaptureError::Content { path: path(), block, source });
                }
            }
        }
    }

    fn damaged(&mut self, error: CaptureError) {
        self.damages += 1;
        self.first_damage.get_or_insert(error);
    }
}

/// The messages, one JSON object a line.
pub(crate) fn cat(args: &CatArgs) -> Result<(), Error> {
    let capture = Capture::open(&args.capture)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut first_damage: Option<CaptureError> = None;
    let mut printed = 0;
    for record in capture.records() {
        if args.count.is_some_and(|count| printed >= count) {
            break;
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                first_damage.get_or_insert(error);
                continue;
            }
        };
        let line = match record.decode() {
            Ok(decoded) => to_json(record.seq, &decoded),
            Err(error) => {
                let path = args.capture.display();
                return Err(Error::Incomplete(format!("{path}: message {}: {error}", record.seq)));
            }
        };
        if let Err(error) = writeln!(out, "{line}") {
            return ignore_closed_pipe(&error);
        }
        printed += 1;
    }
    out.flush().or_else(|error| ignore_closed_pipe(&error))?;
    match first_damage {
        Some(error) => Err(error.into()),
        None => whole(&capture),
    }
}

/// Makes a capture.
pub(crate) fn generate(args: &GenArgs, report: &mut Report) -> Result<(), Error> {
    let options = GenerateOptions {
        messages: args.messages,
        min_bytes: args.size.0,
        max_bytes: args.size.1,
        subjects: args.subjects,
        rate: args.rate,
        seed: args.seed,
        ..GenerateOptions::default()
    };
    let started = std::time::Instant::now();
    let notes = format!("made up, seed {}", args.seed);
    let writer = WriterOptions { overwrite: args.force, notes, ..WriterOptions::default() };
    let mut writer = CaptureWriter::create(&args.output_file, writer)?;
    fill(&options, &mut writer)?;
    let totals = writer.finish(Ending::default())?.totals;
    let mut transfer = Transfer {
        messages: totals.messages,
        bytes: totals.payload_bytes,
        frames: totals.frames,
        content_digest: Some(hex(&totals.content)),
        ..Transfer::default()
    };
    transfer.took(started.elapsed());
    report.transfer = Some(transfer);
    Ok(())
}

/// An unfinished or damaged file is an error, whatever could be read of it.
fn whole(capture: &Capture) -> Result<(), Error> {
    match capture.recovered() {
        None => Ok(()),
        Some(recovered) => {
            Err(Error::Incomplete(format!("{}: {recovered}", capture.path().display())))
        }
    }
}

/// Puts into the JSON object what the capture's index says.
pub(crate) fn describe(capture: &Capture, report: &mut Report) {
    let (totals, front) = (capture.totals(), capture.superblock());
    let fields = json!({
        "messages": totals.messages,
        "bytes": totals.payload_bytes,
        "first_ns": totals.first_ns,
        "last_ns": totals.last_ns,
        "subjects": totals.subjects.count,
        "subjects_exact": !totals.subjects.at_least,
        "content_digest": hex(&totals.content),
        "frames": totals.frames,
        "blocks": capture.index().len(),
        "file_bytes": capture.file_bytes(),
        "created_ns": front.created_ns,
        "notes": front.notes,
        "complete": capture.recovered().is_none(),
        "dropped_while_recording": capture.ending().map(|ending| ending.dropped),
    });
    if let Value::Object(fields) = fields {
        report.fields.extend(fields);
    }
}

fn print_info(capture: &Capture) -> io::Result<()> {
    let (totals, front) = (capture.totals(), capture.superblock());
    let mut out = io::stdout().lock();
    let more = if totals.subjects.at_least { " or more" } else { "" };
    let seconds = totals.last_ns.saturating_sub(totals.first_ns) as f64 / 1e9;
    writeln!(out, "messages        {}", show_count(totals.messages))?;
    writeln!(out, "payload         {}", show_bytes(totals.payload_bytes as f64))?;
    writeln!(out, "subjects        {}{more}", show_count(totals.subjects.count))?;
    writeln!(out, "first           {} ({})", time(totals.first_ns), totals.first_ns)?;
    writeln!(
        out,
        "last            {} ({}), {seconds:.3} s later",
        time(totals.last_ns),
        totals.last_ns
    )?;
    writeln!(out, "content digest  {}", hex(&totals.content))?;
    writeln!(
        out,
        "file            {} in {} blocks, {} frames",
        show_bytes(capture.file_bytes() as f64),
        show_count(capture.index().len() as u64),
        show_count(totals.frames)
    )?;
    if !front.notes.is_empty() {
        writeln!(out, "notes           {}", front.notes)?;
    }
    if let Some(ending) = capture.ending() {
        if ending.dropped > 0 {
            writeln!(out, "dropped         {} while recording", show_count(ending.dropped))?;
        }
        if !ending.notes.is_empty() {
            writeln!(out, "ending          {}", ending.notes)?;
        }
    }
    out.flush()
}

/// A time for people, to the microsecond, in UTC.
fn time(ns: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(ns);
    humantime::format_rfc3339_micros(time).to_string()
}

fn to_json(seq: u64, record: &Record<'_>) -> Value {
    let mut line = json!({
        "seq": seq,
        "timestamp_ns": record.timestamp_ns,
        "subject": record.subject,
    });
    if let Some(reply) = record.reply {
        line["reply"] = reply.into();
    }
    if let Some(headers) = &record.headers {
        line["headers"] = headers.iter().map(|(name, value)| json!([name, value])).collect();
    }
    match std::str::from_utf8(record.payload) {
        Ok(text) => line["payload"] = text.into(),
        Err(_) => line["payload_base64"] = STANDARD.encode(record.payload).into(),
    }
    line
}

/// Whoever reads stdout has seen enough: that is no failure.
fn ignore_closed_pipe(error: &io::Error) -> Result<(), Error> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::Failed(format!("cannot write to stdout: {error}"))),
    }
}
