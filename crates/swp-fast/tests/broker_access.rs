//! Brokers that restrict access: TLS, and users with permissions. The README states the permissions
//! that a stream needs. The error names a permission that is missing.

mod broker_support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::ConnectOptions;
use broker_support::{Failure, endpoint_with, join, options, receive, receive_rest, send, within};
use futures_util::StreamExt;
use nats_child::NatsServer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use swp_fast::{
    ClientEvents, Endpoint, EndpointConfig, PublishConfig, PublishError, ReceiveError,
    SessionError, SubscribeConfig, SubscribeError,
};

const COUNT: u64 = 5_000;

/// A certificate authority and certificates signed by it, as files.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Result<Certificates, Failure> {
        let folder = Certificates(tempfile::tempdir()?);
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

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A server that shows its certificate and demands one of the same authority.
    fn server(&self) -> Result<NatsServer, Failure> {
        let path = |name: &str| self.path(name).display().to_string();
        let tls = format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
            path("server.pem"),
            path("server.key"),
            path("ca.pem")
        );
        Ok(NatsServer::builder().config_line(tls).start()?)
    }
}

fn with_tls(authority: &Path) -> ConnectOptions {
    options().add_root_certificates(authority.to_path_buf()).require_tls(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_over_tls_survives_a_restart() -> Result<(), Failure> {
    let files = Certificates::new()?;
    let mut server = files.server()?;
    let client = || {
        with_tls(&files.path("ca.pem"))
            .add_client_certificate(files.path("client.pem"), files.path("client.key"))
    };
    let config = EndpointConfig::default;
    let here = endpoint_with(client(), config(), &[server.url()]).await?;
    let there = endpoint_with(client(), config(), &[server.url()]).await?;
    let mut window = SubscribeConfig::default();
    window.window_bytes = 256 << 10;
    let (publisher, mut subscriber) = join(&here, PublishConfig::default(), &there, window).await?;
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..COUNT / 2).await?;
    server.kill()?;
    server.restart()?;
    receive_rest(&mut subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

#[tokio::test]
async fn a_client_without_the_right_certificates_is_refused() -> Result<(), Failure> {
    let (files, others) = (Certificates::new()?, Certificates::new()?);
    let server = files.server()?;
    for (name, client) in [
        ("an unknown authority", with_tls(&others.path("ca.pem"))),
        (
            "a foreign client certificate",
            with_tls(&files.path("ca.pem"))
                .add_client_certificate(others.path("client.pem"), others.path("client.key")),
        ),
        ("no client certificate", with_tls(&files.path("ca.pem"))),
    ] {
        let connected = within(client.connect(server.url())).await?;
        assert!(connected.is_err(), "{name} was accepted");
    }
    Ok(())
}

/// One user in each line: name, subjects to publish to, subjects to subscribe to. The README states
/// the permissions of `publisher` and `consumer`.
const USERS: [(&str, &str, &str); 6] = [
    ("publisher", r#""swp.data.s", "swp.ctl.s", "swp.peer.s.*""#, r#""swp.ctl.s", "swp.peer.s.*""#),
    ("consumer", r#""swp.ctl.s""#, r#""swp.data.s", "swp.peer.s.*""#),
    ("no-data", r#""swp.ctl.s", "swp.peer.s.*""#, r#""swp.ctl.s", "swp.peer.s.*""#),
    ("deaf", r#""swp.ctl.s""#, r#""swp.peer.s.*""#),
    ("no-inbox", r#""swp.ctl.s""#, r#""swp.data.s""#),
    ("stranger", r#""other""#, r#""other""#),
];

fn server_with_users() -> Result<NatsServer, Failure> {
    let user = |(name, publish, subscribe): &(&str, &str, &str)| {
        format!(
            "{{ user: {name}, password: p, \
             permissions: {{ publish: [{publish}], subscribe: [{subscribe}] }} }}"
        )
    };
    let users = USERS.iter().map(user).collect::<Vec<_>>().join(", ");
    let line = format!("authorization {{ users: [{users}] }}");
    Ok(NatsServer::builder().config_line(line).start()?)
}

async fn endpoint_as(server: &NatsServer, user: &str) -> Result<Endpoint, Failure> {
    let events = ClientEvents::default();
    let client = events.attach(options().user_and_password(user.to_owned(), "p".to_owned()));
    let mut config = EndpointConfig::default();
    config.events = Some(events);
    endpoint_with(client, config, &[server.url()]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_permissions_in_the_readme_are_enough() -> Result<(), Failure> {
    let mut server = server_with_users()?;
    let here = endpoint_as(&server, "publisher").await?;
    let there = endpoint_as(&server, "consumer").await?;
    let mut window = SubscribeConfig::default();
    window.window_bytes = 256 << 10;
    let (publisher, mut subscriber) = join(&here, PublishConfig::default(), &there, window).await?;
    // The claim, the objection to it, and retransmissions need permissions as well.
    let second = endpoint_as(&server, "publisher").await?;
    let second = second.publish("s", PublishConfig::default()).await;
    assert!(matches!(second, Err(PublishError::Session(SessionError::Protocol(_)))), "{second:?}");
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..COUNT / 2).await?;
    server.kill()?;
    server.restart()?;
    receive_rest(&mut subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

fn denied(publishing: bool, subject: &str) -> String {
    let what = if publishing { "publish to" } else { "subscribe to" };
    format!("the NATS server does not permit this user to {what} '{subject}'")
}

#[tokio::test]
async fn the_error_of_a_publisher_without_permission_names_the_subject() -> Result<(), Failure> {
    let server = server_with_users()?;
    let stranger = endpoint_as(&server, "stranger").await?;
    let error = within(stranger.publish("s", PublishConfig::default())).await?;
    let error = error.expect_err("a stranger").to_string();
    assert_eq!(error, denied(false, "swp.ctl.s"));
    // A publisher that may not publish data finds out when it sends.
    let here = endpoint_as(&server, "no-data").await?;
    let publisher = here.publish("s", PublishConfig::default()).await?;
    let error = within(publisher.ready()).await?.expect_err("it cannot announce itself");
    assert_eq!(error.to_string(), denied(true, "swp.data.s"));
    Ok(())
}

#[tokio::test]
async fn the_error_of_a_consumer_without_permission_names_the_subject() -> Result<(), Failure> {
    let server = server_with_users()?;
    for (user, subject) in [("stranger", "swp.data.s"), ("deaf", "swp.data.s")] {
        let endpoint = endpoint_as(&server, user).await?;
        let error = within(endpoint.subscribe("s", SubscribeConfig::default())).await?;
        let Err(SubscribeError::Session(ReceiveError::Denied(denial))) = error else {
            return Err(format!("{user} got {error:?}").into());
        };
        assert_eq!(denial.to_string(), denied(false, subject));
    }
    let endpoint = endpoint_as(&server, "no-inbox").await?;
    let error = within(endpoint.subscribe("s", SubscribeConfig::default())).await?;
    let error = error.expect_err("its inbox is denied").to_string();
    assert!(error.starts_with(&denied(false, "swp.peer.s.")[..70]), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_denial_ends_the_stream_that_it_concerns_and_no_other() -> Result<(), Failure> {
    let server = server_with_users()?;
    let here = endpoint_as(&server, "publisher").await?;
    let there = endpoint_as(&server, "consumer").await?;
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, SubscribeConfig::default()).await?;
    let other = within(here.publish("t", PublishConfig::default())).await?;
    assert_eq!(other.expect_err("not permitted").to_string(), denied(false, "swp.ctl.t"));
    let mut config = SubscribeConfig::default();
    config.connect_timeout = Some(Duration::from_secs(60));
    let other = within(there.subscribe("t", config)).await?;
    assert_eq!(other.expect_err("not permitted").to_string(), denied(false, "swp.data.t"));
    let sending = send(&publisher, 100);
    receive(&mut subscriber, 0..100).await?;
    assert!(within(subscriber.next()).await?.is_none());
    within(sending).await??
}
