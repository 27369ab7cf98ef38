use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::find_in;
use crate::FindError;

fn put(path: &Path, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn os(path: &Path) -> Option<OsString> {
    Some(path.as_os_str().to_owned())
}

#[test]
fn the_variable_comes_before_the_path() {
    let dir = TempDir::new().unwrap();
    let named = dir.path().join("mine/server");
    let in_path = dir.path().join("bin/nats-server");
    put(&named, 0o755);
    put(&in_path, 0o755);
    let bin = os(&dir.path().join("bin"));

    assert_eq!(find_in(os(&named), bin.clone(), dir.path()).unwrap(), named);
    assert_eq!(find_in(Some("mine/server".into()), bin.clone(), dir.path()).unwrap(), named);
    assert_eq!(find_in(Some("nats-server".into()), bin.clone(), dir.path()).unwrap(), in_path);
    assert_eq!(find_in(Some("".into()), bin.clone(), dir.path()).unwrap(), in_path);
    assert_eq!(find_in(None, bin, dir.path()).unwrap(), in_path);
}

#[test]
fn a_wrong_variable_is_an_error_and_not_passed_over() {
    let dir = TempDir::new().unwrap();
    let plain = dir.path().join("plain");
    put(&plain, 0o644);
    put(&dir.path().join("bin/nats-server"), 0o755);
    for wrong in [plain.as_path(), dir.path(), Path::new("/nonexistent/nats-server")] {
        let error = find_in(os(wrong), os(&dir.path().join("bin")), dir.path()).unwrap_err();
        assert!(matches!(&error, FindError::NotExecutable { path } if path == wrong), "{error}");
    }
}

#[test]
fn a_file_without_the_executable_bit_is_passed_over_in_the_path() {
    let dir = TempDir::new().unwrap();
    put(&dir.path().join("first/nats-server"), 0o644);
    put(&dir.path().join("second/nats-server"), 0o755);
    let path = std::env::join_paths([dir.path().join("first"), dir.path().join("second")]).unwrap();
    let found = find_in(None, Some(path), dir.path()).unwrap();
    assert_eq!(found, dir.path().join("second/nats-server"));
}

#[test]
fn the_cache_is_found_from_a_folder_below_and_the_newest_wins() {
    let dir = TempDir::new().unwrap();
    let below = dir.path().join("crates/one/src");
    fs::create_dir_all(&below).unwrap();
    let cache = dir.path().join(".cache/nats-server");
    for version in ["2.9.10", "2.14.0", "2.14.1-without-binary", ".installing.x"] {
        put(&cache.join(version).join("nats-server"), 0o755);
    }
    fs::create_dir_all(cache.join("3.0.0")).unwrap();
    let found = find_in(None, None, &below).unwrap();
    assert_eq!(found, cache.join("2.14.0/nats-server"));
}

#[test]
fn nothing_to_be_found_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let error = find_in(None, os(dir.path()), dir.path()).unwrap_err();
    assert!(matches!(error, FindError::NotFound));
    let text = error.to_string();
    assert!(text.contains("install nats-server") && text.contains("NATS_SERVER"), "{text}");
}
