//! Where received frames go: into a capture, out to plain subjects, or nowhere.

use async_nats::{Client, HeaderMap, Subject};
use bytes::Bytes;
use swp_fast::ReadyFrame;
use swp_fast::wire::Kind;
use swp_replay::capture::{
    CaptureWriter, ContentDigest, Ending, FrameEntry, Unpacker, WriterOptions,
};
use swp_replay::record::Record;

use crate::cli::RecvArgs;
use crate::connect::{self, Broker};
use crate::error::Error;

/// Published and not yet flushed, in bytes: the client copies small payloads, so this bounds them.
const FLUSH_EVERY_BYTES: usize = 1 << 20;

/// A capacity for a client that subscribes to nothing.
const NO_SUBSCRIPTIONS: usize = 1;

/// Takes frames in order. What it has taken can be asked for as a digest in the end.
pub(crate) enum Sink {
    /// `-o`: the writer makes the digest itself.
    File(Box<CaptureWriter>),
    /// `--republish`.
    Republish(Box<Republish>),
    /// `--discard`.
    Discard(Box<ContentDigest>),
}

/// Publishes every message to where it was published first.
pub(crate) struct Republish {
    client: Client,
    /// Keeps the other server's connection, if it is another.
    _other: Option<Broker>,
    prefix: Option<String>,
    content: ContentDigest,
    unpacker: Unpacker,
    unflushed_bytes: usize,
}

impl Sink {
    /// Opens a file, if that is what it is to be.
    pub(crate) fn file(args: &RecvArgs) -> Result<Option<Sink>, Error> {
        let Some(path) = &args.output_file else { return Ok(None) };
        let options = WriterOptions {
            overwrite: args.force,
            notes: format!("received from stream {}", cut(&args.stream)),
            ..WriterOptions::default()
        };
        Ok(Some(Sink::File(Box::new(CaptureWriter::create(path, options)?))))
    }

    /// Whatever sink it is to be.
    pub(crate) async fn make(args: &RecvArgs, broker: &Broker) -> Result<Sink, Error> {
        if let Some(file) = Self::file(args)? {
            return Ok(file);
        }
        if !args.republish {
            return Ok(Sink::Discard(Box::default()));
        }
        let other = match &args.to_server {
            Some(url) => Some(connect::connect_to(url, &args.connect, NO_SUBSCRIPTIONS).await?),
            None => None,
        };
        Ok(Sink::Republish(Box::new(Republish {
            client: other.as_ref().unwrap_or(broker).client.clone(),
            _other: other,
            prefix: args.prefix.clone(),
            content: ContentDigest::new(),
            unpacker: Unpacker::default(),
            unflushed_bytes: 0,
        })))
    }

    /// Takes the next frame.
    pub(crate) async fn take(&mut self, frame: ReadyFrame) -> Result<(), Error> {
        match self {
            Sink::File(writer) => Ok(writer.append_body(frame.kind, &frame.body, frame.digest)?),
            Sink::Discard(content) => hash(content, &frame),
            Sink::Republish(republish) => republish.take(frame).await,
        }
    }

    /// Everything has come: makes it safe, and returns its digest.
    pub(crate) async fn finish(self) -> Result<[u8; 32], Error> {
        match self {
            Sink::File(writer) => Ok(writer.finish(Ending::default())?.totals.content),
            Sink::Discard(content) => finish(&content),
            Sink::Republish(republish) => {
                republish.flush().await?;
                finish(&republish.content)
            }
        }
    }

    /// Not everything has come: keeps what has. A file stays without its footer, so that it is never
    /// taken for the whole. Returns what to tell the user of it.
    pub(crate) async fn abandon(self) -> String {
        match self {
            Sink::File(mut writer) => match writer.sync() {
                Ok(()) => format!(
                    "; the file keeps the {} messages that came, and says that it is unfinished",
                    writer.messages()
                ),
                Err(error) => format!("; the file keeps a part of them ({error})"),
            },
            Sink::Republish(republish) => {
                // What is lost with the connection cannot be brought back from here.
                let _ = republish.flush().await;
                String::new()
            }
            Sink::Discard(_) => String::new(),
        }
    }
}

impl Republish {
    async fn take(&mut self, frame: ReadyFrame) -> Result<(), Error> {
        hash(&mut self.content, &frame)?;
        let entry = FrameEntry {
            offset: 0,
            len: frame.body.len(),
            kind: frame.kind,
            continues: false,
            messages: frame.messages,
            first_ns: 0,
            digest: frame.digest,
        };
        self.unpacker.load(&entry, frame.body);
        while let Some(record) = self.unpacker.next() {
            let record = record.map_err(|error| not_a_record(&error))?;
            let payload = record.payload().map_err(|error| not_a_record(&error))?;
            let head = record.decode().map_err(|error| not_a_record(&error))?;
            self.publish(&head, payload).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, record: &Record<'_>, payload: Bytes) -> Result<(), Error> {
        let most = self.client.server_info().max_payload;
        if payload.len() > most {
            return Err(Error::Failed(format!(
                "a message of {} bytes on {} exceeds the server's max_payload of {most}; raise it, or use another --to-server",
                payload.len(),
                record.subject
            )));
        }
        self.unflushed_bytes += record.subject.len() + payload.len();
        let subject = match &self.prefix {
            Some(prefix) => Subject::from(format!("{prefix}.{}", record.subject)),
            None => Subject::from(record.subject),
        };
        let reply = record.reply.map(Subject::from);
        let sent = match (headers(record)?, reply) {
            (None, None) => self.client.publish(subject, payload).await,
            (None, Some(reply)) => self.client.publish_with_reply(subject, reply, payload).await,
            (Some(headers), None) => {
                self.client.publish_with_headers(subject, headers, payload).await
            }
            (Some(headers), Some(reply)) => {
                let client = &self.client;
                client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
        };
        sent.map_err(|error| {
            Error::Failed(format!("cannot publish to {}: {error}", record.subject))
        })?;
        if self.unflushed_bytes >= FLUSH_EVERY_BYTES {
            self.flush().await?;
            self.unflushed_bytes = 0;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        let flushed = self.client.flush().await;
        flushed.map_err(|error| Error::Failed(format!("cannot publish: {error}")))
    }
}

/// The record's headers as the client takes them.
fn headers(record: &Record<'_>) -> Result<Option<HeaderMap>, Error> {
    let Some(pairs) = &record.headers else { return Ok(None) };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter() {
        let invalid = || {
            Error::Incomplete(format!(
                "a message on {} has a header that NATS does not take: {name:?}",
                record.subject
            ))
        };
        let name: async_nats::HeaderName = name.parse().map_err(|_| invalid())?;
        let value: async_nats::HeaderValue = value.parse().map_err(|_| invalid())?;
        headers.append(name, value);
    }
    Ok(Some(headers))
}

fn hash(content: &mut ContentDigest, frame: &ReadyFrame) -> Result<(), Error> {
    let taken = match frame.kind {
        Kind::Fragment => swp_fast::wire::Fragment::decode(&frame.body)
            .map_err(Into::into)
            .and_then(|fragment| content.update_fragment(&fragment)),
        _ => content.update_body(&frame.body),
    };
    taken.map_err(|error| not_a_record(&error))
}

fn finish(content: &ContentDigest) -> Result<[u8; 32], Error> {
    content.finish().map_err(|error| not_a_record(&error))
}

fn not_a_record(error: &dyn std::fmt::Display) -> Error {
    Error::Incomplete(format!("the stream carries something that is no record: {error}"))
}

/// At most 255 bytes, which is what a stream's name may have; a longer one is refused later.
fn cut(name: &str) -> &str {
    let mut end = name.len().min(255);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
