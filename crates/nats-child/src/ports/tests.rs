use std::fs;

use tempfile::TempDir;

use super::{Ports, parse, read, reset};

const REPORT: &str =
    r#"{"nats":["nats://127.0.0.1:37479"],"monitoring":["http://127.0.0.1:8222"]}"#;

fn client(port: u16) -> Option<Ports> {
    Some(Ports { client: port, cluster: None })
}

#[test]
fn the_client_port_is_taken_and_no_other() {
    assert_eq!(parse(REPORT), client(37479));
    assert_eq!(
        parse(r#"{"monitoring":["http://127.0.0.1:1"],"nats":["tls://[::1]:65535"]}"#),
        client(65535)
    );
    assert_eq!(
        parse(r#"{"nats":["nats://127.0.0.1:1"],"cluster":["nats://127.0.0.1:2"]}"#),
        Some(Ports { client: 1, cluster: Some(2) })
    );
}

#[test]
fn a_report_cut_short_gives_no_port_rather_than_a_wrong_one() {
    let end = REPORT.find(r#"79"]"#).unwrap() + 2;
    for cut in 0..=end {
        assert_eq!(parse(&REPORT[..cut]), None, "{}", &REPORT[..cut]);
    }
}

#[test]
fn nonsense_gives_no_port() {
    for nonsense in [
        r#"{"nats":[]}"#,
        r#"{"nats":["x"]}"#,
        r#"{"nats":["nats://h:0"]}"#,
        r#"{"nats":["nats://h:65536"]}"#,
    ] {
        assert_eq!(parse(nonsense), None, "{nonsense}");
    }
}

#[test]
fn reset_forgets_the_last_report() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("ports");
    reset(&folder).unwrap();
    assert_eq!(read(&folder), None);
    fs::write(folder.join("nats-server_1.ports"), REPORT).unwrap();
    assert_eq!(read(&folder), client(37479));
    reset(&folder).unwrap();
    assert_eq!(read(&folder), None);
}
