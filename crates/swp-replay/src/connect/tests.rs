use super::*;

#[test]
fn messages_name_no_password() {
    assert_eq!(without_secrets("nats://ann:secret@host:4222"), "nats://host:4222");
    assert_eq!(without_secrets("a:b@one:1, tls://two:2"), "one:1,tls://two:2");
    assert_eq!(without_secrets("127.0.0.1:4222"), "127.0.0.1:4222");
}
