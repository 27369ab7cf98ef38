//! The errors of nats-server, in its own words.

use proptest::prelude::*;

use super::*;

fn publish(subject: &str) -> ServerError {
    ServerError::PublishDenied { subject: subject.to_owned() }
}

fn subscribe(subject: &str, queue: Option<&str>) -> ServerError {
    ServerError::SubscribeDenied { subject: subject.to_owned(), queue: queue.map(str::to_owned) }
}

#[test]
fn the_words_of_the_server_become_types() {
    let authorization = |text: &str| ServerError::Authorization { text: text.to_owned() };
    let other = |text: &str| ServerError::Other { text: text.to_owned() };
    for (text, expected) in [
        (r#"Permissions Violation for Publish to "a.b""#, publish("a.b")),
        (r#"Permissions Violation for Publish with Reply of "r""#, publish("r")),
        (r#"Permissions Violation for Publish to "a\"\\.\x00""#, publish(r#"a"\.\x00"#)),
        (r#"Permissions Violation for Subscription to "a.>""#, subscribe("a.>", None)),
        (
            r#"Permissions Violation for Subscription to "a" using queue "q""#,
            subscribe("a", Some("q")),
        ),
        ("maximum subscriptions exceeded", ServerError::SubscriptionLimit),
        ("Maximum Payload Violation", ServerError::MaxPayload),
        ("Slow Consumer", ServerError::SlowConsumer),
        ("Authorization Violation", authorization("Authorization Violation")),
        ("User Authentication Expired", authorization("User Authentication Expired")),
        ("Invalid Subject", other("Invalid Subject")),
        ("Authentication Timeout", other("Authentication Timeout")),
    ] {
        assert_eq!(ServerError::parse(text.as_bytes()), expected);
    }
}

proptest! {
    #[test]
    fn no_text_panics(
        start in prop::sample::select(vec!["", "Permissions Violation for Publish to \""]),
        rest in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = ServerError::parse(&[start.as_bytes(), &rest].concat());
    }
}

#[test]
fn a_long_text_is_cut() {
    for start in ["", "Authorization Violation "] {
        let text = [start.as_bytes(), &[0xff; 200_000]].concat();
        let size = ServerError::parse(&text).to_string().len();
        assert!(size < 1_000, "{size} bytes are kept");
    }
    let denied = |size| {
        let text = format!("Permissions Violation for Publish to \"{}\"", "a".repeat(size));
        ServerError::parse(text.as_bytes())
    };
    assert_eq!(denied(SUBJECT_BYTES_MAX), publish(&"a".repeat(SUBJECT_BYTES_MAX)));
    assert!(denied(SUBJECT_BYTES_MAX + 1).to_string().len() < 1_000);
}
