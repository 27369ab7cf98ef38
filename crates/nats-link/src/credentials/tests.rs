//! Credentials files and seeds.

use super::*;

fn file(seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\r\neyJ0.eyJq.c2ln\r\n------END NATS USER JWT------\r\n\n\
         ************************* IMPORTANT *************************\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[tokio::test]
async fn a_credentials_file_has_a_jwt_and_a_seed() {
    let pair = KeyPair::new_user();
    let credentials = Credentials::creds(&file(&pair.seed().unwrap())).unwrap();
    let login = credentials.login(Some("nonce")).await.unwrap();
    assert_eq!(login.jwt.as_deref(), Some("eyJ0.eyJq.c2ln"));
    let signature = BASE64_URL_SAFE_NO_PAD.decode(login.sig.unwrap()).unwrap();
    pair.verify(b"nonce", &signature).unwrap();
    assert!(login.user.is_none() && login.pass.is_none() && login.nkey.is_none());
}

#[tokio::test]
async fn an_nkey_is_sent_as_its_public_key() {
    let pair = KeyPair::new_user();
    let credentials = Credentials::nkey(pair.seed().unwrap()).unwrap();
    let login = credentials.login(Some("n")).await.unwrap();
    assert_eq!(login.nkey, Some(pair.public_key()));
    let error = credentials.login(None).await.unwrap_err();
    assert!(matches!(error, CredentialsError::NoNonce));
}

#[tokio::test]
async fn damaged_credentials_are_named() {
    let account = KeyPair::new_account().seed().unwrap();
    let is_not_user = |error| matches!(error, CredentialsError::NotUser { .. });
    assert!(is_not_user(Credentials::nkey(account.clone()).unwrap_err()));
    assert!(is_not_user(Credentials::creds(&file(&account)).unwrap_err()));
    for bad in ["", "SUA", "SU\u{fffd}", &"S".repeat(58)] {
        assert!(matches!(Credentials::nkey(bad).unwrap_err(), CredentialsError::Seed(_)));
    }
    let error = Credentials::creds("-----BEGIN NATS USER JWT-----\n").unwrap_err();
    assert!(matches!(error, CredentialsError::Incomplete { missing: "USER JWT" }));
    let error = Credentials::creds_file("/nowhere").login(Some("n")).await.unwrap_err();
    assert!(matches!(error, CredentialsError::File { .. }));
}
