//! What counts as written when a socket fails.

use std::net::Shutdown;

use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring},
};

use super::*;

#[tokio::test]
async fn what_is_encrypted_counts_as_written_though_the_socket_fails() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let (tls, _server) = tokio::join!(
        crate::tls::handshake(Arc::new(client), "localhost", tcp),
        acceptor.accept(accepted),
    );
    let (tcp, state) = tls.unwrap();
    let tcp = tcp.into_std().unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    let (_inbound, outbound) = encrypted(TcpStream::from_std(tcp).unwrap(), state);
    outbound.writable().await.unwrap();
    // A part may be on its way, so the message must not be sent again.
    assert_eq!(outbound.try_write(&[IoSlice::new(b"0123456789")]).unwrap(), 10);
    outbound.try_flush().unwrap_err();
}
