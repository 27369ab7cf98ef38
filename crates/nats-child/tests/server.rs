//! The public face, against a real nats-server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    path::Path,
    thread,
    time::Duration,
};

use nats_child::{ControlError, NatsServer, StartError};

const SIGKILL: i32 = 9;

/// As much of a NATS client as the tests need.
struct Client {
    reader: BufReader<TcpStream>,
    info: String,
}

impl Client {
    fn connect(port: u16) -> Self {
        let mut reader = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let mut info = String::new();
        reader.read_line(&mut info).unwrap();
        assert!(info.starts_with("INFO {"), "{info}");
        Self { reader, info }
    }

    fn send(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    /// Introduces itself and returns the answer to the first ping.
    fn greet(&mut self, connect_options: &str) -> String {
        self.send(&format!("CONNECT {{\"verbose\":false{connect_options}}}\r\nPING\r\n"));
        self.line()
    }
}

fn is_answering(server: &NatsServer) -> bool {
    Client::connect(server.port()).greet("") == "PONG\r\n"
}

fn process_exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_server_serves_when_start_returns_and_is_gone_when_dropped() {
    let mut server = NatsServer::start().unwrap();
    assert_eq!(server.url(), format!("nats://127.0.0.1:{}", server.port()));
    assert!(is_answering(&server));
    assert!(server.is_running());
    assert!(server.log().unwrap().contains("Listening for client connections"));

    let (pid, log_path) = (server.pid(), server.log_path());
    assert!(process_exists(pid));
    drop(server);
    assert!(!process_exists(pid), "the process is reaped, not left a zombie");
    assert!(!log_path.exists());
}

#[test]
fn servers_started_together_get_ports_of_their_own() {
    let servers: Vec<NatsServer> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(NatsServer::start)).collect();
        starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect()
    });
    let mut ports: Vec<u16> = servers.iter().map(NatsServer::port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), servers.len());
    assert!(servers.iter().all(is_answering));
}

#[test]
fn the_lines_of_configuration_reach_the_server() {
    let server = NatsServer::builder()
        .config_line("max_payload: 4096")
        .config_line("authorization { user: ann, password: secret }")
        .start()
        .unwrap();
    let mut stranger = Client::connect(server.port());
    assert!(stranger.info.contains("\"max_payload\":4096"), "{}", stranger.info);
    assert!(stranger.greet("").contains("Authorization Violation"));

    let mut ann = Client::connect(server.port());
    assert_eq!(ann.greet(r#","user":"ann","pass":"secret""#), "PONG\r\n");
}

#[test]
fn no_line_of_configuration_opens_the_server_to_the_network() {
    let server = NatsServer::builder().config_line("listen: \"0.0.0.0:4222\"").start().unwrap();
    let log = server.log().unwrap();
    let expected = format!("Listening for client connections on 127.0.0.1:{}", server.port());
    assert!(log.contains(&expected), "{log}");
}

#[test]
fn a_wrong_line_of_configuration_is_named_in_the_error() {
    let error = NatsServer::builder().config_line("no_such_option: 1").start().unwrap_err();
    assert!(matches!(error, StartError::Exited { .. }), "{error:?}");
    assert!(error.to_string().contains("no_such_option"), "{error}");
}

#[test]
fn a_port_in_use_is_named_in_the_error() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = NatsServer::builder().port(port).start().unwrap_err();
    assert!(matches!(error, StartError::Exited { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("address already in use") && text.contains(&port.to_string()), "{text}");
}

#[test]
fn a_killed_server_comes_back_on_the_same_port() {
    let mut server = NatsServer::builder().config_line("max_payload: 4096").start().unwrap();
    let (pid, port, url) = (server.pid(), server.port(), server.url().to_owned());

    assert_eq!(server.kill().unwrap().signal(), Some(SIGKILL));
    assert!(!server.is_running());

    server.restart().unwrap();
    assert_ne!(server.pid(), pid);
    assert_eq!((server.port(), server.url()), (port, url.as_str()));
    assert!(is_answering(&server));
    assert!(Client::connect(port).info.contains("\"max_payload\":4096"));
}

#[test]
fn a_running_server_can_be_restarted_and_its_log_goes_on() {
    let mut server = NatsServer::start().unwrap();
    let pid = server.pid();
    server.restart().unwrap();
    assert!(!process_exists(pid));
    assert!(is_answering(&server));
    assert_eq!(server.log().unwrap().matches("Server is ready").count(), 2);
}

#[test]
fn a_restart_waits_for_a_port_that_is_taken_for_a_while() {
    let mut server = NatsServer::start().unwrap();
    server.kill().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let log_path = server.log_path();
    thread::scope(|scope| {
        let restart = scope.spawn(|| server.restart());
        while !std::fs::read_to_string(&log_path).unwrap().contains("address already in use") {
            thread::yield_now();
        }
        drop(taken);
        restart.join().unwrap().unwrap();
    });
    assert!(is_answering(&server));
}

#[test]
fn a_paused_server_answers_nothing_until_it_is_resumed() {
    let mut server = NatsServer::start().unwrap();
    let mut client = Client::connect(server.port());
    assert_eq!(client.greet(""), "PONG\r\n");

    server.pause().unwrap();
    assert!(server.is_running());
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let (_, state) = stat.rsplit_once(") ").unwrap();
    assert!(state.starts_with('T'), "stopped, not {state}");
    client.send("PING\r\n");

    server.resume().unwrap();
    assert_eq!(client.line(), "PONG\r\n");
}

#[test]
fn a_stopped_server_has_ended_in_order() {
    let mut server = NatsServer::start().unwrap();
    let status = server.stop().unwrap();
    assert_ne!(status.signal(), Some(SIGKILL));
    assert!(server.log().unwrap().contains("Server Exiting"));
    assert!(!server.is_running());
    assert_eq!(server.stop().unwrap(), status);
    assert!(matches!(server.pause(), Err(ControlError::NotRunning)));
    assert!(matches!(server.resume(), Err(ControlError::NotRunning)));
}

#[test]
fn jetstream_storage_survives_a_restart() {
    let mut server = NatsServer::builder().jetstream().start().unwrap();
    let mut client = Client::connect(server.port());
    assert!(client.info.contains("\"jetstream\":true"), "{}", client.info);
    assert_eq!(client.greet(""), "PONG\r\n");
    let request = r#"{"name":"KEPT","subjects":["kept"]}"#;
    client.send(&format!(
        "SUB answer 1\r\nPUB $JS.API.STREAM.CREATE.KEPT answer {}\r\n{request}\r\n",
        request.len()
    ));
    assert!(client.line().starts_with("MSG answer 1"));
    assert!(client.line().contains("\"did_create\":true"));

    server.restart().unwrap();
    let mut client = Client::connect(server.port());
    assert_eq!(client.greet(""), "PONG\r\n");
    client.send("SUB answer 1\r\nPUB $JS.API.STREAM.NAMES answer 0\r\n\r\n");
    assert!(client.line().starts_with("MSG answer 1"));
    assert!(client.line().contains("\"streams\":[\"KEPT\"]"));
}

#[test]
fn a_server_shielded_from_ctrl_c_has_a_process_group_of_its_own() {
    let group = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').nth(2).unwrap().parse::<u32>().unwrap()
    };
    let shielded = NatsServer::builder().shield_from_ctrl_c().start().unwrap();
    assert_eq!(group(shielded.pid()), shielded.pid());
    let plain = NatsServer::start().unwrap();
    assert_eq!(group(plain.pid()), group(std::process::id()));
}

#[test]
fn a_server_that_never_serves_is_given_up_and_killed() {
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/silent-server");
    let error = NatsServer::builder()
        .binary(binary)
        .start_timeout(Duration::from_millis(500))
        .start()
        .unwrap_err();
    assert!(matches!(error, StartError::TimedOut { .. }), "{error:?}");
}

#[test]
fn a_binary_that_is_no_server_is_an_error() {
    let missing = NatsServer::builder().binary("/nonexistent/nats-server").start().unwrap_err();
    assert!(matches!(missing, StartError::Spawn { .. }), "{missing:?}");
    assert!(missing.to_string().contains("/nonexistent/nats-server"));
    let other = NatsServer::builder().binary("true").start().unwrap_err();
    assert!(matches!(other, StartError::Exited { .. }), "{other:?}");
    assert!(other.to_string().contains("(nothing was logged)"), "{other}");
}
