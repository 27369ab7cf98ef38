//! A certificate authority, and certificates that it has signed, as files.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::Failure;

pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    pub(crate) fn new() -> Result<Self, Failure> {
        let folder = Self(tempfile::tempdir()?);
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        std::fs::write(folder.path("ca.pem"), authority.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(authority, key);
        for name in ["server", "client"] {
            let key = KeyPair::generate()?;
            let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
            let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
            std::fs::write(folder.path(&format!("{name}.pem")), certificate.pem())?;
            std::fs::write(folder.path(&format!("{name}.key")), key.serialize_pem())?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A line for the server's configuration: its certificate, and what else TLS is to be like.
    pub(crate) fn config(&self, more: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", {more} }}",
            path("server.pem"),
            path("server.key"),
            path("ca.pem")
        )
    }
}
