//! Each way to log in, and the error when the credentials are not valid.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod support;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use nats_child::NatsServer;
use nats_link::{CloseReason, ConnectError, ConnectOptions, Connection, Credentials, Event};
use nkeys::KeyPair;
use serde_json::{Value, json};
use support::*;

/// The server's URL with something before the host.
fn url_with(server: &NatsServer, login: &str) -> String {
    format!("nats://{login}@127.0.0.1:{}", server.port())
}

fn with(server: &NatsServer, credentials: Credentials) -> Result<ConnectOptions, Failure> {
    let mut options = options(&[server.url()])?;
    options.credentials = Some(credentials);
    Ok(options)
}

async fn accepted(options: ConnectOptions) -> Outcome {
    let connection = within(Connection::connect(options)).await??;
    round_trip(&connection, &connection).await
}

fn is_refused(error: &ConnectError) -> bool {
    error.is_authorization() && matches!(error, ConnectError::Refused { .. })
}

#[tokio::test]
async fn user_and_password() -> Outcome {
    let line = r#"authorization { user: "al@ice", password: "s/e:c" }"#;
    let server = NatsServer::builder().config_line(line).start()?;
    accepted(with(&server, Credentials::user_password("al@ice", "s/e:c"))?).await?;
    accepted(options(&[url_with(&server, "al%40ice:s%2Fe%3Ac")])?).await?;
    // What stands in the URL is meant for this server, and wins.
    let mut both = options(&[url_with(&server, "al%40ice:s%2Fe%3Ac")])?;
    both.credentials = Some(Credentials::token("wrong"));
    accepted(both).await?;
    refused(with(&server, Credentials::user_password("al@ice", "wrong"))?, is_refused).await?;
    refused(options(&[server.url()])?, is_refused).await
}

#[tokio::test]
async fn a_token() -> Outcome {
    let server = NatsServer::builder().config_line("authorization { token: t0k }").start()?;
    accepted(with(&server, Credentials::token("t0k"))?).await?;
    accepted(options(&[url_with(&server, "t0k")])?).await?;
    refused(options(&[url_with(&server, "other")])?, is_refused).await
}

#[tokio::test]
async fn an_nkey() -> Outcome {
    let (known, stranger) = (KeyPair::new_user(), KeyPair::new_user());
    let line = format!("authorization {{ users: [{{ nkey: {} }}] }}", known.public_key());
    let server = NatsServer::builder().config_line(line).start()?;
    accepted(with(&server, Credentials::nkey(known.seed().unwrap())?)?).await?;
    let stranger = with(&server, Credentials::nkey(stranger.seed().unwrap())?)?;
    refused(stranger, is_refused).await?;
    let plain = NatsServer::start()?;
    let needless = with(&plain, Credentials::nkey(known.seed().unwrap())?)?;
    refused(needless, |error| matches!(error, ConnectError::Credentials(_))).await
}

/// Claims as a JWT in the form of NATS, signed by `issuer`.
fn jwt(issuer: &KeyPair, subject: &KeyPair, kind: &str, mut nats: Value) -> String {
    nats["type"] = kind.into();
    nats["version"] = 2.into();
    let claims = json!({
        "jti": "1", "iat": 1_700_000_000, "iss": issuer.public_key(), "name": kind,
        "sub": subject.public_key(), "nats": nats,
    });
    let encode = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed =
        format!("{}.{}", encode(json!({"typ": "JWT", "alg": "ed25519-nkey"})), encode(claims));
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn creds(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[tokio::test]
async fn a_jwt_from_a_credentials_file() -> Outcome {
    let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
    let user = KeyPair::new_user();
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1,
    });
    let operator_jwt = jwt(&operator, &operator, "operator", json!({}));
    let account_jwt = jwt(&operator, &account, "account", json!({ "limits": limits }));
    let user_limits = json!({ "subs": -1, "data": -1, "payload": -1 });
    let user_jwt = jwt(&account, &user, "user", user_limits.clone());
    let server = NatsServer::builder()
        .config_line(format!("operator: {operator_jwt}"))
        .config_line("resolver: MEMORY")
        .config_line(format!("resolver_preload {{ {}: {account_jwt} }}", account.public_key()))
        .start()?;
    let contents = creds(&user_jwt, &user.seed().unwrap());
    accepted(with(&server, Credentials::creds(&contents)?)?).await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("user.creds");
    std::fs::write(&path, contents)?;
    accepted(with(&server, Credentials::creds_file(&path))?).await?;
    // The right JWT with the key of another.
    let other = creds(&user_jwt, &KeyPair::new_user().seed().unwrap());
    refused(with(&server, Credentials::creds(&other)?)?, is_refused).await?;
    let mut expired = user_limits;
    expired["times"] = json!([{ "start": "00:00:00", "end": "00:00:00" }]);
    let foreign = jwt(&KeyPair::new_account(), &user, "user", expired);
    let foreign = creds(&foreign, &user.seed().unwrap());
    refused(with(&server, Credentials::creds(&foreign)?)?, is_refused).await
}

#[tokio::test]
async fn credentials_that_are_no_longer_valid_close_the_connection() -> Outcome {
    let folder = tempfile::tempdir()?;
    let included = folder.path().join("users.conf");
    std::fs::write(&included, "authorization { user: a, password: old }")?;
    // A server looks for included files below the folder of its configuration.
    let name = folder.path().file_name().unwrap().to_string_lossy();
    let include = format!("include \"../{name}/users.conf\"");
    let mut server = NatsServer::builder().config_line(include).start()?;
    let login = Credentials::user_password("a", "old");
    let connection = within(Connection::connect(with(&server, login)?)).await??;
    let mut events = connection.events();
    server.kill()?;
    std::fs::write(&included, "authorization { user: a, password: new }")?;
    server.restart()?;
    let is_refused = |event| match event {
        Event::ConnectFailed { error } => error.is_authorization().then_some(()),
        _ => None,
    };
    event(&mut events, is_refused).await?;
    let reason = within(connection.closed()).await?;
    assert!(matches!(*reason, CloseReason::AuthorizationLost(_)), "{reason:?}");
    Ok(())
}
