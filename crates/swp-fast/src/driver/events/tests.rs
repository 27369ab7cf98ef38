use super::*;

fn denial(publishing: bool, subject: &str) -> Denial {
    Denial { publishing, subject: subject.to_owned() }
}

#[test]
fn the_servers_words_are_understood() {
    let parse = |text: &str| Denial::parse(text);
    let publish = parse("Permissions Violation for Publish to \"swp.data.a\"");
    assert_eq!(publish, Some(denial(true, "swp.data.a")));
    let subscribe = parse("Permissions Violation for Subscription to \"a.>\" using queue \"q\"");
    assert_eq!(subscribe, Some(denial(false, "a.>")));
    assert_eq!(parse("Maximum Payload Violation"), None);
    assert_eq!(parse("Permissions Violation for Publish to a"), None);
    assert_eq!(
        denial(true, "a").to_string(),
        "the NATS server does not permit this user to publish to 'a'"
    );
}

#[test]
fn a_watch_sees_what_comes_after_it_and_once() {
    let events = ClientEvents::default();
    events.0.deny(denial(true, "early"));
    let mut watch = DenialWatch::start(Some(events.clone()));
    assert_eq!(watch.next(|_| true), None);
    events.0.deny(denial(true, "other"));
    events.0.deny(denial(true, "mine"));
    assert_eq!(watch.next(|subject| subject == "mine"), Some(denial(true, "mine")));
    assert_eq!(watch.next(|_| true), None);
    assert_eq!(DenialWatch::start(None).next(|_| true), None);
}

#[test]
fn only_the_newest_are_kept() {
    let events = ClientEvents::default();
    let mut watch = DenialWatch::start(Some(events.clone()));
    for n in 0..1000 {
        events.0.deny(denial(false, &n.to_string()));
    }
    assert_eq!(events.denials().len(), MAX_DENIALS);
    assert_eq!(events.denials()[0].subject, (1000 - MAX_DENIALS).to_string());
    assert_eq!(watch.next(|_| true).map(|denial| denial.subject), Some("936".to_owned()));
}
