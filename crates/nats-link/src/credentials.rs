//! How a client proves its identity.

use std::{fmt, path::PathBuf};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use nkeys::KeyPair;

#[cfg(test)]
mod tests;

/// What a client presents to a server. `Debug` shows the kind only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    UserPassword(String, String),
    Token(String),
    Nkey(String),
    Jwt(String, String),
    File(PathBuf),
}

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The credentials file cannot be read.
    #[error("cannot read the credentials file {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A part of the credentials is missing.
    #[error(
        "there is no {missing} in the credentials; `nsc generate creds` writes a complete file"
    )]
    Incomplete {
        /// The label of the part.
        missing: &'static str,
    },
    /// The seed is no NKEY seed.
    #[error("the NKEY seed is damaged; a seed of a user starts with SU and has 58 characters")]
    Seed(#[source] nkeys::error::Error),
    /// The seed is no user's.
    #[error("the NKEY seed is that of a {kind:?}; use the seed of a user, which starts with SU")]
    NotUser {
        /// Whose seed it is.
        kind: nkeys::KeyPairType,
    },
    /// The server sent nothing to be signed.
    #[error("the server has no NKEY or JWT users; connect with user and password, or a token")]
    NoNonce,
}

/// The fields of `CONNECT` that prove the client's identity.
#[derive(Debug, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) pass: Option<String>,
    pub(crate) auth_token: Option<String>,
    pub(crate) nkey: Option<String>,
    pub(crate) jwt: Option<String>,
    pub(crate) sig: Option<String>,
}

impl Credentials {
    /// User name and password.
    pub fn user_password(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self(Kind::UserPassword(user.into(), password.into()))
    }

    /// A token.
    pub fn token(token: impl Into<String>) -> Self {
        Self(Kind::Token(token.into()))
    }

    /// The seed of an NKEY user, which starts with `SU`. It is checked here and never sent.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::Seed`] and [`CredentialsError::NotUser`].
    pub fn nkey(seed: impl Into<String>) -> Result<Self, CredentialsError> {
        let seed = seed.into().trim().to_owned();
        key_pair(&seed)?;
        Ok(Self(Kind::Nkey(seed)))
    }

    /// A user's JWT and NKEY seed, in the form of a credentials file.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::Incomplete`], [`CredentialsError::Seed`] and
    /// [`CredentialsError::NotUser`].
    pub fn creds(contents: &str) -> Result<Self, CredentialsError> {
        let (jwt, seed) = parse_creds(contents)?;
        Ok(Self(Kind::Jwt(jwt, seed)))
    }

    /// A credentials file with a user's JWT and NKEY seed. It is read for each connection, so that
    /// a renewed JWT counts.
    pub fn creds_file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(path.into()))
    }

    /// Returns what to present to a server that sent `nonce` to be signed.
    pub(crate) async fn login(&self, nonce: Option<&str>) -> Result<Login, CredentialsError> {
        let mut login = Login::default();
        match &self.0 {
            Kind::UserPassword(user, password) => {
                login.user = Some(user.clone());
                login.pass = Some(password.clone());
            }
            Kind::Token(token) => login.auth_token = Some(token.clone()),
            Kind::Nkey(seed) => {
                let pair = key_pair(seed)?;
                login.sig = Some(sign(&pair, nonce)?);
                login.nkey = Some(pair.public_key());
            }
            Kind::Jwt(jwt, seed) => {
                login.sig = Some(sign(&key_pair(seed)?, nonce)?);
                login.jwt = Some(jwt.clone());
            }
            Kind::File(path) => {
                let contents = tokio::fs::read_to_string(path).await;
                let contents = contents
                    .map_err(|source| CredentialsError::File { path: path.clone(), source })?;
                let (jwt, seed) = parse_creds(&contents)?;
                login.sig = Some(sign(&key_pair(&seed)?, nonce)?);
                login.jwt = Some(jwt);
            }
        }
        Ok(login)
    }
}

fn key_pair(seed: &str) -> Result<KeyPair, CredentialsError> {
    let pair = KeyPair::from_seed(seed).map_err(CredentialsError::Seed)?;
    match pair.key_pair_type() {
        nkeys::KeyPairType::User => Ok(pair),
        kind => Err(CredentialsError::NotUser { kind }),
    }
}

fn sign(pair: &KeyPair, nonce: Option<&str>) -> Result<String, CredentialsError> {
    let nonce = nonce.ok_or(CredentialsError::NoNonce)?;
    let signature = pair.sign(nonce.as_bytes()).map_err(CredentialsError::Seed)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// Finds JWT and seed in a credentials file. Each stands between a line with `BEGIN` and a label,
/// and a line of dashes.
fn parse_creds(contents: &str) -> Result<(String, String), CredentialsError> {
    let part = |label: &'static str| {
        let mut lines = contents.lines().map(str::trim);
        lines
            .by_ref()
            .find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(label));
        let inner = lines.take_while(|line| !line.starts_with("---"));
        let found = inner.collect::<String>();
        if found.is_empty() {
            return Err(CredentialsError::Incomplete { missing: label });
        }
        Ok(found)
    };
    let (jwt, seed) = (part("USER JWT")?, part("NKEY SEED")?);
    key_pair(&seed)?;
    Ok((jwt, seed))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::UserPassword(..) => "Credentials(user and password)",
            Kind::Token(_) => "Credentials(token)",
            Kind::Nkey(_) => "Credentials(NKEY)",
            Kind::Jwt(..) | Kind::File(_) => "Credentials(JWT)",
        })
    }
}
