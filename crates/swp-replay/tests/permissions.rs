//! The command as a user with permissions for one stream: enough for that one, and told what lacks.

mod support;

use nats_child::NatsServer;
use support::{Folder, Running, json, run, text};

#[test]
fn one_stream_and_no_other() {
    let server = NatsServer::builder()
        .config_line(
            r#"authorization { users: [
                { user: player, password: p, permissions: {
                    publish: ["swp.data.s", "swp.ctl.s", "swp.peer.s.*"], subscribe: ["swp.ctl.s", "swp.peer.s.*"] } },
                { user: receiver, password: p, permissions: {
                    publish: ["swp.ctl.s"], subscribe: ["swp.data.s", "swp.peer.s.*"] } } ] }"#,
        )
        .start()
        .expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "1000"]);
    let capture = capture.to_str().expect("UTF-8");
    let url = ["--server", server.url(), "--password", "p", "--json"];
    let recv = ["recv", "--discard", "--user", "receiver"];
    let play = ["play", capture, "--user", "player"];

    let receiving = Running::start(&[&recv[..], &["s"], &url].concat());
    let played = run(&[&play[..], &["--to", "s"], &url].concat());
    let (code, received, said) = receiving.end();
    assert_eq!((played.status.code(), code), (Some(0), Some(0)), "{said}");
    assert_eq!(json(&received)["content_digest"], json(&played.stdout)["content_digest"]);

    for (args, denied) in [
        ([&play[..], &["--to", "other"]].concat(), "subscribe to 'swp.ctl.other'"),
        ([&recv[..], &["other"]].concat(), "subscribe to 'swp.data.other'"),
    ] {
        let output = run(&[&args[..], &url].concat());
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(denied), "{}", text(&output.stderr));
    }
}

/// It cannot ask the server whether its subscription stands, nor at the end for what is under way; it
/// records all the same.
#[test]
fn recording_without_an_inbox() {
    let server = NatsServer::builder()
        .config_line(
            r#"authorization { users: [
                { user: recorder, password: p, permissions: { publish: { deny: ">" }, subscribe: "ticks.>" } },
                { user: anybody, password: p } ] }"#,
        )
        .start()
        .expect("a server");
    let folder = Folder::new();
    let capture = folder.path("ticks");
    let capture = capture.to_str().expect("UTF-8");
    let mut record = Running::start(&[
        "record",
        "ticks.>",
        "-o",
        capture,
        "--server",
        server.url(),
        "--user",
        "recorder",
        "--password",
        "p",
        "--count",
        "3",
        "--json",
    ]);
    record.until("recording ticks.>");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let options =
            async_nats::ConnectOptions::with_user_and_password("anybody".into(), "p".into());
        let client = options.connect(server.url()).await.expect("connected");
        for number in 0..3 {
            client.publish(format!("ticks.{number}"), "tick".into()).await.expect("published");
        }
        client.flush().await.expect("flushed");
    });
    let (code, out, said) = record.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(json(&out)["messages"], 3);
}
