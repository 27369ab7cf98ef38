use clap::CommandFactory;

use super::*;

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_path_alone_is_played() {
    let parse = |args: &[&str]| {
        Cli::try_parse_from(with_default_command(args.iter().map(OsString::from)))
            .map(|cli| cli.command)
    };
    let played = |args: &[&str]| matches!(parse(args), Ok(Command::Play(play)) if play.capture.ends_with("a.dat"));
    assert!(played(&["swp-replay", "a.dat"]));
    assert!(played(&["swp-replay", "--quiet", "a.dat"]));
    assert!(played(&["swp-replay", "play", "a.dat", "--min-consumers", "2"]));
    assert!(matches!(parse(&["swp-replay", "info", "a.dat"]), Ok(Command::Info(_))));
    assert!(parse(&["swp-replay"]).is_err());
    assert!(parse(&["swp-replay", "a.dat", "--min-consumers", "0"]).is_err());
}

#[test]
fn recv_needs_one_sink() {
    let parses =
        |args: &[&str]| Cli::try_parse_from([&["swp-replay", "recv", "s"], args].concat()).is_ok();
    assert!(parses(&["--discard"]));
    assert!(parses(&["-o", "x"]));
    assert!(parses(&["--republish", "--prefix", "again"]));
    assert!(!parses(&[]));
    assert!(!parses(&["--discard", "-o", "x"]));
    assert!(!parses(&["--discard", "--prefix", "again"]));
}
