//! Opens one connection to one server: TCP, `INFO`, TLS, `CONNECT`, and the first `PONG`.

mod error;

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;

pub use self::error::ConnectError;
use self::error::{Refusal, Step};
use crate::{
    credentials::Login,
    fault::ServerError,
    info::{ServerInfo, connect_line},
    options::ConnectOptions,
    parse::{Decoder, Op},
    server::ServerUrl,
    socket::{self, Inbound, Outbound},
    tls,
};

/// A connection that a server has accepted.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Arc<Outbound>,
    /// It may hold bytes that follow the `PONG`.
    pub(crate) decoder: Decoder,
    pub(crate) info: ServerInfo,
    pub(crate) server: ServerUrl,
    pub(crate) encrypted: bool,
    /// Whether `info` came in plain text though the connection is encrypted, so that an attacker on
    /// the way may have written it.
    pub(crate) doubtful_info: bool,
}

/// What an attempt to connect is made with.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) server: &'a ServerUrl,
    /// The name that the server's certificate must have.
    pub(crate) tls_name: &'a str,
    pub(crate) options: &'a ConnectOptions,
    /// Whether nothing may be sent in plain text.
    pub(crate) demand_tls: bool,
    /// Filled when it is needed first.
    pub(crate) tls_config: &'a mut Option<Arc<ClientConfig>>,
}

impl Attempt<'_> {
    /// Connects within the time that the options allow.
    pub(crate) async fn run(mut self) -> Result<Session, ConnectError> {
        let (server, timeout) = (self.server.clone(), self.options.connect_timeout);
        let mut step = Step::Tcp;
        match tokio::time::timeout(timeout, self.open(&mut step)).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(refusal)) => Err(refusal.at(server)),
            Err(_) => Err(Refusal::TimedOut(step, timeout).at(server)),
        }
    }

    async fn open(&mut self, step: &mut Step) -> Result<Session, Refusal> {
        // A server that expects TLS first waits for milliseconds only, so files are read before.
        if self.demand_tls {
            self.tls_config().await?;
        }
        let address = (&self.server.host[..], self.server.port);
        let tcp = TcpStream::connect(address).await.map_err(Refusal::Tcp)?;
        tcp.set_nodelay(true).map_err(Refusal::Io)?;
        let first = self.options.tls.first;
        let mut decoder = Decoder::new(self.options.limits);
        let (mut inbound, mut outbound, info);
        if first {
            *step = Step::TlsFirst;
            (inbound, outbound) = self.encrypt(tcp).await?;
            *step = Step::Info;
            info = read_info(&mut inbound, &mut decoder).await?;
        } else {
            *step = Step::Info;
            (inbound, outbound) = socket::plain(tcp);
            info = read_info(&mut inbound, &mut decoder).await?;
            if info.tls_required || self.demand_tls {
                if !info.tls_required && !info.tls_available {
                    return Err(Refusal::NoTls);
                }
                // An attacker on the way could have put words into the server's mouth.
                if decoder.buffered() > 0 {
                    return Err(Refusal::PlainBeforeTls);
                }
                *step = Step::Tls;
                let tcp = inbound.reunite(outbound).map_err(Refusal::Io)?;
                (inbound, outbound) = self.encrypt(tcp).await?;
                decoder = Decoder::new(self.options.limits);
            }
        }
        let encrypted = first || info.tls_required || self.demand_tls;
        *step = Step::Login;
        let login = self.login(&info).await?;
        let mut hello = connect_line(self.options, encrypted, login).map_err(Refusal::BadInfo)?;
        hello.extend_from_slice(b"PING\r\n");
        // A server that refuses the connection says why, and may not read any further.
        let written = outbound.write_all(&hello).await;
        let later = match (await_pong(&mut inbound, &outbound, &mut decoder).await, written) {
            (Ok(later), Ok(())) => later,
            (Err(Refusal::Io(_) | Refusal::Ended) | Ok(_), Err(error)) => {
                return Err(Refusal::Io(error));
            }
            (Err(refusal), _) => return Err(refusal),
        };
        let doubtful_info = encrypted && !first && later.is_none();
        let info = later.unwrap_or(info);
        let (server, outbound) = (self.server.clone(), Arc::new(outbound));
        Ok(Session { inbound, outbound, decoder, info, server, encrypted, doubtful_info })
    }

    async fn tls_config(&mut self) -> Result<Arc<ClientConfig>, Refusal> {
        if let Some(config) = &self.tls_config {
            return Ok(Arc::clone(config));
        }
        let options = self.options.tls.clone();
        let read = tokio::task::spawn_blocking(move || tls::client_config(&options));
        let config = Arc::new(read.await.map_err(|_| Refusal::Ended)??);
        *self.tls_config = Some(Arc::clone(&config));
        Ok(config)
    }

    async fn encrypt(&mut self, tcp: TcpStream) -> Result<(Inbound, Outbound), Refusal> {
        let config = self.tls_config().await?;
        let (tcp, state) =
            tls::handshake(config, self.tls_name, tcp).await.map_err(Refusal::Handshake)?;
        Ok(socket::encrypted(tcp, state))
    }

    async fn login(&self, info: &ServerInfo) -> Result<Login, Refusal> {
        match self.server.credentials.as_ref().or(self.options.credentials.as_ref()) {
            Some(credentials) => Ok(credentials.login(info.nonce.as_deref()).await?),
            None => Ok(Login::default()),
        }
    }
}

async fn read_info(inbound: &mut Inbound, decoder: &mut Decoder) -> Result<ServerInfo, Refusal> {
    match read_op(inbound, decoder).await? {
        Op::Info(json) => ServerInfo::parse(&json).map_err(Refusal::BadInfo),
        Op::Err(text) => Err(Refusal::Server(ServerError::parse(&text))),
        other => Err(Refusal::NotNats(other)),
    }
}

/// Waits until the server has answered the `PING` after `CONNECT`. Returns the last `INFO` that
/// came meanwhile.
async fn await_pong(
    inbound: &mut Inbound,
    outbound: &Outbound,
    decoder: &mut Decoder,
) -> Result<Option<ServerInfo>, Refusal> {
    let mut info = None;
    loop {
        match read_op(inbound, decoder).await? {
            Op::Pong => return Ok(info),
            Op::Ping => outbound.write_all(b"PONG\r\n").await.map_err(Refusal::Io)?,
            Op::Err(text) => return Err(Refusal::Server(ServerError::parse(&text))),
            Op::Info(json) => info = Some(ServerInfo::parse(&json).map_err(Refusal::BadInfo)?),
            Op::Ok | Op::Message(_) | Op::Unknown(_) => {}
        }
    }
}

async fn read_op(inbound: &mut Inbound, decoder: &mut Decoder) -> Result<Op, Refusal> {
    loop {
        if let Some(op) = decoder.next()? {
            return Ok(op);
        }
        if inbound.read(decoder.space()).await.map_err(Refusal::Io)? == 0 {
            return Err(Refusal::Ended);
        }
    }
}
