//! Certificates, and the handshake that starts encryption.

use std::{io, path::PathBuf, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, ClientConnection, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem, pem::PemObject},
    },
};

use crate::options::TlsOptions;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A PEM file cannot be read.
    #[error("cannot read a certificate or key from {path:?}; it must be a PEM file")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file has no certificate.
    #[error("there is no certificate in {path:?}; it must be a PEM file")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The system has no authorities.
    #[error("the system has no certificate authorities; name a file of them in `tls.ca_files`")]
    NoSystemRoots,
    /// Certificate and key are not accepted.
    #[error("certificate and key cannot be used; check that they belong together")]
    Config(#[source] rustls::Error),
}

/// Reads the files, which blocks the thread for some milliseconds.
pub(crate) fn client_config(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in &options.ca_files {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(TlsError::Config)?;
        }
    }
    if options.ca_files.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoSystemRoots);
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &options.client_cert else {
        return Ok(builder.with_no_client_auth());
    };
    let secret = PrivateKeyDer::from_pem_file(key);
    let secret = secret.map_err(|source| TlsError::Pem { path: key.clone(), source })?;
    builder.with_client_auth_cert(certificates(certificate)?, secret).map_err(TlsError::Config)
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found = read().map_err(|source| TlsError::Pem { path: path.clone(), source })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.clone() });
    }
    Ok(found)
}

/// Encrypts a connection to `host`. Returns the socket and the state of the encryption.
pub(crate) async fn handshake(
    config: Arc<ClientConfig>,
    host: &str,
    tcp: TcpStream,
) -> io::Result<(TcpStream, ClientConnection)> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let stream = TlsConnector::from(config).connect(name, tcp).await?;
    Ok(stream.into_inner())
}
