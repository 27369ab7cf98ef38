//! Moves one direction of one connection through the splitter and the mangler.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::mangle::Mangler;
use crate::proxy::Shared;
use crate::split::{Origin, Splitter, Unit};

/// What one read may bring.
const READ_BYTES: usize = 64 * 1024;

/// A message that waits to be overtaken goes after this long, should nothing come.
const OVERTAKE_WAIT: Duration = Duration::from_millis(5);

pub(crate) struct Pump {
    pub(crate) reader: OwnedReadHalf,
    pub(crate) writer: OwnedWriteHalf,
    pub(crate) splitter: Splitter,
    pub(crate) mangler: Mangler,
    pub(crate) origin: Origin,
    pub(crate) shared: Arc<Shared>,
    pub(crate) out: BytesMut,
}

impl Pump {
    /// Until either side closes, or says what is not NATS.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        let mut stalled = self.shared.stalled.subscribe();
        loop {
            holds(&mut stalled, false).await;
            self.splitter.buffer().reserve(READ_BYTES);
            let read = tokio::select! {
                read = self.reader.read_buf(self.splitter.buffer()) => Some(read?),
                () = holds(&mut stalled, true) => continue,
                () = tokio::time::sleep(OVERTAKE_WAIT), if self.mangler.holds_any() => None,
            };
            match read {
                Some(0) => return Ok(()),
                Some(_) => self.pass_on().await?,
                None => {
                    self.mangler.let_go(&mut self.out);
                    self.write_out().await?;
                }
            }
        }
    }

    async fn pass_on(&mut self) -> io::Result<()> {
        let faults = self.shared.faults();
        while let Some(mut unit) = self.splitter.next_unit().map_err(invalid)? {
            if let Some(delay) = self.mangler.delay(&unit, &faults, &self.shared.counters) {
                self.write_out().await?;
                tokio::time::sleep(delay).await;
            }
            if self.origin == Origin::Server
                && let Unit::Line(line) = &mut unit
                && line.starts_with(b"INFO ")
            {
                *line = without_other_servers(line)?;
            }
            self.mangler.pass(unit, &faults, &self.shared.counters, &mut self.out);
        }
        self.write_out().await
    }

    async fn write_out(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }
}

/// Waits until the flag is `wanted`.
async fn holds(flag: &mut watch::Receiver<bool>, wanted: bool) {
    // The sending side lives in `shared`, as long as the connection.
    let _ = flag.wait_for(|now| *now == wanted).await;
}

/// The INFO line without the addresses of other servers, to which a client would go around the proxy.
fn without_other_servers(line: &[u8]) -> io::Result<Bytes> {
    let json = line.get(b"INFO ".len()..).unwrap_or_default();
    let mut info: serde_json::Map<_, _> = serde_json::from_slice(json)?;
    info.remove("connect_urls");
    info.remove("ws_connect_urls");
    let mut line = b"INFO ".to_vec();
    serde_json::to_writer(&mut line, &info)?;
    line.extend_from_slice(b"\r\n");
    Ok(line.into())
}

fn invalid(error: crate::SplitError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
