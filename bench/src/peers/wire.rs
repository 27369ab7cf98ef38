//! The broker's ceiling: NATS protocol lines that were made beforehand, written and read with plain
//! blocking sockets by two threads. No client library can be faster.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Load, Outcome, read};
use crate::Failure;

/// Bytes a read or a write: more gained nothing over loopback.
const BUFFER: usize = 256 << 10;

/// The consumer gives up where nothing comes for so long: then the broker dropped something.
const SILENCE: Duration = Duration::from_secs(2);

/// A connection whose greeting is through, and whose server has answered a PING after `commands`.
fn connect(port: u16, commands: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    write!(stream, "CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{commands}PING\r\n")?;
    // Nothing follows the PONG until somebody publishes, so no byte is lost in the reader.
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while !line.starts_with("PONG") {
        line.clear();
        if lines.read_line(&mut line)? == 0 || line.starts_with("-ERR") {
            return Err(io::Error::other(format!("the server refused: {}", line.trim_end())));
        }
    }
    Ok(stream)
}

/// Takes the server's lines apart. All messages are of one length, and so are their lines.
pub(super) struct Lines {
    message_len: usize,
    /// What the line that is being read still lacks.
    left: usize,
    /// Whether that line is a message.
    message: bool,
    pub(super) received: u64,
}

impl Lines {
    pub(super) fn new(size: usize) -> Lines {
        let message_len = format!("MSG bench.wire 1 {size}\r\n").len() + size + 2;
        Lines { message_len, left: 0, message: false, received: 0 }
    }

    /// Takes the next bytes of the connection, from wherever the last ended.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some(first) = bytes.first() {
            if self.left == 0 {
                self.message = *first == b'M';
                self.left = match first {
                    b'M' => self.message_len,
                    b'P' => "PING\r\n".len(),
                    _ => return Err(io::Error::other("the server sent something unexpected")),
                };
            }
            let taken = self.left.min(bytes.len());
            self.left -= taken;
            bytes = &bytes[taken..];
            self.received += u64::from(self.left == 0 && self.message);
        }
        Ok(())
    }
}

fn receive(mut stream: TcpStream, load: Load) -> io::Result<(u64, Instant)> {
    stream.set_read_timeout(Some(SILENCE))?;
    let (mut lines, mut sum, mut last) = (Lines::new(load.size), 0_u64, Instant::now());
    let mut buffer = vec![0; BUFFER];
    while lines.received < load.count {
        let count = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        };
        lines.take(&buffer[..count])?;
        sum = sum.wrapping_add(read(&buffer[..count]));
        last = Instant::now();
    }
    std::hint::black_box(sum);
    Ok((lines.received, last))
}

pub(super) fn run(port: u16, load: Load) -> Result<Outcome, Failure> {
    let consumer = connect(port, "SUB bench.wire 1\r\n")?;
    let receiving = std::thread::spawn(move || receive(consumer, load));
    let mut producer = connect(port, "")?;
    let mut line = format!("PUB bench.wire {}\r\n", load.size).into_bytes();
    line.resize(line.len() + load.size, b'x');
    line.extend(b"\r\n");
    let per_write = (BUFFER / line.len()).max(1);
    let lines = line.repeat(per_write);
    let start = Instant::now();
    let mut left = usize::try_from(load.count)?;
    while left > 0 {
        let count = left.min(per_write);
        producer.write_all(&lines[..count * line.len()])?;
        left -= count;
    }
    let received = receiving.join().map_err(|_| "the consumer's thread panicked")??;
    Ok(Outcome::new(load.count, received, start))
}

#[cfg(test)]
mod tests;
