use super::*;

#[test]
fn events_are_counted_by_kind_and_denials_are_kept() {
    let events = ClientEvents::default();
    let mut watch = events.denial_log().watch();
    let denied = "Permissions Violation for Subscription to \"swp.ctl.a\"".to_owned();
    for event in [
        Event::Connected,
        Event::SlowConsumer(1),
        Event::SlowConsumer(1),
        Event::Disconnected,
        Event::ServerError(ServerError::Other("Maximum Payload Violation".to_owned())),
        Event::ServerError(ServerError::Other(denied)),
    ] {
        events.0.count(&event);
    }
    assert_eq!((events.slow_consumer(), events.disconnected(), events.errors()), (2, 1, 2));
    let denial = Denial { publishing: false, subject: "swp.ctl.a".to_owned() };
    assert_eq!(events.denials(), std::slice::from_ref(&denial));
    assert_eq!(watch.next(|_| true), Some(denial));
}
