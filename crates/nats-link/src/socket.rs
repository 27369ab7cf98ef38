//! The socket in two halves. The connection's task reads. Every thread may write, without waiting.
//!
//! With TLS both halves share the state of the encryption behind a lock.

use std::{
    io::{self, BufRead, IoSlice, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::AsyncReadExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_rustls::rustls::ClientConnection;

#[cfg(test)]
mod tests;

/// How many bytes TLS encrypts at a time and keeps until the socket takes them.
const TLS_BUFFER_BYTES: usize = 256 << 10;

/// How many encrypted bytes a read takes. The TLS library itself reads a few KiB at a time.
const TLS_READ_BYTES: usize = 128 << 10;

type Tls = Arc<Mutex<ClientConnection>>;

/// The half that reads.
#[derive(Debug)]
pub(crate) struct Inbound {
    tcp: OwnedReadHalf,
    tls: Option<Decrypt>,
}

#[derive(Debug)]
struct Decrypt {
    tls: Tls,
    /// What was read and not yet decrypted.
    encrypted: BytesMut,
}

/// The half that writes.
#[derive(Debug)]
pub(crate) struct Outbound {
    tcp: OwnedWriteHalf,
    tls: Option<Tls>,
}

pub(crate) fn plain(tcp: TcpStream) -> (Inbound, Outbound) {
    let (read, write) = tcp.into_split();
    (Inbound { tcp: read, tls: None }, Outbound { tcp: write, tls: None })
}

pub(crate) fn encrypted(tcp: TcpStream, mut state: ClientConnection) -> (Inbound, Outbound) {
    state.set_buffer_limit(Some(TLS_BUFFER_BYTES));
    let tls = Arc::new(Mutex::new(state));
    let (read, write) = tcp.into_split();
    (
        Inbound {
            tcp: read,
            tls: Some(Decrypt { tls: Arc::clone(&tls), encrypted: BytesMut::new() }),
        },
        Outbound { tcp: write, tls: Some(tls) },
    )
}

/// The state stays usable: nothing that runs under the lock panics between two changes to it.
fn lock(tls: &Tls) -> MutexGuard<'_, ClientConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbound {
    /// Appends what the server has sent to `buffer`, at most its spare capacity. Returns the number
    /// of bytes, which is 0 at the end of the connection.
    ///
    /// Cancel safe: bytes are either in the buffer or not read.
    pub(crate) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let Some(decrypt) = &mut self.tls else { return self.tcp.read_buf(buffer).await };
        loop {
            if let Some(count) = decrypt.take(buffer)? {
                return Ok(count);
            }
            decrypt.encrypted.reserve(TLS_READ_BYTES);
            if self.tcp.read_buf(&mut decrypt.encrypted).await? == 0 {
                // TLS must know, to tell an end from a cut.
                lock(&decrypt.tls).read_tls(&mut io::empty())?;
            }
        }
    }

    /// Returns the socket to be encrypted, from both halves of a plain one.
    pub(crate) fn reunite(self, outbound: Outbound) -> io::Result<TcpStream> {
        self.tcp.reunite(outbound.tcp).map_err(io::Error::other)
    }
}

impl Decrypt {
    /// Decrypts what was read, and moves it to `buffer`. Returns `None` if there is nothing yet,
    /// and 0 at the end.
    fn take(&mut self, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        let mut tls = lock(&self.tls);
        loop {
            // The library takes more only once the plain text is gone.
            let taken = take_plaintext(&mut tls, buffer)?;
            if taken.is_some() || self.encrypted.is_empty() {
                return Ok(taken);
            }
            let count = tls.read_tls(&mut &self.encrypted[..])?;
            self.encrypted.advance(count);
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

/// Moves decrypted bytes to `buffer`. Returns `None` if there are none yet, and 0 at the end.
fn take_plaintext(tls: &mut ClientConnection, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
    let start = buffer.len();
    loop {
        let spare = buffer.capacity() - buffer.len();
        let mut reader = tls.reader();
        let end = match reader.fill_buf() {
            Ok([]) => true,
            Ok(bytes) if spare > 0 => {
                let count = bytes.len().min(spare);
                buffer.extend_from_slice(&bytes[..count]);
                reader.consume(count);
                continue;
            }
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // The server left without saying so in TLS, as a server does that is killed.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
            Err(error) => return Err(error),
        };
        let count = buffer.len() - start;
        return Ok((count > 0 || end).then_some(count));
    }
}

impl Outbound {
    /// Writes what the socket takes at once. Returns the number of bytes.
    ///
    /// With TLS, bytes count as written once they are encrypted. At most 256 KiB of those wait for
    /// the socket; while some do, this fails with `WouldBlock`.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.tcp.try_write_vectored(slices) };
        let mut tls = lock(tls);
        flush(&mut tls, &self.tcp)?;
        let count = tls.writer().write_vectored(slices)?;
        // A failure shows again at the next flush. The server may have read a part of the bytes, so
        // they count as written: they must not be sent again on the next connection.
        let _ = flush(&mut tls, &self.tcp);
        Ok(count)
    }

    /// Hands encrypted bytes to the socket. Fails with `WouldBlock` if some are left.
    pub(crate) fn try_flush(&self) -> io::Result<()> {
        match &self.tls {
            Some(tls) => flush(&mut lock(tls), &self.tcp),
            None => Ok(()),
        }
    }

    /// Waits until the socket may take more. Cancel safe.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.tcp.writable().await
    }

    /// Writes all of `bytes`. Not cancel safe: a part may have been written.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            let step = match bytes.is_empty() {
                true => self.try_flush().map(|()| 0),
                false => self.try_write(&[IoSlice::new(bytes)]),
            };
            match step {
                Ok(_) if bytes.is_empty() => return Ok(()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) => return Err(error),
            }
        }
    }
}

fn flush(tls: &mut ClientConnection, tcp: &OwnedWriteHalf) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut Now(tcp))?;
    }
    Ok(())
}

/// The writing half as [`Write`]. It fails with `WouldBlock` where a blocking socket would wait.
struct Now<'a>(&'a OwnedWriteHalf);

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
