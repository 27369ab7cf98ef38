use super::*;

fn denial(publishing: bool, subject: &str) -> Denial {
    Denial { publishing, subject: subject.to_owned() }
}

#[test]
fn a_permissions_violation_names_operation_and_subject() {
    let publish = Denial::parse("Permissions Violation for Publish to \"swp.data.a\"");
    assert_eq!(publish, Some(denial(true, "swp.data.a")));
    let text = "Permissions Violation for Subscription to \"a.>\" using queue \"q\"";
    assert_eq!(Denial::parse(text), Some(denial(false, "a.>")));
    assert_eq!(
        denial(true, "a").to_string(),
        "the NATS server does not permit this user to publish to 'a'"
    );
}

#[test]
fn any_other_error_of_the_server_is_no_denial() {
    for error in [
        "",
        "Maximum Payload Violation",
        "Permissions Violation for Publish to a",
        "Permissions Violation for Publish to",
        "Permissions Violation for Request to \"a\"",
    ] {
        assert_eq!(Denial::parse(error), None, "{error:?}");
    }
}

#[test]
fn a_watch_returns_each_later_denial_once() {
    let log = Arc::new(DenialLog::default());
    log.push(denial(true, "early"));
    let mut watch = log.watch();
    assert_eq!(watch.next(|_| true), None);
    log.push(denial(true, "other"));
    log.push(denial(true, "mine"));
    assert_eq!(watch.next(|subject| subject == "mine"), Some(denial(true, "mine")));
    assert_eq!(watch.next(|_| true), None);
}

#[test]
fn a_log_keeps_the_newest_denials_only() {
    let log = Arc::new(DenialLog::default());
    let mut watch = log.watch();
    for n in 0..1000 {
        log.push(denial(false, &n.to_string()));
    }
    assert_eq!(log.to_vec().len(), MAX_DENIALS);
    assert_eq!(log.to_vec()[0].subject, (1000 - MAX_DENIALS).to_string());
    assert_eq!(watch.next(|_| true).map(|denial| denial.subject), Some("936".to_owned()));
}
