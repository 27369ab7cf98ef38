//! What the tests with a real nats-server share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{future::Future, time::Duration};

use nats_link::{
    ConnectOptions, Connection, Delivery, Event, Events, Message, Outgoing, State, Subject,
    SubscribeOptions, Subscription,
};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Outcome = Result<(), Failure>;

/// A test that waits in vain ends with an error, long after anything that is still to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Fails where `future` takes for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| "waited in vain".into())
}

/// Options that come back quickly.
pub(crate) fn options<T: AsRef<str>>(urls: &[T]) -> Result<ConnectOptions, Failure> {
    let mut options = ConnectOptions::new(urls)?;
    options.reconnect.in_order = true;
    options.reconnect.delay_max = Duration::from_millis(100);
    // A loaded machine must not make an attempt fail.
    options.connect_timeout = PATIENCE;
    Ok(options)
}

pub(crate) async fn connect(url: &str) -> Result<Connection, Failure> {
    Ok(within(Connection::connect(options(&[url])?)).await??)
}

pub(crate) fn subject(text: &str) -> Subject {
    text.parse().expect("a subject")
}

pub(crate) fn outgoing(to: &str, payload: impl Into<bytes::Bytes>) -> Outgoing {
    Outgoing::new(subject(to), payload)
}

pub(crate) async fn subscribe(connection: &Connection, to: &str) -> Result<Subscription, Failure> {
    let options = SubscribeOptions::default();
    Ok(within(connection.subscribe(subject(to), options)).await??)
}

/// The next message; a gap is an error.
pub(crate) async fn message(subscription: &mut Subscription) -> Result<Message, Failure> {
    match within(subscription.next()).await? {
        Some(Delivery::Message(message)) => Ok(message),
        other => Err(format!("no message but {other:?}, {:?}", subscription.end()).into()),
    }
}

/// Waits for an event that `pick` takes something from.
pub(crate) async fn event<T>(
    events: &mut Events,
    mut pick: impl FnMut(Event) -> Option<T>,
) -> Result<T, Failure> {
    let found = async {
        while let Some(event) = events.next().await {
            if let Some(found) = pick(event) {
                return Ok(found);
            }
        }
        Err(Failure::from("the connection closed without this event"))
    };
    within(found).await?
}

/// Waits until the connection has been lost and is back.
pub(crate) async fn back(events: &mut Events) -> Outcome {
    event(events, |event| matches!(event, Event::Connected { .. }).then_some(())).await
}

/// Publishes a message from one connection to another, and waits for it.
pub(crate) async fn round_trip(from: &Connection, to: &Connection) -> Outcome {
    let mut inbox = subscribe(to, "round.trip").await?;
    let position = within(from.publish(outgoing("round.trip", "hello"))).await??;
    within(from.confirmed(position)).await??;
    assert_eq!(message(&mut inbox).await?.payload(), b"hello");
    assert_eq!((from.state(), to.state()), (State::Connected, State::Connected));
    Ok(())
}

/// Sends numbered messages of 16 KiB both ways at a time, and checks that each arrives in order.
/// Confirmations keep them below what a subscription holds.
pub(crate) async fn load(one: &Connection, other: &Connection, count: u32) -> Outcome {
    const BETWEEN_CONFIRMATIONS: u32 = 200;
    let (mut at_one, mut at_other) =
        (subscribe(one, "to.one").await?, subscribe(other, "to.other").await?);
    let send = |from: Connection, to: &'static str| async move {
        for n in 0..count {
            let payload = n.to_be_bytes().repeat(4_096);
            let position = from.publish(outgoing(to, payload)).await?;
            if n % BETWEEN_CONFIRMATIONS == 0 {
                from.confirmed(position).await?;
            }
        }
        Ok::<_, Failure>(())
    };
    let receive = async |inbox: &mut Subscription| {
        for n in 0..count {
            assert!(message(inbox).await?.payload() == n.to_be_bytes().repeat(4_096), "{n}");
        }
        Ok::<_, Failure>(())
    };
    let to_other = tokio::spawn(send(one.clone(), "to.other"));
    let to_one = tokio::spawn(send(other.clone(), "to.one"));
    let (first, second) = tokio::join!(receive(&mut at_one), receive(&mut at_other));
    first.and(second)?;
    within(to_other).await???;
    within(to_one).await??
}

/// Fails unless the connection is refused with an error that `expected` accepts.
pub(crate) async fn refused(
    options: ConnectOptions,
    expected: impl FnOnce(&nats_link::ConnectError) -> bool,
) -> Outcome {
    match within(Connection::connect(options)).await? {
        Ok(_) => Err("the connection was accepted".into()),
        Err(error) if expected(&error) => Ok(()),
        Err(error) => Err(format!("{error:?}").into()),
    }
}
