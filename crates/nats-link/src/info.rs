//! What server and client tell each other in JSON: `INFO` and `CONNECT`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{credentials::Login, options::ConnectOptions};

/// What a server says about itself. Fields that this crate does not use are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The server's id, which changes when it restarts.
    pub server_id: String,
    /// The server's name.
    pub server_name: String,
    /// The server's version.
    pub version: String,
    /// The name of the cluster, if the server is in one.
    pub cluster: Option<String>,
    /// The number of this connection at the server, as the server's log shows it.
    pub client_id: u64,
    /// Whether the server transports headers.
    pub headers: bool,
    /// The largest header section and payload together that the server accepts, in bytes. An
    /// account may have a lower limit, which the server does not tell.
    pub max_payload: i64,
    /// Whether the connection must be encrypted.
    pub tls_required: bool,
    /// Whether the connection may be encrypted.
    pub tls_available: bool,
    /// Other servers of the cluster, as `host:port`.
    pub connect_urls: Vec<String>,
    /// Whether the server is about to stop.
    #[serde(rename = "ldm")]
    pub lame_duck: bool,
    /// What the client has to sign.
    pub(crate) nonce: Option<String>,
}

impl ServerInfo {
    pub(crate) fn parse(json: &Bytes) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// Returns the largest size of a message that the server accepts, in bytes.
    #[must_use]
    pub fn message_bytes_max(&self) -> usize {
        // A server without a limit says 0 or -1.
        usize::try_from(self.max_payload).ok().filter(|max| *max > 0).unwrap_or(usize::MAX)
    }
}

#[derive(Serialize)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    tls_required: bool,
    lang: &'static str,
    version: &'static str,
    /// 1: the client understands `INFO` at any time.
    protocol: u8,
    echo: bool,
    headers: bool,
    no_responders: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<String>,
}

/// Returns the line `CONNECT`.
pub(crate) fn connect_line(
    options: &ConnectOptions,
    encrypted: bool,
    login: Login,
) -> Result<Vec<u8>, serde_json::Error> {
    let connect = Connect {
        verbose: false,
        pedantic: false,
        tls_required: encrypted,
        lang: "rust",
        version: env!("CARGO_PKG_VERSION"),
        protocol: 1,
        echo: options.echo,
        headers: true,
        no_responders: options.no_responders,
        name: options.name.as_deref(),
        user: login.user,
        pass: login.pass,
        auth_token: login.auth_token,
        nkey: login.nkey,
        jwt: login.jwt,
        sig: login.sig,
    };
    let mut line = b"CONNECT ".to_vec();
    serde_json::to_writer(&mut line, &connect)?;
    line.extend_from_slice(b"\r\n");
    Ok(line)
}
