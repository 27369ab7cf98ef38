//! The bytes through a relay that looks at nothing: two hops of loopback TCP, which is what any broker
//! must pay. Blocking sockets and three threads.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use super::{Load, Outcome, read};
use crate::Failure;

/// Bytes a read or a write, as in the wire peer.
const BUFFER: usize = 256 << 10;

/// Two ends of a loopback connection.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    Ok((near, far))
}

fn relay(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

fn receive(mut stream: TcpStream) -> io::Result<(u64, Instant)> {
    let (mut bytes, mut sum, mut last) = (0, 0_u64, Instant::now());
    let mut buffer = vec![0; BUFFER];
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => {
                sum = sum.wrapping_add(read(&buffer[..count]));
                bytes += count as u64;
                last = Instant::now();
            }
        }
    }
    std::hint::black_box(sum);
    Ok((bytes, last))
}

pub(super) fn run(load: Load) -> Result<Outcome, Failure> {
    let (mut producer, entry) = pair()?;
    let (exit, consumer) = pair()?;
    let relaying = thread::spawn(move || relay(entry, exit));
    let receiving = thread::spawn(move || receive(consumer));
    let payload = vec![b'x'; BUFFER];
    let start = Instant::now();
    let mut left = load.count * load.size as u64;
    while left > 0 {
        let count = left.min(BUFFER as u64);
        producer.write_all(&payload[..count as usize])?;
        left -= count;
    }
    drop(producer);
    relaying.join().map_err(|_| "the relay's thread panicked")??;
    let (bytes, last) = receiving.join().map_err(|_| "the consumer's thread panicked")??;
    Ok(Outcome::new(load.count, (bytes / load.size as u64, last), start))
}
