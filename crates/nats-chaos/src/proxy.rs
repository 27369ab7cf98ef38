//! The listener, and what can be done to it while it runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::Faults;
use crate::counts::{Counters, Counts, count};
use crate::mangle::Mangler;
use crate::pump::Pump;
use crate::split::{Origin, Splitter};

/// What the kernel keeps for a proxy that does not read. Small, so that its peer soon notices.
const SOCKET_BYTES: u32 = 128 * 1024;

/// Connections that wait to be accepted; more than any test opens at once.
const BACKLOG: u32 = 64;

/// A proxy on a free port of 127.0.0.1. Dropped, it closes the port and cuts all connections.
#[derive(Debug)]
pub struct ChaosProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// What the proxy's handle shares with its connections.
#[derive(Debug)]
pub(crate) struct Shared {
    upstream: SocketAddr,
    seed: u64,
    faults: Mutex<Arc<Faults>>,
    refusing: AtomicBool,
    pub(crate) stalled: watch::Sender<bool>,
    /// Counts the cuts; a connection ends when it changes.
    cuts: watch::Sender<u64>,
    open: AtomicU64,
    pub(crate) counters: Counters,
}

impl Shared {
    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ChaosProxy {
    /// Starts a proxy for the server at 127.0.0.1:`port`. It does no harm until it is told to. Needs a
    /// tokio runtime, on which it runs.
    ///
    /// # Errors
    /// Where no port can be opened.
    pub fn start(port: u16, seed: u64) -> io::Result<ChaosProxy> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(SOCKET_BYTES)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: (Ipv4Addr::LOCALHOST, port).into(),
            seed,
            faults: Mutex::default(),
            refusing: AtomicBool::new(false),
            stalled: watch::Sender::new(false),
            cuts: watch::Sender::new(0),
            open: AtomicU64::new(0),
            counters: Counters::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(ChaosProxy { address, shared, accepting })
    }

    /// Where clients connect: `nats://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// From now on, this is done to messages.
    pub fn set_faults(&self, faults: Faults) {
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
    }

    /// Closes all connections at once. Returns how many there were.
    pub fn cut_all(&self) -> u64 {
        let open = self.shared.open.load(Ordering::SeqCst);
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
        open
    }

    /// Whether new connections are closed as soon as they are made. Those there are stay.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::Relaxed);
    }

    /// Whether the proxy stands still: connections stay open, but nothing is read in either direction, as
    /// if the peer's process were stopped.
    pub fn stall(&self, stall: bool) {
        self.shared.stalled.send_replace(stall);
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counters.snapshot()
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_all();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut number = 0;
    loop {
        // Failed before it was made: there is nothing to close.
        let Ok((client, _)) = listener.accept().await else { continue };
        if shared.refusing.load(Ordering::Relaxed) {
            count(&shared.counters.refused);
            continue;
        }
        number += 1;
        // Whoever sees it counted can cut it.
        let cuts = shared.cuts.subscribe();
        shared.open.fetch_add(1, Ordering::SeqCst);
        count(&shared.counters.accepted);
        tokio::spawn(serve(client, number, cuts, Arc::clone(&shared)));
    }
}

/// One connection, until it is cut or either side closes it.
async fn serve(
    client: TcpStream,
    number: u64,
    mut cuts: watch::Receiver<u64>,
    shared: Arc<Shared>,
) {
    tokio::select! {
        // An error is an end like any other: the client sees its connection close.
        _ = relay(client, number, &shared) => {}
        _ = cuts.changed() => count(&shared.counters.cut),
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

async fn relay(client: TcpStream, number: u64, shared: &Arc<Shared>) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    let server = socket.connect(shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let pump = |origin, reader, writer, direction| {
        let pump = Pump {
            reader,
            writer,
            splitter: Splitter::new(origin),
            mangler: Mangler::new(shared.seed ^ (number << 1 | direction)),
            origin,
            shared: Arc::clone(shared),
            out: BytesMut::new(),
        };
        pump.run()
    };
    tokio::select! {
        ended = pump(Origin::Client, from_client, to_server, 0) => ended,
        ended = pump(Origin::Server, from_server, to_client, 1) => ended,
    }
}
