//! What a server does not permit: each refusal is told, with its subject or its limit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod support;

use nats_child::NatsServer;
use nats_link::{
    Connection, Credentials, DisconnectReason, Event, Events, PublishError, ServerError,
    SubscribeError, SubscribeOptions, SubscriptionEnd, TryPublishError,
};
use rustix::process::{Pid, Signal, kill_process};
use support::*;

async fn connect_as(server: &NatsServer, user: &str) -> Result<Connection, Failure> {
    let mut options = options(&[server.url()])?;
    options.credentials = Some(Credentials::user_password(user, "p"));
    Ok(within(Connection::connect(options)).await??)
}

/// The next error of the server, and the size of the largest message that was not confirmed.
async fn server_error(events: &mut Events) -> Result<(ServerError, usize), Failure> {
    event(events, |event| match event {
        Event::ServerError { error, largest_unconfirmed } => Some((error, largest_unconfirmed)),
        _ => None,
    })
    .await
}

async fn subscribe_error(connection: &Connection, to: &str) -> Result<SubscribeError, Failure> {
    let options = SubscribeOptions::default();
    let result = within(connection.subscribe(subject(to), options)).await?;
    result.err().ok_or_else(|| format!("{to} was permitted").into())
}

const PERMISSIONS: &str = r#"authorization { users: [
    { user: a, password: p, permissions: { publish: ["ok.>"], subscribe: ["ok.>", "q.* g"] } }
] }"#;

#[tokio::test]
async fn a_subject_that_is_not_permitted_is_named() -> Outcome {
    let server = NatsServer::builder().config_line(PERMISSIONS).start()?;
    let connection = connect_as(&server, "a").await?;
    let mut events = connection.events();
    let mut inbox = subscribe(&connection, "ok.>").await?;

    within(connection.publish(outgoing("no.1", "x"))).await??;
    let denied = ServerError::PublishDenied { subject: "no.1".to_owned() };
    assert_eq!(server_error(&mut events).await?.0, denied);

    for no in ["no.2", ">", "q.1"] {
        let error = subscribe_error(&connection, no).await?;
        assert_eq!(error, SubscribeError::Denied { subject: subject(no) });
        let denied = ServerError::SubscribeDenied { subject: no.to_owned(), queue: None };
        assert_eq!(server_error(&mut events).await?.0, denied);
    }
    let mut grouped = SubscribeOptions::default();
    grouped.group = Some(subject("g"));
    within(connection.subscribe(subject("q.1"), grouped.clone())).await??;
    grouped.group = Some(subject("other"));
    let error = within(connection.subscribe(subject("q.1"), grouped)).await?.unwrap_err();
    assert_eq!(error, SubscribeError::Denied { subject: subject("q.1") });

    // None of this concerns the others.
    within(connection.publish(outgoing("ok.1", "x"))).await??;
    assert_eq!(message(&mut inbox).await?.subject(), b"ok.1");
    assert_eq!(connection.statistics().disconnects, 0);
    Ok(())
}

#[tokio::test]
async fn a_refusal_does_not_concern_a_queue_group_on_the_same_subject() -> Outcome {
    let server = NatsServer::builder().config_line(PERMISSIONS).start()?;
    let connection = connect_as(&server, "a").await?;
    let mut grouped = SubscribeOptions::default();
    grouped.group = Some(subject("g"));
    let member = within(connection.subscribe(subject("q.1"), grouped)).await??;
    let error = subscribe_error(&connection, "q.1").await?;
    assert_eq!(error, SubscribeError::Denied { subject: subject("q.1") });
    assert_eq!(member.end(), None);
    Ok(())
}

#[tokio::test]
async fn several_refusals_at_a_time_reach_the_right_subscriptions() -> Outcome {
    let server = NatsServer::builder().config_line(PERMISSIONS).start()?;
    let connection = connect_as(&server, "a").await?;
    let options = SubscribeOptions::default;
    let (first, second, third, fourth) = within(async {
        tokio::join!(
            connection.subscribe(subject("no.1"), options()),
            connection.subscribe(subject("ok.1"), options()),
            connection.subscribe(subject("no.1"), options()),
            connection.subscribe(subject("ok.2"), options()),
        )
    })
    .await?;
    assert!(first.is_err() && third.is_err());
    assert!(second?.end().is_none() && fourth?.end().is_none());
    Ok(())
}

const LIMITS: &str = "accounts { A {
    limits { max_subs: 3, max_payload: 4096 }
    users: [ { user: a, password: p } ]
} }";

#[tokio::test]
async fn a_subscription_beyond_the_limit_is_refused_and_the_others_stay() -> Outcome {
    let server = NatsServer::builder().config_line(LIMITS).start()?;
    let connection = connect_as(&server, "a").await?;
    let mut events = connection.events();
    let mut inboxes = Vec::new();
    for n in 0..3 {
        inboxes.push(subscribe(&connection, &format!("s.{n}")).await?);
    }
    let error = subscribe_error(&connection, "s.3").await?;
    assert_eq!(error, SubscribeError::LimitReached { subject: subject("s.3") });
    assert_eq!(server_error(&mut events).await?.0, ServerError::SubscriptionLimit);
    for (n, inbox) in inboxes.iter_mut().enumerate() {
        within(connection.publish(outgoing(&format!("s.{n}"), "x"))).await??;
        message(inbox).await?;
    }
    // A subscription that is dropped makes place for another.
    inboxes.pop();
    subscribe(&connection, "s.3").await?;
    Ok(())
}

#[tokio::test]
async fn a_payload_beyond_the_accounts_limit_is_told_with_its_size() -> Outcome {
    let server = NatsServer::builder().config_line(LIMITS).start()?;
    let connection = connect_as(&server, "a").await?;
    let mut events = connection.events();
    within(connection.publish(outgoing("s", vec![0; 4_096]))).await??;
    let position = within(connection.publish(outgoing("s", vec![0; 5_000]))).await??;
    assert_eq!(server_error(&mut events).await?, (ServerError::MaxPayload, 5_000));
    let (reason, unconfirmed) = event(&mut events, |event| match event {
        Event::Disconnected { reason, unconfirmed, .. } => Some((reason, unconfirmed)),
        _ => None,
    })
    .await?;
    assert!(matches!(*reason, DisconnectReason::Server(ServerError::MaxPayload)), "{reason:?}");
    assert!(unconfirmed.messages >= 1);
    assert!(within(connection.confirmed(position)).await?.is_err());
    back(&mut events).await?;
    // It is not sent again: the connection holds.
    let position = within(connection.publish(outgoing("s", vec![0; 4_096]))).await??;
    within(connection.confirmed(position)).await??;
    assert_eq!(connection.statistics().connects, 2);
    Ok(())
}

/// A server whose configuration can be changed while it runs.
struct Reloadable {
    server: NatsServer,
    folder: tempfile::TempDir,
}

impl Reloadable {
    fn start(config: &str) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("part.conf"), config)?;
        // A server looks for included files below the folder of its configuration.
        let name = folder.path().file_name().unwrap().to_string_lossy();
        let include = format!("include \"../{name}/part.conf\"");
        Ok(Self { server: NatsServer::builder().config_line(include).start()?, folder })
    }

    fn change(&self, config: &str) -> Outcome {
        Ok(std::fs::write(self.folder.path().join("part.conf"), config)?)
    }

    async fn reload(&self, config: &str) -> Outcome {
        self.change(config)?;
        let pid = Pid::from_raw(self.server.pid().try_into()?).ok_or("no process")?;
        kill_process(pid, Signal::HUP)?;
        let reloaded = async {
            while !self.server.log()?.contains("Reloaded server configuration") {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            Ok(())
        };
        within(reloaded).await?
    }
}

#[tokio::test]
async fn a_reload_that_lowers_max_payload_is_noticed() -> Outcome {
    let reloadable = Reloadable::start("max_payload: 100000")?;
    let connection = connect(reloadable.server.url()).await?;
    let mut events = connection.events();
    reloadable.reload("max_payload: 1000").await?;
    // The server does not say so by itself. It closes the connection after a larger message.
    match connection.try_publish(outgoing("s", vec![0; 5_000])) {
        Ok(_) => {
            let (error, largest) = server_error(&mut events).await?;
            assert_eq!((error, largest), (ServerError::MaxPayload, 5_000));
            let lowered = |event| match event {
                Event::MaxPayload { bytes } => Some(bytes),
                _ => None,
            };
            assert_eq!(event(&mut events, lowered).await?, 1_000);
            back(&mut events).await?;
        }
        Err(TryPublishError::Refused(PublishError::TooLarge { max, .. })) => assert_eq!(max, 1_000),
        Err(error) => return Err(error.into()),
    }
    let error = within(connection.publish(outgoing("s", vec![0; 5_000]))).await?.unwrap_err();
    assert_eq!(error, PublishError::TooLarge { size: 5_000, max: 1_000 });
    Ok(())
}

fn permitting(subject: &str) -> String {
    format!(
        "authorization {{ users: [ {{ user: a, password: p, \
         permissions: {{ subscribe: [\"{subject}\"] }} }} ] }}"
    )
}

#[tokio::test]
async fn a_permission_that_is_withdrawn_ends_the_subscription() -> Outcome {
    let reloadable = Reloadable::start(&permitting(">"))?;
    let connection = connect_as(&reloadable.server, "a").await?;
    let mut gone = subscribe(&connection, "gone").await?;
    let mut grouped = SubscribeOptions::default();
    grouped.group = Some(subject("g"));
    let mut member = within(connection.subscribe(subject("gone"), grouped)).await??;
    let stays = subscribe(&connection, "stays").await?;
    reloadable.reload(&permitting("stays")).await?;
    // The server names the subscription, but no queue group.
    for inbox in [&mut gone, &mut member] {
        while within(inbox.next()).await?.is_some() {}
        assert_eq!(inbox.end(), Some(SubscriptionEnd::Denied));
    }
    assert_eq!(stays.end(), None);
    Ok(())
}

#[tokio::test]
async fn a_permission_that_is_missing_after_a_restart_ends_the_subscription() -> Outcome {
    let mut reloadable = Reloadable::start(&permitting(">"))?;
    let connection = connect_as(&reloadable.server, "a").await?;
    let mut gone = subscribe(&connection, "gone").await?;
    let stays = subscribe(&connection, "stays").await?;
    reloadable.server.kill()?;
    reloadable.change(&permitting("stays"))?;
    reloadable.server.restart()?;
    while within(gone.next()).await?.is_some() {}
    assert_eq!((gone.end(), stays.end()), (Some(SubscriptionEnd::Denied), None));
    Ok(())
}
