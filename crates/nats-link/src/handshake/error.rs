//! Why a server was not reached.

use std::{io, time::Duration};

use crate::{
    credentials::CredentialsError,
    fault::ServerError,
    parse::{Op, ParseError, shown},
    server::ServerUrl,
    tls::TlsError,
};

/// Why [`Connection::connect`](crate::Connection::connect) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The options name no server.
    #[error("no server to connect to; name one, such as nats://127.0.0.1:4222")]
    NoServers,
    /// None of several servers was reached.
    #[error("none of {} servers was reached; {}", errors.len(), list(errors))]
    All {
        /// Why, in the order in which they were tried.
        errors: Vec<ConnectError>,
    },
    /// There is no TCP connection.
    #[error("no NATS server at {server}; start one there, or name another")]
    Tcp {
        /// The server.
        server: ServerUrl,
        /// The system's reason.
        source: io::Error,
    },
    /// The server took too long.
    #[error("{server} did not {step} within {timeout:?}{hint}")]
    TimedOut {
        /// The server.
        server: ServerUrl,
        /// What it did not do.
        step: &'static str,
        /// How long it was given.
        timeout: Duration,
        /// What may help.
        hint: &'static str,
    },
    /// The connection broke before the server had accepted it.
    #[error("the connection to {server} broke while it was opened")]
    Io {
        /// The server.
        server: ServerUrl,
        /// The system's reason.
        source: io::Error,
    },
    /// What answers is no NATS server.
    #[error("{server} is no NATS server: it starts with \"{line}\"; check host and port")]
    NotNats {
        /// The server.
        server: ServerUrl,
        /// The first line, escaped and cut.
        line: String,
    },
    /// The server's INFO is not JSON, or a field has another type.
    #[error("{server} sent an INFO that cannot be understood")]
    Info {
        /// The server.
        server: ServerUrl,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The server's bytes cannot be parsed.
    #[error("{server} does not speak the NATS protocol; check host and port")]
    Parse {
        /// The server.
        server: ServerUrl,
        /// What is wrong with them.
        source: ParseError,
    },
    /// The connection was meant to be encrypted. Nothing was sent.
    #[error(
        "{server} has no TLS, and the connection must be encrypted; configure TLS on the server, \
         or use nats:// without TLS options"
    )]
    NoTls {
        /// The server.
        server: ServerUrl,
    },
    /// More than INFO arrived in plain text before TLS. Nothing was sent.
    #[error("{server} sent more than INFO before TLS; the connection may have been tampered with")]
    PlainBeforeTls {
        /// The server.
        server: ServerUrl,
    },
    /// There is no encrypted connection. No credentials were sent.
    #[error("no TLS with {server}; check `tls.ca_files`, `tls.client_cert` and `tls.first`")]
    Tls {
        /// The server.
        server: ServerUrl,
        /// The reason. A certificate that is not trusted is named here.
        source: io::Error,
    },
    /// The certificates or the key cannot be used.
    #[error(transparent)]
    TlsSetup(#[from] TlsError),
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The server refused the connection.
    #[error("{server} refused the connection")]
    Refused {
        /// The server.
        server: ServerUrl,
        /// The server's reason.
        source: ServerError,
    },
}

fn list(errors: &[ConnectError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl ConnectError {
    /// Returns true if the server does not accept the credentials.
    #[must_use]
    pub fn is_authorization(&self) -> bool {
        match self {
            Self::Refused { source, .. } => matches!(source, ServerError::Authorization { .. }),
            Self::All { errors } => errors.iter().all(Self::is_authorization),
            _ => false,
        }
    }
}

/// How far an attempt has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Tcp,
    TlsFirst,
    Info,
    Tls,
    Login,
}

/// A [`ConnectError`] without its server.
#[derive(Debug)]
pub(super) enum Refusal {
    Tcp(io::Error),
    Io(io::Error),
    /// The server closed the connection.
    Ended,
    TimedOut(Step, Duration),
    NotNats(Op),
    BadInfo(serde_json::Error),
    Parse(ParseError),
    NoTls,
    PlainBeforeTls,
    Handshake(io::Error),
    TlsSetup(TlsError),
    Credentials(CredentialsError),
    Server(ServerError),
}

impl Refusal {
    pub(super) fn at(self, server: ServerUrl) -> ConnectError {
        match self {
            Self::Tcp(source) => ConnectError::Tcp { server, source },
            Self::Io(source) => ConnectError::Io { server, source },
            Self::Ended => {
                let source = io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection without a reason",
                );
                ConnectError::Io { server, source }
            }
            Self::TimedOut(at, timeout) => {
                let (step, hint) = at.words();
                ConnectError::TimedOut { server, step, timeout, hint }
            }
            Self::NotNats(op) => ConnectError::NotNats { server, line: shown_op(&op) },
            Self::BadInfo(source) => ConnectError::Info { server, source },
            Self::Parse(source) => ConnectError::Parse { server, source },
            Self::NoTls => ConnectError::NoTls { server },
            Self::PlainBeforeTls => ConnectError::PlainBeforeTls { server },
            Self::Handshake(source) => ConnectError::Tls { server, source },
            Self::TlsSetup(error) => ConnectError::TlsSetup(error),
            Self::Credentials(error) => ConnectError::Credentials(error),
            Self::Server(source) => ConnectError::Refused { server, source },
        }
    }
}

impl Step {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Tcp => ("accept a connection", ""),
            Self::TlsFirst => ("answer a TLS handshake", "; the server may want TLS after INFO"),
            Self::Info => ("send INFO", "; a server with `handshake_first` needs `tls.first`"),
            Self::Tls => ("complete the TLS handshake", ""),
            Self::Login => ("accept the credentials", ""),
        }
    }
}

fn shown_op(op: &Op) -> String {
    match op {
        Op::Unknown(line) => shown(line),
        other => shown(format!("{other:?}").as_bytes()),
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl From<TlsError> for Refusal {
    fn from(error: TlsError) -> Self {
        Self::TlsSetup(error)
    }
}

impl From<CredentialsError> for Refusal {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error)
    }
}
