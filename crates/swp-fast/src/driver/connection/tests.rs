use futures_util::FutureExt;

use super::*;
use crate::link::fake::FakeLink;

const OUTAGE_TIMEOUT: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

fn connect() -> (Arc<FakeLink>, Connection) {
    let link = FakeLink::new();
    let subjects = Subjects::new("s").expect("a valid name");
    let connection = Connection::new(Arc::<FakeLink>::clone(&link), subjects, OUTAGE_TIMEOUT);
    (link, connection)
}

#[test]
fn an_outage_is_followed_until_the_link_is_back() {
    let (link, mut connection) = connect();
    assert_eq!(connection.check(at(0)), LinkChange::Up);
    link.set_state(LinkState::Down);
    assert_eq!(connection.check(at(10)), LinkChange::Down);
    assert_eq!(connection.wake_at(at(10), at(500)), at(10) + OUTAGE_POLL);
    link.set_state(LinkState::Up(2));
    assert_eq!(connection.check(at(20)), LinkChange::Back);
    assert_eq!(connection.check(at(30)), LinkChange::Up);
    assert_eq!(connection.wake_at(at(30), at(500)), at(500));
}

#[test]
fn a_reconnect_between_two_looks_is_noticed() {
    let (link, mut connection) = connect();
    assert_eq!(connection.check(at(0)), LinkChange::Up);
    link.set_state(LinkState::Up(2));
    assert_eq!(connection.check(at(10)), LinkChange::Back);
    assert_eq!(connection.check(at(20)), LinkChange::Up);
}

#[test]
fn an_outage_beyond_the_bound_loses_the_link() {
    let (link, mut connection) = connect();
    link.set_state(LinkState::Down);
    assert_eq!(connection.check(at(0)), LinkChange::Down);
    assert_eq!(connection.check(at(1000)), LinkChange::Down);
    assert_eq!(connection.check(at(1001)), LinkChange::Lost);
}

#[test]
fn a_denial_concerns_the_stream_whose_subject_it_names() {
    let (link, mut connection) = connect();
    link.deny("swp.data.other");
    assert_eq!(connection.check(at(0)), LinkChange::Up);
    link.deny("swp.data.s");
    let denial = Denial { publishing: true, subject: "swp.data.s".to_owned() };
    assert_eq!(connection.check(at(1)), LinkChange::Denied(denial));
    assert_eq!(connection.check(at(2)), LinkChange::Up);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_space_ends_with_space() {
    let (link, mut connection) = connect();
    let subject = connection.subjects.group(1);
    link.set_space(0);
    let mut publish = Box::pin(connection.publish(&subject, Bytes::from_static(b"frame")));
    assert!(publish.as_mut().now_or_never().is_none(), "there is no space");
    link.set_space(1);
    assert_eq!(publish.await, Ok(()));
    assert_eq!(link.take_accepted(), [(subject, Bytes::from_static(b"frame"))]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_space_ends_when_the_link_is_lost_or_closed() {
    let (link, mut connection) = connect();
    let subject = connection.subjects.group(1);
    link.set_space(0);
    link.set_state(LinkState::Down);
    let lost = connection.publish(&subject, Bytes::new()).await;
    assert_eq!(lost, Err(ConnectionError::Lost));
    link.close();
    let closed = connection.publish(&subject, Bytes::new()).await;
    assert_eq!(closed, Err(ConnectionError::Link(LinkError("closed".to_owned()))));
    assert!(link.take_accepted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_last_flush_waits_for_a_link_that_is_up_only() {
    let (link, connection) = connect();
    link.hold_flushes(true);
    assert!(connection.flush_last().now_or_never().is_none());
    link.set_state(LinkState::Down);
    assert!(connection.flush_last().now_or_never().is_some());
}
