//! Forms of a server's URL.

use super::*;

fn parse(text: &str) -> Result<ServerUrl, ServerUrlError> {
    text.parse()
}

#[test]
fn scheme_and_port_have_defaults() {
    for (text, shown) in [
        ("localhost", "nats://localhost:4222"),
        ("127.0.0.1:5222", "nats://127.0.0.1:5222"),
        ("nats://h", "nats://h:4222"),
        ("tls://h:1/", "tls://h:1"),
        (" nats://[::1]:7 ", "nats://[::1]:7"),
        ("user:pass@h", "nats://h:4222"),
    ] {
        assert_eq!(parse(text).unwrap().to_string(), shown);
    }
    assert!(parse("tls://h").unwrap().is_tls());
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    let url = parse("nats://al%40ice:se%2Fcret@h:4").unwrap();
    assert_eq!(url.credentials, Some(Credentials::user_password("al@ice", "se/cret")));
    assert!(!format!("{url:?} {url}").contains("cret"));
    assert!(!format!("{:?}", url.credentials).contains("cret"));
    assert_eq!(parse("nats://t0k@h").unwrap().credentials, Some(Credentials::token("t0k")));
    let error = parse("nats://user:secret@h:notaport").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
}

#[test]
fn what_is_no_url_of_a_server_is_refused() {
    for scheme in ["ws", "wss"] {
        let error = parse(&format!("{scheme}://user:pass@h:80")).unwrap_err();
        assert_eq!(error, ServerUrlError::WebSocket { scheme: scheme.to_owned() });
    }
    assert!(matches!(parse("http://h").unwrap_err(), ServerUrlError::Scheme { .. }));
    assert!(matches!(parse("nats://h/path").unwrap_err(), ServerUrlError::Rest { .. }));
    assert!(matches!(parse("nats://h?a").unwrap_err(), ServerUrlError::Rest { .. }));
    assert!(matches!(parse("nats://%ff@h").unwrap_err(), ServerUrlError::NotUtf8 { .. }));
    for bad in ["", "nats://", "nats://h:99999"] {
        parse(bad).unwrap_err();
    }
}

#[test]
fn no_part_of_a_token_with_a_delimiter_is_shown() {
    for url in ["nats://cret/x@h", "nats://cret?x@h:4", "cret#x@h", "nats://u:4/cret@h"] {
        let error = parse(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("cret"), "{error:?}");
        assert_eq!(error, ServerUrlError::Unescaped);
    }
}
