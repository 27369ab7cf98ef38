//! Which servers are tried, and when.

use nats_child::NatsServer;
use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;

fn pool(servers: &[&str], change: impl FnOnce(&mut ConnectOptions)) -> Pool {
    let mut options = ConnectOptions::new(servers).unwrap();
    change(&mut options);
    Pool::new(Arc::new(options), fastrand::Rng::with_seed(7))
}

fn names(pool: &mut Pool) -> Vec<String> {
    pool.order().iter().map(ToString::to_string).collect()
}

fn in_order(options: &mut ConnectOptions) {
    options.reconnect.in_order = true;
}

#[test]
fn servers_that_a_server_names_inherit_its_credentials_and_encryption() {
    let mut pool = pool(&["tls://u:p@a.example"], in_order);
    let via = pool.order()[0].clone();
    pool.update(&["10.0.0.1:5".to_owned(), "b:6".to_owned(), "A.example:4222".to_owned()], &via);
    assert_eq!(names(&mut pool), ["tls://a.example:4222", "tls://10.0.0.1:5", "tls://b:6"]);
    let tls_names: Vec<_> = pool.candidates.iter().map(|one| &one.tls_name[..]).collect();
    assert_eq!(tls_names, ["a.example", "a.example", "b"]);
    assert!(pool.candidates.iter().all(|one| one.url.credentials == via.credentials));
}

#[test]
fn a_host_named_in_plain_text_must_prove_to_be_of_the_same_cluster() {
    let mut pool = pool(&["tls://a.example"], in_order);
    let via = pool.order()[0].clone();
    let named = ["b.example:1".to_owned()];
    pool.discover(&named, &via, "a.example", true);
    assert_eq!(pool.candidates[1].tls_name, "a.example");
    // The same name in an encrypted INFO is beyond doubt.
    pool.update(&named, &via);
    assert_eq!(pool.candidates[1].tls_name, "b.example");
    pool.discover(&named, &via, "a.example", true);
    assert_eq!(pool.candidates[1].tls_name, "b.example");
}

#[test]
fn discovered_servers_that_are_gone_are_forgotten() {
    let mut pool = pool(&["a", "b"], in_order);
    let via = pool.order()[0].clone();
    pool.update(&["c:1".to_owned(), "ws://d:1".to_owned(), "".to_owned()], &via);
    assert_eq!(names(&mut pool).len(), 3);
    pool.update(&[], &via);
    assert_eq!(names(&mut pool).len(), 3);
    pool.update(&["e:1".to_owned()], &via);
    assert_eq!(names(&mut pool)[2], "nats://e:1");
    let many: Vec<String> = (1..1_000).map(|port| format!("h:{port}")).collect();
    pool.update(&many, &via);
    assert!(pool.candidates.len() <= DISCOVERED_MAX + 2);
}

#[test]
fn a_lame_server_is_the_last_to_be_tried() {
    let mut pool = pool(&["a", "b", "c"], |_| {});
    let lame: ServerUrl = "b".parse().unwrap();
    assert!(pool.mark_lame(&lame));
    for _ in 0..20 {
        assert_eq!(names(&mut pool)[2], "nats://b:4222");
    }
    pool.mark_lame(&"a".parse().unwrap());
    assert!(!pool.mark_lame(&"c".parse().unwrap()));
}

#[test]
fn waits_grow_up_to_their_limit() {
    let mut pool = pool(&["a"], |_| {});
    let (min, max) = (pool.options.reconnect.delay_min, pool.options.reconnect.delay_max);
    assert!(pool.delay(0) <= min);
    for round in 1..100 {
        let expected = min.saturating_mul(1 << round.min(20)).min(max);
        let delay = pool.delay(round);
        assert!(expected / 2 <= delay && delay <= expected, "{round}: {delay:?}");
    }
}

#[tokio::test]
async fn after_an_encrypted_connection_no_other_is_plain() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name).display().to_string();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(path("cert"), cert.pem()).unwrap();
    std::fs::write(path("key"), signing_key.serialize_pem()).unwrap();
    let line = format!("tls {{ cert_file: {:?}, key_file: {:?} }}", path("cert"), path("key"));
    let encrypted = NatsServer::builder().config_line(line).start().unwrap();
    let plain = NatsServer::start().unwrap();
    let mut pool = pool(&[encrypted.url(), plain.url()], |options| {
        options.tls.ca_files.push(path("cert").into());
    });
    // As with an authority that the system trusts.
    pool.demand_tls = false;
    let (encrypted, plain) = (encrypted.url().parse().unwrap(), plain.url().parse().unwrap());
    assert!(!pool.connect(&plain).await.unwrap().encrypted);
    assert!(pool.connect(&encrypted).await.unwrap().encrypted);
    let error = pool.connect(&plain).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoTls { .. }), "{error:?}");
}
