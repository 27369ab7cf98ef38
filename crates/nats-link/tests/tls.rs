//! Encryption in each form, and that nothing secret is sent without it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

#[path = "support/certificates.rs"]
mod certificates;
mod support;

use certificates::Certificates;
use nats_child::NatsServer;
use nats_link::{ConnectError, ConnectOptions, Connection, Credentials};
use support::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// The server's address with another scheme.
fn url(server: &NatsServer, scheme: &str) -> String {
    server.url().replacen("nats", scheme, 1)
}

fn trusting(files: &Certificates, url: &str) -> Result<ConnectOptions, Failure> {
    let mut options = options(&[url])?;
    options.tls.ca_files.push(files.path("ca.pem"));
    Ok(options)
}

async fn accepted(options: ConnectOptions) -> Outcome {
    let connection = within(Connection::connect(options)).await??;
    round_trip(&connection, &connection).await?;
    // More than TLS takes at once, and more than a read yields.
    let mut inbox = subscribe(&connection, "large").await?;
    for size in [0, 1, 16_384, 300_000, 1_000_000] {
        within(connection.publish(outgoing("large", vec![size as u8; size]))).await??;
        assert_eq!(message(&mut inbox).await?.payload(), vec![size as u8; size]);
    }
    within(connection.close()).await??;
    Ok(())
}

#[tokio::test]
async fn tls_by_url_and_by_the_servers_demand() -> Outcome {
    let files = Certificates::new()?;
    let server = NatsServer::builder().config_line(files.config("")).start()?;
    accepted(trusting(&files, &url(&server, "tls"))?).await?;
    accepted(trusting(&files, server.url())?).await?;
    // A name in place of the address.
    accepted(trusting(&files, &format!("tls://localhost:{}", server.port()))?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_over_tls_under_load() -> Outcome {
    let files = Certificates::new()?;
    let server = NatsServer::builder().config_line(files.config("")).start()?;
    let connect = async || {
        Ok::<_, Failure>(within(Connection::connect(trusting(&files, server.url())?)).await??)
    };
    load(&connect().await?, &connect().await?, 1_000).await
}

#[tokio::test]
async fn tls_where_the_server_leaves_the_choice() -> Outcome {
    let files = Certificates::new()?;
    let optional = ["allow_non_tls: true", &files.config("")].join("\n");
    let server = NatsServer::builder().config_line(optional).start()?;
    accepted(trusting(&files, &url(&server, "tls"))?).await?;
    let plain = connect(server.url()).await?;
    round_trip(&plain, &plain).await
}

#[tokio::test]
async fn tls_before_info() -> Outcome {
    let files = Certificates::new()?;
    // The time in which a client may start TLS. A loaded machine needs more than is usual.
    let line = files.config("handshake_first: \"2s\"");
    let server = NatsServer::builder().config_line(line).start()?;
    let mut first = trusting(&files, &url(&server, "tls"))?;
    first.tls.first = true;
    accepted(first).await?;
    // To a server that speaks first, the handshake is nonsense.
    let plain = NatsServer::start()?;
    let mut first = trusting(&files, plain.url())?;
    first.tls.first = true;
    refused(first, |error| matches!(error, ConnectError::Tls { .. })).await
}

#[tokio::test]
async fn a_client_certificate() -> Outcome {
    let (files, others) = (Certificates::new()?, Certificates::new()?);
    let server = NatsServer::builder().config_line(files.config("verify: true")).start()?;
    let with = |from: &Certificates| {
        let mut options = trusting(&files, &url(&server, "tls"))?;
        options.tls.client_cert = Some((from.path("client.pem"), from.path("client.key")));
        Ok::<_, Failure>(options)
    };
    accepted(with(&files)?).await?;
    // With TLS 1.3 a server refuses the client's certificate after the handshake.
    let is_refused =
        |error: &ConnectError| matches!(error, ConnectError::Tls { .. } | ConnectError::Io { .. });
    refused(with(&others)?, is_refused).await?;
    refused(trusting(&files, &url(&server, "tls"))?, is_refused).await
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused() -> Outcome {
    let (files, others) = (Certificates::new()?, Certificates::new()?);
    let server = NatsServer::builder().config_line(files.config("")).start()?;
    refused(trusting(&others, server.url())?, |error| {
        matches!(error, ConnectError::Tls { source, .. } if source.to_string().contains("cert"))
    })
    .await?;
    let mut missing = options(&[server.url()])?;
    missing.tls.ca_files.push(files.path("nowhere.pem"));
    refused(missing, |error| matches!(error, ConnectError::TlsSetup(_))).await?;
    let mut no_certificate = options(&[server.url()])?;
    no_certificate.tls.ca_files.push(files.path("client.key"));
    refused(no_certificate, |error| matches!(error, ConnectError::TlsSetup(_))).await
}

#[tokio::test]
async fn a_connection_over_tls_comes_back_after_a_restart() -> Outcome {
    let files = Certificates::new()?;
    let mut server = NatsServer::builder().config_line(files.config("")).start()?;
    let connection = within(Connection::connect(trusting(&files, &url(&server, "tls"))?)).await??;
    let mut events = connection.events();
    server.kill()?;
    server.restart()?;
    back(&mut events).await?;
    round_trip(&connection, &connection).await
}

/// A listener that sends `greeting` and reports what it is sent, until the connection ends.
async fn eavesdrop(
    greeting: &'static str,
) -> Result<(String, tokio::task::JoinHandle<Result<Vec<u8>, std::io::Error>>), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let heard = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        client.write_all(greeting.as_bytes()).await?;
        let mut heard = Vec::new();
        // The client may leave with a reset.
        let _ = client.read_to_end(&mut heard).await;
        Ok(heard)
    });
    Ok((address, heard))
}

#[tokio::test]
async fn no_password_is_sent_where_encryption_was_meant() -> Outcome {
    let files = Certificates::new()?;
    let secret = Credentials::user_password("user", "secret");
    let plain = "INFO {\"max_payload\":1,\"headers\":true}\r\n";
    let injected = "INFO {\"max_payload\":1,\"tls_available\":true}\r\nPING\r\n";
    type Change = fn(&mut ConnectOptions, &Certificates);
    let changes: [(&str, &str, Change); 5] = [
        (plain, "tls", |_, _| {}),
        (plain, "nats", |options, _| options.tls.required = true),
        (plain, "nats", |options, files| options.tls.ca_files.push(files.path("ca.pem"))),
        (plain, "nats", |options, files| {
            options.tls.client_cert = Some((files.path("client.pem"), files.path("client.key")));
        }),
        (injected, "tls", |_, _| {}),
    ];
    for (greeting, scheme, change) in changes {
        let (address, heard) = eavesdrop(greeting).await?;
        let mut options = options(&[format!("{scheme}://user:secret@{address}")])?;
        options.credentials = Some(secret.clone());
        change(&mut options, &files);
        refused(options, |error| {
            matches!(error, ConnectError::NoTls { .. } | ConnectError::PlainBeforeTls { .. })
        })
        .await?;
        assert_eq!(within(heard).await???, b"", "something was sent to {scheme}");
    }
    Ok(())
}
