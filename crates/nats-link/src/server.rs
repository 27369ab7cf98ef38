//! Where a server is: its URL, and the credentials and the encryption that the URL asks for.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use url::{Host, Position, Url};

use crate::credentials::Credentials;

#[cfg(test)]
mod tests;

/// The port of a URL without one.
const PORT_DEFAULT: u16 = 4222;

/// A server's address, as `nats://host:port` or `tls://host:port`.
///
/// Scheme and port may be left out: `nats://` and 4222 are the defaults. `user:password@` or
/// `token@` before the host are the credentials for this server, and for the servers that it
/// names. `tls://` demands encryption. `Display` and `Debug` leave the credentials out.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) credentials: Option<Credentials>,
}

/// Why a text is no [`ServerUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerUrlError {
    /// The text is no URL. It is not shown, for it may hold a password.
    #[error("this is no URL of a server; write it as nats://host:port")]
    Malformed(#[source] url::ParseError),
    /// The URL has no host.
    #[error("the URL of a server needs a host; write it as nats://host:port")]
    NoHost,
    /// The scheme stands for WebSockets.
    #[error(
        "{scheme}:// (WebSocket) is not supported; use the server's port for nats:// or tls://"
    )]
    WebSocket {
        /// `ws` or `wss`.
        scheme: String,
    },
    /// The scheme stands for something else.
    #[error("{scheme}:// is no scheme of a NATS server; use nats:// or tls://")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// Something follows the port. It is not shown.
    #[error("the URL of server {host} must end after the port")]
    Rest {
        /// The host.
        host: String,
    },
    /// A character that ends the host stands in what seem to be credentials. Nothing is shown.
    #[error(
        "the credentials in the URL of a server have a \"/\", \"?\" or \"#\"; write it as %2F, %3F \
         or %23"
    )]
    Unescaped,
    /// User, password or token are not UTF-8.
    #[error("user, password or token in the URL of server {host} are not UTF-8")]
    NotUtf8 {
        /// The host.
        host: String,
    },
}

impl ServerUrl {
    /// The host: a name or an IP address, which has no brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns true if the URL demands encryption.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn same_address(&self, other: &Self) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(&other.host)
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let text = text.trim();
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("nats://{text}")),
        };
        let url = url.map_err(ServerUrlError::Malformed)?;
        let scheme = url.scheme().to_owned();
        let tls = match &scheme[..] {
            "nats" => false,
            "tls" => true,
            "ws" | "wss" => return Err(ServerUrlError::WebSocket { scheme }),
            _ => return Err(ServerUrlError::Scheme { scheme }),
        };
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(ServerUrlError::NoHost),
        };
        if !matches!(url.path(), "" | "/") || url.query().or(url.fragment()).is_some() {
            // What was parsed as the host may be the start of a token.
            if url[Position::AfterPort..].contains('@') {
                return Err(ServerUrlError::Unescaped);
            }
            return Err(ServerUrlError::Rest { host });
        }
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(String::from).map_err(|_| ServerUrlError::NotUtf8 { host: host.clone() })
        };
        let user = decode(url.username())?;
        let credentials = match url.password() {
            Some(password) => Some(Credentials::user_password(user, decode(password)?)),
            None if user.is_empty() => None,
            None => Some(Credentials::token(user)),
        };
        Ok(Self { host, port: url.port().unwrap_or(PORT_DEFAULT), tls, credentials })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        f.write_str(if self.tls { "tls://" } else { "nats://" })?;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}
